"""Thetas that are more than a difference of two arms: one number for each seed, the seeds along the last axis."""

from typing import Any, NamedTuple

import numpy as np


class Root(NamedTuple):
    """Where each seed's effect meets the margin, between two bounds; they are equal where it is known.

    Attributes:
        low: lower bound, -inf where the root may lie anywhere below `high`.
        high: upper bound, inf where it may lie anywhere above `low`.
    """

    low: np.ndarray
    high: np.ndarray


def slope(x: Any, values: Any) -> np.ndarray:
    r"""Least-squares slope of each seed's values along an axis.

    .. math:: \theta_s = \frac{\sum_j (x_j - \bar x)\, y_{js}}{\sum_j (x_j - \bar x)^2}

    On logarithmic axes it is an exponent. The interval is then taken over seeds: points of one seed share its data and
    are not independent, which the residuals of a fit would take them for.

    Args:
        x: shape (points,), at least two different ones.
        values: shape (..., points, seeds).

    Returns:
        The slopes, shape (..., seeds).

    Raises:
        ValueError: when x does not fit or is constant.

    Note: not a test of monotony. A hump has a slope too; use `steps`.

    Reference: Laird and Ware (1982), Random-effects models for longitudinal data (two stages).

    >>> slope([1, 2, 4], [[1.0, 0.0], [3.0, 0.0], [7.0, 3.0]]).round(3).tolist()
    [2.0, 1.071]
    """
    at, table = _along("slope", x, values)
    centred = at - at.mean()
    return np.einsum("j,...js->...s", centred, table) / np.sum(centred**2)


def steps(values: Any) -> np.ndarray:
    """The J - 1 steps from each level to the next, the rows of a monotone trend.

    A trend rises with tolerance tau > 0 if every step is at least -tau: decide `all` of them `at_least(-tau)`. It is
    refuted by one step that surely falls by more than tau.

    Args:
        values: shape (..., levels, seeds), the levels in the order in which they are said to rise; turn the sign of
            what is said to fall.

    Returns:
        Shape (..., levels - 1, seeds).

    Raises:
        ValueError: with fewer than two levels.

    Reference: Berger (1982), intersection-union tests.

    >>> steps([[1.0, 2.0], [4.0, 2.0], [5.0, 9.0]]).tolist()
    [[3.0, 0.0], [1.0, 7.0]]
    """
    table = np.asarray(values, float)
    if table.ndim < 2 or table.shape[-2] < 2:
        raise ValueError(
            f"steps: 'values' must have shape (..., levels, seeds) with at least 2 levels, got {table.shape}. "
            "Pass a value for each level and seed."
        )
    return np.diff(table, axis=-2)


def share_of_effect(start: Any, whole: Any, part: Any, *, share: float) -> np.ndarray:
    r"""How far a part of an effect exceeds a share of the whole, seed by seed.

    .. math:: \theta_s = (A - C)_s - \text{share} \cdot (A - B)_s

    It is at least 0 where C brings at least that share of what B brings. A mean of ratios would have no mean wherever
    the whole effect of a seed may be near 0. Only meaningful where A - B is itself supported.

    Args:
        start: A, the metric without any of it, shape (..., seeds).
        whole: B, with all of it.
        part: C, with the part.
        share: between 0 and 1 as a rule.

    Returns:
        Theta, to be decided `at_least(0)`, shape (..., seeds).

    Reference: Fieller (1954), Some problems in interval estimation.

    >>> share_of_effect([10.0, 9.0], [2.0, 1.0], [4.0, 2.0], share=0.5).tolist()
    [2.0, 3.0]
    """
    a, b, c = (np.asarray(arm, float) for arm in (start, whole, part))
    return (a - c) - share * (a - b)


def interaction(both: Any, first: Any, second: Any, neither: Any) -> np.ndarray:
    r"""By how much two changes together bring more than the sum of each: a difference of differences.

    .. math:: \theta_s = (y_{11} - y_{10})_s - (y_{01} - y_{00})_s

    Args:
        both: the metric with both changes, shape (..., seeds).
        first: with the first alone.
        second: with the second alone.
        neither: with none.

    Returns:
        Theta, 0 where the changes add up, shape (..., seeds).

    Reference: Fisher (1935), The design of experiments, chapter 6.

    >>> interaction([9.0], [4.0], [3.0], [1.0]).tolist()
    [3.0]
    """
    y11, y10, y01, y00 = (np.asarray(arm, float) for arm in (both, first, second, neither))
    return (y11 - y10) - (y01 - y00)


def root(x: Any, effect: Any, *, margin: float = 0.0, rising: bool = True) -> Root:
    r"""Where along an axis each seed's effect meets the margin, by linear interpolation between the points.

    .. math:: r = x_j + (x_{j+1} - x_j) \frac{\delta - e_j}{e_{j+1} - e_j}, \qquad (e_j - \delta)(e_{j+1} - \delta) < 0

    An effect that rises and is above the margin from the first point on meets it somewhere before: the root is
    censored, with bounds (-inf, x_1); one that stays below has (x_J, inf). One that crosses several times, as noise
    makes it, has the first and the last crossing for bounds.

    Args:
        x: shape (points,), increasing; logarithms for an axis whose points are spaced by a factor.
        effect: shape (..., points, seeds).
        margin: delta.
        rising: whether the effect is said to rise along the axis.

    Returns:
        The bounds, each of shape (..., seeds); NaN where an effect is NaN.

    Raises:
        ValueError: when x does not fit or does not increase.

    >>> found = root([1.0, 2.0, 3.0], [[-1.0, 2.0, -3.0], [1.0, 3.0, -2.0], [2.0, 4.0, -1.0]])
    >>> found.low.tolist(), found.high.tolist()
    ([1.5, -inf, 3.0], [1.5, 1.0, inf])
    """
    at, table = _along("root", x, effect)
    if np.any(np.diff(at) <= 0):
        raise ValueError(f"root: 'x' must increase, got {at.tolist()}. Sort the points.")
    excess = np.moveaxis(table - margin if rising else margin - table, -2, -1)
    above = excess >= 0
    left, right = excess[..., :-1], excess[..., 1:]
    crosses = above[..., :-1] != above[..., 1:]
    change = np.where(crosses, right - left, 1.0)
    crossing = at[:-1] - np.diff(at) * left / change
    first = np.where(crosses, crossing, np.inf).min(-1)
    last = np.where(crosses, crossing, -np.inf).max(-1)
    low = np.where(above[..., 0], -np.inf, np.minimum(first, at[-1]))
    high = np.where(above[..., -1], np.maximum(last, at[0]), np.inf)
    known = ~np.isnan(excess).any(-1)
    return Root(np.where(known, low, np.nan), np.where(known, high, np.nan))


def _along(where: str, x: Any, values: Any) -> tuple[np.ndarray, np.ndarray]:
    at, table = np.asarray(x, float), np.asarray(values, float)
    if at.ndim != 1 or table.ndim < 2 or table.shape[-2] != len(at) or len(np.unique(at)) < 2:
        raise ValueError(
            f"{where}: 'x' must hold one number for each point, at least two of them different, and the values have "
            f"shape (..., points, seeds), got {at.shape} and {table.shape}. Pass the grid's values."
        )
    return at, table
