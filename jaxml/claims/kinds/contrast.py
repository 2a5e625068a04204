"""`contrast`: one arm is larger or smaller than another, or than a number, by a margin, over cells of the grid."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from jaxml.claims.answers import answer
from jaxml.claims.bounds import bounded
from jaxml.claims.cells import cells_of, check_claim
from jaxml.claims.finding import Check, Finding
from jaxml.claims.given import Given, Grid
from jaxml.claims.kind import Kind
from jaxml.claims.spec import Bound, Seeded
from jaxml.claims.telling import seeded_facts, told_of
from jaxml.claims.told import Told
from jaxml.claims.words import Unit

if TYPE_CHECKING:
    from jaxml.claims.asking import Asked
    from jaxml.claims.verdict import Decision


class Contrast(Seeded):
    """What a config says of a contrast; a single arm may be held against a number by `at_least` or `at_most`."""

    kind: Literal["contrast"] = "contrast"
    at_least: Bound | None = Field(default=None, exclude=True)
    at_most: Bound | None = Field(default=None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _bounds(cls, data: Any) -> Any:
        return bounded(data)


class ContrastKind(Kind[Contrast]):
    """One arm against another, or against a number."""

    name: ClassVar[str] = "contrast"
    Claim = Contrast
    seeded: ClassVar[bool] = True

    def check(self, claim: Contrast, grid: Grid, where: str) -> None:
        """Check arms, tuning, cells and controls against the grid."""
        check_claim(claim, grid.axes, grid.tuning_seeds, where)

    def quantities(self, claim: Contrast) -> Iterator[tuple[tuple[str, ...], str]]:
        """The metrics and tuning goals of the claim and its controls."""
        yield ("metric",), claim.metric
        if claim.tune:
            yield ("tune",), claim.tune.goal
        if claim.applies_if:
            yield ("applies_if", "metric"), claim.applies_if.metric
        for number, rule in enumerate(claim.leave_out):
            yield ("leave_out", str(number), "metric"), rule.metric
        for side in ("negative", "positive"):
            for control in getattr(claim.controls, side):
                there = ("controls", side, control.name)
                if control.metric is not None:
                    yield (*there, "metric"), control.metric
                if control.tune is not None and control.tune != "none":
                    yield (*there, "tune"), control.tune.goal

    def plan(self, claim: Contrast, grid: Grid, where: str) -> dict[str, Any]:
        """Cells and controls, margin and scale."""
        return {
            "quantifier": claim.quantifier,
            "cells": len(cells_of(grid.axes, claim, where)),
            "margin": claim.margin.value,
            "scale": claim.scale,
            "direction": claim.direction,
            "compared": claim.arms.against is not None,
            "controls": len(claim.controls.negative) + len(claim.controls.positive),
        }

    def planned(self, plan: Mapping[str, Any]) -> str:
        """In one line."""
        needs = "margin" if plan["compared"] else "at least" if plan["direction"] == "larger" else "at most"
        needs += f" {Unit(plan['scale'], plan['direction'], plan['compared']).shown(plan['margin'])} ({plan['scale']})"
        return f"{cells_planned(plan)}, {needs}, {plan['controls']} controls"

    def measure(self, id: str, claim: Contrast, given: Given) -> "list[Asked]":
        """The effect in every cell, and in every control's."""
        from jaxml.claims.asking import hypotheses

        return list(hypotheses(claim, given, f"claims.{id}"))

    def conclude(self, id: str, claim: Contrast, given: Given, decided: "Sequence[tuple[Asked, Decision]]") -> Finding:
        """The quantifier over the cells, and then the controls."""
        from jaxml.claims.asking import described
        from jaxml.claims.rule.controls import with_controls
        from jaxml.claims.rule.quantifier import decide_claim

        cells = [asked.result(decision) for asked, decision in decided if asked.role is None]
        checks = [_checked(asked, asked.judged(decision), decision) for asked, decision in decided if asked.role]
        out = [asked.left_out for asked, _ in decided if asked.role is None]
        verdict = decide_claim(
            [cell.decision for cell, why in zip(cells, out, strict=True) if not why or all(out)],
            quantifier=claim.quantifier,
            reference=0 if claim.quantifier == "reference" else None,
        )
        known = [(check, check.cell.decision) for check in checks if check.cell]
        negatives = {c.name: (d, c.detail["margin"]) for c, d in known if c.role == "negative control"}
        positives = {c.name: d for c, d in known if c.role == "positive control"}
        arms = given.held.telling(claim, given.grid.axes) if given.held else claim.sides
        return Finding(
            id=id,
            kind=self.name,
            statement=claim.statement,
            source=claim.source,
            verdict=with_controls(verdict, negatives, positives),
            cells=cells,
            checks=checks,
            detail=described(claim, arms),
        )

    def tell(self, finding: Finding, decided: bool) -> Told:
        """Effects against the margin, cell by cell."""
        return told_of(finding, decided, answer(finding, decided), seeded_facts(finding, decided))


def _checked(asked: "Asked", judged: "Decision", decision: "Decision") -> Check:
    """A control as it is kept."""
    from jaxml.claims.rule.controls import worth

    negative = asked.role == "negative control"
    found = worth(judged, asked.detail["margin"]) if negative else "counts"
    return Check(
        name=asked.name,
        role=asked.role or "positive control",
        passed=found != "fails" if negative else judged.verdict == "supported",
        reason=judged.reason,
        detail=asked.detail,
        cell=asked.result(decision),
        void=found if found in ("vacuous", "uninformative") else "",
    )


def cells_planned(plan: Mapping[str, Any]) -> str:
    """The cells in which a claim must hold, as `plan` shows them."""
    if plan["quantifier"] == "reference":
        return "the reference cell"
    return f"{plan['quantifier']} of {plan['cells']} cells" if plan["cells"] > 1 else "the only cell"
