"""The p-values and the interval that decide: of a mean, of one within a range, of one that too few seeds tell of."""

import numpy as np

from jaxml.claims.rule.bounded import FEWEST, bounded_ends, bounded_tails, off_the_mode
from jaxml.claims.rule.intervals import Interval, Tails, union_bounds, union_tails


def tails(rows: np.ndarray, value: np.ndarray, ratio: np.ndarray, span: np.ndarray) -> Tails:
    """One-sided p-values of the mean of each row, shape (rows,).

    Args:
        rows: theta, the seeds in order, shape (rows, n).
        value: v, shape (rows,).
        ratio: n_test / n_train where seeds are splits of one data set.
        span: the lower and upper ends of each row's range, shape (2, rows); NaN where none is declared. Without one,
            a row in which too few seeds differ tells nothing: both p-values are 1.
    """
    found = union_tails(rows, value, ratio)
    ranged = np.isfinite(span[0])
    silent = ~ranged & too_few(rows)
    above, below = (np.where(silent, 1.0, side) for side in found)
    if ranged.any():
        plain = Tails(found.above[ranged], found.below[ranged])
        above[ranged], below[ranged] = bounded_tails(rows[ranged], value[ranged], span[:, ranged], plain)
    return Tails(above, below)


def ends(
    rows: np.ndarray, tail_low: np.ndarray, tail_high: np.ndarray, ratio: np.ndarray, span: np.ndarray
) -> Interval:
    """The interval that `tails` inverts, with a one-sided error for each end; arguments as there.

    Its ends are infinite where nothing is known.
    """
    found = union_bounds(rows, tail_low, tail_high, ratio)
    ranged = np.isfinite(span[0])
    silent = ~ranged & too_few(rows)
    found = Interval(np.where(silent, -np.inf, found.low), np.where(silent, np.inf, found.high))
    if ranged.any():
        plain = Interval(found.low[ranged], found.high[ranged])
        given = (rows[ranged], tail_low[ranged], tail_high[ranged], span[:, ranged])
        found.low[ranged], found.high[ranged] = bounded_ends(*given, plain)
    return found


def too_few(rows: np.ndarray) -> np.ndarray:
    """Where fewer than 8 seeds, or than half of them, differ from the most frequent value."""
    return np.asarray(off_the_mode(rows) < min(FEWEST, rows.shape[-1] // 2))
