"""Maps of a run: where its claims hold in the plane of two traced parameters, filled after the verdicts are written.

A map is exploratory. Its cells are judged one by one, each by the rule of a single cell, without a correction for
their number; nothing in it reaches `verdicts.json`. What is computed stays in `map.zarr`, batch by batch, so that a
map that was cut short goes on where it stopped.
"""

import hashlib
import itertools
import json
import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxml.claims.effect import oriented
from jaxml.claims.mapped import FILE, MapAxis, MapCell, Mapped, Polyline, Tile
from jaxml.claims.region import UNKNOWN, Cell, Line, Region, contour, refine, unit_boxes
from jaxml.config import RunConfig, Study
from jaxml.config.study import MapPlane
from jaxml.errors import ConfigError, StoreError
from jaxml.explore.derived import DerivedPoints, asked
from jaxml.runs import manifest
from jaxml.runs.directory import RunDirectory
from jaxml.sweep.points import Points

Theory = Callable[[Mapping[str, Any]], Any]

BATCH = "batch.zarr"
"""What a batch of cells is kept as, beside its manifest."""
SHARE = 5
"""At most one cell in so many is computed."""
FALSE_DISCOVERIES = 0.05
"""Of the cells that are coloured as decided (Benjamini and Hochberg 1995)."""
VERDICTS = {1: "supported", -1: "refuted", 0: "inconclusive", 2: "invalid"}


def check_maps(study: Study) -> None:
    """Check, before the first trial, that every map can be filled.

    Raises:
        ConfigError: when a claim's derived metric cannot be asked at single points, see `derived`, or theory does not
            give one number for each point.
    """
    for plane in study.maps:
        points = asked(study, plane.posed, study.document.place(["map", plane.claim]))
        if theory := _theory(study, plane):
            Plane(plane, study.config, points, Path()).expected(theory)


def _theory(study: Study, plane: MapPlane) -> Theory | None:
    """What theory says of a claim's metric; of one that tunes it says nothing, since it knows no picks."""
    return None if plane.posed.tuned else study.experiment.theory.get(plane.posed.claim.metric)


def fill_maps(
    study: Study, directory: RunDirectory, notify: Callable[[str], None] = lambda message: None
) -> list[Mapped]:
    """Fill every map of a study and write `map.json`.

    Args:
        study: the study.
        directory: its run, whose verdicts are written.
        notify: called with one sentence for each batch of cells.
    """
    filled = []
    options = {"master": study.config.master_key, "lanes": study.config.lanes, "compiled": {}}
    for plane in study.maps:
        points = asked(study, plane.posed, study.document.place(["map", plane.claim]), **options)
        held = Plane(plane, study.config, points, directory.path / "map.zarr")
        filled.append(held.fill(_theory(study, plane), notify))
    if filled:
        directory.write_json(FILE, {"maps": [each.to_json() for each in filled]})
    return filled


