"""From the values of a claim's arms to its effect theta: on NumPy arrays, under jax, and for theory alike."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxml.claims.spec import Scale


def transform(values: Any, scale: Scale, xp: Any = np) -> Any:
    """Values on a claim's scale, so that effects are differences."""
    with np.errstate(divide="ignore", invalid="ignore"):  # what has no logarithm is not finite, and counted as such
        if scale == "log_ratio":
            return xp.log(values)
        if scale == "logit":
            return xp.log(values) - xp.log1p(-values)
    return values * 100.0 if scale == "points" else values


def oriented(arms: Sequence[Any], *, scale: Scale, direction: str, xp: Any = np) -> Any:
    """The effect of the first arm over the second, or of the first alone: positive is what the claim says.

    Args:
        arms: one or two arrays.
        scale: on which effects are differences.
        direction: ``"larger"`` or ``"smaller"``.
        xp: `numpy` or `jax.numpy`.

    >>> float(oriented([np.asarray(2.0), np.asarray(8.0)], scale="difference", direction="smaller"))
    6.0
    """
    first, *other = [transform(arm, scale, xp) for arm in arms]
    with np.errstate(invalid="ignore"):
        theta = first - other[0] if other else first
    return theta if direction == "larger" else -theta


def scored(theta: np.ndarray, first_look: int) -> np.ndarray:
    """Failed trials as the worst effect of the first look, so that no later seed changes an earlier decision.

    Args:
        theta: effects, seeds along the last axis, not finite where a trial failed.
        first_look: seeds of the first look.
    """
    finite = np.isfinite(theta)
    first = np.where(finite, theta, np.inf)[..., :first_look].min(-1, keepdims=True)
    return np.where(finite, theta, np.where(np.isfinite(first), first, 0.0))
