"""What the trials say of a seeded claim: the effect of its arms in every cell, on the run's grid or off it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxml.claims.cells import Indices, locate
from jaxml.claims.effect import oriented, scored
from jaxml.claims.given import Grid
from jaxml.claims.posing import ARM, Posed
from jaxml.claims.premises import MOST_CAPPED, capped
from jaxml.claims.quantities import Quantities, metric_of
from jaxml.claims.spec import Seeded, Tuning
from jaxml.errors import ConfigError
from jaxml.sweep.points import POINT

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class Effects:
    """Oriented, paired effects.

    Attributes:
        theta: one number for each reported seed, a failed trial as the worst; shape (seeds,), or (points, seeds).
        failed: which trials failed, shape (arms, seeds), or (points, arms, seeds).
        tuned: what each arm was tuned to, on the grid.
        noted: what else was seen, as plain values.
        bounds: lower and upper ones on theta, where too many trials were stopped at a cap.
    """

    theta: np.ndarray
    failed: np.ndarray
    tuned: dict[str, dict[str, Any]] = field(default_factory=dict)
    noted: dict[str, Any] = field(default_factory=dict)
    bounds: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def bare(self) -> np.ndarray:
        """`theta` with NaN where a trial failed, for sums of effects, which are scored only then."""
        return np.where(self.failed.any(-2), np.nan, self.theta)


def effect_in(
    held: Quantities, claim: Seeded, grid: Grid, cell: Indices, where: str, *, tuning: bool = False
) -> Effects:
    """The effect in one cell of the grid: both arms tuned, on the claim's scale, subtracted seed by seed, oriented.

    Args:
        held: the results.
        claim: the claim.
        grid: what it is held against.
        cell: positions along the claim's free axes.
        where: the place named in errors.
        tuning: take the tuning seeds rather than those that are reported.

    Raises:
        ConfigError: when the claim's quantity still has axes in one cell.
    """
    values, tuned = {}, {}
    for arm, pins in (("claimed", claim.arms.claimed), ("against", claim.arms.against)):
        if pins is None:
            continue
        here = {**locate(grid.axes, pins, where), **cell}
        if claim.tune:
            best = _tune(held, here, claim.tune, where)
            here |= best
            points = [axis.points[best[axis.name]] for axis in grid.axes if axis.name in best]
            tuned[arm] = {name: value for point in points for name, value in point.items()}
        left, column = held.at(claim.metric, here, where)
        if left != ("seed",):
            raise ConfigError(f"{where}.metric: '{claim.metric}' still has the axes {left} in one cell.")
        values[arm] = column[(held.seeds < 0) == tuning]
    if claim.cap is not None:
        own = {arm: np.minimum(column, claim.cap) for arm, column in values.items()}  # NaN stays NaN
    else:
        own = dict(values)
    if "equals" in claim.extra:
        values["against"] = own["against"] = np.full_like(values["claimed"], claim.extra["equals"])
    found = _effects(list(own.values()), claim, grid.looks[0], tuned)
    if claim.cap is None:
        return found
    marks, bounds = capped(list(values.values()), claim, claim.cap)
    noted = {"censored": int(marks.any(0).sum()), "of": marks.shape[-1]}
    return replace(found, noted=noted, bounds=bounds if marks.mean(-1).max() > MOST_CAPPED else None)


def effects_at(results: "xarray.Dataset", posed: Posed, first_look: int, where: str) -> Effects:
    """The effect at every point where a posed claim was asked, as `effect_in` has it in one cell.

    Args:
        results: dims `POINT`, the arms and tuned axes of `posed`, and ``seed``; negative seeds are for tuning.
        posed: the claim.
        first_look: a trial that is not finite scores as the worst effect among so many seeds.
        where: the place named in errors.
    """
    claim, over = posed.claim, [axis.name for axis in posed.tuned]
    values = _ordered(metric_of(results, claim.metric, where), over)
    reported = results.seed.values >= 0
    if claim.tune and over:
        score = _ordered(metric_of(results, claim.tune.goal, where), over)[..., ~reported]
        flat = _score(score, claim.tune).reshape(*score.shape[:2], -1)
        best = flat.argmin(-1)[..., None, None]
        values = np.take_along_axis(values.reshape(*flat.shape, -1), best, axis=2)[:, :, 0]
    arms = values[..., reported].astype(np.float64)  # (arms, points, seeds)
    return _effects(list(arms), claim, first_look)


def _effects(arms: list[np.ndarray], claim: Seeded, first_look: int, tuned: Any = None) -> Effects:
    theta = oriented(arms, scale=claim.scale, direction=claim.direction)
    failed = [~np.isfinite(oriented([arm], scale=claim.scale, direction="larger")) for arm in arms]
    both = failed if len(failed) == 2 or theta.ndim > 1 else failed * 2  # an arm beside itself, as cells are stacked
    return Effects(scored(theta, first_look), np.stack(both, -2), tuned or {})


def _ordered(values: "xarray.DataArray", over: Sequence[str]) -> np.ndarray:
    """As an array of shape (arms, points, tuned axes ..., seeds)."""
    values = values if ARM in values.dims else values.expand_dims(ARM)
    return values.transpose(ARM, POINT, *over, "seed").values


def _tune(held: Quantities, indices: Indices, tune: Tuning, where: str) -> Indices:
    """The grid point an arm picks on the tuning seeds; a point with a non-finite run is never picked over others."""
    left, score = held.at(tune.goal, indices, where)
    if set(left) != {*tune.over, "seed"}:
        raise ConfigError(f"{where}.tune: '{tune.goal}' has the axes {left} where it is to pick along {tune.over}.")
    score = _score(score[..., held.seeds < 0], tune).transpose([left.index(name) for name in tune.over])
    picked = np.unravel_index(score.argmin(), score.shape)
    return {name: int(index) for name, index in zip(tune.over, picked, strict=True)}


def _score(values: np.ndarray, tune: Tuning) -> np.ndarray:
    """What tuning minimises, over the tuning seeds; infinite where any trial failed."""
    score = values.mean(-1) * (1 if tune.minimise else -1)
    return np.where(np.isfinite(score), score, np.inf)
