"""What was found of a claim, of whatever kind: one record for verdicts.json, the terminal, the page and every export.

Standard library only, so that showing a run costs a few milliseconds. `verdicts.json` is a list of these.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from jaxml.claims.attempt import Attempt
from jaxml.claims.lineage import Lineage
from jaxml.claims.verdict import STATUSES, ClaimVerdict, Decision
from jaxml.errors import nearest
from jaxml.records import Record

if TYPE_CHECKING:
    import pandas

Role = Literal["negative control", "positive control", "mutant"]


@dataclass(frozen=True, kw_only=True)
class CellResult(Record):
    """One thing that was decided: a cell of the grid, or one property of a suite.

    Attributes:
        at: where it lies, or what it is: `{"lam": 0.1}`, `{"property": "symmetry"}`.
        decision: how it was decided.
        tuned: what each arm was tuned to.
        theta: the effect of every seed; empty where there are no seeds.
        noted: what else was seen in it: what theory expects, how many seeds were censored or left out.
    """

    at: dict[str, Any]
    decision: Decision
    tuned: dict[str, dict[str, Any]] = field(default_factory=dict)
    theta: list[float] = field(default_factory=list)
    noted: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Check(Record):
    """What had to come out in a certain way for the verdict to count.

    Attributes:
        name: what it is.
        role: a control of either side, or a mutant that must be caught.
        passed: whether it came out as expected.
        reason: why, in plain words.
        detail: what it measured otherwise than its claim: metric, scale, direction, margin, arms.
        cell: where it was decided; None where there is no cell.
        void: why it counts for nothing although it did not fail: vacuous or uninformative, see
            `jaxml.claims.rule.controls`; empty where it counts.
    """

    name: str
    role: Role
    passed: bool
    reason: str
    detail: dict[str, Any] = field(default_factory=dict)
    cell: CellResult | None = None
    void: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding(Record):
    """What was found of one claim.

    Attributes:
        id: of the claim.
        kind: of claim, a name in `jaxml.claims.kinds.KINDS`.
        statement: what is claimed, in words.
        source: where it is claimed.
        verdict: supported, refuted, inconclusive or invalid, and why.
        cells: what was decided one by one.
        checks: what had to come out for the verdict to count.
        detail: what only this kind has to say.
        fragile: what another master key made of it, None where that changed nothing or was not tried.
        lineage: what it has to do with an entry of the project's catalogue.
        note: what must be known of its results, where no run of this project made them.
        attempt: what the ledger says of earlier runs; None where it says nothing.
    """

    id: str
    kind: str
    statement: str
    source: str | None
    verdict: ClaimVerdict
    cells: list[CellResult]
    checks: list[Check]
    detail: dict[str, Any] = field(default_factory=dict)
    fragile: str | None = None
    lineage: Lineage | None = None
    note: str = ""
    attempt: Attempt | None = None

    def __repr__(self) -> str:
        from jaxml.claims.shown import line_of_finding

        return line_of_finding(self)

    @property
    def attempt_words(self) -> str:
        """What the ledger says of it, for a card; empty where it says nothing."""
        return self.attempt.words(self.id) if self.attempt else ""

    @property
    def is_fact(self) -> bool:
        """Whether it is stated rather than decided, so that no total of verdicts counts it."""
        return self.verdict.verdict in STATUSES

    @property
    def headline(self) -> CellResult:
        """The cell to show first: one that carries the verdict, else the first."""
        carrying = [cell for cell in self.cells if cell.decision.verdict == self.verdict.verdict]
        return (carrying or self.cells)[0]


@dataclass(frozen=True, kw_only=True)
class Verdicts(Record):
    """All claims of a run, under the spec that was frozen before its first trial.

    Attributes:
        status: "confirmatory", or "exploratory" when the spec is not the one on record: then nothing was decided.
        why: why it is exploratory.
        spec_sha256: the hash on record.
        findings: one for each claim, in the config's order.
    """

    status: Literal["confirmatory", "exploratory"]
    why: str
    spec_sha256: str
    findings: list[Finding]

    def __repr__(self) -> str:
        from jaxml.claims.shown import line_of

        return line_of(self)

    def _repr_html_(self) -> str:
        """Cards, for a notebook."""
        from jaxml.claims.shown import cards

        return cards(self)

    def to_dataframe(self) -> "pandas.DataFrame":
        """A row for each cell that was decided: claim, verdict, effect and interval, seeds, and where it lies.

        Effects are on the scale of their claim; a claim without cells has one row.
        """
        from jaxml.claims.shown import table

        return table(self)

    @property
    def decided(self) -> bool:
        """Whether anything may be said of the claims."""
        return self.status == "confirmatory"

    def __getitem__(self, id: str) -> ClaimVerdict:
        """The verdict on one claim: ``run.verdicts["R9"].verdict`` is a word, `reason` says why.

        Raises:
            KeyError: naming the claims there are.
        """
        return self.finding(id).verdict

    def finding(self, id: str) -> Finding:
        """All that was found of one claim: its cells with their effects, its controls.

        Raises:
            KeyError: naming the claims there are.
        """
        known = {finding.id: finding for finding in self.findings}
        if id not in known:
            raise KeyError(f"no claim {id!r}. {nearest(id, known)}")
        return known[id]

    def word(self, finding: Finding) -> str:
        """What may be said of a claim: its verdict, or that the run was exploratory; of a fact its status."""
        return finding.verdict.verdict if self.decided or finding.is_fact else "exploratory"

    @property
    def words(self) -> dict[str, str]:
        """What may be said of every claim, by id."""
        return {finding.id: self.word(finding) for finding in self.findings}
