"""Derived estimands away from the run's grid.

An estimand is a function of labelled results, so it is given results: around each point a small grid with the axes of
the run's. Along each axis it holds the value of the arm, or of the point, and what the experiment says that the
estimand needs beside it (`Experiment(beside=...)`). Whether that is enough is tried before anything is computed, on
made-up numbers on the whole grid: the small grid must give in its cell what the whole one gives there.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxml.claims.posing import ARM, Posed
from jaxml.errors import ConfigError
from jaxml.experiment import Experiment
from jaxml.sweep.grid import Axis
from jaxml.sweep.plan import Plan
from jaxml.sweep.points import POINT, Points

if TYPE_CHECKING:
    import xarray

SEEDS, TRIES = (-1, 0, 1), 4
"""Of the made-up results: tuning seeds among them; and how many cells of each arm are tried."""
Point = dict[str, Any]


def asked(experiment: Experiment, plan: Plan, posed: Posed, where: str, **options: Any) -> "Points | DerivedPoints":
    """What computes a posed claim's estimand at points: the trial itself, or `DerivedPoints`.

    Args:
        experiment: the trial, its estimands, and what they need beside a point.
        plan: the run's grid.
        posed: the claim.
        where: the place named in errors.
        options: of `Points`.

    Raises:
        ConfigError: when a derived estimand cannot be asked at single points.
    """
    claim = posed.claim
    wanted = {claim.estimand, claim.tune.goal if claim.tune else claim.estimand}
    derived = wanted & set(experiment.estimands)
    if not derived:
        return Points(experiment.trial, plan.schema, posed.entries, posed.names, outputs=wanted, **options)
    if claim.tune:
        raise ConfigError(
            f"{where}: '{min(derived)}' is derived, and a claim that tunes asks only for what trials return."
        )
    return DerivedPoints(experiment, plan, posed, where, **options)


class DerivedPoints:
    """A derived estimand as a function of points and seeds, called as `Points` is."""

    def __init__(self, experiment: Experiment, plan: Plan, posed: Posed, where: str, **options: Any):
        self.name, self.posed, self.axes, self.where = posed.claim.estimand, posed, plan.axes, where
        self.estimand = experiment.estimands[self.name]
        self.beside = dict(experiment.beside.get(self.name, {}))
        owner = {name: axis for axis in plan.axes for name in axis.parameters}
        moved = dict.fromkeys(posed.names)
        for name, values in self.beside.items():
            if name not in owner:
                raise ConfigError(f"{where}: '{self.name}' needs '{name}' beside it, which is no axis of this config.")
            moved |= dict.fromkeys(owner[name].parameters if values is ... else [name])
        for name in moved:
            if not plan.schema[name].traced:
                raise ConfigError(f"{where}: '{self.name}' needs several '{name}' beside each other, which is static.")
        self.names = tuple(moved)
        rest = [{n: v for n, v in arm.items() if n not in moved} for arm in posed.arms]
        self.arms = rest if any(arm != rest[0] for arm in rest) else rest[:1]
        entries = replace(posed, names=self.names, arms=tuple(self.arms)).entries
        self.points = Points(experiment.trial, plan.schema, entries, self.names, **options)
        self._try_on_made_up_results()

    def __call__(self, points: Sequence[Sequence[Any]], seeds: Sequence[int]) -> "xarray.Dataset":
        """The estimand at some points, dims of the arms, `POINT` and ``seed``."""
        import xarray

        cells = [
            [self.around(arm, dict(zip(self.posed.names, p, strict=True))) for p in points] for arm in self.posed.arms
        ]
        wanted: dict[tuple[Any, ...], int] = {}
        for grid in itertools.chain.from_iterable(cells):
            for place in _places(grid):
                wanted.setdefault(tuple(place[name] for name in self.names), len(wanted))
        results = self.points(list(wanted), seeds)
        found = np.stack(
            [
                [
                    self._at(results.isel({ARM: i}) if ARM in results.dims else results, arm, grid, wanted)
                    for grid in row
                ]
                for i, (arm, row) in enumerate(zip(self.posed.arms, cells, strict=True))
            ]
        )
        return xarray.Dataset({self.name: ((ARM, POINT, "seed"), found)}, {"seed": list(seeds)})

    def around(self, arm: Mapping[str, Any], point: Mapping[str, Any]) -> dict[str, list[Point]]:
        """The small grid of a point: along each axis of the run its own place, first, and those needed beside it."""
        own = {**arm, **point}
        grid = {}
        for axis in self.axes:
            here = {name: own[name] for name in axis.parameters}
            points = [here]
            for other in self._beside(axis, here):
                if other not in points:
                    points.append(other)
            grid[axis.name] = points
        return grid

    def _beside(self, axis: Axis, here: Point) -> Iterator[Point]:
        for name in axis.parameters:
            values = self.beside.get(name, ())
            if values is ...:
                yield from (dict(point) for point in axis.points)
            else:
                yield from ({**here, name: v} for v in (values if isinstance(values, (tuple, list)) else (values,)))

    def _at(
        self, results: "xarray.Dataset", arm: Mapping[str, Any], grid: dict[str, list[Point]], wanted: Mapping[Any, int]
    ) -> np.ndarray:
        """The estimand of one arm in one cell, for every seed."""
        places = [wanted[tuple(place[name] for name in self.names)] for place in _places(grid)]
        shape = [len(points) for points in grid.values()]
        data, failed = {}, np.zeros(results.sizes["seed"], bool)
        for name, values in results.data_vars.items():
            values = values.transpose(POINT, "seed", ...)
            rest = [str(dim) for dim in values.dims[1:]]
            picked = values.values[places]
            if name == "nonfinite":
                failed = picked.any(0)
            data[str(name)] = ([*grid, *rest], picked.reshape(*shape, *picked.shape[1:]))
        found = self._own(_labelled(data, grid, results.seed.values.tolist()), dict.fromkeys(grid, 0))
        return np.where(failed, np.nan, found)

    def _own(self, results: "xarray.Dataset", at: Mapping[str, int]) -> np.ndarray:
        """The estimand in one cell of results."""
        found = self.estimand(results)
        found = found.isel({dim: i for dim, i in at.items() if dim in found.dims})
        if set(found.dims) != {"seed"}:
            others = ", ".join(repr(str(dim)) for dim in found.dims if dim != "seed")
            raise ConfigError(f"{self.where}: '{self.name}' cannot be asked at single points: it has axes {others}.")
        return found.astype(float).values

    def _try_on_made_up_results(self) -> None:
        """Compare the small grid with the whole one.

        Raises:
            ConfigError: when they disagree, or the estimand does not find what it looks for.
        """
        random = np.random.default_rng(0)
        whole_grid = {axis.name: [dict(point) for point in axis.points] for axis in self.axes}
        middle = [random.choice(len(points)) for points in whole_grid.values()]
        start = {n: v for (_, points), i in zip(whole_grid.items(), middle, strict=True) for n, v in points[i].items()}
        shape = [len(points) for points in whole_grid.values()]
        first = tuple({**start, **self.posed.arms[0]}.get(name, 0) for name in self.names)
        data = {
            name: ([*whole_grid, "seed", *out.axes], random.uniform(0.05, 0.95, (*shape, len(SEEDS), *out.shape)))
            for name, out in self.points.outputs([first], SEEDS).items()
        }
        whole = _labelled(data, whole_grid, list(SEEDS))
        for arm, _ in itertools.product(self.posed.arms, range(TRIES)):
            point, at = {}, {}
            for axis in self.axes:
                fits = [i for i, p in enumerate(axis.points) if all(p[n] == arm.get(n, p[n]) for n in axis.parameters)]
                at[axis.name] = int(random.choice(fits))
                point |= {n: v for n, v in axis.points[at[axis.name]].items() if n not in arm}
            small = self.around(arm, point)
            try:
                picked = {name: [whole_grid[name].index(p) for p in points] for name, points in small.items()}
                given = self._own(whole.isel(picked), dict.fromkeys(small, 0))
                expected = self._own(whole, at)
            except (AttributeError, KeyError, ValueError, IndexError) as error:
                raise ConfigError(f"{self.where}: {self._advice} It does not find {str(error) or error!r}.") from None
            if not np.allclose(given, expected, rtol=1e-6, equal_nan=True):
                raise ConfigError(f"{self.where}: {self._advice} Without them it is another quantity.")

    @property
    def _advice(self) -> str:
        return (
            f"'{self.name}' is derived from more of the grid than one point. Say what it needs beside it: "
            f"Experiment(beside={{'{self.name}': {{parameter: value, or ... for the whole axis}}}})."
        )


def _places(grid: Mapping[str, list[Point]]) -> Iterator[Point]:
    """Every point of a grid, in the order of an array's entries."""
    for points in itertools.product(*grid.values()):
        yield {name: value for point in points for name, value in point.items()}


def _labelled(data: Mapping[str, Any], grid: Mapping[str, list[Point]], seeds: Sequence[int]) -> "xarray.Dataset":
    """Results with the coordinates that a run's have."""
    import xarray

    coordinates: dict[str, Any] = {
        name: ((axis,), [point[name] for point in points]) for axis, points in grid.items() for name in points[0]
    }
    return xarray.Dataset(dict(data), {**coordinates, "seed": list(seeds)})
