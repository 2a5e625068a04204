"""`equality`: two arms, or an arm and a number, are the same within a margin, decided by two one-sided tests."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from jaxml.claims.answers import HEADS, at_cell, concluded, contrast, extreme, measured
from jaxml.claims.finding import Finding
from jaxml.claims.given import Given
from jaxml.claims.kinds.contrast import ContrastKind, cells_planned
from jaxml.claims.spec import Finite, Seeded
from jaxml.claims.telling import QUANTIFIERS, told_of
from jaxml.claims.told import Facts, Told
from jaxml.claims.words import Unit, number, phrase, place

if TYPE_CHECKING:
    from jaxml.claims.asking import Asked


class Equality(Seeded):
    """What a config says of an equality: `against` or `equals` names the other side."""

    kind: Literal["equality"]
    equals: Finite | None = None

    @property
    def extra(self) -> dict[str, Any]:
        """The number that the one arm is held against."""
        return {"equals": self.equals} if self.equals is not None and self.arms.against is None else {}

    @model_validator(mode="after")
    def _other_side(self) -> "Equality":
        if (self.arms.against is None) == (self.equals is None):
            raise ValueError("an equality needs either arms.against or a number under 'equals'")
        if self.direction != "larger":
            raise ValueError("an equality has no direction; leave it out")
        if self.cap is not None and self.equals is not None and self.equals >= self.cap:
            raise ValueError(f"equals: {self.equals:g} must lie below the cap, {self.cap:g}")
        return self


class EqualityKind(ContrastKind):
    """The difference lies within the margin on both sides."""

    name: ClassVar[str] = "equality"
    Claim = Equality

    def planned(self, plan: Mapping[str, Any]) -> str:
        """In one line."""
        shown = Unit(plan["scale"], "larger", True).shown(plan["margin"])
        return f"{cells_planned(plan)}, the same within {shown} ({plan['scale']}), {plan['controls']} controls"

    def measure(self, id: str, claim: Any, given: Given) -> "list[Asked]":
        """The difference in every cell, and in every control's."""
        from jaxml.claims.asking import hypotheses, read_within

        return list(hypotheses(claim, given, f"claims.{id}", read_within))

    def tell(self, finding: Finding, decided: bool) -> Told:
        """Differences inside or outside of the margin, cell by cell."""
        return told_of(finding, decided, _answer(finding, decided), _facts(finding), mirrored=True)


def _sides(finding: Finding) -> tuple[str, str]:
    about = measured(finding)
    if about.equals is not None:
        return place(about.arms["claimed"]), number(about.equals)
    return contrast(about.arms)


def _facts(finding: Finding) -> Facts:
    about, (first, second) = measured(finding), _sides(finding)
    return [
        ("Claimed", f"{phrase(about.metric)} is the same, {QUANTIFIERS[finding.verdict.quantifier]}"),
        ("Compared", f"{first} with {second}" + (", paired by seed" if about.equals is None else "")),
        ("Margin", f"{about.unit.amount(about.margin)} either way. {about.margin_reason}"),
    ]


def _answer(finding: Finding, decided: bool) -> str:
    about, (first, second) = measured(finding), _sides(finding)
    cell = extreme(finding, lambda estimate: -abs(estimate))
    found = ""
    if cell is not None:
        decision, where = cell.decision, at_cell(finding, cell)
        largest = f"{about.unit.shown(decision.estimate)} (interval {about.unit.interval(decision.low, decision.high)})"
        found = f"{phrase(about.metric)} with {first} differs from {second} by "
        found += f"{largest}{f' at most, at {where}' if where else ''}"
        found += f"; {about.unit.amount(about.margin)} or more matters."
    return concluded(finding, decided, found, HEADS | {"supported": "Yes, the same", "refuted": "No, not the same"})
