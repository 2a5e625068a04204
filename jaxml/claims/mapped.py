"""A filled map: where a claim holds in the plane of two parameters, as plain records that go to `map.json` and back.

Standard library only, so that mentioning a map costs a few milliseconds.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        tiles: the whole plane in rows; cells that were not computed lie among cells that agree.
        cells: what was computed.
        boundary: where the estimated effect equals the margin, as lines of [x, y].
        sure: where the lower end of a cell's interval does: the claim holds on the far side of it.
        unsure: where the upper end does: beyond it the claim fails.
        theory: where theory's effect equals the margin; None without a theory.
        batches: cells computed at a time, the coarse grid first.
        gap: distance in cells between disagreeing neighbours that could not be paid for; 1 when there is none.
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

    @property
    def full(self) -> int:
        """Cells of the fine grid."""
        return len(self.x.values) * len(self.y.values)

    @property
    def name(self) -> str:
        """The claim, and the setting where there is one."""
        return ", ".join([self.claim, *(f"{name}={value}" for name, value in self.at.items())])

    @property
    def shares(self) -> dict[str, float]:
        """Share of the plane by verdict, counted in cells."""
        cells = dict.fromkeys(VERDICTS, 0)
        for tile in self.tiles:
            cells[tile.verdict] += tile.last - tile.first + 1
        return {verdict: count / self.full for verdict, count in cells.items() if count}

    @property
    def summary(self) -> dict[str, Any]:
        """What `jaxml show --json` says of it."""
        axes = [self.x.name, self.y.name]
        return {"claim": self.claim, "at": self.at, "axes": axes, "shares": self.shares, "computed": len(self.cells)}


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
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: cannot be read: {error}. Delete it and run the config again.") from None
