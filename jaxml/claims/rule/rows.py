"""Rows of theta one by one: failed trials scored, p-values for and against, and the interval that is shown."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxml.claims.rule.intervals import Tails, mean_and_sd, union_bounds, union_tails

SUPPORTED, REFUTED, OPEN, INVALID = 1, -1, 0, 2
FAILED_SHARE = 0.05
"""With more non-finite trials than this in an arm, nothing is decided."""


class Scored(NamedTuple):
    """Rows of theta, shape (runs, rows, n), three times: they differ where a trial failed and had to be scored.

    Attributes:
        low: every failed trial as low as may be: what is at least a value here is so.
        high: as high as may be.
        near: as favourable to "within" as may be.
        mended: the rows in which a trial failed, shape (runs, rows).
    """

    low: np.ndarray
    high: np.ndarray
    near: np.ndarray
    mended: np.ndarray

    def part(self, rows: np.ndarray, seeds: int) -> "Scored":
        """Some rows, shape (picked, seeds), up to a look."""
        low, high, near = (each[rows][:, :seeds] for each in (self.low, self.high, self.near))
        return Scored(low, high, near, self.mended[rows])


def score(values: np.ndarray, failed: np.ndarray | None, within: np.ndarray, first_look: int) -> Scored:
    """Score failed trials: worst where support is tested, best where refutation is.

    The worst is the worst that a trial of the first look gave, so that no later seed changes an earlier decision. For
    "within" it is the farthest from 0, on either side; the best is the nearest.

    Args:
        values: shape (runs, rows, n); a failed trial is not finite.
        failed: marks of the same shape; None for none.
        within: marks of the rows that are to lie within a value, shape (rows,).
        first_look: seeds of the first look.

    >>> rows = score(np.array([[[3.0, 1.0, np.nan]]]), np.array([[[False, False, True]]]), np.array([False]), 2)
    >>> rows.low.tolist(), rows.high.tolist()
    ([[[3.0, 1.0, 1.0]]], [[[3.0, 1.0, 3.0]]])
    """
    gaps = np.zeros(values.shape, bool) if failed is None else failed & ~np.isfinite(values)
    mended = np.asarray(gaps.any(-1))
    if not mended.any():
        return Scored(values, values, values, mended)
    rows, holes, around = values[mended], gaps[mended], np.broadcast_to(within, mended.shape)[mended]
    seen, known = rows[:, :first_look], np.isfinite(rows[:, :first_look])
    lowest, highest = np.where(known, seen, np.inf).min(-1), np.where(known, seen, -np.inf).max(-1)
    farthest = np.maximum(abs(lowest), abs(highest))
    nearest = np.take_along_axis(seen, np.where(known, abs(seen), np.inf).argmin(-1)[:, None], -1)[:, 0]
    fills = np.where(around, -farthest, lowest), np.where(around, farthest, highest), nearest
    scored = []
    for fill in fills:
        whole = values.copy()
        whole[mended] = np.where(holes, np.where(known.any(-1), fill, 0.0)[:, None], rows)
        scored.append(whole)
    low, high, near = scored
    return Scored(low, high, near, mended)


def too_many(arms: np.ndarray, looks: Sequence[int]) -> np.ndarray:
    """Marks of shape (looks, cells) from failures of shape (cells, arms, n)."""
    return np.stack([arms[..., :seeds].mean(-1).max(-1) > FAILED_SHARE for seeds in looks])


def row_tails(rows: Scored, within: np.ndarray, value: np.ndarray, ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""P-values of what supports and of what refutes each row, shape (rows,).

    With p_above(v) of mean <= v and p_below(v) of mean >= v,

    at least v:  p_S = p_above(v),                                  p_R = p_below(v);
    within +-v:  p_S = max(p_below(v), p_above(-v)),                p_R = p_above(v) + p_above(-v) if mean > 0,
                                                                    else p_below(-v) + p_below(v).

    Reference: Schuirmann (1987), the two one-sided tests; the second term of p_R is the chance of the far side, as in
    any two-sided test of an interval of values.
    """
    support, refute = np.empty((2, len(value)))
    plain = ~within
    if plain.any():
        support[plain], refute[plain] = union_tails(rows.low[plain], value[plain], ratio[plain])
        mended = plain & rows.mended
        if mended.any():
            refute[mended] = union_tails(rows.high[mended], value[mended], ratio[mended]).below
    if within.any():
        v, r = value[within], ratio[within]
        far = _both_sides(rows.high[within], rows.low[within], v, r)
        near = far
        if rows.mended[within].any():
            near = _both_sides(rows.near[within], rows.near[within], v, r)
        (above, below), (above_mirrored, below_mirrored) = near
        right = mean_and_sd(rows.near[within])[0] > 0
        support[within] = np.maximum(far[0].below, far[1].below)
        refute[within] = np.minimum(1.0, np.where(right, above + below_mirrored, above_mirrored + below))
    return support, refute


def _both_sides(high: np.ndarray, low: np.ndarray, value: np.ndarray, ratio: np.ndarray) -> tuple[Tails, Tails]:
    """P-values at the value, and of the mirrored rows at it: a constant row at either end is then judged alike."""
    tails = union_tails(np.concatenate([high, -low]), np.tile(value, 2), np.tile(ratio, 2))
    n = len(value)
    return Tails(tails.above[:n], tails.below[:n]), Tails(tails.above[n:], tails.below[n:])


def ends(
    rows: Scored, within: np.ndarray, refuted: np.ndarray, levels: Sequence[np.ndarray], ratio: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean, interval and the values that are shown, with failed trials scored as the decision scored them."""
    values = rows.low
    if (rows.mended & within).any():
        values = np.where((within & (rows.near.mean(-1) > 0))[:, None], rows.high, rows.low)
    mean = mean_and_sd(values)[0]
    low, high = union_bounds(values, levels[0], levels[1], ratio)
    if rows.mended.any():
        mended, best = rows.mended, (within & refuted)[:, None]
        given = [each[mended] for each in (*levels, ratio)]
        low[mended] = union_bounds(np.where(best, rows.near, rows.low)[mended], *given).low
        high[mended] = union_bounds(np.where(best, rows.near, rows.high)[mended], *given).high
    return mean, low, high, values


def agreeing(
    low: np.ndarray,
    high: np.ndarray,
    *,
    verdict: np.ndarray,
    value: np.ndarray,
    within: np.ndarray,
    right: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The interval, moved where the inversion of a p-value, by rounding, contradicts the decision taken with it.

    For "within" the p-value that refutes is a sum of two, and a little larger than the one that the interval inverts:
    what is open because of it holds the end all the same.
    """
    plain, under, over = ~within, np.nextafter(value, -np.inf), np.nextafter(-value, np.inf)
    supported, refuted, open_ = (verdict == name for name in (SUPPORTED, REFUTED, OPEN))
    low = np.where(plain & supported, np.maximum(low, value), low)
    high = np.where(plain & refuted, np.minimum(high, under), high)
    low = np.where(within & supported, np.maximum(low, over), low)
    high = np.where(within & supported, np.minimum(high, under), high)
    low = np.where(within & refuted & right, np.maximum(low, value), low)
    high = np.where(within & refuted & ~right, np.minimum(high, -value), high)
    inside = (low > -value) & (high < value)
    low = np.where(within & open_, np.where(inside & ~right, -value, np.minimum(low, under)), low)
    high = np.where(within & open_, np.where(inside & right, value, np.maximum(high, over)), high)
    return low, high
