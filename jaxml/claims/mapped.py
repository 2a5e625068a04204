"""A filled map: where a claim holds in the plane of two parameters, as plain records that go to `map.json` and back.

Standard library only, so that mentioning a map costs a few milliseconds.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from jaxml.claims.finding import CellResult
from jaxml.claims.verdict import VERDICTS, Verdict
from jaxml.errors import RunError
from jaxml.records import Record

FILE = "map.json"
Polyline = list[list[float]]


@dataclass(frozen=True, kw_only=True)
class MapAxis(Record):
    """One side of the plane: the parameter, its values on the fine grid, and whether they are spaced by a factor."""

    name: str
    values: list[float]
    log: bool


@dataclass(frozen=True, kw_only=True)
class Tile(Record):
    """Neighbouring cells of one row (a value of y) that share a verdict; places along x from first to last."""

    verdict: Verdict
    row: int
    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class MapCell(Record):
    """A cell that was computed, judged alone."""

    i: int
    j: int
    verdict: Verdict
    estimate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Mapped(Record):
    """The map of one claim at one setting of everything else.

    Attributes:
        claim: its id.
        at: the setting of the claim's other axes.
        x: the axis across.
        y: the axis up.
        seeds: seeds of every cell.
        margin: the smallest effect that matters.
        tiles: what is known of the plane, in rows: computed cells, and those that lie between decided cells that agree.
        cells: what was computed.
        boundary: where the estimated effect equals the margin, as lines of [x, y].
        sure: where the lower end of a cell's interval does: the claim holds on the far side of it.
        unsure: where the upper end does: beyond it the claim fails.
        theory: where theory's effect equals the margin; None without a theory.
        batches: cells computed at a time, the coarse grid first.
        gap: distance in cells between disagreeing neighbours that could not be paid for; 1 when there is none.
        boxes: first and last i, first and last j of the rectangles whose corners were computed; they cover the plane.
    """

    claim: str
    at: dict[str, Any]
    x: MapAxis
    y: MapAxis
    seeds: int
    margin: float
    tiles: list[Tile]
    cells: list[MapCell]
    boundary: list[Polyline]
    sure: list[Polyline]
    unsure: list[Polyline]
    theory: list[Polyline] | None
    batches: list[int]
    gap: int
    boxes: list[list[int]] = field(default_factory=list)

    @property
    def full(self) -> int:
        """Cells of the fine grid."""
        return len(self.x.values) * len(self.y.values)

    @property
    def name(self) -> str:
        """The claim, and the setting where there is one."""
        return ", ".join([self.claim, *(f"{name}={value}" for name, value in self.at.items())])

    @cached_property
    def known(self) -> dict[tuple[int, int], Verdict]:
        """The verdict of every cell of which one is known, by place."""
        return {(i, tile.row): tile.verdict for tile in self.tiles for i in range(tile.first, tile.last + 1)}

    @property
    def counts(self) -> dict[Verdict, int]:
        """Computed cells by verdict. They crowd around the boundary, so that they are no measure of areas."""
        found = [self.known.get((cell.i, cell.j), cell.verdict) for cell in self.cells]
        return {verdict: found.count(verdict) for verdict in VERDICTS if verdict in found}

    @property
    def tally(self) -> str:
        """In words, such as ``65 of 475 cells computed: 60 supported, 5 refuted``."""
        found = ", ".join(f"{count:,} {verdict}" for verdict, count in self.counts.items())
        return f"{len(self.cells):,} of {self.full:,} cells computed: {found}"

    def against(self, cells: Sequence[CellResult]) -> list[tuple[CellResult, Verdict]]:
        """Cells of the claim that lie on this map where it shows the opposite verdict, and what it shows.

        Between cells of the map, all around must show it: a boundary that runs between them is no disagreement.
        """
        opposite: dict[str, Verdict] = {"supported": "refuted", "refuted": "supported"}
        found = []
        for cell in cells:
            other = opposite.get(cell.decision.verdict)
            elsewhere = any(name in cell.at and cell.at[name] != value for name, value in self.at.items())
            across, up = (_around(axis, cell.at.get(axis.name)) for axis in (self.x, self.y))
            if other and not elsewhere and {self.known.get((i, j)) for i in across for j in up} == {other}:
                found.append((cell, other))
        return found

    @property
    def summary(self) -> dict[str, Any]:
        """What `jaxml show --json` says of it."""
        axes = [self.x.name, self.y.name]
        return {"claim": self.claim, "at": self.at, "axes": axes, "cells": self.full, "computed": self.counts}


def _around(axis: MapAxis, value: Any) -> list[int]:
    """The places of a value on an axis: one where it lies on it, two where it lies between, none where beside it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return []
    same = [i for i, held in enumerate(axis.values) if math.isclose(held, value, rel_tol=1e-6, abs_tol=1e-12)]
    between = [[i, i + 1] for i, (a, b) in enumerate(pairwise(axis.values)) if a < value < b]
    return same or (between[0] if between else [])


def read_maps(run: Path) -> list[Mapped]:
    """The maps in a run directory; none when it holds none.

    Raises:
        RunError: when the file cannot be read.
    """
    path = run / FILE
    if not path.is_file():
        return []
    try:
        return [Mapped.from_json(each) for each in json.loads(path.read_text(encoding="utf-8"))["maps"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read: {error}. Delete it and run the config again.") from None
