"""A claim's map on the page: the region, its boundary with uncertainty, theory's line, and all of it in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from jaxml.claims.answers import against_words
from jaxml.claims.mapped import MapAxis, Mapped, Polyline
from jaxml.claims.told import Told
from jaxml.claims.words import MARKS, WORDS, number, phrase, place, sentence
from jaxml.report.axes import DIGITS, decades, ticks
from jaxml.report.maps import COLOURS, Spec

THEORY = "#b3589b"
MOST_ROWS, FEWEST_CELLS, NAMED = 9, 12, 0.3
"""Of the table; of a region that is marked; and the share of the width that a name needs on a narrow screen."""
PALE, FULL = 0.24, 0.36
"""Opacity of what lies between computed cells, and what is laid over it where a cell was computed."""


@dataclass(frozen=True)
class Panel:
    """One plane.

    Attributes:
        where: the setting it holds for; empty when there is only one.
        spec: the chart.
        words: what the map says, in a sentence or two.
        heads: of the table.
        rows: for some values of the axis up: where the claim holds, its boundary, theory's.
        cost: what was computed.
        theory: whether theory has a line here.
        unresolved: how far apart disagreeing cells still lie, in words; empty when they are neighbours.
        against: which cells of the claim the map contradicts, in words; empty when none.
    """

    where: str
    spec: Spec
    words: str
    heads: list[str]
    rows: list[list[str]]
    cost: str
    theory: bool
    unresolved: str
    against: str


def map_panels(told: Told, maps: Sequence[Mapped], *, decided: bool = True) -> list[Panel]:
    """Every map of a claim; where nothing was decided, none of them can disagree with it."""
    mine = [each for each in maps if each.claim == told.finding.id]
    return [_panel(told, each, decided) for each in mine]


def _panel(told: Told, held: Mapped, decided: bool) -> Panel:
    heads = [sentence(phrase(held.y.name)), f"Holds at {phrase(held.x.name)}", "Boundary (interval)"]
    gap = (
        f"Disagreeing cells still lie up to {held.gap} apart: a finer boundary would cost too much."
        if held.gap > 1
        else ""
    )
    return Panel(
        where=place(held.at),
        spec=_spec(told, held),
        words=_words(held),
        heads=[*heads, "Theory"] if held.theory is not None else heads,
        rows=[_row(held, j) for j in _some(len(held.y.values))],
        cost=f"{held.tally} ({held.seeds} seeds each).",
        theory=held.theory is not None,
        unresolved=gap,
        against=against_words(told.finding, held) if decided else "",
    )


def _some(count: int) -> list[int]:
    """Places of some rows, the last first."""
    few = min(count, MOST_ROWS)
    return sorted({round(k * (count - 1) / max(few - 1, 1)) for k in range(few)}, reverse=True)


def _row(held: Mapped, j: int) -> list[str]:
    y = held.y.values[j]
    ends = [span for verdict, span in _runs(held, j) if verdict == "supported"]
    cells = [number(y), "; ".join(ends) or _nowhere(held, j), _boundary(held, j) or "–"]
    return cells if held.theory is None else [*cells, ", ".join(map(number, crossings(held.theory, y))) or "–"]


def _runs(held: Mapped, j: int) -> list[tuple[str, str]]:
    """The verdicts along one row and the values of x that have them."""
    row = sorted((tile for tile in held.tiles if tile.row == j), key=lambda tile: tile.first)
    x = held.x.values
    return [
        (t.verdict, number(x[t.first]) if t.first == t.last else f"{number(x[t.first])} to {number(x[t.last])}")
        for t in row
    ]


def _nowhere(held: Mapped, j: int) -> str:
    """What is said of a row that is supported nowhere: where it is not known throughout, it may be between."""
    known = all((i, j) in held.known for i in range(len(held.x.values)))
    return "nowhere" if known else "nowhere that is known"


def _boundary(held: Mapped, j: int) -> str:
    """Where the boundary crosses a row, with an interval where all three lines cross it as often.

    Lines run straight between computed cells. Neither they nor the ends of an interval are known better than to the
    computed columns on both sides, so that the interval reaches as far.
    """
    middle, sure, unsure = (crossings(lines, held.y.values[j]) for lines in (held.boundary, held.sure, held.unsure))
    if not len(middle) == len(sure) == len(unsure):
        return ", ".join(f"{number(x)} (interval not closed)" for x in middle)
    told = []
    for ends in zip(middle, sure, unsure, strict=True):
        columns = [column for x in ends for column in _columns(held, x, j)]
        told.append(f"{number(ends[0])} ({number(min(columns))} to {number(max(columns))})")
    return ", ".join(told)


def _columns(held: Mapped, x: float, j: int) -> tuple[float, float]:
    """The computed columns on both sides of a place: the nearest in its own row, else those of the widest box there."""
    values = held.x.values
    fine = [[i, i + 1, j, j] for i in range(len(values) - 1)]
    around = [box for box in held.boxes or fine if box[2] <= j <= box[3] and values[box[0]] <= x <= values[box[1]]]
    here = [box for box in around if j in box[2:]]
    widths = {values[i1] - values[i0]: (values[i0], values[i1]) for i0, i1, *_ in here or around}
    return widths[min(widths) if here else max(widths)] if widths else (x, x)


def crossings(lines: Sequence[Polyline], y: float) -> list[float]:
    """Where lines cross a height.

    >>> crossings([[[0.0, 0.0], [1.0, 2.0], [3.0, 0.0]]], 1.0)
    [0.5, 2.0]
    """
    found = []
    for line in lines:
        for (x0, y0), (x1, y1) in pairwise(line):
            if (y0 <= y) != (y1 <= y):
                found.append(x0 + (y - y0) / (y1 - y0) * (x1 - x0))
        if line[0] != line[-1]:  # an end on this height, reached from below, is a crossing that the first test misses
            found += [x for (x, end), (_, before) in ((line[0], line[1]), (line[-1], line[-2])) if before < y == end]
    return sorted(found)


def _words(held: Mapped) -> str:
    if len(held.counts) == 1:
        return f"Every computed cell of this map is {next(iter(held.counts))}."
    x, y = phrase(held.x.name), phrase(held.y.name)
    told = []
    for j in dict.fromkeys((len(held.y.values) - 1, len(held.y.values) // 2, 0)):
        spans = [span for verdict, span in _runs(held, j) if verdict == "supported"]
        where = f"for {x} {' and '.join(spans)}" if spans else _nowhere(held, j)
        told.append(f"at {y} {number(held.y.values[j])} {where}")
    last = len(held.y.values) - 1
    line = _boundary(held, last)
    if line and held.theory is not None and (expected := crossings(held.theory, held.y.values[last])):
        line += f", theory's at {', '.join(map(number, expected))}"
    more = f" At {y} {number(held.y.values[last])} the boundary lies at {x} {line}." if line else ""
    return f"It holds {'; '.join(told)}.{more}"


def _spec(told: Told, held: Mapped) -> Spec:
    unit = told.effect_unit
    x, y = _axis("x", held.x), _axis("y", held.y)
    across, up = _edges(held.x), _edges(held.y)
    tiles = [
        {"x": across[first], "x2": across[last + 1], "y": up[low], "y2": up[high + 1], "word": WORDS[verdict]}
        for verdict, first, last, low, high in _blocks(held)
    ]
    cells = [
        {
            "x": held.x.values[cell.i],
            "y": held.y.values[cell.j],
            "cell": place({held.x.name: held.x.values[cell.i], held.y.name: held.y.values[cell.j]}),
            "word": WORDS[cell.verdict],
            "effect": unit.shown(cell.estimate),
            "interval": "–" if cell.low is None else unit.interval(cell.low, cell.high),
        }
        for cell in held.cells
    ]
    colour: Spec = {"field": "word", "type": "nominal", "legend": None}
    colour["scale"] = {"domain": [WORDS[name] for name in COLOURS], "range": [*COLOURS.values()]}
    ends: Spec = {"x": x, "y": y, "x2": {"field": "x2"}, "y2": {"field": "y2"}, "color": colour}
    # Pale between computed cells that agree, full where a cell was computed, blank where nothing is known.
    pale: Spec = {"data": {"values": tiles}, "mark": {"type": "rect", "opacity": PALE, "clip": True}, "encoding": ends}
    own: list[Spec] = [
        {
            "x": across[cell.i],
            "x2": across[cell.i + 1],
            "y": up[cell.j],
            "y2": up[cell.j + 1],
            "word": WORDS[held.known.get((cell.i, cell.j), cell.verdict)],
        }
        for cell in held.cells
    ]
    full: Spec = {"data": {"values": own}, "mark": {"type": "rect", "opacity": FULL, "clip": True}, "encoding": ends}
    dots: Spec = {"data": {"values": cells}, "mark": {"type": "circle", "style": "computed", "size": 7}}
    dots["encoding"] = {"x": x, "y": y}
    names = {"cell": "cell", "word": "alone", "effect": "effect", "interval": "interval"}
    tips: list[Spec] = [{"field": k, "type": "nominal", "title": v} for k, v in names.items()]
    reach: Spec = {"data": {"values": cells}, "mark": {"type": "point", "filled": True, "opacity": 0, "size": 160}}
    reach["encoding"] = {"x": x, "y": y, "tooltip": tips}
    lines = [
        _line(held.sure, x, y, {"style": "boundary", "strokeWidth": 1, "strokeDash": [2, 2]}),
        _line(held.unsure, x, y, {"style": "boundary", "strokeWidth": 1, "strokeDash": [2, 2]}),
        _line(held.boundary, x, y, {"style": "boundary", "strokeWidth": 2.5}),
        _line(held.theory or [], x, y, {"stroke": THEORY, "strokeWidth": 2, "strokeDash": [7, 3]}),
    ]
    plane = f"{phrase(held.x.name)} and {phrase(held.y.name)}"
    return {
        "description": f"Map over {plane}: {told.finding.statement} {_words(held)}",
        "width": "container",
        "height": 280,
        "autosize": {"type": "fit", "contains": "padding"},
        "layer": [pale, full, dots, *(line for line in lines if line["data"]["values"]), _names(held, x, y), reach],
    }


def _blocks(held: Mapped) -> list[tuple[str, int, int, int, int]]:
    """Tiles that continue each other from row to row, as one: verdict, first and last i, first and last j."""
    grown: dict[tuple[str, int, int], tuple[int, int]] = {}
    done = []
    for j in range(len(held.y.values)):
        here = {(tile.verdict, tile.first, tile.last) for tile in held.tiles if tile.row == j}
        done += [(*tile, *rows) for tile, rows in grown.items() if tile not in here]
        grown = {tile: (grown[tile][0] if tile in grown else j, j) for tile in sorted(here)}
    return done + [(*tile, *rows) for tile, rows in grown.items()]


def _axis(channel: str, axis: MapAxis) -> Spec:
    edges = _edges(axis)
    scale: Spec = {"domain": [edges[0], edges[-1]], "nice": False, "zero": False}
    scale |= {"type": "log"} if axis.log else {}
    labels: Spec = {"labelOverlap": True, "grid": False}
    labels |= {"format": DIGITS, "values": decades(edges[0], edges[-1])} if axis.log else ticks(edges[0], edges[-1], 6)
    return {"field": channel, "type": "quantitative", "title": phrase(axis.name), "scale": scale, "axis": labels}


def _edges(axis: MapAxis) -> list[float]:
    """The borders of the cells: half-way between neighbours, on the axis as it is drawn."""
    values = [math.log(v) for v in axis.values] if axis.log else axis.values
    middle = [(a + b) / 2 for a, b in pairwise(values)]
    edges = [2 * values[0] - middle[0], *middle, 2 * values[-1] - middle[-1]]
    return [float(f"{math.exp(v) if axis.log else v:.6g}") for v in edges]


def _line(lines: Sequence[Polyline], x: Spec, y: Spec, mark: Spec) -> Spec:
    rows = [{"x": px, "y": py, "k": k, "line": n} for n, line in enumerate(lines) for k, (px, py) in enumerate(line)]
    spec: Spec = {"data": {"values": rows}, "mark": {"type": "line", "clip": True, **mark}}
    spec["encoding"] = {"x": x, "y": y, "order": {"field": "k"}, "detail": {"field": "line"}}
    return spec


def _names(held: Mapped, x: Spec, y: Spec) -> Spec:
    """The verdict's mark in the middle of each region, and its name where there is room: colour is never alone."""
    rows = []
    for verdict in COLOURS:
        found = _middle(held, verdict)
        if found is not None:
            i, j = found
            tile = next(tile for tile in held.tiles if tile.row == j and tile.first <= i <= tile.last)
            room = tile.last - tile.first + 1 >= NAMED * len(held.x.values)
            text = f"{MARKS[verdict]} {WORDS[verdict]}" if room else MARKS[verdict]
            rows.append({"x": held.x.values[i], "y": held.y.values[j], "text": text})
    spec: Spec = {"data": {"values": rows}, "mark": {"type": "text", "fontWeight": "bold"}}
    spec["encoding"] = {"x": x, "y": y, "text": {"field": "text"}}
    return spec


def _middle(held: Mapped, verdict: str) -> tuple[int, int] | None:
    """The cell of a region that lies farthest from its edge; None for a region of few cells."""
    import numpy as np
    from scipy.ndimage import distance_transform_edt

    inside = np.zeros((len(held.x.values), len(held.y.values)), bool)
    for tile in held.tiles:
        if tile.verdict == verdict:
            inside[tile.first : tile.last + 1, tile.row] = True
    if inside.sum() < FEWEST_CELLS:
        return None
    room = np.asarray(distance_transform_edt(np.pad(inside, 1), sampling=[1 / n for n in inside.shape]))[1:-1, 1:-1]
    i, j = np.unravel_index(int(room.argmax()), room.shape)
    return int(i), int(j)
