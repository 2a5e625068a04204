r"""Intervals for the mean and the median of paired per-seed differences, vectorised over leading axes.

The last axis is always the seeds. The primary interval is the union of Student t, Hall's transformed t and the BCa
bootstrap; each is also inverted into one-sided p-values, so that bounds at any level and decisions agree by
construction.

Dependent splits of one data set: with `correction` r = n_test / n_train the variance of the mean is
sd^2 (1/n + r) in place of sd^2 / n (Nadeau and Bengio 2003). The t interval uses it as it stands; the bootstrap
distribution's deviations from the mean are stretched by the same factor sqrt(1 + n r), which keeps its shape.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from jaxml.claims.rule.power import check_correction

RESAMPLES = 4_000
KEY = 1_987  # of the bootstrap's Philox stream: fixed, so that a verdict never depends on a draw
TAIL = 10 / RESAMPLES  # below this probability the bootstrap has too few resamples and is continued
FARTHEST = 1e100  # scores beyond this say no more, and their products with 0 would be NaN
ROWS = 256  # cells at a time: 256 x 4,000 doubles stay in a core's cache


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
    short on the side of the long tail, and BCa mends only part of that at 16 seeds; this mends more.

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


def bca_interval(theta: Any, *, level: Any = 0.05, correction: float | None = None) -> Interval:
    r"""Bias-corrected and accelerated bootstrap interval of the mean.

    .. math:: G^{-1}\Big(\Phi\Big(z_0 + \frac{z_0 + z}{1 - a (z_0 + z)}\Big)\Big)

    with G the distribution of 4,000 resampled means, z0 the normal score of the sample mean in G, and
    a = sum(u^3) / (6 sum(u^2)^{3/2}), u = theta - mean. The resamples are the same for every cell and come in mirror
    pairs over the sorted values: the interval depends on the set of values alone and mirrors when theta does.
    Beyond 10 resamples the quantiles continue linearly in the normal score, so that the small levels of many
    cells and looks stay defined.

    Args:
        theta: shape (..., n).
        level: two-sided error.
        correction: stretches the deviations by sqrt(1 + n r).

    Returns:
        The interval's ends, shape (...).

    Raises:
        ValueError: as `t_interval`.

    Note: not safe alone. Below n = 30 it errs far more often than it says; use `union_interval`.

    Reference: Efron (1987), Better bootstrap confidence intervals, equation 2.3.

    >>> low, high = bca_interval(np.arange(32.0) ** 2)
    >>> round(float(low)), round(float(high))
    (233, 438)
    """
    return _bounds("bca_interval", theta, level, correction, _bca_ends)


def union_interval(theta: Any, *, level: Any = 0.05, correction: float | None = None) -> Interval:
    """The smallest interval that holds the t, Hall and BCa intervals; see those for the arguments.

    On either side it errs no more often than the best of the three, whichever that is.

    >>> low, high = union_interval(np.arange(32.0) ** 2)
    >>> round(float(low)), round(float(high))
    (217, 446)
    """
    return _bounds("union_interval", theta, level, correction, _union_ends)


def union_bounds(theta: Any, tail_low: Any, tail_high: Any, correction: Any = None) -> Interval:
    """The union interval with a one-sided error of its own on each side."""
    return _in_blocks(_union_ends, *_prepare("union_bounds", theta, correction), tail_low, tail_high)


def union_tails(theta: Any, value: Any, correction: Any = None) -> Tails:
    """One-sided p-values of a value under the union interval: the largest of the three intervals' own.

    The lower bound at one-sided error c reaches the value exactly when `above` <= c, and the upper bound stays
    below it when `below` <= c.

    >>> above, below = union_tails(np.arange(32.0) ** 2, 200.0)
    >>> bool(above < 0.025), bool(below > 0.9)
    (True, True)
    """
    return Tails(*_in_blocks(_tails, *_prepare("union_tails", theta, correction), value, value))


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
    return _in_blocks(ends, *_prepare(where, theta, correction), tails, tails)


def _in_blocks(fn: Callable, values: np.ndarray, stretch: Any, first: Any, second: Any) -> Interval:
    """Apply `fn` to a cache-sized block of cells at a time; it returns two numbers for each cell."""
    leading = values.shape[:-1]
    rows = np.sort(values.reshape(-1, values.shape[-1]), axis=-1)
    sides = [np.broadcast_to(side, leading).reshape(-1) for side in (stretch, first, second)]
    out = np.empty((2, len(rows)))
    for start in range(0, len(rows), ROWS):
        block = slice(start, start + ROWS)
        out[:, block] = fn(rows[block], *(side[block] for side in sides))
    return Interval(*out.reshape(2, *leading))


def mean_and_sd(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation; exact for a constant row, where rounding would leave a trace of spread."""
    constant = np.ptp(rows, -1) == 0
    mean = np.where(constant, rows[..., 0], rows.mean(-1))
    return mean, np.where(constant, 0.0, rows.std(-1, ddof=1))


