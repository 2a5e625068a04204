"""`trend`: a quantity rises or falls along an axis: by its slope in every seed, or by no step that goes against it."""

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from jaxml.claims.along import at_first, check_along, effects_along
from jaxml.claims.answers import Measured, at_cell, concluded, extreme, measured
from jaxml.claims.cells import Indices
from jaxml.claims.finding import Finding
from jaxml.claims.given import Given, Grid
from jaxml.claims.kinds.contrast import ContrastKind
from jaxml.claims.spec import Seeded
from jaxml.claims.telling import QUANTIFIERS, told_of
from jaxml.claims.told import Facts, Told
from jaxml.claims.words import phrase, place

if TYPE_CHECKING:
    from jaxml.claims.asking import Asked, Reading
    from jaxml.claims.quantities import Quantities


class Trend(Seeded):
    """What a config says of a trend: `direction` larger means that it rises along the axis, smaller that it falls.

    `form: slope` asks for a slope of the margin at least, for each unit of the axis, or with `log` for each factor of
    e; `form: steps` that no step from one value of the axis to the next goes against the direction by more than the
    margin.
    """

    kind: Literal["trend"]
    along: str
    form: Literal["slope", "steps"] = "slope"
    log: bool = False

    @property
    def theta_is_difference(self) -> bool:
        """From one value of the axis to the next."""
        return True

    @property
    def extra(self) -> dict[str, Any]:
        """The axis and the form; a step may fall short of 0 by the margin."""
        turned = {"margin": -self.margin.value} if self.form == "steps" else {}
        return {"along": self.along, "form": self.form, **turned}

    @model_validator(mode="after")
    def _one_arm(self) -> "Trend":
        arms = [self.arms, *(c.arms for c in (*self.controls.negative, *self.controls.positive) if c.arms)]
        if any(arm.against is not None for arm in arms):
            raise ValueError("a trend has one arm; leave 'against' out")
        return self


class TrendKind(ContrastKind):
    """A slope per seed, or steps."""

    name: ClassVar[str] = "trend"
    Claim = Trend

    def check(self, claim: Any, grid: Grid, where: str) -> None:
        """Check the axis, then cells and controls at one of its values."""
        check_along(claim, grid, where)

    def plan(self, claim: Any, grid: Grid, where: str) -> dict[str, Any]:
        """As for a contrast, with the axis."""
        return {**super().plan(at_first(claim, grid.axes), grid, where), "along": claim.along, "form": claim.form}

    def planned(self, plan: Mapping[str, Any]) -> str:
        """In one line."""
        return f"{plan['form']} along {plan['along']}, {super().planned(plan)}"

    def measure(self, id: str, claim: Any, given: Given) -> "list[Asked]":
        """The slope, or every step, in every cell."""
        from jaxml.claims.asking import hypotheses

        return list(hypotheses(at_first(claim, given.grid.axes), given, f"claims.{id}", _read))

    def tell(self, finding: Finding, decided: bool) -> Told:
        """Slopes, or the step that goes most against the trend, cell by cell."""
        return told_of(finding, decided, _answer(finding, decided), _facts(finding, measured(finding)))


def _read(held: "Quantities", claim: Any, grid: Grid, cell: Indices, where: str) -> "Reading":
    """The thetas of one cell: a slope, or the steps."""
    import numpy as np

    from jaxml.claims.asking import Reading
    from jaxml.claims.effect import scored
    from jaxml.claims.measure import Effects
    from jaxml.claims.rule.estimates import slope, steps
    from jaxml.claims.rule.hypothesis import at_least

    at, levels = effects_along(held, claim, grid, cell, where)
    failed = np.stack([level.failed.any(0) for level in levels])
    values = np.stack([level.bare for level in levels])
    if claim.form == "slope":
        rows, region, names = slope(np.log(at) if claim.log else at, values)[None], at_least(claim.margin.value), ()
    else:
        rows, region = steps(values), at_least(-claim.margin.value)
        names = tuple(f"the step from {a:g} to {b:g}" for a, b in itertools.pairwise(at))
    tuned = {f"{claim.along} {v:g}": level.tuned["claimed"] for v, level in zip(at, levels, strict=True) if level.tuned}
    worst = scored(rows.min(0), grid.looks[0])
    rows = worst[None] if len(rows) == 1 else rows
    return Reading(
        Effects(worst, failed, tuned).told_with(levels), rows, region, names, difference=claim.form == "slope"
    )


def _facts(finding: Finding, about: Measured) -> Facts:
    moves = "rises" if about.direction == "larger" else "falls"
    how = "slope of each seed" if about.form == "slope" else "every step of the axis"
    needs = "at least" if about.form == "slope" else "no step further against it than"
    return [
        (
            "Claimed",
            f"{phrase(about.metric)} {moves} along {phrase(about.along)}, {QUANTIFIERS[finding.verdict.quantifier]}",
        ),
        ("Measured", ", ".join(part for part in (how, _elsewhere(about)) if part)),
        ("Margin", f"{needs} {about.unit.shown(about.margin)}. {about.margin_reason}"),
    ]


def _elsewhere(about: Measured) -> str:
    return place({name: value for name, value in about.arms["claimed"].items() if name != about.along})


def _answer(finding: Finding, decided: bool) -> str:
    about, cell = measured(finding), extreme(finding)
    found, unit = "", about.unit
    if cell is not None:
        decision, where = cell.decision, at_cell(finding, cell)
        what = "the slope" if about.form == "slope" else "the least step"
        found = f"{what} of {phrase(about.metric)} along {phrase(about.along)} is {unit.shown(decision.estimate)} "
        found += f"(interval {unit.interval(decision.low, decision.high)}, {decision.seeds} seeds)"
        found += f" at least, at {where}" if where else ""
        found += ", turned so that the claim says it is positive" if about.direction == "smaller" else ""
        found += f"; {unit.shown(about.margin)} or more is claimed."
    return concluded(finding, decided, found)