class Plane:
    """One claim over one plane, at one setting of everything else."""

    def __init__(self, plane: MapPlane, config: RunConfig, points: Points | DerivedPoints, store: Path):
        self.name, self.at, self.spec, self.free = plane.claim, plane.at, plane.spec, plane.posed
        self.config, self.points, free, spec = config, points, plane.posed, plane.spec
        self.values: list[list[Any]] = [axis.values(axis.name) for axis in plane.axes]
        self.shape = (len(self.values[0]), len(self.values[1]))
        most = min(spec.seeds or config.seeds, config.seeds)
        self.looks = tuple(look for look in config.looks if look <= most) or (most,)
        self.seeds = (*range(-config.tuning_seeds, 0), *range(self.looks[-1]))
        identity = json.dumps([free.claim.model_dump(), free.arms, self.seeds, self.values], default=str)
        self.store = store / hashlib.sha256(identity.encode()).hexdigest()[:12]
        self.theta: dict[Cell, np.ndarray] = {}
        self.failed: dict[Cell, np.ndarray] = {}
        self.outcome: dict[str, np.ndarray] = {}

    def fill(self, theory: Theory | None, notify: Callable[[str], None]) -> Mapped:
        """Judge the coarse grid, refine, and draw the lines."""
        said = ", ".join([self.name, *(f"{k} {v}" for k, v in self.at.items())])

        def judge(cells: list[Cell]) -> list[int]:
            notify(f"map of {said}: {len(cells)} cells more, {math.prod(self.shape)} on the fine grid")
            return self.judge(cells)

        self._read(notify)
        region = refine(self.shape, judge, stride=self.spec.stride, most=math.prod(self.shape) // SHARE)
        margin = self.free.claim.margin.value
        outcome, judged = self.outcome, sorted(self.places)
        colours = region.filled()
        colours[self._doubtful(region)] = 0
        # What was not computed is told only between decided cells that agree: among open ones it may be anything.
        colours[(region.codes == UNKNOWN) & (np.abs(colours) != 1)] = UNKNOWN
        lines = {
            line: self._in_values(contour(outcome[field] - margin, region.boxes))
            for line, field in (("boundary", "estimate"), ("sure", "low"), ("unsure", "high"))
        }
        expected = None if theory is None else contour(self.expected(theory) - margin, unit_boxes(self.shape))
        return Mapped(
            claim=self.name,
            at=dict(self.at),
            x=self._axis(0),
            y=self._axis(1),
            seeds=self.looks[-1],
            margin=margin,
            tiles=_tiles(colours),
            cells=[
                MapCell(
                    i=i,
                    j=j,
                    verdict=VERDICTS[int(outcome["verdict"][i, j])],  # pyright: ignore[reportArgumentType]
                    **{key: _finite(outcome[key][i, j]) for key in ("estimate", "low", "high")},
                )
                for i, j in judged
            ],
            boundary=lines["boundary"],
            sure=lines["sure"],
            unsure=lines["unsure"],
            theory=None if expected is None else self._in_values(expected),
            batches=region.batches,
            gap=region.gap,
            boxes=[list(box) for box in region.boxes],
        )

    @property
    def places(self) -> list[Cell]:
        """The cells that were judged."""
        return [(int(i), int(j)) for i, j in np.argwhere(~np.isnan(self.outcome["verdict"]))]

    def judge(self, cells: Sequence[Cell]) -> list[int]:
        """Compute what is not held yet, and judge each cell alone."""
        from jaxml.claims.rule.decide import decide_apart

        missing = [cell for cell in cells if cell not in self.theta]
        if missing:
            self._compute(missing)
        decided = decide_apart(
            np.stack([self.theta[cell] for cell in cells]),
            margin=self.free.claim.margin.value,
            looks=self.looks,
            alpha=self.config.alpha,
            correction=self.free.correction,
            nonfinite=np.stack([self.failed[cell] for cell in cells]),
            compared=self.free.claim.arms.against is not None,
            span=self.free.claim.span,
        )
        where = tuple(np.asarray(cells).T)
        for name in ("verdict", "estimate", "low", "high", "p_support", "p_refute"):
            self.outcome.setdefault(name, np.full(self.shape, np.nan))[where] = decided[name]
        return [int(code) for code in decided["verdict"]]

    def expected(self, theory: Theory) -> np.ndarray:
        """Theory's effect in every cell of the fine grid.

        Raises:
            ConfigError: when theory gives arrays of another shape.
        """
        claim = self.free.claim
        plane = dict(zip(self.free.names, np.meshgrid(*self.values, indexing="ij"), strict=True))
        arms = [np.asarray(theory({**arm, **plane}), float) for arm in self.free.arms]
        for arm in arms:
            if arm.shape not in ((), self.shape):
                raise ConfigError(
                    f"map.{self.name}: theory of '{claim.metric}' must return one number for each point, an array of "
                    f"shape {self.shape}, got {arm.shape}."
                )
        arms = [np.broadcast_to(arm, self.shape) for arm in arms]
        return oriented(arms, scale=claim.scale, direction=claim.direction)

    def _compute(self, cells: Sequence[Cell]) -> None:
        from jaxml.claims.measure import effects_at

        results = self.points([(self.values[0][i], self.values[1][j]) for i, j in cells], self.seeds)
        found = effects_at(results, self.free, self.looks[0], "map")
        self._write(cells, found.theta, found.failed)
        self._hold(cells, found.theta, found.failed)

    def _hold(self, cells: Sequence[Cell], theta: np.ndarray, failed: np.ndarray) -> None:
        self.theta |= dict(zip(cells, theta, strict=True))
        self.failed |= dict(zip(cells, failed, strict=True))

    def _write(self, cells: Sequence[Cell], theta: np.ndarray, failed: np.ndarray) -> None:
        """Keep a batch; it appears whole or not at all."""
        import xarray

        from jaxml.sweep.store import write_dataset

        i, j = np.asarray(cells).T
        held = xarray.Dataset(
            {"theta": (("cell", "seed"), theta), "nonfinite": (("cell", "arm", "seed"), failed)},
            {"i": ("cell", i), "j": ("cell", j), "seed": np.arange(theta.shape[1])},
        )
        batches = [int(path.name) for path in self.store.glob("[0-9]*[0-9]")]
        target = self.store / f"{max(batches, default=-1) + 1:03}"
        partial = target.with_suffix(".partial")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_dataset(held, partial / BATCH)
            manifest.write_manifest(partial, manifest.digests(partial))
            os.replace(partial, target)
        except OSError as error:
            raise StoreError(f"{target}: cannot be written: {error.strerror or error}.") from None

    def _read(self, notify: Callable[[str], None]) -> None:
        """Take up what an earlier run of the same map left; a damaged batch goes, and is computed again."""
        import xarray

        for path in sorted(self.store.glob("[0-9]*[0-9]")):
            changed = manifest.changes(path)
            if changed:
                notify(f"{path} is damaged ({manifest.listed(changed, most=3)}): its cells are computed again")
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                continue
            held = xarray.open_zarr(path / BATCH, consolidated=False, chunks=None).load()
            cells = list(zip(held.i.values.tolist(), held.j.values.tolist(), strict=True))
            self._hold(cells, held.theta.values, held.nonfinite.values)

    def _doubtful(self, region: Region) -> np.ndarray:
        """Marks of decided cells that a bound on false discoveries over the whole plane would not keep.

        A cell that was not computed counts with the largest p-value in its box.
        """
        from scipy.stats import false_discovery_control

        outcome = self.outcome
        with np.errstate(invalid="ignore"):
            p = np.minimum(2 * len(self.looks) * np.fmin(outcome["p_support"], outcome["p_refute"]), 1.0)
        for i0, i1, j0, j1 in region.boxes:
            inside = p[i0 : i1 + 1, j0 : j1 + 1]
            inside[np.isnan(inside)] = np.fmax.reduce(inside, axis=None)
        known = np.isfinite(p)
        p[known] = false_discovery_control(p[known])
        return (p > FALSE_DISCOVERIES) & (np.abs(outcome["verdict"]) == 1)

    def _axis(self, side: int) -> MapAxis:
        values = [float(value) for value in self.values[side]]
        return MapAxis(name=self.free.names[side], values=values, log=spaced_by_a_factor(values))

    def _in_values(self, lines: Sequence[Line]) -> list[Polyline]:
        """Lines between places as lines between values, along the scale on which the axis is drawn."""
        sides = [self._axis(side) for side in (0, 1)]

        def value(axis: MapAxis, place: float) -> float:
            column = np.log(axis.values) if axis.log else np.asarray(axis.values)
            found = float(np.interp(place, np.arange(len(column)), column))
            return float(f"{math.exp(found) if axis.log else found:.6g}")

        return [
            [[value(axis, place) for axis, place in zip(sides, point, strict=True)] for point in line] for line in lines
        ]


def spaced_by_a_factor(values: Sequence[float]) -> bool:
    """Whether values are evenly spaced on a logarithmic axis.

    >>> spaced_by_a_factor([1.0, 2.0, 4.0]), spaced_by_a_factor([1.0, 2.0, 3.0])
    (True, False)
    """
    if values[0] <= 0 or len(values) < 3:
        return False
    steps = np.diff(np.log(values))
    return bool(np.ptp(steps) < 1e-6 * steps.mean())


def _tiles(colours: np.ndarray) -> list[Tile]:
    """Rows of the plane as runs of cells with one verdict; none where nothing is known."""
    tiles = []
    for j in range(colours.shape[1]):
        column = colours[:, j]
        starts = [0, *(np.flatnonzero(np.diff(column)) + 1).tolist(), len(column)]
        for first, stop in itertools.pairwise(starts):
            if column[first] != UNKNOWN:
                verdict: Any = VERDICTS[int(column[first])]
                tiles.append(Tile(verdict=verdict, row=j, first=first, last=stop - 1))
    return tiles


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
