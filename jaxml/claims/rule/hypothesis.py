"""What every kind of seeded claim hands up to the one rule, and the decisions that it gets back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from jaxml.claims.rule.looks import check_looks, looks_of
from jaxml.claims.rule.power import check_correction
from jaxml.claims.rule.recorded import Said, recorded
from jaxml.claims.rule.rows import score, too_many
from jaxml.claims.rule.walk import Layout, Walk
from jaxml.claims.verdict import Decision


@dataclass(frozen=True)
class Region:
    """Where mean theta is said to lie; `at_least`, `at_most` and `within` make one.

    Attributes:
        kind: at_least (theta >= value), at_most (theta <= value) or within (-value < theta < value).
        value: the margin.

    Raises:
        ValueError: for a value that is not finite, or not positive for "within".
    """

    kind: Literal["at_least", "at_most", "within"]
    value: float

    def __post_init__(self) -> None:
        if not np.isfinite(self.value) or (self.kind == "within" and self.value <= 0):
            expected = "finite and positive" if self.kind == "within" else "finite"
            raise ValueError(
                f"Region: 'value' of {self.kind} must be {expected}, got {self.value}. State the smallest effect of "
                "interest."
            )


def at_least(value: float) -> Region:
    """Theta is at or above the value.

    >>> at_least(0.5)
    Region(kind='at_least', value=0.5)
    """
    return Region("at_least", float(value))


def at_most(value: float) -> Region:
    """Theta is at or below the value.

    >>> at_most(0.5)
    Region(kind='at_most', value=0.5)
    """
    return Region("at_most", float(value))


def within(value: float) -> Region:
    """Theta lies strictly between -value and value: two things are the same as far as it matters.

    >>> within(0.5)
    Region(kind='within', value=0.5)
    """
    return Region("within", float(value))


@dataclass(frozen=True, kw_only=True, eq=False)
class Hypothesis:
    """One thing that a claim says about its seeds: in one cell, of one theta or of several together.

    Attributes:
        claim: id of the claim.
        at: the cell, as names and values.
        rows: theta of shape (K, seeds), the seeds in order, on the claim's scale. One row for a contrast, one for each
            rival, or for each step of a trend. A failed trial is not finite and marked in `failed`; the rule scores it.
        region: where the mean of each row is said to lie.
        combine: "all" rows lie there, or "any".
        failed: marks of the failed trials, shape (arms, seeds); None for none.
        ratio: n_test / n_train where seeds are splits of one data set, 0 for fresh ones.
        difference: theta is the difference of two arms, so that 0 means "no effect": a refuted "at least" is then
            labelled.
        names: of the rows, for the reason.
        levels: the value of each row, where they have values of their own instead of the region's.
        control: a control is decided alone, outside of the run's families.
        upper: where theta is only known between bounds, as a capped time or a root beyond the grid is: the upper ones,
            with `rows` the lower ones, infinite where nothing is known. What is decided is then the median, by sign
            tests.
        count: how many seeds there are, where they are fewer than those of other hypotheses: the first ones of each
            row, the rest is padding. Looks count these.
        span: the lowest and the highest value that theta can take, where it is bounded; None where it is not. It makes
            rare events decidable, see `jaxml.claims.rule.bounded`.
        joint: "support" where this and the others of its claim are of use only if all are supported, as in a claim
            about all cells; "refute" likewise, as in one about some cell; None where each speaks for itself.

    Raises:
        ValueError: for shapes that do not fit.
    """

    claim: str
    rows: np.ndarray
    region: Region
    at: Mapping[str, Any] = field(default_factory=dict)
    combine: Literal["all", "any"] = "all"
    failed: np.ndarray | None = None
    ratio: float = 0.0
    difference: bool = False
    names: Sequence[str] = ()
    levels: Sequence[float] = ()
    control: Literal["negative", "positive"] | None = None
    upper: np.ndarray | None = None
    count: int | None = None
    span: tuple[float, float] | None = None
    joint: Literal["support", "refute"] | None = None

    def __post_init__(self) -> None:
        shape = np.shape(self.rows)
        if len(shape) != 2 or shape[0] < 1 or shape[1] < 2:
            raise ValueError(
                f"Hypothesis {self.claim!r}: 'rows' must have shape (K, seeds) with K >= 1 and at least 2 seeds, got "
                f"{shape}. Use theta[None] for one row."
            )
        if self.failed is not None and (np.ndim(self.failed) != 2 or np.shape(self.failed)[1] != shape[1]):
            raise ValueError(
                f"Hypothesis {self.claim!r}: 'failed' must have shape (arms, {shape[1]}), got "
                f"{np.shape(self.failed)}. Give a mark for each arm and seed."
            )
        if self.names and len(self.names) != shape[0]:
            raise ValueError(
                f"Hypothesis {self.claim!r}: 'names' must hold one for each of {shape[0]} rows, got {self.names}."
            )
        if self.count is not None and not 2 <= self.count <= shape[1]:
            raise ValueError(f"Hypothesis {self.claim!r}: 'count' must lie between 2 and {shape[1]}, got {self.count}.")
        if self.levels and (len(self.levels) != shape[0] or self.region.kind != "at_least"):
            raise ValueError(
                f"Hypothesis {self.claim!r}: 'levels' must hold one for each of {shape[0]} rows that are to be "
                f"at least as much, got {self.levels} for {self.region.kind}."
            )
        if self.upper is not None and (np.shape(self.upper) != shape or self.ratio):
            raise ValueError(
                f"Hypothesis {self.claim!r}: 'upper' must have the shape of 'rows', {shape}, and 'ratio' be 0, got "
                f"{np.shape(self.upper)} and {self.ratio}. Sign tests know of no dependent splits."
            )
        if self.span is not None:
            self._check_span(*self.span)

    def _check_span(self, low: float, high: float) -> None:
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise ValueError(f"Hypothesis {self.claim!r}: 'span' must hold two rising numbers, got {self.span}.")
        if self.ratio:
            raise ValueError(
                f"Hypothesis {self.claim!r}: with a 'span', 'ratio' must be 0, got {self.ratio}. What is known of "
                "bounded values holds for seeds that are independent."
            )
        known = np.asarray(self.rows, float)
        known = known[np.isfinite(known)]
        room = 1e-6 * max(abs(low), abs(high))
        if known.size and (known.min() < low - room or known.max() > high + room):
            raise ValueError(
                f"Hypothesis {self.claim!r}: theta must lie in its span, {low:g} to {high:g}, got {known.min():.4g} to "
                f"{known.max():.4g}. Correct the metric's range."
            )


def decide(
    hypotheses: Sequence[Hypothesis],
    *,
    looks: Sequence[int],
    alpha: float = 0.05,
    shares: Sequence[float] | None = None,
) -> list[Decision]:
    r"""Decide all hypotheses of a run.

    Two Holm families over all that are no controls, one of what would support and one of what would refute, each at
    alpha / 2, spent over the looks as `spending` has it. With p_above(v) the p-value of mean <= v and p_below(v) of
    mean >= v, a row has

    | region | p_S | p_R |
    |---|---|---|
    | at least v | p_above(v) | p_below(v) |
    | at most v | p_below(v) | p_above(v) |
    | within v | max(p_below(v), p_above(-v)) | p_above(v) + p_above(-v) if mean > 0, else p_below(-v) + p_below(v) |

    and K rows together max p_S and min(1, K min p_R) if all must hold, min(1, K min p_S) and max p_R if any must.

    Hypotheses that are of use only together count as one in their family. From 8 hypotheses on, no look before 32 seeds
    is taken.

    A failed trial scores as the worst of the first look where support is tested, and as the best where refutation is.
    With more than 5 % of them in an arm, nothing is decided.

    Args:
        hypotheses: of the whole run, all with the same number of seeds.
        looks: declared seed counts.
        alpha: two-sided error of the run.
        shares: of alpha, at which each hypothesis is tested, as a further attempt of a claim is; 1 by default.

    Returns:
        One `Decision` for each, in order; of several rows it shows the one on which the decision rests.

    Raises:
        ValueError: for unusable looks or unequal numbers of seeds.

    Note: not a test of the best rival within each seed, which calls the luckiest one better.

    Reference: Schuirmann (1987); Berger (1982), Multiparameter hypothesis testing; Holm (1979).

    >>> noise = np.random.default_rng(0).normal(size=(3, 64))
    >>> same = Hypothesis(claim="same", rows=noise[:1], region=within(1.0))
    >>> beats = Hypothesis(claim="beats", rows=noise + [[3], [2], [0]], region=at_least(1), names=("A", "B", "C"))
    >>> for decision in decide([same, beats], looks=(16, 32, 64)):
    ...     print(decision.verdict, decision.seeds, decision.reason)
    supported 32 interval [-0.5699, 0.2507] lies within ±1
    refuted 32 C does not: interval [-0.6483, 0.4263] lies below 1
    """
    if not hypotheses:
        return []
    given = looks_of(check_looks("decide", looks), sum(h.control is None for h in hypotheses))
    seeds = {np.shape(h.rows)[1] for h in hypotheses}
    if len(seeds) > 1:
        raise ValueError(
            f"decide: all hypotheses of a run must have the same number of seeds, got {sorted(seeds)}. "
            "Judge each seed of the run in all of them."
        )
    count = np.asarray([len(h.rows) for h in hypotheses])
    kinds = np.asarray([h.region.kind for h in hypotheses])
    layout = Layout(
        count,
        within=kinds == "within",
        every=np.asarray([h.combine == "all" for h in hypotheses]),
        alone=np.asarray([h.control is not None for h in hypotheses]),
        support=_units(hypotheses, "support"),
        refute=_units(hypotheses, "refute"),
    )
    sign = np.where(kinds == "at_most", -1.0, 1.0)[layout.owner]
    values = sign * np.concatenate([h.levels or [h.region.value] * len(h.rows) for h in hypotheses])
    ratios = check_correction("decide", np.asarray([h.ratio for h in hypotheses], float)[layout.owner])
    rows, upper = _bounds(hypotheses)
    marks = _marks(hypotheses, rows.shape, layout)
    scored = score(rows, marks, layout.within[layout.owner], given[0], upper, _spans(hypotheses))
    counts = np.asarray([h.count or np.shape(h.rows)[1] for h in hypotheses])
    own = None if shares is None else np.asarray(shares, float)
    walk = Walk(scored, layout, values[None], ratios[None], given, alpha, counts, own)
    walk.through(_unusable(hypotheses, given))
    return recorded(walk, [_said(h) for h in hypotheses])


def _said(hypothesis: Hypothesis) -> Said:
    number = len(hypothesis.rows)
    return Said(
        kind=hypothesis.region.kind,
        difference=hypothesis.difference,
        names=tuple(hypothesis.names) or tuple(f"row {k}" for k in range(1, number + 1)),
        every=hypothesis.combine == "all",
        censored=hypothesis.upper is not None,
    )


def _bounds(hypotheses: Sequence[Hypothesis]) -> tuple[np.ndarray, np.ndarray | None]:
    """All rows, turned where "at most" is meant, and upper bounds (NaN for what is not censored) if any has them."""
    low, high = [], []
    for h in hypotheses:
        rows = np.asarray(h.rows, float)
        upper = rows if h.upper is None else np.asarray(h.upper, float)
        ends = (-upper, -rows) if h.region.kind == "at_most" else (rows, upper)
        low.append(ends[0])
        high.append(np.full(rows.shape, np.nan) if h.upper is None else ends[1])
    censored = any(h.upper is not None for h in hypotheses)
    return np.concatenate(low)[None], np.concatenate(high)[None] if censored else None


def _units(hypotheses: Sequence[Hypothesis], family: str) -> np.ndarray:
    """Numbers that rise along the hypotheses, the same for neighbours that are of use only together."""
    new = [
        not (a.joint == b.joint == family and a.claim == b.claim and a.control == b.control)
        for a, b in pairwise(hypotheses)
    ]
    return np.cumsum([False, *new])


def _spans(hypotheses: Sequence[Hypothesis]) -> np.ndarray:
    """The ends of every row's range, shape (2, 1, rows), turned where "at most" is meant; NaN where there is none."""
    found = []
    for h in hypotheses:
        low, high = h.span or (np.nan, np.nan)
        found += [(-high, -low) if h.region.kind == "at_most" else (low, high)] * len(h.rows)
    return np.asarray(found).T[:, None]


def _marks(hypotheses: Sequence[Hypothesis], shape: tuple[int, ...], layout: Layout) -> np.ndarray | None:
    """Which seeds of each row had a failed trial in any arm; None for none at all."""
    marked = [i for i, h in enumerate(hypotheses) if h.failed is not None and np.any(h.failed)]
    if not marked:
        return None
    out = np.zeros(shape, bool)
    for i in marked:
        failed = np.any(np.asarray(hypotheses[i].failed, bool), 0)
        out[0, layout.first[i] : layout.first[i] + layout.count[i]] = failed
    return out


def _unusable(hypotheses: Sequence[Hypothesis], looks: tuple[int, ...]) -> np.ndarray:
    """Marks of shape (looks, 1, hypotheses): too large a share of an arm's trials failed."""
    out = np.zeros((len(looks), 1, len(hypotheses)), bool)
    for i, hypothesis in enumerate(hypotheses):
        if hypothesis.failed is not None and np.any(hypothesis.failed):
            out[:, 0, i] = too_many(np.asarray(hypothesis.failed, bool)[None], looks)[:, 0]
    return out
