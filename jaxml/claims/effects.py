"""Effects of a posed claim at all its points at once, as `judge` has them cell by cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jaxml.claims.judge import estimand_of, transform
from jaxml.claims.posing import ARM, Posed
from jaxml.sweep.points import POINT

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class Effects:
    """Oriented, paired effects.

    Attributes:
        theta: shape (points, seeds).
        nonfinite: which trials failed, shape (points, arms, seeds).
    """

    theta: np.ndarray
    nonfinite: np.ndarray


def effects(results: "xarray.Dataset", posed: Posed, first_look: int, where: str) -> Effects:
    """The effect at every point, as `judge.effect_of` has it in one cell.

    Args:
        results: dims `POINT`, the arms and tuned axes of `posed`, and ``seed``; negative seeds are for tuning.
        posed: the claim.
        first_look: a trial that is not finite scores as the worst effect among so many seeds.
        where: the place named in errors.
    """
    claim = posed.claim
    over = [axis.name for axis in posed.tuned]
    values = _ordered(transform(estimand_of(results, claim.estimand, where), claim.scale), over)
    reported = results.seed.values >= 0
    if claim.tune and over:
        score = _ordered(estimand_of(results, claim.tune.goal, where), over) * (1 if claim.tune.minimise else -1)
        score = score[..., ~reported].mean(-1)  # NaN where any trial failed: such a point is picked last
        flat = np.where(np.isfinite(score), score, np.inf).reshape(*score.shape[:2], -1)
        best = flat.argmin(-1)[..., None, None]
        values = np.take_along_axis(values.reshape(*flat.shape, -1), best, axis=2)[:, :, 0]
    arms = values[..., reported].astype(np.float64)  # (arms, points, seeds)
    with np.errstate(invalid="ignore"):
        theta = arms[0] - arms[1] if len(arms) == 2 else arms[0]
    theta = theta if claim.direction == "larger" else -theta
    finite = np.isfinite(theta)
    first = np.where(finite, theta, np.inf)[:, :first_look].min(-1, keepdims=True)
    worst = np.where(np.isfinite(first), first, 0.0)
    return Effects(np.where(finite, theta, worst), np.moveaxis(~np.isfinite(arms), 0, 1))


def _ordered(values: "xarray.DataArray", over: Sequence[str]) -> np.ndarray:
    """As an array of shape (arms, points, tuned axes ..., seeds)."""
    values = values if ARM in values.dims else values.expand_dims(ARM)
    return values.transpose(ARM, POINT, *over, "seed").values
