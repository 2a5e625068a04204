r"""A mean of values that cannot leave a declared range: exact where they are two, by betting where they are spread.

And where nearly all seeds gave the same value: 16 equal seeds leave room for a kind of run that is one in five. With a
range, what such runs can do to the mean is bounded; without one, nothing is.
"""

from typing import Any

import numpy as np

from jaxml.claims.rule.intervals import Interval, Tails, mean_and_sd

SPREAD = 0.15
"""Standard deviation in widths of the range from which on betting is used."""
FEWEST = 8
"""Seeds that must differ from the most frequent value before the spread of a sample says anything of its mean."""
HALVINGS = 50
ROUNDING = 8 * float(np.finfo(np.float32).eps)
"""Relative differences that are none: trials compute in float32, and their last digits are not a draw."""


def off_the_mode(rows: np.ndarray) -> np.ndarray:
    """How many seeds differ from the most frequent value, shape (...), to eight roundings of float32.

    >>> off_the_mode(np.array([[0.0, 0.0, 1.0], [1.0, 1.0 + 1e-7, 1.0]])).tolist()
    [1, 0]
    """
    ordered = np.sort(rows, -1)
    n = rows.shape[-1]
    near = ROUNDING * np.abs(ordered).max(-1, keepdims=True)
    starts = np.concatenate([np.ones((*rows.shape[:-1], 1), bool), np.diff(ordered, axis=-1) > near], -1)
    place = np.arange(n)
    since = np.maximum.accumulate(np.where(starts, place, 0), -1)
    return n - (place - since + 1).max(-1)


def unseen_share(seeds: Any, error: Any) -> Any:
    r"""The largest share of runs of which none may have been seen: q = 1 - c^{1/n}.

    Args:
        seeds: n.
        error: c, one-sided.

    >>> [round(float(unseen_share(n, 0.025)), 2) for n in (16, 32, 64)]
    [0.21, 0.11, 0.06]
    """
    return -np.expm1(np.log(error) / np.asarray(seeds, float))


def bounded_tails(rows: np.ndarray, value: np.ndarray, span: np.ndarray, plain: Tails) -> Tails:
    r"""One-sided p-values of the mean of values in a range, for rows of shape (rows, n).

    Two values only, the ends of the range: exact, with k seeds at the upper end and u = (v - low) / (high - low),

    .. math:: p_{below}(v) = P(\mathrm{Bin}(n, u) \le k).

    A standard deviation of at least 0.15 of the range: betting, each seed by what those before it showed,

    .. math:: p_{above}(v) = 1 / \max_i \prod_{j \le i} (1 + l_j (y_j - u)),

    Else the p-values of an unbounded mean; with fewer than 8 seeds off the most frequent value they are raised to

    .. math:: p_{below}(v) \ge (1 - s)^n, \qquad s = (v - \bar\theta) / (high - \max\theta),

    the chance to see none of a share s of runs which, all at the end of the range, would lift the mean to v.

    Args:
        rows: theta, the seeds in order.
        value: v, shape (rows,).
        span: lower and upper ends of the range, shape (2, rows).
        plain: the p-values without a range.

    Reference: Clopper and Pearson (1934); Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables
    by betting, section 4.

    >>> rows = np.array([[0.0] * 15 + [1.0]])
    >>> nothing = Tails(np.zeros(1), np.zeros(1))
    >>> tails = bounded_tails(rows, np.array([0.3]), np.array([[0.0], [1.0]]), nothing)
    >>> round(float(tails.below[0]), 4)
    0.0261
    """
    out, (low, high) = [np.array(side, float) for side in plain], span
    binary, spread, few = _methods(rows, low, high)
    width = high - low
    u = np.clip((value - low) / width, 0.0, 1.0)
    if binary.any():
        exact = _binomial(_hits(rows[binary], low[binary], high[binary]), rows.shape[-1], u[binary])
        out[0][binary], out[1][binary] = exact
    if spread.any():
        y, v = (rows[spread] - low[spread, None]) / width[spread, None], u[spread]
        out[0][spread], out[1][spread] = 1 / _capital(y, v), 1 / _capital(1 - y, 1 - v)
    if few.any():
        mean, _ = mean_and_sd(rows[few])
        n, v = rows.shape[-1], value[few]
        above = _unseen(mean - v, rows[few].min(-1) - low[few], n)
        below = _unseen(v - mean, high[few] - rows[few].max(-1), n)
        out[0][few], out[1][few] = np.maximum(out[0][few], above), np.maximum(out[1][few], below)
    # The mean lies in the range, whatever was seen.
    above = np.where(value >= high, 1.0, np.where(value < low, 0.0, out[0]))
    return Tails(above, np.where(value <= low, 1.0, np.where(value > high, 0.0, out[1])))