def _t_ends(rows: np.ndarray, stretch: Any, tail_low: Any, tail_high: Any) -> tuple[Any, Any]:
    from scipy.special import stdtrit

    n = rows.shape[-1]
    mean, sd = mean_and_sd(rows)
    error = sd * stretch / np.sqrt(n)
    return mean + stdtrit(n - 1, tail_low) * error, mean - stdtrit(n - 1, tail_high) * error


def _bca_ends(rows: np.ndarray, stretch: Any, tail_low: Any, tail_high: Any) -> tuple[Any, Any]:
    from scipy.special import ndtri

    bootstrap = _Bootstrap(rows)
    ends = (bootstrap.quantile(bootstrap.adjusted(z)) for z in (ndtri(tail_low), -ndtri(tail_high)))
    low, high = (bootstrap.mean + stretch * end for end in ends)
    return low, high


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
    centred = rows - rows.mean(-1, keepdims=True)
    variance, third = np.mean(centred**2, -1), np.mean(centred**3, -1)
    spread = (np.ptp(rows, -1) > 0) & (n > 2)
    skewness = np.where(spread, third, 0.0) / np.where(spread, variance, 1.0) ** 1.5
    return skewness * np.sqrt(n * (n - 1)) / max(n - 2, 1) / np.sqrt(n)


def _union_ends(rows: np.ndarray, stretch: Any, tail_low: Any, tail_high: Any) -> tuple[Any, Any]:
    ends = [fn(rows, stretch, tail_low, tail_high) for fn in (_t_ends, _hall_ends, _bca_ends)]
    return np.min([low for low, _ in ends], 0), np.max([high for _, high in ends], 0)


def _tails(rows: np.ndarray, stretch: Any, value: Any, _: Any) -> tuple[Any, Any]:
    """P-values of mean <= value and of mean >= value; a constant row leaves no doubt."""
    from scipy.special import ndtr, stdtr

    n = rows.shape[-1]
    bootstrap = _Bootstrap(rows)
    deviation = (value - bootstrap.mean) / stretch
    spread = bootstrap.sd > 0
    t = np.clip(-deviation / np.where(spread, bootstrap.sd / np.sqrt(n), 1.0), -FARTHEST, FARTHEST)
    a = _skew_of_t(rows)
    hall = t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6
    z = bootstrap.level(deviation)
    above = np.max([stdtr(n - 1, -t), stdtr(n - 1, -hall), ndtr(z)], 0)
    below = np.max([stdtr(n - 1, t), stdtr(n - 1, hall), ndtr(-z)], 0)
    certain = (deviation > 0).astype(float)
    return np.where(spread, above, certain), np.where(spread, below, 1 - certain)


