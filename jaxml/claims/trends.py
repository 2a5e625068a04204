"""Proportions, paired binary outcomes, monotone trends and exponents: the estimators beside the mean."""

from typing import Any, NamedTuple

import numpy as np

from jaxml.claims.intervals import Interval, bca_interval


class Trend(NamedTuple):
    """A monotone trend: the statistic and its one-sided p-value."""

    statistic: float
    p_value: float


def clopper_pearson(successes: Any, trials: Any, *, level: float = 0.05) -> Interval:
    r"""Exact interval of a proportion.

    .. math:: [B^{-1}(level/2;\, k, n - k + 1),\; B^{-1}(1 - level/2;\, k + 1, n - k)]

    Args:
        successes: k, 0 <= k <= n; any shape.
        trials: n >= 1, of a shape that broadcasts.
        level: two-sided error; the interval covers at least 1 - level.

    Returns:
        The ends, broadcast.

    Raises:
        ValueError: for counts outside 0 <= k <= n.

    Reference: Clopper and Pearson (1934).

    >>> low, high = clopper_pearson([0, 16], 16)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.0, 0.794], [0.206, 1.0])
    """
    from scipy.special import betaincinv

    k, n = np.broadcast_arrays(np.asarray(successes, float), np.asarray(trials, float))
    if not np.all((k >= 0) & (k <= n) & (n >= 1)):
        raise ValueError(
            f"clopper_pearson: 'successes' must lie in [0, trials], got {successes} of {trials}. "
            "Pass counts, not rates."
        )
    low = np.where(k > 0, betaincinv(np.maximum(k, 1), n - k + 1, level / 2), 0.0)
    high = np.where(k < n, betaincinv(k + 1, np.maximum(n - k, 1), 1 - level / 2), 1.0)
    return Interval(low, high)


def mcnemar_exact(gained: Any, lost: Any) -> Any:
    """Two-sided exact p-value of paired binary outcomes.

    2 P(Binomial(gained + lost, 1/2) <= min(gained, lost)), at most 1.

    Args:
        gained: pairs that only the claimed arm gets right; any shape.
        lost: pairs that only the other arm gets right.

    Returns:
        The p-value, broadcast; 1 without discordant pairs.

    Reference: McNemar (1947); the exact form conditions on the discordant pairs.

    >>> float(mcnemar_exact(9, 1))
    0.021484375
    """
    from scipy.special import bdtr

    b, c = np.broadcast_arrays(np.asarray(gained, int), np.asarray(lost, int))
    return np.minimum(1.0, 2 * bdtr(np.minimum(b, c).astype(float), b + c, 0.5))


def page_trend(values: Any, *, permutations: int = 10_000) -> Trend:
    """Page's test that the levels' values rise in the order given, within each seed.

    L = sum over levels j of j times the rank sum of level j.

    Args:
        values: shape (seeds, levels), the levels in the order in which the claim says that they rise.
        permutations: of the levels within seeds, from a fixed stream.

    Returns:
        L and the one-sided p-value, ties included.

    Reference: Page (1963), Ordered hypotheses for multiple treatments.

    >>> trend = page_trend(np.arange(5.0) + 0.1 * np.random.default_rng(0).normal(size=(8, 5)))
    >>> trend.statistic, trend.p_value < 1e-3
    (440.0, True)
    """
    from scipy.stats import rankdata

    ranks = rankdata(_table("page_trend", values), axis=-1)
    weights = np.arange(1, ranks.shape[-1] + 1)
    statistic = float(np.sum(ranks @ weights))
    generator = np.random.Generator(np.random.Philox(key=1963))
    drawn = np.array([np.sum(generator.permuted(ranks, axis=-1) @ weights) for _ in range(permutations)])
    return Trend(statistic, _share_as_large(drawn, statistic))