def bounded_ends(
    rows: np.ndarray, tail_low: np.ndarray, tail_high: np.ndarray, span: np.ndarray, plain: Interval
) -> Interval:
    """The interval that `bounded_tails` inverts; arguments as there, with a one-sided error for each end."""
    from scipy.special import betaincinv

    ends, (low, high) = [np.array(side, float) for side in plain], span
    binary, spread, few = _methods(rows, low, high)
    n, width = rows.shape[-1], high - low
    if binary.any():
        k, at, wide = _hits(rows[binary], low[binary], high[binary]), low[binary], width[binary]
        least = np.where(k > 0, betaincinv(np.maximum(k, 1), n - k + 1, tail_low[binary]), 0.0)
        most = np.where(k < n, betaincinv(k + 1, np.maximum(n - k, 1), 1 - tail_high[binary]), 1.0)
        ends[0][binary], ends[1][binary] = at + wide * least, at + wide * most
    if spread.any():
        y = (rows[spread] - low[spread, None]) / width[spread, None]
        least, most = _least(y, tail_low[spread]), 1 - _least(1 - y, tail_high[spread])
        ends[0][spread], ends[1][spread] = (low[spread] + width[spread] * end for end in (least, most))
    if few.any():
        mean, _ = mean_and_sd(rows[few])
        least = mean - unseen_share(n, tail_low[few]) * (rows[few].min(-1) - low[few])
        most = mean + unseen_share(n, tail_high[few]) * (high[few] - rows[few].max(-1))
        ends[0][few], ends[1][few] = np.minimum(ends[0][few], least), np.maximum(ends[1][few], most)
    return Interval(np.clip(ends[0], low, high), np.clip(ends[1], low, high))


def _methods(rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which rows have two values only, which are spread, and in which too few seeds differ."""
    near = ROUNDING * np.maximum(np.abs(low), np.abs(high))[:, None]
    binary = ((np.abs(rows - low[:, None]) <= near) | (np.abs(rows - high[:, None]) <= near)).all(-1)
    spread = ~binary & np.asarray(mean_and_sd(rows)[1] >= SPREAD * (high - low))
    return np.asarray(binary), spread, ~binary & ~spread & (off_the_mode(rows) < min(FEWEST, rows.shape[-1] // 2))


def _hits(rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    near = ROUNDING * np.maximum(np.abs(low), np.abs(high))[:, None]
    return np.sum(np.abs(rows - high[:, None]) <= near, -1).astype(float)


def _binomial(k: np.ndarray, n: int, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(Bin(n, u) >= k) and P(Bin(n, u) <= k)."""
    from scipy.special import bdtr, bdtrc

    above = np.where(k > 0, bdtrc(np.maximum(k - 1, 0), n, u), 1.0)
    return above, np.where(k < n, bdtr(k, n, u), 1.0)


def _bets(y: np.ndarray) -> np.ndarray:
    """How much is staked on each seed, from those before it alone."""
    n = y.shape[-1]
    count = np.arange(1, n + 1)
    guess = (0.5 + np.cumsum(y, -1)) / (count + 1)
    variance = (0.25 + np.cumsum((y - guess) ** 2, -1)) / (count + 1)
    before = np.concatenate([np.full((*y.shape[:-1], 1), 0.25), variance[..., :-1]], -1)
    return np.sqrt(2 * np.log(1 / STAKED) / (before * n))


STAKED = 0.01
"""The error that bets are made for; any would be valid."""


def _capital(y: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The largest capital of one who bets that the mean of y, in [0, 1], lies above u; at least 1."""
    bets = np.minimum(_bets(y), 0.75 / np.maximum(u, 1e-300)[..., None])
    growth = np.cumsum(np.log1p(bets * (y - u[..., None])), -1)
    return np.exp(np.maximum(growth.max(-1), 0.0))


def _least(y: np.ndarray, tail: np.ndarray) -> np.ndarray:
    """The largest u at which the bets against it have earned 1 / tail."""
    left, right = np.zeros(y.shape[:-1]), np.ones(y.shape[:-1])
    for _ in range(HALVINGS):
        middle = (left + right) / 2
        earned = 1 / _capital(y, middle) <= tail
        left, right = np.where(earned, middle, left), np.where(earned, right, middle)
    return left


def _unseen(away: np.ndarray, room: np.ndarray, n: int) -> np.ndarray:
    """The chance that no seed shows a share of runs that would move the mean so far, with so much room to do it."""
    share = np.where(away <= 0, 0.0, np.where(away < room, away / np.where(room > 0, room, 1.0), 1.0))
    return (1 - share) ** n
