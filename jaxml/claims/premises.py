"""What limits a seeded claim, of whatever kind: seeds that do not meet its premise, cells left out, capped times."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxml.claims.cells import Indices, locate
from jaxml.claims.effect import transform
from jaxml.claims.given import Grid
from jaxml.claims.spec import Seeded
from jaxml.errors import ConfigError

if TYPE_CHECKING:
    from jaxml.claims.quantities import Quantities

MOST_CAPPED = 0.05
"""With more capped trials than this in an arm the mean means little, and bounds are tested instead."""


def arms_at(claim: Seeded, grid: Grid, cell: Indices, tuned: Mapping[str, Any], where: str) -> dict[str, Indices]:
    """Where each arm lies in one cell, at the point that it was tuned to."""
    found = {}
    for side, pins in claim.arms.model_dump().items():
        if pins is not None:
            point = locate(grid.axes, tuned.get(side, {}), where)
            found[side] = {**locate(grid.axes, pins, where), **cell, **point}
    return found


def meets_premise(held: "Quantities", claim: Seeded, arms: Mapping[str, Indices], where: str) -> np.ndarray | None:
    """Marks of the reported seeds of which the claim speaks; None where it has no premise."""
    premise = claim.applies_if
    if premise is None:
        return None
    sides = ("claimed", "against") if premise.arm == "both" else (premise.arm,)
    place = f"{where}.applies_if"
    marks = [premise.holds(_column(held, premise.metric, arms[side], place)) for side in sides]
    return np.all(marks, 0)[held.seeds >= 0]


def left_out(held: "Quantities", claim: Seeded, arms: Mapping[str, Indices], where: str) -> str:
    """Why the claim does not speak of a cell, measured on tuning seeds where there are any; empty where it does."""
    for number, rule in enumerate(claim.leave_out):
        apart = held.seeds < 0 if (held.seeds < 0).any() else held.seeds >= 0
        place = f"{where}.leave_out.{number}"
        means = [float(_column(held, rule.metric, at, place)[apart].mean()) for at in arms.values()]
        if all(rule.holds(mean) for mean in means):
            on = (
                "the tuning seeds"
                if (held.seeds < 0).any()
                else "the seeds that would decide, for want of tuning seeds"
            )
            shown = " and ".join(f"{mean:.4g}" for mean in means)
            return f"left out, {rule.name}: mean {rule.words}, {shown} on {on}"
    return ""


def _column(held: "Quantities", name: str, at: Indices, where: str) -> np.ndarray:
    left, values = held.at(name, at, where)
    if left != ("seed",):
        raise ConfigError(f"{where}.metric: '{name}' still has the axes {left} in one cell.")
    return values


def capped(arms: Sequence[np.ndarray], claim: Seeded, cap: float) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    r"""Which trials were stopped at the cap, and bounds on the effect of every seed.

    A trial at the cap has a value that is at least the cap, so that

    .. math:: \theta \in [\min a - \max b, \; \max a - \min b]

    Args:
        arms: values of one arm or two, shape (seeds,).
        claim: for scale and direction.
        cap: in the unit of the values.

    Returns:
        Marks of shape (arms, seeds); lower and upper bounds.
    """
    marks = np.stack([arm >= cap for arm in arms])
    lows = [transform(np.minimum(arm, cap), claim.scale) for arm in arms]
    highs = [np.where(mark, np.inf, low) for mark, low in zip(marks, lows, strict=True)]
    low, high = (lows[0] - highs[1], highs[0] - lows[1]) if len(arms) > 1 else (lows[0], highs[0])
    return marks, (low, high) if claim.direction == "larger" else (-high, -low)
