"""What any surface shows of a claim: terminal, page, scoreboard and exports render this and know no kinds.

Standard library only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from jaxml.claims.finding import CellResult, Finding
from jaxml.claims.words import Unit, phrase

Facts = list[tuple[str, str]]


@dataclass(frozen=True)
class Strip:
    """An interval against the margin, its ends and marks in percent of a column; None where nothing is finite.

    `mirror` is the margin on the other side, where there are two.
    """

    zero: float
    margin: float
    low: float | None
    high: float | None
    point: float | None
    words: str
    zero_words: str
    mirror: float | None = None


@dataclass(frozen=True)
class Row:
    """One line of a claim: a cell of the grid, a property, a number.

    Attributes:
        where: which one it is.
        word: how it came out; empty where nothing was decided.
        label: the sub-label of its verdict.
        shown: the other columns, by their heads, in order.
        notes: what stands below it, in plain words.
        warning: what a reader must not miss.
        strip: its interval, where it has one.
    """

    where: str
    word: str
    shown: dict[str, str]
    label: str = ""
    notes: tuple[str, ...] = ()
    warning: str = ""
    strip: Strip | None = None


@dataclass(frozen=True)
class CheckRow:
    """What had to come out in a certain way.

    Attributes:
        name: what it is.
        role: a control of either side, or a mutant.
        must: what had to come out.
        passed: whether it did.
        outcome: what came out; empty where nothing was decided.
        row: what was measured.
        void: vacuous or uninformative, of one that counts for nothing.
    """

    name: str
    role: str
    must: str
    passed: bool
    outcome: str
    row: Row
    void: str = ""


@dataclass(frozen=True)
class Told:
    """A claim in words.

    Attributes:
        finding: what is told of.
        word: the verdict, or that the run was exploratory.
        label: the sub-label of a refutation.
        badge: MIXED where it holds in some cells and not in others.
        fragile: what another master key made of it.
        answer: one or two sentences.
        facts: what was claimed, compared, required.
        head: what the first column holds: cell, property.
        rows: one for each thing decided.
        checks: one for each thing that had to come out.
        warnings: what a reader must not miss, besides the answer.
        exhibit: a caption and a text to show, such as a counter-example; None where there is none.
        margin: in the unit of the effects; empty where there is none.
        levels: the margins as effects, for lines in charts; the last one carries the name.
        unit: how effects are shown; None where there are none.
        summary: the columns of the scoreboard, by their heads.
    """

    finding: Finding
    word: str
    answer: str
    facts: Facts
    head: str
    rows: list[Row]
    checks: list[CheckRow]
    label: str = ""
    badge: str = ""
    fragile: str = ""
    warnings: list[str] = field(default_factory=list)
    exhibit: tuple[str, str] | None = None
    margin: str = ""
    levels: tuple[float, ...] = ()
    unit: Unit | None = None
    summary: dict[str, str] = field(default_factory=dict)

    @property
    def effect_unit(self) -> Unit:
        """`unit`, of a claim that has effects."""
        if self.unit is None:
            raise ValueError(f"{self.finding.id}: a {self.finding.kind} has no effects to draw.")
        return self.unit

    @property
    def columns(self) -> list[str]:
        """The heads of the columns between the first and the verdict."""
        return list(self.rows[0].shown) if self.rows else []

    def framed(self, decided: bool) -> "Told":
        """With what every kind says alike: label, badge, fragile, source, lineage."""
        verdict, more = self.finding.verdict, []
        if decided:
            more = [("Decided", "" if any(n == "Decided" for n, _ in self.facts) else verdict.reason)]
            more += [("Fragile", self.finding.fragile or "")]
        lineage = self.finding.lineage
        facts = [
            *self.facts,
            *more,
            ("What this does not show", lineage.does_not_show if lineage else ""),
            ("Source", self.finding.source or ""),
            ("Catalogue", lineage.words if lineage else ""),
            ("Ledger", self.finding.attempt_words),
        ]
        return replace(
            self,
            facts=[(name, words[:1].upper() + words[1:]) for name, words in facts if words],
            label=(verdict.label or "") if decided and verdict.verdict == "refuted" else "",
            badge=(verdict.badge or "") if decided else "",
            fragile=(self.finding.fragile or "") if decided else "",
        )


def unlike_rows(finding: Finding, what: str, must: str, outcomes: tuple[str, str]) -> list[CheckRow]:
    """What is counted or computed besides, so that an exact claim can fail.

    Args:
        finding: of the claim.
        what: each of them is.
        must: what had to come out.
        outcomes: in words where it did, and where it did not.
    """
    return [
        CheckRow(
            name=phrase(check.name),
            role=what,
            must=must,
            passed=check.passed,
            outcome=outcomes[0 if check.passed else 1],
            row=Row(where="", word="", shown={"why": check.reason}),
        )
        for check in finding.checks
    ]


def strip(cell: CellResult, margin: float, unit: Unit, domain: tuple[float, float], mirrored: bool = False) -> Strip:
    """The interval of a cell in a column that spans `domain`; `mirrored` where the margin holds on both sides."""
    first, last = domain
    decision = cell.decision

    def at(value: float) -> float:
        return round(100 * (value - first) / (last - first), 2)

    low, high, point = (None if v is None else at(v) for v in (decision.low, decision.high, decision.estimate))
    ends = "" if low is None else f", interval {unit.interval(decision.low, decision.high)}"
    words = f"effect {unit.shown(decision.estimate)}{ends}, margin {unit.shown(margin)}"
    return Strip(at(0.0), at(margin), low, high, point, words, unit.shown(0.0), at(-margin) if mirrored else None)


def domain_of(cells: Iterable[CellResult], margins: Sequence[float]) -> tuple[float, float]:
    """What strips of intervals span: zero, the margin and every interval, with room at both ends."""
    ends = [0.0, *margins]
    for cell in cells:
        ends += [end for end in (cell.decision.low, cell.decision.high, cell.decision.estimate) if end is not None]
    pad = 0.06 * ((max(ends) - min(ends)) or 1.0)  # nothing but zeros: a margin of 0, and no cell that was decided
    return min(ends) - pad, max(ends) + pad
