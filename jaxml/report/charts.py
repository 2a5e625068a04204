"""From the numbers of a figure to Vega-Lite: one small chart per panel, all on the same axes.

The specs are plain dictionaries with fixed field names; whatever comes from a config enters as data or as a title.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxml.errors import ConfigError
from jaxml.report.series import Series, read_series
from jaxml.report.words import interval, number, phrase
from jaxml.run_directory import RunDirectory

Spec = dict[str, Any]

# Distinct to colour-blind readers, and at least 3 : 1 against both the light and the dark page.
COLOURS = ("#2a7fc4", "#c8741f", "#2a9d78", "#b3589b", "#7a8794", "#a08a1c")
RAMP = ((90, 79, 207), (28, 143, 181), (58, 163, 91), (196, 152, 32), (212, 96, 42))
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
GLYPHS = "●■▲◆✚▼"
DASHES = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [4, 4], [1, 4])
APART = 0.6
"""How many steps (of the spacing of x, at least a third of a decade) a 0 stands left of a logarithmic axis."""


def save_figure(run_directory: Path | str, index: int, path: Path | str, *, scale: float = 2.0) -> Path:
    """Draw one figure of a run into a PNG or SVG file, without a browser.

    Args:
        run_directory: the run.
        index: which figure, 0 for the first.
        path: where to; its suffix, .png or .svg, says what.
        scale: pixels per unit of a PNG.

    Raises:
        ConfigError: when the run has no such figure, or the suffix is another.
    """
    import vl_convert

    directory, path = RunDirectory.open(run_directory), Path(path)
    figures, splits = directory.read_json("figures.json"), directory.read_json("spec.json")["spec"]["dependent_splits"]
    if not 0 <= index < len(figures):
        raise ConfigError(f"index: must be from 0 to {len(figures) - 1} for this run, got {index}.")
    series = read_series(directory.results(), figures[index], splits)
    spec = {
        "title": {"text": series.figure["title"], "anchor": "start"},
        "hconcat": [
            {**panel, "width": 250, "height": 210, "title": name}
            for name, panel in zip(series.panels, panels(series), strict=True)
        ],
        "config": {"background": "#ffffff", "font": "sans-serif", "view": {"stroke": None}},
    }
    for panel in spec["hconcat"]:
        panel.pop("autosize")
    _add_legend(spec["hconcat"][-1], series)
    if path.suffix == ".svg":
        path.write_text(vl_convert.vegalite_to_svg(spec), encoding="utf-8")
    elif path.suffix == ".png":
        path.write_bytes(vl_convert.vegalite_to_png(spec, scale=scale))
    else:
        raise ConfigError(f"{path}: a figure is saved as .png or .svg.")
    return path


def line_colours(lines: Sequence[str]) -> list[str]:
    """One colour per line: distinct ones for a few, a ramp for many."""
    if len(lines) <= len(COLOURS):
        return list(COLOURS[: len(lines)])
    colours = []
    for i in range(len(lines)):
        at = i / (len(lines) - 1) * (len(RAMP) - 1)
        k = min(int(at), len(RAMP) - 2)
        mixed = [round(a + (b - a) * (at - k)) for a, b in zip(RAMP[k], RAMP[k + 1], strict=True)]
        colours.append("#{:02x}{:02x}{:02x}".format(*mixed))
    return colours


def line_dashes(lines: Sequence[str]) -> list[list[int]]:
    """One dash pattern per line, so that colour is never alone."""
    return [DASHES[i % len(DASHES)] if len(lines) <= len(DASHES) else DASHES[0] for i in range(len(lines))]


def line_shapes(lines: Sequence[str]) -> list[str]:
    """One shape per line, for points that no line joins."""
    return [SHAPES[i % len(SHAPES)] for i in range(len(lines))]


def legend(series: Series) -> list[tuple[str, str, str, str]]:
    """One entry per line: its name, colour, dash pattern (empty for a solid line) and, where x is no number, glyph."""
    if not series.figure.get("lines"):
        return []
    dashes = (" ".join(map(str, dash)) if dash[1] else "" for dash in line_dashes(series.lines))
    glyphs = ("" if series.numeric else GLYPHS[i % len(GLYPHS)] for i in range(len(series.lines)))
    return list(zip(series.lines, line_colours(series.lines), dashes, glyphs, strict=True))


def panels(series: Series) -> list[Spec]:
    """The Vega-Lite specs of a figure's panels, with shared axes."""
    rows, x, domain = _placed(series)
    y = _y_axis(series, rows)
    colour = {"field": "line", "type": "nominal", "legend": None, "scale": _scale(series.lines, line_colours)}
    dash = {"field": "line", "type": "nominal", "legend": None, "scale": _scale(series.lines, line_dashes)}
    shared: Spec = {"x": x, "color": colour, "detail": {"field": "line"}}
    ends = {"y": {"field": "low", **y}, "y2": {"field": "high"}}
    tooltip = [{"field": name, "type": "nominal", "title": title} for name, title in _tooltip(series)]
    joined = [{"filter": "datum.joined"}]
    layers: list[Spec] = []
    if series.numeric:
        area: Spec = {"mark": {"type": "area", "opacity": 0.2}, "encoding": {**shared, **ends}, "transform": joined}
        line = {"mark": {"type": "line", "strokeWidth": 1.8}, "transform": joined}
        line["encoding"] = {**shared, "y": {"field": "mean", **y}, "strokeDash": dash}
        layers += [area, line]
    bars = [{"filter": "!datum.joined"}]
    layers.append({"mark": {"type": "rule", "strokeWidth": 1.8}, "encoding": {**shared, **ends}, "transform": bars})
    dots: Spec = {"mark": {"type": "point", "filled": True, "opacity": 1, "size": 14 if domain else 30}}
    dots["encoding"] = {**shared, "y": {"field": "mean", **y}}
    reach: Spec = {"mark": {"type": "point", "filled": True, "opacity": 0, "size": 220}}  # easy to point at
    reach["encoding"] = {**dots["encoding"], "tooltip": tooltip}
    layers += [dots, reach]
    if not series.numeric and len(series.lines) > 1:
        shape = {"field": "line", "type": "nominal", "legend": None, "scale": _scale(series.lines, line_shapes)}
        dots["encoding"] |= {"shape": shape}
        dots["mark"] |= {"size": 70}
        offset = {"field": "line", "type": "nominal", "scale": {"domain": series.lines}}
        for layer in layers:
            layer["encoding"] = {**layer["encoding"], "xOffset": offset}
    return [
        {
            "description": _description(series, panel),
            "width": "container",
            "height": 230,
            "autosize": {"type": "fit", "contains": "padding"},
            "data": {
                "values": [{k: v for k, v in row.items() if k != "panel"} for row in rows if row["panel"] == panel]
            },
            "layer": layers,
        }
        for panel in series.panels
    ]


