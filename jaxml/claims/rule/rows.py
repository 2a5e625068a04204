"""Rows of theta one by one: failed trials scored, p-values for and against, and the interval that is shown."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxml.claims.rule.intervals import FARTHEST, Tails, mean_and_sd, median_interval
from jaxml.claims.rule.primary import ends, tails
from jaxml.claims.rule.signs import sign_bounds, sign_tails

SUPPORTED, REFUTED, OPEN, INVALID = 1, -1, 0, 2
FAILED_SHARE = 0.05
"""With more non-finite trials than this in an arm, nothing is decided."""
COLUMNS: tuple[str, ...] = (
    "estimate",
    "sd",
    "low",
    "high",
    "median",
    "median_low",
    "median_high",
    "probability_positive",
)
"""What is known of a row."""


class Scored(NamedTuple):
    """Rows of theta, shape (runs, rows, n), three times: they differ where a trial failed and had to be scored.

    Attributes:
        low: every failed trial as low as may be: what is at least a value here is so.
        high: as high as may be.
        near: as favourable to "within" as may be.
        mended: the rows in which a trial failed, shape (runs, rows).
        censored: the rows of which `low` and `high` are bounds that need not be finite, shape (runs, rows).
        span: the ends of each row's range, shape (2, runs, rows), NaN where none is declared.
    """

    low: np.ndarray
    high: np.ndarray
    near: np.ndarray
    mended: np.ndarray
    censored: np.ndarray
    span: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Marks of what can be judged, shape (runs, rows, n)."""
        bounded = self.censored[..., None] & ~np.isnan(self.low) & ~np.isnan(self.high)
        return np.isfinite(self.low) | bounded

    def part(self, rows: np.ndarray, seeds: int) -> "Scored":
        """Some rows, shape (picked, seeds), up to a look."""
        low, high, near = (each[rows][:, :seeds] for each in (self.low, self.high, self.near))
        return Scored(low, high, near, self.mended[rows], self.censored[rows], self.span[:, rows])


def score(
    values: np.ndarray,
    failed: np.ndarray | None,
    within: np.ndarray,
    first_look: int,
    upper: np.ndarray | None = None,
    span: np.ndarray | None = None,
) -> Scored:
    """Score failed trials: worst where support is tested, best where refutation is.

    The worst is the worst that a trial of the first look gave, so that no later seed changes an earlier decision. For
    "within" it is the farthest from 0, on either side; the best is the nearest. Of a censored theta nothing is known.

    Args:
        values: shape (runs, rows, n); a failed trial is not finite.
        failed: marks of the same shape; None for none.
        within: marks of the rows that are to lie within a value, shape (rows,).
        first_look: seeds of the first look.
        upper: upper bounds where the values are lower bounds, NaN throughout a row that is not censored; None for none.
        span: as in `Scored`; None for none.

    >>> rows = score(np.array([[[3.0, 1.0, np.nan]]]), np.array([[[False, False, True]]]), np.array([False]), 2)
    >>> rows.low.tolist(), rows.high.tolist()
    ([[[3.0, 1.0, 1.0]]], [[[3.0, 1.0, 3.0]]])
    """
    marks = np.zeros(values.shape, bool) if failed is None else failed
    censored = np.zeros(values.shape[:2], bool)
    if upper is not None:
        censored |= ~np.isnan(upper).all(-1)
    gaps = marks & ~np.isfinite(values) & ~censored[..., None]
    mended = np.asarray(gaps.any(-1))
    low, high, near = _filled(values, gaps, mended, within, first_look) if mended.any() else (values,) * 3
    if upper is not None:
        low, high = np.where(censored[..., None], (values, upper), (low, high))
        low[marks & censored[..., None]], high[marks & censored[..., None]] = -np.inf, np.inf
    span = np.full((2, *mended.shape), np.nan) if span is None else span
    return Scored(low, high, near, mended, censored, span)


def _filled(
    values: np.ndarray, gaps: np.ndarray, mended: np.ndarray, within: np.ndarray, first_look: int
) -> list[np.ndarray]:
    """The values with their gaps as low, as high and as near to 0 as the first look saw."""
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
    return scored


def too_many(arms: np.ndarray, looks: Sequence[int]) -> np.ndarray:
    """Marks of shape (looks, cells) from failures of shape (cells, arms, n)."""
    return np.stack([arms[..., :seeds].mean(-1).max(-1) > FAILED_SHARE for seeds in looks])


