"""The verdict card of a claim: what was claimed, what came out in every cell, and how the controls did.

Standard library only, so that showing a run costs a few milliseconds. `verdicts.json` is a list of these.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from jaxml.claims.verdict import ClaimVerdict, Decision, SuiteReport
from jaxml.records import Record


@dataclass(frozen=True, kw_only=True)
class CellResult(Record):
    """One cell of the grid: where it lies, what each arm was tuned to, the effect of every seed, the decision."""

    at: dict[str, Any]
    tuned: dict[str, dict[str, Any]]
    theta: list[float]
    decision: Decision


@dataclass(frozen=True, kw_only=True)
class ControlResult(Record):
    """A control: the setting that had to pass (positive) or fail (negative), and whether it did."""

    name: str
    kind: Literal["negative", "positive"]
    passed: bool
    margin: float
    cell: CellResult


@dataclass(frozen=True, kw_only=True)
class ClaimCard(Record):
    """Everything the report says of one claim.

    `fragile` says what another master key made of it, None where that changed nothing or was not tried.
    """

    id: str
    statement: str
    estimand: str
    direction: str
    scale: str
    arms: dict[str, Any]
    margin: float
    margin_reason: str
    source: str | None
    verdict: ClaimVerdict
    cells: list[CellResult]
    controls: list[ControlResult]
    fragile: str | None = None

    @property
    def headline(self) -> CellResult:
        """The cell to show first: one that carries the verdict, else the first."""
        carrying = [cell for cell in self.cells if cell.decision.verdict == self.verdict.verdict]
        return (carrying or self.cells)[0]


@dataclass(frozen=True, kw_only=True)
class SuiteCard(Record):
    """An exact claim: what its suite found, with the same verdict as any other claim.

    `fragile` says what other random cases made of it, None where they changed nothing or were not tried.
    """

    id: str
    statement: str
    suite: str
    cases: int
    source: str | None
    report: SuiteReport
    fragile: str | None = None

    @property
    def verdict(self) -> ClaimVerdict:
        return self.report.verdict


@dataclass(frozen=True, kw_only=True)
class Verdicts(Record):
    """All claims of a run, under the spec that was frozen before its first trial.

    Attributes:
        status: "confirmatory", or "exploratory" when the spec is not the one on record: then nothing was decided.
        why: why it is exploratory.
        spec_sha256: the hash on record.
        claims: one card per claim, in the config's order.
        suites: one card per exact claim.
    """

    status: Literal["confirmatory", "exploratory"]
    why: str
    spec_sha256: str
    claims: list[ClaimCard]
    suites: list[SuiteCard] = field(default_factory=list)

    def verdict_of(self, card: "ClaimCard | SuiteCard") -> str:
        """What may be said of a claim: its verdict, or that the run was exploratory."""
        return card.verdict.verdict if self.status == "confirmatory" else "exploratory"

    @property
    def words(self) -> dict[str, str]:
        """What may be said of every claim, exact ones included, by id."""
        return {card.id: self.verdict_of(card) for card in (*self.claims, *self.suites)}