def _scale(lines: Sequence[str], of: Any) -> Spec:
    return {"domain": list(lines), "range": of(lines)}


def _placed(series: Series) -> tuple[list[dict[str, Any]], Spec, list[float]]:
    """The rows as Vega sees them, and the bottom axis; a 0 on a logarithmic axis is moved apart to the left."""
    title = phrase(series.figure["x"])
    rows = [
        {
            "panel": row["panel"],
            "line": row["line"],
            "x": row["x"] if series.numeric else number(row["x"]),
            "mean": _rounded(row["mean"]),
            "low": _rounded(row["low"] if math.isfinite(row["low"]) else row["mean"]),
            "high": _rounded(row["high"] if math.isfinite(row["high"]) else row["mean"]),
            "joined": series.numeric,
            "at": number(row["x"]),
            "value": number(row["mean"]),
            "interval": interval(row["low"], row["high"]),
            "seeds": str(row["seeds"]),
        }
        for row in series.rows
    ]
    if not series.numeric or not rows:
        labels = list(dict.fromkeys(row["x"] for row in rows))
        return rows, {"field": "x", "type": "ordinal", "title": title, "sort": labels, "axis": {"labelAngle": 0}}, []
    values = sorted({float(row["x"]) for row in rows})
    positive = [value for value in values if value > 0]
    if not series.figure.get("log_x") or not positive:
        scale: Spec = {"domain": _widened(values[0], values[-1]), "nice": False, "zero": False}
        return rows, {"field": "x", "type": "quantitative", "title": title, "scale": scale}, values
    low, high = positive[0], positive[-1]
    x: Spec = {"field": "x", "type": "quantitative", "title": title}
    x["scale"] = {"type": "log", "domain": [low, high] if low < high else [low / 2, low * 2], "nice": False}
    x["axis"] = {"format": "~g", "labelOverlap": True}
    if positive != values:
        gap = max((high / low) ** 0.1, 10 ** (1 / 3)) ** (1 + APART) if high > low else 4.0
        apart = low / gap
        x["scale"]["domain"][0] = apart / gap**0.25
        for row in rows:
            if row["x"] == 0:
                row["x"], row["joined"] = apart, False
        x["axis"]["values"] = [apart, *decades(low, high)]
        x["axis"]["labelExpr"] = f"datum.value < {low / gap**0.5!r} ? '0' : datum.label"
    return rows, x, values