@lru_cache(maxsize=16)
def _resample_weights(n: int) -> np.ndarray:
    """Weights of 4,000 resamples of n sorted values, shape (n, 4000), in mirror pairs."""
    generator = np.random.Generator(np.random.Philox(key=KEY))
    half = generator.multinomial(n, np.full(n, 1 / n), size=RESAMPLES // 2)
    return np.ascontiguousarray(np.concatenate([half, half[:, ::-1]]).T / n)


class _Bootstrap:
    """Distribution of the resampled mean's deviation from the mean, for each of a block of sorted rows."""

    def __init__(self, rows: np.ndarray) -> None:
        from scipy.special import ndtri

        self.mean, self.sd = mean_and_sd(rows)
        centred = rows - self.mean[:, None]
        self.deviations = np.sort(centred @ _resample_weights(rows.shape[-1]), axis=-1)
        squares = np.sum(centred**2, -1)
        self.acceleration = np.sum(centred**3, -1) / (6 * np.where(squares > 0, squares, 1.0) ** 1.5)
        # Resamples that hit the mean count half; rounding must not decide on which side they fall.
        tie = 1e-12 * self.sd[:, None]
        under = np.sum(self.deviations < -tie, -1) + np.sum(self.deviations <= tie, -1)
        self.bias = ndtri(np.clip(under / (2 * RESAMPLES), TAIL, 1 - TAIL))
        self.reach = -ndtri(TAIL)
        # The ends of the resampled part, and the slope from the middle to each, in units per normal score.
        middle, low, high = (self._inside(np.full(len(rows), z)) for z in (0.0, -self.reach, self.reach))
        self.ends = low, high
        tiny = np.finfo(float).tiny
        self.slopes = [np.maximum(abs(end - middle) / self.reach, tiny) for end in (low, high)]

    def adjusted(self, z: Any) -> Any:
        """Normal score in the bootstrap distribution that belongs to the normal score z of the level."""
        shifted = self.bias + z
        return self.bias + shifted / np.maximum(1 - self.acceleration * shifted, 1e-2)

    def quantile(self, score: Any) -> Any:
        """Deviation at a normal score."""
        inside = np.clip(score, -self.reach, self.reach)
        slope = np.where(score < 0, *self.slopes)
        return self._inside(inside) + slope * (score - inside)

    def level(self, deviation: Any) -> Any:
        """The normal score z of the level whose bound is the deviation: `quantile(adjusted(z))` undone."""
        shifted = self.score(deviation) - self.bias
        room = 1 + self.acceleration * shifted
        z = shifted / np.where(room > 0, room, 1.0) - self.bias
        return np.where(room > 0, z, np.where(shifted > 0, np.inf, -np.inf))

    def score(self, deviation: Any) -> Any:
        """Normal score of a deviation."""
        from scipy.special import ndtri

        (low, high), (slope_low, slope_high) = self.ends, self.slopes
        above = np.sum(self.deviations < deviation[:, None], -1)
        right, left = (
            np.take_along_axis(self.deviations, np.clip(k, 0, RESAMPLES - 1)[:, None], -1)[:, 0]
            for k in (above, above - 1)
        )
        step = np.where(right > left, (deviation - left) / np.where(right > left, right - left, 1.0), 0.0)
        inside = ndtri(np.clip((above - 1 + step + 0.5) / RESAMPLES, TAIL, 1 - TAIL))
        with np.errstate(over="ignore"):
            under = -self.reach + (deviation - low) / slope_low
            over = self.reach + (deviation - high) / slope_high
        score = np.where(deviation < low, under, np.where(deviation > high, over, inside))
        return np.clip(score, -FARTHEST, FARTHEST)

    def _inside(self, score: Any) -> Any:
        """Quantile by linear interpolation between the resamples."""
        from scipy.special import ndtr

        place = np.clip(RESAMPLES * ndtr(score) - 0.5, 0, RESAMPLES - 1)
        left = np.minimum(place.astype(int), RESAMPLES - 2)[:, None]
        a, b = (np.take_along_axis(self.deviations, k, -1)[:, 0] for k in (left, left + 1))
        return a + (place - left[:, 0]) * (b - a)
