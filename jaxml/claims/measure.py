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
from jaxml.claims.spec import Seeded
from jaxml.claims.tuning import loss, own_draws, pick, taken, words
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
        narrow: why an arm's tuning grid does not hold what it would pick; empty where nothing says so.
    """

    theta: np.ndarray
    failed: np.ndarray
    tuned: dict[str, dict[str, Any]] = field(default_factory=dict)
    noted: dict[str, Any] = field(default_factory=dict)
    bounds: tuple[np.ndarray, np.ndarray] | None = None
    narrow: str = ""

    def told_with(self, others: "Sequence[Effects]") -> "Effects":
        """With what those that it was made from say of their tuning."""
        edge = list(dict.fromkeys(words for each in others for words in each.noted.get("edge", [])))
        narrow = "; ".join(dict.fromkeys(each.narrow for each in others if each.narrow))
        return replace(self, narrow=narrow, noted=self.noted | ({"edge": edge} if edge else {}))

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
    values, tuned, picks = {}, {}, {}
    for arm, pins in (("claimed", claim.arms.claimed), ("against", claim.arms.against)):
        if pins is None:
            continue
        here = {**locate(grid.axes, pins, where), **cell}
        each = None
        if claim.tune:
            best = pick(held, here, claim, grid.axes, where)
            picks[arm], each = best, best.each
            here |= best.at if each is None else {}
            points = [axis.points[best.at[axis.name]] for axis in grid.axes if axis.name in best.at]
            tuned[arm] = {name: value for point in points for name, value in point.items()}
        left, column = held.at(claim.metric, here, where)
        if set(left) != {"seed", *(claim.tune.over if claim.tune and each is not None else ())}:
            raise ConfigError(f"{where}.metric: '{claim.metric}' still has the axes {left} in one cell.")
        column = column[..., (held.seeds < 0) == tuning]
        values[arm] = column if each is None or not claim.tune else taken(column, left, claim.tune.over, each)
    if claim.cap is not None:
        own = {arm: np.minimum(column, claim.cap) for arm, column in values.items()}  # NaN stays NaN
    else:
        own = dict(values)
    if "equals" in claim.extra:
        values["against"] = own["against"] = np.full_like(values["claimed"], claim.extra["equals"])
    found = _effects(list(own.values()), claim, grid.looks[0], tuned)
    narrow = "; ".join(f"the {arm} arm's {best.narrow}" for arm, best in picks.items() if best.narrow)
    at_ends = words(picks)
    found = replace(found, narrow=narrow, noted={"edge": at_ends} if at_ends else {})
    if claim.cap is None:
        return found
    marks, bounds = capped(list(values.values()), claim, claim.cap)
    noted = found.noted | {"censored": int(marks.any(0).sum()), "of": marks.shape[-1]}
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
        losses = loss(_ordered(metric_of(results, claim.tune.goal, where), over)[..., ~reported], claim.tune)
        losses = losses.reshape(*losses.shape[:2], -1, losses.shape[-1])
        if claim.tune.per == "seed":
            seeds = int(reported.sum())
            best = own_draws(losses, seeds, where).mean(-1).argmin(2)[:, :, None]
            values = values[..., reported].reshape(*losses.shape[:3], seeds)
            reported = np.ones(seeds, bool)
        else:
            best = losses.mean(-1).argmin(-1)[..., None, None]
            values = values.reshape(*losses.shape[:3], -1)
        values = np.take_along_axis(values, best, axis=2)[:, :, 0]
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
