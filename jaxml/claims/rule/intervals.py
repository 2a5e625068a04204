r"""Intervals for the mean and the median of paired per-seed differences, vectorised over leading axes.

The last axis is always the seeds. The primary interval joins Student's t with Hall's transformed t, which is capped at
twice the half-widths of t; it is also inverted into one-sided p-values, so that bounds at any level and decisions agree
by construction. What is known of a range, see `bounded`, comes on top.

Dependent splits of one data set: with `correction` r = n_test / n_train the variance of the mean is
sd^2 (1/n + r) in place of sd^2 / n (Nadeau and Bengio 2003).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxml.claims.rule.power import check_correction

FARTHEST = 1e100  # scores beyond this say no more, and their products with 0 would be NaN
CAP = 2.0
"""Half-widths of t beyond which Hall's end is not followed: at strong skew and 16 seeds it has no limit of its own."""


class Interval(NamedTuple):
    """Lower and upper end, shaped as the leading axes."""

    low: Any
    high: Any


class Tails(NamedTuple):
    """One-sided p-values: `above` of mean <= value, `below` of mean >= value."""

    above: Any
    below: Any


def t_interval(theta: Any, *, level: Any = 0.05, correction: float | None = None) -> Interval:
    r"""Student's t interval of the mean.

    .. math:: \bar\theta \pm t_{1 - level/2,\, n-1}\; s \sqrt{1/n + r}

    Args:
        theta: shape (..., n), n >= 2.
        level: two-sided error, a number or an array of the leading shape.
        correction: r = n_test / n_train for dependent splits of one data set; None for independent seeds.

    Returns:
        The interval's ends, shape (...). A constant theta has its value as both ends.

    Raises:
        ValueError: for fewer than two seeds or values that are not finite.

    >>> low, high = t_interval(np.array([1.0, 2.0, 3.0, 4.0]))
    >>> round(float(low), 3), round(float(high), 3)
    (0.446, 4.554)
    """
    return _bounds("t_interval", theta, level, correction, _t_ends)


def hall_interval(theta: Any, *, level: Any = 0.05, correction: float | None = None) -> Interval:
    r"""Hall's interval of the mean: Student's t after a cubic that removes the skew of the t statistic.

    .. math:: g(T) = T + \frac{a T^2}{3} + \frac{a^2 T^3}{27} + \frac{a}{6}, \qquad
              a = \frac{\text{skewness}}{\sqrt n}

    g is monotone, and its inverse at the t quantiles gives the ends. A t interval of skewed differences is too
    short on the side of the long tail.

    Args:
        theta: shape (..., n).
        level: two-sided error.
        correction: widens the standard error by sqrt(1 + n r).

    Returns:
        The interval's ends, shape (...).

    Raises:
        ValueError: as `t_interval`.

    Reference: Hall (1992), On the removal of skewness by transformation, section 2.

    >>> low, high = hall_interval(np.arange(32.0) ** 2)
    >>> round(float(low)), round(float(high))
    (226, 446)
    """
    return _bounds("hall_interval", theta, level, correction, _hall_ends)


def union_interval(theta: Any, *, level: Any = 0.05, correction: float | None = None) -> Interval:
    r"""The t interval, and Hall's as far as twice its half-widths reach; see those for the arguments.

    .. math:: low = \min(t_{low}, \max(hall_{low}, \bar\theta - 2 (\bar\theta - t_{low}))), \text{ and mirrored}

    >>> low, high = union_interval(np.arange(32.0) ** 2)
    >>> round(float(low)), round(float(high))
    (217, 446)
    """
    return _bounds("union_interval", theta, level, correction, _union_ends)


def union_bounds(theta: Any, tail_low: Any, tail_high: Any, correction: Any = None) -> Interval:
    """The union interval with a one-sided error of its own on each side."""
    return _ends_of(_union_ends, *_prepare("union_bounds", theta, correction), tail_low, tail_high)


def union_tails(theta: Any, value: Any, correction: Any = None) -> Tails:
    r"""One-sided p-values of a value under the union interval.

    .. math:: p_{below} = \max(F(T), \min(F(g(T)), F(T / 2))), \qquad T = (\bar\theta - v) / se

    with F the t distribution of n - 1 degrees of freedom and g as in `hall_interval`; p_above with the signs turned.
    The lower bound at one-sided error c reaches the value exactly when `above` <= c, and the upper bound stays below
    it when `below` <= c. A constant row leaves no doubt.

    >>> above, below = union_tails(np.arange(32.0) ** 2, 200.0)
    >>> bool(above < 0.025), bool(below > 0.9)
    (True, True)
    """
    from scipy.special import stdtr

    rows, stretch = _prepare("union_tails", theta, correction)
    n = rows.shape[-1]
    mean, sd = mean_and_sd(rows)
    spread = sd > 0
    error = np.where(spread, sd, 1.0) * stretch / np.sqrt(n)
    t = np.clip((mean - value) / error, -FARTHEST, FARTHEST)
    a = _skew_of_t(rows)
    hall = t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6
    tails = [
        np.maximum(stdtr(n - 1, side * t), np.minimum(stdtr(n - 1, side * hall), stdtr(n - 1, side * t / CAP)))
        for side in (-1, 1)
    ]
    certain = np.asarray(value > mean, float)
    return Tails(np.where(spread, tails[0], certain)[()], np.where(spread, tails[1], 1 - certain)[()])


