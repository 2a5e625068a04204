"""`suite`: a definition or an algorithm holds in every case, decided by a suite of the experiment, in float64."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from jaxml.claims.finding import CellResult, Check, Finding
from jaxml.claims.given import Given, Grid
from jaxml.claims.kind import Bench, Kind
from jaxml.claims.spec import Claim
from jaxml.claims.told import CheckRow, Row, Told
from jaxml.claims.verdict import SuiteReport
from jaxml.claims.words import number
from jaxml.errors import ConfigError, TrialError, nearest

if TYPE_CHECKING:
    from jaxml.claims.asking import Asked
    from jaxml.claims.verdict import Decision

LEAST_CASES, SMOKE_CASES = 1_000, 100


class SuiteClaim(Claim):
    """What a config says of a suite."""

    kind: Literal["suite"]
    suite: str
    cases: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000


class SuiteKind(Kind[SuiteClaim]):
    """An exact claim."""

    name: ClassVar[str] = "suite"
    Claim = SuiteClaim

    def check(self, claim: SuiteClaim, grid: Grid, where: str) -> None:
        """Check the number of cases."""
        if claim.cases < LEAST_CASES:
            raise ConfigError(f"{where}.cases: a suite needs at least {LEAST_CASES} cases, got {claim.cases}.")

    def check_experiment(self, claim: SuiteClaim, experiment: Any, where: str) -> None:
        """Check that the experiment has the suite."""
        if claim.suite not in experiment.suites:
            near = nearest(claim.suite, experiment.suites)
            raise ConfigError(f"{where}.suite: the experiment has no '{claim.suite}'. {near}")

    def smoke(self, claim: SuiteClaim) -> tuple[SuiteClaim, str]:
        """A tenth of the least number of cases."""
        return claim.model_copy(update={"cases": SMOKE_CASES}), f"cases of a suite {claim.cases} -> {SMOKE_CASES}"

    def plan(self, claim: SuiteClaim, grid: Grid, where: str) -> dict[str, Any]:
        """The suite and its random cases."""
        return {"suite": claim.suite, "cases": claim.cases}

    def planned(self, plan: Mapping[str, Any]) -> str:
        """In one line."""
        return f"suite {plan['suite']}, {plan['cases']:,} random cases"

    def collect(self, claim: SuiteClaim, bench: Bench) -> dict[str, Any]:
        """Put the subject, its reference and its mutants through the cases."""
        import jax

        from jaxml.claims.exact import Suite, run_suite

        bench.notify(f"suite {claim.suite}: {claim.cases} cases")
        # Another master key draws other cases, as it does for seeds.
        seed = int.from_bytes(hashlib.sha256(bench.master_key.encode()).digest()[:8])
        with jax.enable_x64(True):
            suite = bench.experiment.suites[claim.suite]()
            if not isinstance(suite, Suite):
                raise TrialError(f"suite '{claim.suite}' must be a function that returns a jaxml.Suite, got {suite!r}.")
            try:
                return run_suite(suite, cases=claim.cases, seed=seed).to_json()
            except ValueError as error:
                raise TrialError(f"suite '{claim.suite}': {error}") from None

    def conclude(
        self, id: str, claim: SuiteClaim, given: Given, decided: "Sequence[tuple[Asked, Decision]]"
    ) -> Finding:
        """One counter-example refutes, a surviving mutant makes the suite invalid."""
        report = SuiteReport.from_json(given.evidence[id])
        reasons = {
            name: f"by '{by}'" if by else "no property tells it from the subject" for name, by in report.mutants.items()
        }
        return Finding(
            id=id,
            kind=self.name,
            statement=claim.statement,
            source=claim.source,
            verdict=report.verdict,
            cells=[CellResult(at={"property": name}, decision=d) for name, d in report.properties.items()],
            checks=[
                Check(name=name, role="mutant", passed=by is not None, reason=reasons[name])
                for name, by in report.mutants.items()
            ],
            detail={
                "suite": claim.suite,
                "cases": claim.cases,
                "counterexample": report.counterexample,
                "violated": report.violated,
            },
        )

    def tell(self, finding: Finding, decided: bool) -> Told:
        """Properties that hold, mutants that were caught, and the smallest counter-example."""
        detail, example = finding.detail, flat_case(finding.detail["counterexample"])
        exhibit = None
        if detail["violated"]:
            exhibit = f"The smallest counter-example found, against “{detail['violated']}”:", example
        held = sum(cell.decision.verdict == "supported" for cell in finding.cells)
        caught = sum(check.passed for check in finding.checks)
        return Told(
            finding=finding,
            word=finding.verdict.verdict if decided else "exploratory",
            answer=_answer(finding, decided, example),
            facts=[("Cases", f"{number(detail['cases'])} random ones, besides the adversarial")],
            head="property",
            rows=[_row(cell) for cell in finding.cells],
            checks=[
                CheckRow(
                    name=check.name,
                    role=check.role,
                    must="must be caught",
                    passed=check.passed,
                    outcome="caught" if check.passed else "SURVIVED",
                    row=Row(where="", word="", shown={"why": check.reason}),
                )
                for check in finding.checks
            ],
            exhibit=exhibit,
            summary={
                "cases": number(detail["cases"]),
                "properties held": f"{held} of {len(finding.cells)}",
                "mutants killed": f"{caught} of {len(finding.checks)}",
            },
        ).framed(decided)


def _row(cell: CellResult) -> Row:
    # A property holds or is violated, whatever may be said of the claim.
    outcome = "holds" if cell.decision.verdict == "supported" else "violated"
    return Row(where=cell.at["property"], word="", shown={"outcome": outcome, "why": cell.decision.reason})


def _answer(finding: Finding, decided: bool, example: str) -> str:
    cases = max((cell.decision.seeds for cell in finding.cells), default=0)
    if not decided:
        return f"Nothing is decided; {finding.verdict.verdict} in {number(cases)} cases."
    if finding.verdict.verdict == "supported":
        count = len(finding.cells)
        held = "its one property holds" if count == 1 else f"all {count} properties hold"
        return f"Yes: {held} in {number(cases)} cases, and all {len(finding.checks)} mutants were caught."
    if finding.verdict.verdict == "refuted":
        return f"No: “{finding.detail['violated']}” fails, for example on {example}."
    return f"No answer: {finding.verdict.reason}."


def flat_case(case: Any) -> str:
    """A case in one line: ``scores [0.0, 0.0], labels [true, false]``."""
    if isinstance(case, dict):
        return ", ".join(f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in case.items())
    return json.dumps(case, ensure_ascii=False)
