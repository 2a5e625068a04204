"""`number`: a worked figure comes out as told, at the precision in which it is told."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from jaxml.claims.finding import CellResult, Check, Finding
from jaxml.claims.given import Given, Grid
from jaxml.claims.kind import Bench, Kind
from jaxml.claims.spec import Claim
from jaxml.claims.told import Row, Told, unlike_rows
from jaxml.claims.verdict import Decision
from jaxml.claims.words import sentence
from jaxml.errors import ConfigError, TrialError, nearest

if TYPE_CHECKING:
    from jaxml.claims.asking import Asked


def _figure(text: str) -> str:
    if not re.fullmatch(r"[-+]?\d[\d,]*(\.\d+)?([eE][-+]?\d+)?( ?%)?", text):
        raise ValueError("a figure is written as text, as it is told: '2.86', '63.2 %', '25,600', '1.2e-3'")
    return text


Figure = Annotated[str, AfterValidator(_figure)]


class NumberClaim(Claim):
    """What a config says of worked figures."""

    kind: Literal["number"]
    number: str
    told: Annotated[dict[str, Figure], Field(min_length=1)] | Figure
    unlike: Annotated[tuple[str, ...], Field(strict=False)] = ()


class NumberKind(Kind[NumberClaim]):
    """A figure that a text works out, computed anew."""

    name: ClassVar[str] = "number"
    Claim = NumberClaim

    def check_experiment(self, claim: NumberClaim, experiment: Any, where: str) -> None:
        """Check that the experiment computes the number, and what it must not be."""
        for place, name in (("number", claim.number), *(("unlike", other) for other in claim.unlike)):
            if name not in experiment.numbers:
                near = nearest(name, experiment.numbers)
                raise ConfigError(f"{where}.{place}: the experiment computes no '{name}'. {near}")

    def plan(self, claim: NumberClaim, grid: Grid, where: str) -> dict[str, Any]:
        """The number and the figures."""
        return {"number": claim.number, "told": _told(claim.told)}

    def planned(self, plan: Mapping[str, Any]) -> str:
        """In one line."""
        return f"{plan['number']}, told as {', '.join(plan['told'].values())}"

    def collect(self, claim: NumberClaim, bench: Bench) -> dict[str, Any]:
        """Compute the number, and those that it must not be mistaken for, in float64."""
        import jax

        with jax.enable_x64(True):
            found = {name: _computed(bench.experiment, name) for name in (claim.number, *claim.unlike)}
        for name in _told(claim.told):
            if name not in found[claim.number]:
                known = ", ".join(map(repr, found[claim.number]))
                raise TrialError(f"number '{claim.number}': it is told '{name}', and computes {known}.")
        return found

    def conclude(
        self, id: str, claim: NumberClaim, given: Given, decided: "Sequence[tuple[Asked, Decision]]"
    ) -> Finding:
        """Every figure must be what its number rounds to; what it must be unlike must not round to all of them."""
        told, computed = _told(claim.told), given.evidence[id]
        cells = [_compared(name, figure, computed[claim.number][name]) for name, figure in told.items()]
        checks = [
            Check(
                name=other,
                role="mutant",
                passed=not all(
                    rounds_to(computed[other].get(name, float("nan")), figure) for name, figure in told.items()
                ),
                reason="; ".join(f"gives {shown(value, told[n])}" for n, value in computed[other].items() if n in told),
            )
            for other in claim.unlike
        ]
        from jaxml.claims.rule.quantifier import exact_verdict

        blind = "comes out as told too: the figure cannot tell them apart"
        verdict = exact_verdict([cell.decision for cell in cells], {c.name: c.passed for c in checks}, blind)
        return Finding(
            id=id,
            kind=self.name,
            statement=claim.statement,
            source=claim.source,
            verdict=verdict,
            cells=cells,
            checks=checks,
            detail={"number": claim.number, "told": told, "computed": computed[claim.number]},
        )

    def tell(self, finding: Finding, decided: bool) -> Told:
        """Told and computed, side by side."""
        told, computed = finding.detail["told"], finding.detail["computed"]
        rows = [
            Row(
                where=name,
                word=cell.decision.verdict if decided else "",
                shown={"told": told[name], "computed": shown(computed[name], told[name])},
            )
            for name, cell in ((cell.at["figure"], cell) for cell in finding.cells)
        ]
        return Told(
            finding=finding,
            word=finding.verdict.verdict if decided else "exploratory",
            answer=_answer(finding, decided),
            facts=[],
            head="figure",
            rows=rows,
            checks=unlike_rows(finding, "another number", "must not come out as told", ("it does not", "it does")),
            summary={
                "told": ", ".join(told.values()),
                "computed": ", ".join(shown(computed[name], figure) for name, figure in told.items()),
            },
        ).framed(decided)


def _told(told: Mapping[str, str] | str) -> dict[str, str]:
    return {"value": told} if isinstance(told, str) else dict(told)


def _computed(experiment: Any, name: str) -> dict[str, float]:
    found = experiment.numbers[name]()
    values = found if isinstance(found, Mapping) else {"value": found}
    try:
        return {str(key): float(value) for key, value in values.items()}
    except (TypeError, ValueError):
        raise TrialError(f"number '{name}' must return a number, or numbers by name, got {found!r}.") from None


def precision(figure: str) -> Decimal:
    """Half a unit of the last digit of a figure.

    >>> precision("2.86"), precision("63.2 %"), precision("1.2e-3"), precision("25,600")
    (Decimal('0.005'), Decimal('0.0005'), Decimal('0.00005'), Decimal('0.5'))
    """
    number = Decimal(figure.replace(",", "").rstrip("% "))
    unit = Decimal(1).scaleb(int(number.as_tuple().exponent))
    return (unit / 100 if figure.endswith("%") else unit) / 2


def rounds_to(value: float, figure: str) -> bool:
    """Whether a number, rounded to the digits in which a figure is told, is that figure.

    >>> rounds_to(20 / 7, "2.86"), rounds_to(20 / 7, "2.85"), rounds_to(1 - 1 / 2.718281828, "63.2 %")
    (True, False, True)
    """
    if value != value or value in (float("inf"), float("-inf")):
        return False
    number = Decimal(figure.replace(",", "").rstrip("% "))
    expected = number / 100 if figure.endswith("%") else number
    # A tie, exact in decimal, may be rounded either way; float64 adds its own last place.
    slack = Decimal(abs(value)) * Decimal(2) ** -50
    return abs(Decimal(value) - expected) <= precision(figure) + slack


def shown(value: float, figure: str) -> str:
    """A number with two digits more than the figure that it is held against.

    >>> shown(20 / 7, "2.86"), shown(0.63212056, "63.2 %")
    ('2.8571', '63.212 %')
    """
    percent = figure.endswith("%")
    digits = max(-int(Decimal(figure.replace(",", "").rstrip("% ")).as_tuple().exponent), 0) + 2
    scaled = value * 100 if percent else value
    text = f"{scaled:,.{digits}f}" if abs(scaled) >= 1e-3 or scaled == 0 else f"{scaled:.4g}"
    text = text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text
    return text + " %" * percent


def _compared(name: str, figure: str, value: float) -> CellResult:
    right = rounds_to(value, figure)
    reason = f"told {figure}, computed {shown(value, figure)}"
    decision = Decision(verdict="supported" if right else "refuted", reason=reason, estimate=value)
    return CellResult(at={"figure": name}, decision=decision)


def _answer(finding: Finding, decided: bool) -> str:
    wrong = [cell for cell in finding.cells if cell.decision.verdict == "refuted"]
    words = "; ".join(cell.decision.reason for cell in (wrong or finding.cells)[:3])
    if not decided:
        return f"Nothing is decided. {sentence(words)}."
    if finding.verdict.verdict == "invalid":
        return f"No answer: {finding.verdict.reason}."
    return f"{'No' if wrong else 'Yes'}: {words}."
