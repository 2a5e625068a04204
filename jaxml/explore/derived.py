"""Metrics away from the run's grid: their inputs are computed around every point that is asked for."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxml.claims.posing import ARM, Posed
from jaxml.config import Study
from jaxml.errors import ConfigError
from jaxml.metric import Metric
from jaxml.sweep.points import POINT, Points

if TYPE_CHECKING:
    import xarray


def asked(study: Study, posed: Posed, where: str, **options: Any) -> "Points | DerivedPoints":
    """What computes a claim's metric at points: the trial itself, or `DerivedPoints`.

    Args:
        study: the trial, its metrics, and the run's grid.
        posed: the claim.
        where: the place named in errors.
        options: of `Points`.

    Raises:
        ConfigError: when the metric cannot be computed at single points.
    """
    claim, experiment = posed.claim, study.experiment
    wanted = {claim.metric, claim.tune.goal if claim.tune else claim.metric}
    derived = wanted & set(experiment.metrics)
    if not derived:
        return Points(experiment.trial, study.plan.schema, posed.entries, posed.names, outputs=wanted, **options)
    if claim.tune:
        raise ConfigError(
            f"{where}: '{min(derived)}' is derived, and a claim that tunes asks only for what trials return."
        )
    return DerivedPoints(study, posed, where, **options)


class DerivedPoints:
    """A `Metric` as a function of points and seeds, called as `Points` is."""

    def __init__(self, study: Study, posed: Posed, where: str, **options: Any):
        self.name, self.posed, self.where = posed.claim.metric, posed, where
        metric, schema = study.experiment.metrics[self.name], study.plan.schema
        if not isinstance(metric, Metric):
            raise ConfigError(
                f"{where}: '{self.name}' is derived from the whole grid. Make it a jaxml.Metric, with its inputs named."
            )
        self.metric = metric
        moved = dict.fromkeys([*posed.names, *(name for pins in metric.parts.values() for name in pins)])
        for name in moved:
            if not schema.find(name, where).traced:
                raise ConfigError(f"{where}: '{self.name}' needs several values of '{name}', which is static.")
        self.names = tuple(moved)
        self.axes = {name: axis.values(name) for axis in study.plan.axes for name in axis.parameters}
        rest = [{n: v for n, v in arm.items() if n not in moved} for arm in posed.arms]
        arms = rest if any(arm != rest[0] for arm in rest) else rest[:1]
        entries = replace(posed, names=self.names, arms=tuple(arms)).entries
        self.points = Points(study.experiment.trial, schema, entries, self.names, **options)
        self._try()

    def __call__(self, points: Sequence[Sequence[Any]], seeds: Sequence[int]) -> "xarray.Dataset":
        """The metric at some points, dims of the arms, `POINT` and ``seed``."""
        import xarray

        wanted: dict[tuple[Any, ...], int] = {}
        places = [self._places(arm, points, wanted) for arm in self.posed.arms]
        results = self.points(list(wanted), seeds)
        found = np.stack(
            [self._metric(results.isel({ARM: i}) if ARM in results.dims else results, p) for i, p in enumerate(places)]
        )
        return xarray.Dataset({self.name: ((ARM, POINT, "seed"), found)}, {"seed": list(seeds)})

    def _places(
        self, arm: Mapping[str, Any], points: Sequence[Sequence[Any]], wanted: dict[tuple[Any, ...], int]
    ) -> "dict[str, xarray.DataArray]":
        """For each input, which of the wanted points it is made of; those that are new are added to them."""
        import xarray

        places = {}
        for part, pins in self.metric.parts.items():
            whole = {name: self.axes[name] for name, value in pins.items() if value is ...}
            pinned = {name: value for name, value in pins.items() if value is not ...}
            index = [
                wanted.setdefault(
                    tuple({**own, **dict(zip(whole, at, strict=True))}[n] for n in self.names), len(wanted)
                )
                for own in ({**arm, **dict(zip(self.posed.names, point, strict=True)), **pinned} for point in points)
                for at in itertools.product(*whole.values())
            ]
            shape = (len(points), *map(len, whole.values()))
            places[part] = xarray.DataArray(np.reshape(index, shape), whole, (POINT, *whole))
        return places

    def _metric(self, results: "xarray.Dataset", places: "Mapping[str, xarray.DataArray]") -> np.ndarray:
        """The metric of one arm, shape (points, seeds); NaN where an input failed."""
        bare = results.drop_vars([name for name in results.coords if name != "seed"])
        parts = {part: bare.isel({POINT: index}) for part, index in places.items()}
        failed = False
        if "nonfinite" in bare:
            for part in parts.values():
                rest = [dim for dim in part.nonfinite.dims if dim not in (POINT, "seed")]
                failed = failed | part.nonfinite.any(rest).transpose(POINT, "seed").values
        try:
            found = self.metric.function(**parts)
        except (AttributeError, KeyError, ValueError, IndexError) as error:
            raise ConfigError(
                f"{self.where}: '{self.name}' finds at a single point only what its inputs name: {error}. "
                f"Name the rest: Metric(..., inputs={{'name': {{parameter: value, or ... for the whole axis}}}})."
            ) from None
        if set(found.dims) != {POINT, "seed"}:
            others = ", ".join(repr(str(dim)) for dim in found.dims if dim not in (POINT, "seed"))
            raise ConfigError(f"{self.where}: '{self.name}' cannot be computed at single points: it has axes {others}.")
        return np.where(failed, np.nan, found.transpose(POINT, "seed").astype(float).values)

    def _try(self) -> None:
        """Compute the metric once on made-up numbers, so that one that lacks an input is refused before any trial."""
        import xarray

        wanted: dict[tuple[Any, ...], int] = {}
        point = tuple(self.axes.get(name, [0])[0] for name in self.posed.names)
        places = self._places(self.posed.arms[0], [point], wanted)
        random, seeds = np.random.default_rng(0), [-1, 0, 1]
        outputs = self.points.outputs(list(wanted), seeds)
        made_up = {
            name: ((POINT, "seed", *out.axes), random.uniform(0.05, 0.95, (len(wanted), len(seeds), *out.shape)))
            for name, out in outputs.items()
        }
        self._metric(xarray.Dataset(made_up, {"seed": seeds}), places)