def median_interval(theta: Any, *, level: float = 0.05, correction: Any = None) -> tuple[Any, Any, Any]:
    r"""Median with its exact order-statistic interval.

    Ranks k + 1 and n - k, with k the largest number such that 2 P(Binomial(n, 1/2) <= k) <= level; without such
    a k the interval is the whole range and covers less than was asked.

    Args:
        theta: shape (..., n).
        level: two-sided error; the interval covers at least 1 - level for any continuous distribution.
        correction: for dependent splits; stretches the ends' distance from the median by sqrt(1 + n r), which is
            no longer exact.

    Returns:
        (median, low, high), each of shape (...).

    Raises:
        ValueError: as `t_interval`.

    >>> tuple(float(v) for v in median_interval(np.arange(1.0, 33.0)))
    (16.5, 10.0, 23.0)
    """
    from scipy.special import bdtr

    rows, stretch = _prepare("median_interval", theta, correction)
    n = rows.shape[-1]
    rank = max(int(np.sum(2 * bdtr(np.arange(n // 2), n, 0.5) <= level)) - 1, 0)
    ordered = np.sort(rows, axis=-1)
    median = np.median(ordered, axis=-1)
    low, high = (end + (stretch - 1) * (end - median) for end in (ordered[..., rank], ordered[..., n - 1 - rank]))
    return median, low, high


def _prepare(where: str, theta: Any, correction: Any) -> tuple[np.ndarray, np.ndarray]:
    """Float64 values and, for each cell, the factor by which dependence stretches the standard error."""
    values = np.asarray(theta, np.float64)
    if values.ndim == 0 or values.shape[-1] < 2:
        raise ValueError(
            f"{where}: 'theta' must have shape (..., n) with n >= 2 seeds, got {values.shape}. Run more seeds."
        )
    if not np.isfinite(values).all():
        raise ValueError(
            f"{where}: 'theta' must be finite, got {int(np.sum(~np.isfinite(values)))} values that are not. "
            "Score a failed trial as the worst before taking differences."
        )
    ratio = np.broadcast_to(check_correction(where, correction), values.shape[:-1])
    return values, np.sqrt(1 + values.shape[-1] * ratio)


def _bounds(where: str, theta: Any, level: Any, correction: Any, ends: Callable) -> Interval:
    tails = np.asarray(level, float) / 2
    if not np.all((tails > 0) & (tails < 0.5)):
        raise ValueError(f"{where}: 'level' must lie in (0, 1), got {level}. 0.05 gives a 95 % interval.")
    return _ends_of(ends, *_prepare(where, theta, correction), tails, tails)


def _ends_of(fn: Callable, rows: np.ndarray, stretch: Any, tail_low: Any, tail_high: Any) -> Interval:
    sides = (np.broadcast_to(side, rows.shape[:-1]) for side in (stretch, tail_low, tail_high))
    return Interval(*fn(rows, *sides))


def mean_and_sd(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation: of any scale, in any order, and exact for a constant row."""
    mean, _, centred, unit = _standard(rows)
    n = rows.shape[-1]
    return mean, unit * np.sqrt(np.sum(centred**2, -1) / max(n - 1, 1))


def _standard(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The mean, which rows vary, and the deviations in a unit (a power of two) in which no square leaves the floats."""
    rows = np.sort(rows, -1)  # so that no order of the seeds shows in the last digits
    first, width = rows[..., 0], rows[..., -1] / 2 - rows[..., 0] / 2
    varied = width > 0
    unit = np.ldexp(1.0, np.frexp(np.where(varied, width, 1.0))[1] - 1)
    deviations = (rows / unit[..., None] - (first / unit)[..., None]) * varied[..., None]
    middle = deviations.mean(-1)
    return unit * (first / unit + middle), varied, deviations - middle[..., None], unit


def _t_ends(rows: np.ndarray, stretch: Any, tail_low: Any, tail_high: Any) -> tuple[Any, Any]:
    from scipy.special import stdtrit

    n = rows.shape[-1]
    mean, sd = mean_and_sd(rows)
    error = sd * stretch / np.sqrt(n)
    return mean + stdtrit(n - 1, tail_low) * error, mean - stdtrit(n - 1, tail_high) * error


def _hall_ends(rows: np.ndarray, stretch: Any, tail_low: Any, tail_high: Any) -> tuple[Any, Any]:
    from scipy.special import stdtrit

    n = rows.shape[-1]
    mean, sd = mean_and_sd(rows)
    error, a = sd * stretch / np.sqrt(n), _skew_of_t(rows)

    def inverse(t: Any) -> Any:
        # 3 ((1 + a u)^(1/3) - 1) / a without the cancellation at small a
        u = t - a / 6
        root = np.cbrt(1 + a * u)
        return 3 * u / (root**2 + root + 1)

    return mean - inverse(-stdtrit(n - 1, tail_low)) * error, mean - inverse(stdtrit(n - 1, tail_high)) * error


def _skew_of_t(rows: np.ndarray) -> np.ndarray:
    """Unbiased-under-normality sample skewness over sqrt(n); 0 where it is undefined."""
    n = rows.shape[-1]
    _, varied, centred, _ = _standard(rows)
    variance, third = np.mean(centred**2, -1), np.mean(centred**3, -1)
    spread = varied & (n > 2)
    skewness = np.where(spread, third, 0.0) / np.where(spread, variance, 1.0) ** 1.5
    return skewness * np.sqrt(n * (n - 1)) / max(n - 2, 1) / np.sqrt(n)


def _union_ends(rows: np.ndarray, stretch: Any, tail_low: Any, tail_high: Any) -> tuple[Any, Any]:
    mean, _ = mean_and_sd(rows)
    (low, high), (hall_low, hall_high) = (fn(rows, stretch, tail_low, tail_high) for fn in (_t_ends, _hall_ends))
    low = np.minimum(low, np.maximum(hall_low, mean - CAP * (mean - low)))
    return low, np.maximum(high, np.minimum(hall_high, mean + CAP * (high - mean)))
