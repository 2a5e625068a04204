"""Sign tests of the median, for thetas that are only known to lie between two bounds.

A run that was stopped before it was done has a time that is at least the cap; a root may lie beyond the grid. A mean of
capped values may support what the caps make smaller, but what it refutes is refuted by the cap.
"""

from typing import Any

import numpy as np

from jaxml.claims.rule.intervals import Interval, Tails


def sign_tails(low: Any, high: Any, value: Any) -> Tails:
    r"""One-sided p-values of the median of theta, each seed's theta lying somewhere in [low, high].

    .. math:: p_{above} = P(B \ge \#\{low_s > v\}), \quad p_{below} = P(B \ge \#\{high_s < v\}), \quad
              B \sim \mathrm{Bin}(n, 1/2)

    What may lie on either side counts for neither.

    Args:
        low: lower bounds, shape (..., n); -inf where nothing is known.
        high: upper bounds, the same shape; inf where nothing is known.
        value: shape (...).

    Returns:
        `above` of median <= value and `below` of median >= value, shape (...).

    Reference: Dixon and Mood (1946), The statistical sign test.

    >>> above, below = sign_tails([1.0, 2.0, 3.0, -np.inf], [1.0, 2.0, np.inf, np.inf], 0.5)
    >>> float(above), float(below)
    (0.3125, 1.0)
    """
    v = np.asarray(value, float)[..., None]
    return Tails(_at_least(np.asarray(low) > v), _at_least(np.asarray(high) < v))


def sign_bounds(low: Any, high: Any, tail_low: Any, tail_high: Any) -> Interval:
    """Interval of the median with a one-sided error of its own on each side: what `sign_tails` does not reject.

    Args:
        low: lower bounds, shape (..., n).
        high: upper bounds.
        tail_low: error of the lower end, shape (...).
        tail_high: of the upper end.

    Returns:
        The ends; infinite where the seeds are too few, or too many of them are censored.

    >>> ends = sign_bounds(np.arange(1.0, 33.0), np.arange(1.0, 33.0), 0.025, 0.025)
    >>> float(ends.low), float(ends.high)
    (10.0, 23.0)
    """
    return Interval(_lowest(np.asarray(low, float), tail_low), -_lowest(-np.asarray(high, float), tail_high))


def _at_least(marks: np.ndarray) -> np.ndarray:
    """P(Bin(n, 1/2) >= number of marks)."""
    from scipy.special import bdtr

    n = marks.shape[-1]
    return np.asarray(bdtr((n - marks.sum(-1)).astype(float), n, 0.5))


def _lowest(values: np.ndarray, tail: Any) -> np.ndarray:
    """The smallest value v that p_above(v) > tail leaves: an order statistic, counted from below."""
    from scipy.special import bdtr

    n = values.shape[-1]
    # With k values not above v, p_above = P(B <= k): it is within the tail for the k that stand here.
    within = bdtr(np.arange(n, dtype=float), n, 0.5)[None] <= np.reshape(np.asarray(tail, float), (-1, 1))
    rank = np.broadcast_to(within.sum(-1).reshape(np.shape(tail)), values.shape[:-1])
    ordered = np.sort(np.concatenate([np.full((*values.shape[:-1], 1), -np.inf), values], -1), -1)
    return np.take_along_axis(ordered, rank[..., None], -1)[..., 0]
