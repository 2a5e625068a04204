"""`program`: how much of something a program holds, counted once from its text rather than timed or sampled."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from jaxml.claims.finding import CellResult, Check, Finding
from jaxml.claims.given import Given, Grid
from jaxml.claims.kind import Bench, Kind
from jaxml.claims.spec import Claim, Finite
from jaxml.claims.told import Row, Told, unlike_rows
from jaxml.claims.verdict import Decision
from jaxml.claims.words import number, phrase, sentence
from jaxml.errors import ConfigError, TrialError, nearest

if TYPE_CHECKING:
    from jaxml.claims.asking import Asked

Count = Literal["parameters", "outputs", "equations", "loops", "operations", "bytes", "fusions"]


class ProgramClaim(Claim):
    """What a config says of a program: its count, or its ratio to another's, against a number."""

    kind: Literal["program"]
    program: str
    count: Count
    against: str | None = None
    exactly: Finite | None = None
    at_least: Finite | None = None
    at_most: Finite | None = None
    unlike: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _one_bound(self) -> "ProgramClaim":
        if sum(bound is not None for bound in (self.exactly, self.at_least, self.at_most)) != 1:
            raise ValueError("give one of 'exactly', 'at_least' and 'at_most'")
        return self

    @property
    def bound(self) -> tuple[str, float]:
        """Which of the three it is, and its number."""
        (found,) = ((n, v) for n in ("exactly", "at_least", "at_most") if (v := getattr(self, n)) is not None)
        return found


class ProgramKind(Kind[ProgramClaim]):
    """Counts of programs, from shapes, the jaxpr and what XLA makes of it."""

    name: ClassVar[str] = "program"
    Claim = ProgramClaim

    def check_experiment(self, claim: ProgramClaim, experiment: Any, where: str) -> None:
        """Check that the experiment has the programs."""
        named = [("program", claim.program), *(("against", n) for n in (claim.against,) if n is not None)]
        for place, name in (*named, *(("unlike", other) for other in claim.unlike)):
            if name not in experiment.programs:
                near = nearest(name, experiment.programs)
                raise ConfigError(f"{where}.{place}: the experiment has no program '{name}'. {near}")

    def plan(self, claim: ProgramClaim, grid: Grid, where: str) -> dict[str, Any]:
        """What is counted, and the bound."""
        return {"count": claim.count, "program": claim.program, "against": claim.against, "bound": list(claim.bound)}

    def planned(self, plan: Mapping[str, Any]) -> str:
        """In one line."""
        other = f" over those of {plan['against']}" if plan["against"] else ""
        return f"{plan['count']} of {plan['program']}{other}: {_bound(*plan['bound'])}"

    def collect(self, claim: ProgramClaim, bench: Bench) -> dict[str, Any]:
        """Count in every program that is named."""
        names: list[str] = [claim.program, *([claim.against] if claim.against else []), *claim.unlike]
        return {name: _counted(bench.experiment, name, claim.count) for name in names}

    def conclude(
        self, id: str, claim: ProgramClaim, given: Given, decided: "Sequence[tuple[Asked, Decision]]"
    ) -> Finding:
        """The bound holds or it does not; what must be unlike must break it."""
        from jaxml.claims.rule.quantifier import exact_verdict

        counts = given.evidence[id]
        value = _value(counts, claim.program, claim.against)
        holds = _holds(value, *claim.bound)
        reason = f"{_words(claim.count, claim.program, claim.against, counts)}, claimed {_bound(*claim.bound)}"
        decision = Decision(verdict="supported" if holds else "refuted", reason=reason, estimate=value)
        checks = [
            Check(
                name=other,
                role="mutant",
                passed=not _holds(_value(counts, other, claim.against), *claim.bound),
                reason=_words(claim.count, other, claim.against, counts),
            )
            for other in claim.unlike
        ]
        blind = "has it too: the count cannot tell them apart"
        verdict = exact_verdict([decision], {check.name: check.passed for check in checks}, blind)
        return Finding(
            id=id,
            kind=self.name,
            statement=claim.statement,
            source=claim.source,
            verdict=verdict,
            cells=[CellResult(at={"program": claim.program}, decision=decision)],
            checks=checks,
            detail={
                "count": claim.count,
                "program": claim.program,
                "against": claim.against,
                "bound": list(claim.bound),
                "counts": counts,
            },
        )

    def tell(self, finding: Finding, decided: bool) -> Told:
        """Every program with its count."""
        about, counts = finding.detail, finding.detail["counts"]
        head = {True: "Yes", False: "No"}[finding.cells[0].decision.verdict == "supported"]
        reason = finding.cells[0].decision.reason
        answer = f"{head}: {reason}." if decided else f"Nothing is decided. {sentence(reason)}."
        if decided and finding.verdict.verdict == "invalid":
            answer = f"No answer: {finding.verdict.reason}."
        compared = [name for name in (about["program"], about["against"]) if name]
        return Told(
            finding=finding,
            word=finding.verdict.verdict if decided else "exploratory",
            answer=answer,
            facts=[("Claimed", f"{about['count']} of {phrase(about['program'])}: {_bound(*about['bound'])}")],
            head="program",
            rows=[Row(where=phrase(name), word="", shown={about["count"]: number(counts[name])}) for name in compared],
            checks=unlike_rows(finding, "another program", "must not have it", ("it has not", "it has")),
            summary={"counted": about["count"], "found": number(finding.cells[0].decision.estimate)}
            | {"claimed": _bound(*about["bound"])},
        ).framed(decided)