def spearman_trend(x: Any, values: Any, *, permutations: int = 10_000) -> Trend:
    """Mean over seeds of Spearman's rank correlation with x, tested by permuting x within seeds.

    Args:
        x: shape (points,), the setting.
        values: shape (seeds, points), the claim says that they rise with x.
        permutations: from a fixed stream.

    Returns:
        The mean correlation in [-1, 1] and its one-sided p-value.

    Raises:
        ValueError: when x does not fit or is constant.

    >>> spearman_trend([1, 2, 4, 8], [[0.1, 0.2, 0.3, 0.9], [1, 2, 3, 4]], permutations=999).statistic
    1.0
    """
    from scipy.stats import rankdata

    table = _table("spearman_trend", values)
    at = np.asarray(x, float)
    if at.shape != table.shape[1:] or np.ptp(at) == 0:
        raise ValueError(
            f"spearman_trend: 'x' must hold one setting for each of {table.shape[1]} points and vary, got shape "
            f"{at.shape}. Pass the grid's values."
        )
    ranks, along = rankdata(table, axis=-1), rankdata(at)
    ranks, along = ranks - ranks.mean(-1, keepdims=True), along - along.mean()
    norms = np.linalg.norm(ranks, axis=-1, keepdims=True)
    unit = ranks / np.where(norms > 0, norms, 1.0)  # a constant seed has no trend: correlation 0
    along /= np.linalg.norm(along)
    statistic = float(np.mean(unit @ along))
    generator = np.random.Generator(np.random.Philox(key=1904))
    drawn = np.array([np.mean(generator.permuted(unit, axis=-1) @ along) for _ in range(permutations)])
    return Trend(statistic, _share_as_large(drawn, statistic))


def theil_sen(x: Any, y: Any) -> Any:
    """Median of the slopes between all pairs of points.

    On log-log axes it is an exponent. Taken seed by seed it is a theta as any other, so that
    `theil_sen(log(n), log(error)) + 0.5` can be judged against a margin like a difference.

    Args:
        x: shape (points,), all different.
        y: shape (..., points).

    Returns:
        The slopes, shape (...).

    Raises:
        ValueError: when the points do not fit.

    Reference: Sen (1968), Estimates of the regression coefficient based on Kendall's tau.

    >>> float(theil_sen([0, 1, 2, 3, 4], [0, 2, 4, 6, 99]))
    2.0
    """
    at, values = np.asarray(x, float), np.asarray(y, float)
    if at.ndim != 1 or len(np.unique(at)) != len(at) or len(at) < 2 or values.shape[-1:] != at.shape:
        raise ValueError(
            f"theil_sen: 'x' must hold at least 2 different points and 'y' have shape (..., {at.size}), got "
            f"{at.shape} and {values.shape}. Average repeated points first."
        )
    i, j = np.triu_indices(len(at), 1)
    return np.median((values[..., j] - values[..., i]) / (at[j] - at[i]), -1)


def slope_interval(x: Any, y: Any, *, level: float = 0.05) -> tuple[Any, Interval]:
    """Theil-Sen slope of each seed, their mean, and its bootstrap interval over seeds.

    Args:
        x: shape (points,).
        y: shape (..., seeds, points): every seed measured at every point; log-log for an exponent.
        level: two-sided error.

    Returns:
        The mean slope and its BCa interval over seeds, shapes (...).

    >>> n = np.array([10.0, 100.0, 1000.0])
    >>> error = n**-0.5 * np.exp(0.05 * np.random.default_rng(3).normal(size=(40, 3)))
    >>> slope, (low, high) = slope_interval(np.log(n), np.log(error))
    >>> round(float(slope), 2), bool(low < slope < high), bool(high - low < 0.02)
    (-0.5, True, True)
    """
    slopes = theil_sen(x, y)
    return slopes.mean(-1), bca_interval(slopes, level=level)


def discoveries(p_values: Any, *, rate: float = 0.05) -> np.ndarray:
    """Which cells of a map to colour: Benjamini and Hochberg's procedure. It colours, it never decides.

    Args:
        p_values: any shape.
        rate: share of false ones among the coloured that is aimed at.

    Returns:
        Marks of the same shape.

    >>> discoveries([0.001, 0.02, 0.5, 0.9]).tolist()
    [True, True, False, False]
    """
    from scipy.stats import false_discovery_control

    p = np.asarray(p_values, float)
    return (false_discovery_control(p.ravel(), method="bh") <= rate).reshape(p.shape)


def _table(where: str, values: Any) -> np.ndarray:
    table = np.asarray(values, float)
    if table.ndim != 2 or table.shape[-1] < 2 or not np.isfinite(table).all():
        raise ValueError(
            f"{where}: 'values' must be finite with shape (seeds, levels >= 2), got {table.shape}. "
            "Score failed trials as the worst before."
        )
    return table


def _share_as_large(drawn: np.ndarray, statistic: float) -> float:
    """P-value of a permutation test; the observed arrangement counts as one of the draws."""
    return float((1 + np.sum(drawn >= statistic - 1e-9 * abs(statistic))) / (1 + len(drawn)))