def row_tails(rows: Scored, within: np.ndarray, value: np.ndarray, ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""P-values of what supports and of what refutes each row, shape (rows,).

    With p_above(v) of mean <= v and p_below(v) of mean >= v,

    at least v:  p_S = p_above(v),                                  p_R = p_below(v);
    within +-v:  p_S = max(p_below(v), p_above(-v)),                p_R = p_above(v) + p_above(-v) if mean > 0,
                                                                    else p_below(-v) + p_below(v).

    Of censored rows the p-values are those of the median.

    Reference: Schuirmann (1987), the two one-sided tests; the second term of p_R is the chance of the far side, as in
    any two-sided test of an interval of values.
    """
    support, refute = np.empty((2, len(value)))
    if rows.censored.any():
        censored = rows.censored
        by_sign = _by_sign(rows.low[censored], rows.high[censored], within[censored], value[censored])
        support[censored], refute[censored] = by_sign
    plain, within = ~within & ~rows.censored, within & ~rows.censored
    if plain.any():
        support[plain], refute[plain] = tails(rows.low[plain], value[plain], ratio[plain], rows.span[:, plain])
        mended = plain & rows.mended
        if mended.any():
            given = (value[mended], ratio[mended], rows.span[:, mended])
            refute[mended] = tails(rows.high[mended], *given).below
    if within.any():
        given = value[within], ratio[within], rows.span[:, within]
        far = _both_sides(rows.high[within], rows.low[within], *given)
        near = far
        if rows.mended[within].any():
            near = _both_sides(rows.near[within], rows.near[within], *given)
        (above, below), (above_mirrored, below_mirrored) = near
        right = mean_and_sd(rows.near[within])[0] > 0
        support[within] = np.maximum(far[0].below, far[1].below)
        refute[within] = np.minimum(1.0, np.where(right, above + below_mirrored, above_mirrored + below))
    return support, refute


def _by_sign(low: np.ndarray, high: np.ndarray, within: np.ndarray, value: np.ndarray) -> tuple[Any, Any]:
    up, down = sign_tails(low, high, value), sign_tails(low, high, -value)
    outside = np.minimum(up.above + down.above, up.below + down.below)  # the side on which the median lies
    support = np.where(within, np.maximum(up.below, down.above), up.above)
    return support, np.where(within, np.minimum(1.0, outside), up.below)


def _both_sides(
    high: np.ndarray, low: np.ndarray, value: np.ndarray, ratio: np.ndarray, span: np.ndarray
) -> tuple[Tails, Tails]:
    """P-values at the value, and of the mirrored rows at it: a constant row at either end is then judged alike."""
    both = np.concatenate([span, -span[::-1]], 1)
    found = tails(np.concatenate([high, -low]), np.tile(value, 2), np.tile(ratio, 2), both)
    n = len(value)
    return Tails(found.above[:n], found.below[:n]), Tails(found.above[n:], found.below[n:])


def known_of(
    rows: Scored,
    within: np.ndarray,
    refuted: np.ndarray,
    levels: Sequence[np.ndarray],
    ratio: np.ndarray,
    *,
    alpha: float,
) -> dict[str, np.ndarray]:
    """What is shown of each row, by name, with failed trials scored as the decision scored them.

    Args:
        rows: shape (rows, n).
        within: marks of the rows that are to lie within a value.
        refuted: marks of the rows whose hypothesis is refuted.
        levels: one-sided errors of the lower and of the upper ends.
        ratio: n_test / n_train.
        alpha: level of the median's interval.
    """
    values = rows.low
    if (rows.mended & within).any():
        values = np.where((within & (rows.near.mean(-1) > 0))[:, None], rows.high, rows.low)
    values = np.where(rows.censored[:, None], 0.0, values) if rows.censored.any() else values
    mean, sd = mean_and_sd(values)
    low, high = ends(values, levels[0], levels[1], ratio, rows.span)
    if rows.mended.any():
        mended, best = rows.mended, (within & refuted)[:, None]
        given = [*(each[mended] for each in (*levels, ratio)), rows.span[:, mended]]
        low[mended] = ends(np.where(best, rows.near, rows.low)[mended], *given).low
        high[mended] = ends(np.where(best, rows.near, rows.high)[mended], *given).high
    median = median_interval(values, level=alpha, correction=ratio)
    columns: dict[str, np.ndarray] = dict(
        zip(COLUMNS, (mean, sd, low, high, *median, np.mean(values > 0, -1)), strict=True)
    )
    if rows.censored.any():
        _show_bounds(columns, rows, [level[rows.censored] for level in levels])
    return columns


def _show_bounds(columns: dict[str, np.ndarray], rows: Scored, levels: Sequence[np.ndarray]) -> None:
    """Of censored rows the median is shown, if it is known, and its interval; there is no mean."""
    censored = rows.censored
    low, high = rows.low[censored], rows.high[censored]
    middle = [np.median(np.clip(each, -FARTHEST, FARTHEST), -1) for each in (low, high)]
    known = np.abs(middle).max(0) < FARTHEST / 2
    estimate = np.where(known, np.mean(middle, 0), np.nan)
    ends = sign_bounds(low, high, *levels)
    shown = (estimate, np.nan, *ends, estimate, *ends, np.mean(low > 0, -1))
    for name, column in zip(COLUMNS, shown, strict=True):
        columns[name][censored] = column


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
