"""`fact`: what no code decides, such as history and names: a source, whether it stands, and why. It is no verdict."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from jaxml.claims.finding import Finding
from jaxml.claims.given import Given, Grid
from jaxml.claims.kind import Kind
from jaxml.claims.spec import Claim
from jaxml.claims.told import Row, Told
from jaxml.claims.verdict import ClaimVerdict, Status

if TYPE_CHECKING:
    from jaxml.claims.asking import Asked
    from jaxml.claims.verdict import Decision

MEANING: dict[str, str] = {"stands": "It stands", "dated": "It was so once", "wrong": "It is wrong"}


class FactClaim(Claim):
    """What a config says of a fact: whoever writes it vouches for it, by the source and the reason that are given."""

    kind: Literal["fact"]
    status: Status
    why: Annotated[str, Field(min_length=10)]

    @model_validator(mode="after")
    def _with_source(self) -> "FactClaim":
        if not self.source:
            raise ValueError("a fact rests on its source; name it under 'source'")
        return self


class FactKind(Kind[FactClaim]):
    """Stated with its source, and never counted among the verdicts."""

    name: ClassVar[str] = "fact"
    Claim = FactClaim

    def plan(self, claim: FactClaim, grid: Grid, where: str) -> dict[str, Any]:
        """Its status."""
        return {"status": claim.status}

    def planned(self, plan: Mapping[str, Any]) -> str:
        """In one line."""
        return f"nothing: a fact, status {plan['status']}"

    def conclude(self, id: str, claim: FactClaim, given: Given, decided: "Sequence[tuple[Asked, Decision]]") -> Finding:
        """The status in the place of a verdict."""
        return Finding(
            id=id,
            kind=self.name,
            statement=claim.statement,
            source=claim.source,
            verdict=ClaimVerdict(verdict=claim.status, quantifier="exact", reason=claim.why),
            cells=[],
            checks=[],
            detail={"why": claim.why},
        )

    def tell(self, finding: Finding, decided: bool) -> Told:
        """The status and why, whatever else may be said of the run."""
        status, why = finding.verdict.verdict, finding.detail["why"]
        return Told(
            finding=finding,
            word=status,
            answer=f"{MEANING[status]}: {why.rstrip('.')}.",
            facts=[("Decided", "No code decides this. Whoever wrote the config vouches for it, by its source")],
            head="source",
            rows=[Row(where=finding.source or "", word="", shown={"status": status})],
            checks=[],
            summary={"why": why, "source": finding.source or ""},
        ).framed(decided)
