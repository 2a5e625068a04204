"""A share of runs or points: its exact interval."""

from typing import Any

import numpy as np

from jaxml.claims.rule.intervals import Interval


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
