"""What a verdict is: plain frozen records that go to `verdicts.json` and come back.

Standard library only, so that showing a verdict costs a few milliseconds.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from jaxml.records import Record

Verdict = Literal["supported", "refuted", "inconclusive", "invalid"]
Status = Literal["stands", "dated", "wrong"]
"""Of a fact, which no run decides: it was so and is, it was so once, it never was."""
Label = Literal["reversed", "equivalent", "negligible"]
Quantifier = Literal["exact", "reference", "all", "most", "some"]

VERDICTS: tuple[Verdict, ...] = ("supported", "refuted", "inconclusive", "invalid")
STATUSES: tuple[Status, ...] = ("stands", "dated", "wrong")


@dataclass(frozen=True, kw_only=True)
class Later(Record):
    """Seeds that were computed beyond those of a decision, alone: they took no part in choosing when to decide.

    Attributes:
        first: the first of them, counted from 1.
        last: the last of them.
        estimate: their mean of theta.
        low: lower end of the interval for the mean, at the decision's own level.
        high: upper end.
    """

    first: int
    last: int
    estimate: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Row(Record):
    """One of the thetas that a hypothesis holds together: a rival, a step of a trend.

    Attributes:
        estimate: mean of its theta over the seeds of the decision.
        low: lower end of the interval for the mean, at the level of the decision.
        high: upper end.
        p_support: one-sided p-value of what would support it.
        p_refute: of what would refute it.
    """

    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    p_support: float | None = None
    p_refute: float | None = None


@dataclass(frozen=True, kw_only=True)
class Decision(Record):
    """One cell of the declared grid, decided at the first look that could decide it.

    Attributes:
        verdict: supported / refuted / inconclusive / invalid.
        label: of a refuted cell: reversed (the effect runs the other way), null (smaller than the margin on
            both sides) or negligible (not larger than the margin in the claimed direction).
        estimate: mean of the paired differences theta.
        low: lower end of the interval for the mean.
        high: upper end.
        median: median of theta.
        median_low: lower end of its exact order-statistic interval.
        median_high: upper end.
        probability_positive: share of seeds with theta > 0, the chance that B beats A.
        sd: standard deviation of theta over seeds.
        seeds: how many seeds the decision used.
        look: which declared look it was, 1 for the first, None when no look was reached.
        level: two-sided level of [low, high] after the corrections for looks and cells.
        half_width_over_margin: precision reached, in margins.
        seeds_needed: seeds that would decide it with 90 % power if the estimate is right; None if no number
            would, or if it is decided.
        p_support: p-value of what would support it at this look, before the corrections: of theta <= margin for "at
            least", of theta >= margin for "at most", the larger of both ends for "within"; of several thetas as they
            are combined, see `jaxml.claims.rule.hypothesis.decide`.
        p_refute: likewise of what would refute it.
        reason: the decision in plain words.
        later: the seeds beyond those that decided, where their mean lies on the other side of the margin; they change
            nothing, and whoever reads the verdict must hear of them.
        row: which of `rows` the estimate and the interval belong to, the one on which the decision rests; None when
            there is only one theta.
        rows: where a hypothesis holds several thetas together, each of them.
    """

    verdict: Verdict
    reason: str
    label: Label | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    median: float | None = None
    median_low: float | None = None
    median_high: float | None = None
    probability_positive: float | None = None
    sd: float | None = None
    seeds: int = 0
    look: int | None = None
    level: float | None = None
    half_width_over_margin: float | None = None
    seeds_needed: int | None = None
    p_support: float | None = None
    p_refute: float | None = None
    later: Later | None = None
    row: int | None = None
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ClaimVerdict(Record):
    """A claim: its cells' decisions under its quantifier.

    Attributes:
        verdict: supported / refuted / inconclusive / invalid; of a fact its status, which is no verdict.
        quantifier: exact, reference, all, most or some.
        reason: the verdict in plain words.
        label: the sub-label of the refuted cells when they agree on one.
        badge: MIXED when supported and refuted cells coexist: the boundary must be shown.
        supported: number of supported cells.
        refuted: number of refuted cells.
        inconclusive: number of undecided cells.
        invalid: number of cells that could not be judged.

    >>> ClaimVerdict(verdict="supported", quantifier="all", reason="all 12 cells", supported=12).cells
    {'supported': 12, 'refuted': 0, 'inconclusive': 0, 'invalid': 0}
    """

    verdict: Verdict | Status
    quantifier: Quantifier
    reason: str
    label: Label | None = None
    badge: Literal["MIXED"] | None = None
    supported: int = 0
    refuted: int = 0
    inconclusive: int = 0
    invalid: int = 0

    @property
    def cells(self) -> dict[str, int]:
        """Number of cells by verdict."""
        return {verdict: getattr(self, verdict) for verdict in VERDICTS}


@dataclass(frozen=True, kw_only=True)
class SuiteReport(Record):
    """An exact suite: the same verdict card, and what the suite did to earn it.

    Attributes:
        verdict: supported, refuted (a counter-example) or invalid (a mutant survived), as a claim's verdict.
        properties: one decision for each property, by name.
        mutants: by name, the property that killed each mutant, None for a survivor.
        counterexample: the smallest violating case found, as plain values; None when there is none.
        violated: the property that the counter-example violates.
    """

    verdict: ClaimVerdict
    properties: dict[str, Decision] = field(default_factory=dict)
    mutants: dict[str, str | None] = field(default_factory=dict)
    counterexample: Any = None
    violated: str | None = None
