"""Charts of a claim's cells: along one numeric axis as effects against the margin, along two as a map of verdicts."""

import itertools
import json
import math
from collections.abc import Sequence
from typing import Any

from jaxml.claims.finding import CellResult
from jaxml.claims.told import Told
from jaxml.claims.words import MARKS, WORDS, number, numeric, phrase, place, varying
from jaxml.report.axes import DIGITS, ticks

Spec = dict[str, Any]
COLOURS = {"supported": "#2a7fc4", "refuted": "#c4622d", "inconclusive": "#84847c", "invalid": "#9a5aa8"}
EFFECTS = {"log_ratio": "log ratio", "logit": "log odds ratio", "points": "percentage points"}
LONG = 8
"""From so many cells along one numeric axis a line reads better than a list."""
MOST_MAPS, FEW_TICKS = 12, 16


def cell_charts(told: Told, *, exploratory: bool) -> list[tuple[str, Spec]]:
    """What to draw of a claim's cells besides their list: (caption, Vega-Lite spec), none for a few cells.

    Args:
        told: the claim in words.
        exploratory: nothing was decided, so effects are shown and verdicts are not.
    """
    axes = varying(told.finding.cells)
    if len(axes) < 2:
        values = [cell.at[axes[0]] for cell in told.finding.cells] if axes else []
        return [("", _profile(told, axes[0], exploratory))] if len(values) >= LONG and numeric(values) else []
    size = {name: len({json.dumps(cell.at[name]) for cell in told.finding.cells}) for name in axes}
    long = sorted(
        axes, key=lambda name: (-numeric([c.at[name] for c in told.finding.cells]), -size[name], axes.index(name))
    )[:2]
    x, y = sorted(long, key=axes.index, reverse=True)
    others = [name for name in axes if name not in (x, y)]
    groups: dict[str, list[CellResult]] = {}
    for cell in told.finding.cells:
        groups.setdefault(place({name: cell.at[name] for name in others}), []).append(cell)
    return [
        (where, _verdict_map(told, cells, x, y, exploratory))
        for where, cells in itertools.islice(groups.items(), MOST_MAPS)
    ]


def _row(told: Told, cell: CellResult, exploratory: bool) -> dict[str, Any]:
    decision, unit = cell.decision, told.effect_unit
    word = "exploratory" if exploratory else decision.verdict
    return {
        "cell": place(cell.at),
        "word": WORDS[word],
        "mark": MARKS[word],
        "effect": unit.shown(decision.estimate),
        "interval": unit.interval(decision.low, decision.high),
        "seeds": str(decision.seeds),
    }


def _tooltip(exploratory: bool) -> list[Spec]:
    names = {"cell": "cell", "word": "verdict", "effect": "effect", "interval": "interval", "seeds": "seeds"}
    return [{"field": k, "type": "nominal", "title": v} for k, v in names.items() if k != "word" or not exploratory]


def _colour(exploratory: bool) -> Spec:
    if exploratory:
        return {"value": "#84847c"}
    words = [WORDS[name] for name in COLOURS]
    return {
        "field": "word",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": words, "range": [*COLOURS.values()]},
    }


def _profile(told: Told, axis: str, exploratory: bool) -> Spec:
    """Effect and interval along one axis, against the margin and zero."""
    rows = []
    for cell in told.finding.cells:
        decision = cell.decision
        if decision.estimate is not None:
            ends = {"low": decision.low, "high": decision.high, "mean": decision.estimate}
            rows.append({"x": cell.at[axis], **ends, **_row(told, cell, exploratory)})
    values = sorted(float(row["x"]) for row in rows)
    ends = [float(row[name]) for row in rows for name in ("low", "high", "mean") if row[name] is not None] or [0.0]
    spread = len(values) > 2 and values[0] > 0 and values[-1] / values[0] >= 50
    x: Spec = {"field": "x", "type": "quantitative", "title": phrase(axis)}
    x["scale"] = {"type": "log", "nice": False} if spread else {"zero": False, "nice": False, "padding": 12}
    x["axis"] = {"format": DIGITS, "labelOverlap": True} | ({"values": values} if len(values) <= FEW_TICKS else {})
    y: Spec = {
        "type": "quantitative",
        "title": EFFECTS.get(told.effect_unit.scale, "effect"),
        "axis": ticks(min(0.0, *told.levels, *ends), max(0.0, *told.levels, *ends), 5),
        "scale": {"zero": False},
    }
    shape = {"field": "word", "type": "nominal", "legend": None}
    shape["scale"] = {"domain": [WORDS[n] for n in COLOURS], "range": ["circle", "triangle-down", "diamond", "cross"]}
    dot: Spec = {"x": x, "y": {"field": "mean", **y}, "color": _colour(exploratory), "tooltip": _tooltip(exploratory)}
    band: Spec = {"mark": {"type": "rule", "strokeWidth": 2}}
    band["encoding"] = {"x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}, "color": dot["color"]}
    points = {"mark": {"type": "point", "filled": True, "opacity": 1, "size": 90}, "encoding": {**dot, "shape": shape}}
    name: Spec = {"data": {"values": [{}]}, "mark": {"type": "text", "align": "left", "dx": 5}}
    text = {"value": f"margin {told.margin}"}
    name["encoding"] = {"y": {"datum": told.levels[-1]}, "x": {"value": "width"}, "text": text}
    return {
        "description": f"Effect and interval along {phrase(axis)}: {told.finding.statement}",
        "width": "container",
        "height": 240,
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"values": rows},
        "layer": [_level(0.0, [2, 3]), *(_level(level, [1, 0]) for level in told.levels), name, band, points],
    }