def _rounded(value: float) -> float:
    """Six significant digits: more than a picture shows, and a third of the bytes."""
    return float(f"{value:.6g}")


def _y_axis(series: Series, rows: Sequence[Mapping[str, Any]]) -> Spec:
    """The left axis, common to all panels."""
    axis: Spec = {"type": "quantitative", "title": phrase(series.figure["y"])}
    if not rows:
        return axis
    low, high = min(row["low"] for row in rows), max(row["high"] for row in rows)
    if series.figure.get("log_y"):
        axis["scale"] = {"type": "log", "domain": _stretched(low, high), "nice": False}
        axis["axis"] = {"format": "~g", "values": decades(*_stretched(low, high))}
    else:
        axis["scale"] = {"domain": _widened(low, high), "nice": True, "zero": False}
        axis["axis"] = {"tickCount": 5}
    return axis


def _stretched(low: float, high: float) -> list[float]:
    """The ends of a logarithmic axis, with a little room."""
    room = (high / low) ** 0.04 if high > low else 2.0
    return [low / room, high * room]


def decades(low: float, high: float) -> list[float]:
    """Values to mark on a logarithmic axis: powers of ten, thinned to seven at most, or 1, 2, 5 for a short axis.

    >>> decades(0.03, 40), decades(0.2, 3)
    ([0.1, 1.0, 10.0], [0.2, 0.5, 1.0, 2.0])
    """
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 2:
        return [10.0**k for k in range(first, last + 1, -(-(last - first + 1) // 7))]
    fine = [m * 10.0**k for k in range(first - 1, last + 1) for m in (1, 2, 5)]
    return [float(f"{v:.6g}") for v in fine if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]


def _widened(low: float, high: float) -> list[float]:
    pad = 0.02 * (high - low) or abs(low) * 0.1 or 1.0
    return [low - pad if low < 0 or low - pad > 0 or low == high else low, high + pad]


def _tooltip(series: Series) -> list[tuple[str, str]]:
    figure = series.figure
    line = [("line", phrase(figure["lines"]))] if figure.get("lines") else []
    return [*line, ("at", phrase(figure["x"])), ("value", "mean"), ("interval", "95 % interval"), ("seeds", "seeds")]


def _description(series: Series, panel: str) -> str:
    where = f", {panel}" if panel else ""
    return f"{series.figure['title']}{where}: {phrase(series.figure['y'])} against {phrase(series.figure['x'])}"


def _add_legend(panel: Spec, series: Series) -> None:
    """A legend on the last panel of a saved picture; on a page it is part of the text."""
    if series.figure.get("lines"):
        for layer in panel["layer"]:
            for channel in ("color", "strokeDash"):
                if channel in layer["encoding"]:
                    legend = {"title": phrase(series.figure["lines"]), "symbolType": "stroke", "symbolOpacity": 1}
                    layer["encoding"][channel] = {**layer["encoding"][channel], "legend": legend}