def _value(counts: Mapping[str, float], program: str, against: str | None) -> float:
    return counts[program] / max(counts[against], 1e-300) if against else counts[program]


def _holds(value: float, name: str, bound: float) -> bool:
    slack = 1e-9 * abs(bound)  # counts are whole; their ratios are rounded
    return {"exactly": abs(value - bound) <= slack, "at_least": value >= bound - slack}.get(
        name, value <= bound + slack
    )


def _bound(name: str, bound: float) -> str:
    return f"{phrase(name)} {number(int(bound) if bound == int(bound) else bound)}"


def _words(count: str, program: str, against: str | None, counts: Mapping[str, float]) -> str:
    told = f"{phrase(program)} has {number(counts[program])} {count}"
    if against is None:
        return told
    ratio = number(_value(counts, program, against))
    return f"{told}, {phrase(against)} {number(counts[against])}, which makes {ratio} times"


def _counted(experiment: Any, name: str, count: Count) -> float:
    """One count of one program.

    Raises:
        TrialError: when the experiment gives no function with its arguments.
    """
    found = experiment.programs[name]()
    if not isinstance(found, tuple) or not found or not callable(found[0]):
        raise TrialError(f"program '{name}' must return a function and its arguments, (f, x, ...), got {found!r}.")
    return float(COUNTS[count](*found))


def _parameters(f: Callable[..., Any], *arguments: Any) -> int:
    import jax

    return sum(leaf.size for leaf in jax.tree.leaves(arguments[:1]))


def _outputs(f: Callable[..., Any], *arguments: Any) -> int:
    import jax

    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(f, *arguments)))


def _equations(f: Callable[..., Any], *arguments: Any) -> int:
    import jax

    from jaxml.sweep.jaxprs import equations

    return sum(1 for _ in equations(jax.make_jaxpr(f)(*arguments).jaxpr))


def _loops(f: Callable[..., Any], *arguments: Any) -> int:
    import jax

    from jaxml.sweep.jaxprs import equations

    return sum(eqn.primitive.name in ("scan", "while") for eqn in equations(jax.make_jaxpr(f)(*arguments).jaxpr))


def _cost(key: str) -> Callable[..., float]:
    def of(f: Callable[..., Any], *arguments: Any) -> float:
        import jax

        found = jax.jit(f).lower(*arguments).compile().cost_analysis()
        return float((found[0] if isinstance(found, list) else found or {}).get(key, 0.0))

    return of


def _fusions(f: Callable[..., Any], *arguments: Any) -> int:
    import jax

    return (jax.jit(f).lower(*arguments).compile().as_text() or "").count(" fusion(")


COUNTS: dict[str, Callable[..., float]] = {
    "parameters": _parameters,  # entries of the first argument
    "outputs": _outputs,
    "equations": _equations,
    "loops": _loops,
    "operations": _cost("flops"),
    "bytes": _cost("bytes accessed"),
    "fusions": _fusions,
}