def _level(value: float, dash: list[int]) -> Spec:
    """A line at one height."""
    return {
        "data": {"values": [{}]},
        "mark": {"type": "rule", "strokeDash": dash},
        "encoding": {"y": {"datum": value}},
    }


def _verdict_map(told: Told, cells: Sequence[CellResult], x: str, y: str, exploratory: bool) -> Spec:
    """Cells coloured and marked by verdict, with a line where supported cells end.

    Positions are indices, so that any values of an axis have room; the labels tell the values.
    """
    across, up = (_values(told.finding.cells, name) for name in (x, y))
    rows, found = [], {}
    for cell in cells:
        i, j = across.index(cell.at[x]), up.index(cell.at[y])
        found[i, j] = cell.decision.verdict == "supported"
        ends = {"x": i - 0.5, "x2": i + 0.5, "y": j - 0.5, "y2": j + 0.5, "i": i, "j": j}
        rows.append({**ends, "theta": cell.decision.estimate, **_row(told, cell, exploratory)})
    base = {"x": _index_axis("x", x, across), "y": _index_axis("y", y, up)}
    colour: Spec = _colour(exploratory)
    if exploratory:
        most = max((abs(row["theta"]) for row in rows if row["theta"] is not None), default=1.0) or 1.0
        ends = [COLOURS["refuted"], "#d9d6cd", COLOURS["supported"]]
        scale = {"domain": [-most, 0, most], "range": ends, "interpolate": "rgb"}
        legend = {"title": "effect", "orient": "top"}
        colour = {"field": "theta", "type": "quantitative", "legend": legend, "scale": scale}
    tiles: Spec = {"mark": {"type": "rect", "style": "tile"}, "encoding": {**base, "color": colour}}
    tiles["encoding"] |= {"x2": {"field": "x2"}, "y2": {"field": "y2"}, "tooltip": _tooltip(exploratory)}
    marks: Spec = {"mark": {"type": "text", "color": "#ffffff", "fontWeight": "bold", "tooltip": None}}
    marks["encoding"] = {
        "x": {**base["x"], "field": "i"},
        "y": {**base["y"], "field": "j"},
        "text": {"field": "mark"},
    }
    layers = [tiles] if exploratory else [tiles, marks, _border(found, base)]
    return {
        "description": f"Verdicts over {phrase(x)} and {phrase(y)}: {told.finding.statement}",
        "width": "container",
        "height": max(120, min(26 * len(up), 420)) + 40,
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"values": rows},
        "layer": layers,
    }


def _border(found: dict[tuple[int, int], bool], base: Spec) -> Spec:
    """The edges between supported cells and their neighbours."""
    edges = []
    for i, j in found:
        if (i + 1, j) in found and found[i, j] != found[i + 1, j]:
            edges.append({"x": i + 0.5, "x2": i + 0.5, "y": j - 0.5, "y2": j + 0.5})
        if (i, j + 1) in found and found[i, j] != found[i, j + 1]:
            edges.append({"x": i - 0.5, "x2": i + 0.5, "y": j + 0.5, "y2": j + 0.5})
    rule: Spec = {"data": {"values": edges}, "mark": {"type": "rule", "strokeWidth": 2.5, "strokeCap": "round"}}
    rule["encoding"] = {**base, "x2": {"field": "x2"}, "y2": {"field": "y2"}}
    return rule


def _values(cells: Sequence[CellResult], name: str) -> list[Any]:
    values: list[Any] = []
    for cell in cells:
        if cell.at[name] not in values:
            values.append(cell.at[name])
    return values


def _index_axis(channel: str, name: str, values: Sequence[Any]) -> Spec:
    """An axis over positions 0, 1, 2, ... that shows the values; labels are JSON literals inside the expression."""
    step = math.ceil(len(values) / 10)
    labels = json.dumps([number(value) for value in values])
    axis = {"values": list(range(0, len(values), step)), "labelExpr": f"{labels}[datum.value]", "grid": False}
    axis |= {"labelOverlap": "greedy", "labelSeparation": 4}
    scale = {"domain": [-0.5, len(values) - 0.5], "nice": False, "zero": False}
    if channel == "y" and not numeric(values):
        scale["reverse"] = True  # names are read from the top, numbers rise
    return {"field": channel, "type": "quantitative", "title": phrase(name), "axis": axis, "scale": scale}
