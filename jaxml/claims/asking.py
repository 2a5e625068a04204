"""What a seeded claim asks of the rule: one hypothesis for each of its cells, one for each of its controls."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jaxml.claims.cells import Indices, cells_of, control_claim, locate, matches
from jaxml.claims.finding import CellResult, Role
from jaxml.claims.given import Given, Grid
from jaxml.claims.measure import Effects, effect_in
from jaxml.claims.population import Population
from jaxml.claims.premises import arms_at, left_out, meets_premise
from jaxml.claims.quantities import Quantities
from jaxml.claims.rule.hypothesis import Hypothesis, Region, at_least, within
from jaxml.claims.spec import Seeded
from jaxml.errors import ConfigError

if TYPE_CHECKING:
    from jaxml.claims.verdict import Decision


@dataclass(frozen=True)
class Asked:
    """The claim, or one of its controls, in one cell.

    Attributes:
        at: the cell.
        effects: what was measured in it.
        hypothesis: what goes up to the rule.
        role: of a control; None for the claim itself.
        name: of a control.
        detail: what a control measures otherwise than its claim.
        left_out: why the claim does not speak of this cell; empty where it does.
    """

    at: dict[str, Any]
    effects: Effects
    hypothesis: Hypothesis
    role: Role | None = None
    name: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    left_out: str = ""

    def judged(self, decision: "Decision") -> "Decision":
        """The decision, of a cell that the claim speaks of and whose arms could pick what they would."""
        from jaxml.claims.verdict import Decision

        why = self.left_out or self.effects.narrow
        return Decision(verdict="invalid", reason=why) if why else decision

    def result(self, decision: "Decision") -> CellResult:
        """The cell as it is kept."""
        found = self.effects
        return CellResult(
            at=self.at, tuned=found.tuned, theta=found.theta.tolist(), noted=found.noted, decision=self.judged(decision)
        )


@dataclass(frozen=True)
class Reading:
    """What a claim says in one cell.

    Attributes:
        effects: what is kept and shown of it.
        rows: the thetas that the rule decides, shape (rows, seeds).
        region: where their means are said to lie.
        names: of the rows.
        difference: 0 means "no effect", so that a refutation is labelled.
        combine: all rows are said to lie there, or any.
        levels: of the rows, where they have values of their own.
        upper: upper bounds, where the rows are lower ones.
    """

    effects: Effects
    rows: np.ndarray
    region: Region
    names: tuple[str, ...] = ()
    difference: bool = True
    combine: Literal["all", "any"] = "all"
    levels: tuple[float, ...] = ()
    upper: np.ndarray | None = None


JOINT: dict[str, Literal["support", "refute"]] = {"all": "support", "some": "refute"}
"""What all cells of a claim must share for the claim to come out so."""
Read = Callable[[Quantities, Seeded, Grid, Indices, str], Reading]


def read_larger(held: Quantities, claim: Seeded, grid: Grid, cell: Indices, where: str) -> Reading:
    """The effect is at least the margin."""
    effects = effect_in(held, claim, grid, cell, where)
    compared = claim.arms.against is not None
    low, high = effects.bounds or (effects.theta, None)
    upper = None if high is None else high[None]
    return Reading(effects, low[None], at_least(claim.margin.value), difference=compared and high is None, upper=upper)


def read_within(held: Quantities, claim: Seeded, grid: Grid, cell: Indices, where: str) -> Reading:
    """The effect lies within the margin; what failed is on the bad side of both ends, so the rule scores it."""
    effects = effect_in(held, claim, grid, cell, where)
    low, high = effects.bounds or (effects.bare, None)
    return Reading(effects, low[None], within(claim.margin.value), upper=None if high is None else high[None])


def hypotheses(claim: Seeded, given: Given, where: str, read: Read = read_larger) -> Iterator[Asked]:
    """A claim in each of its cells, then each of its controls.

    Args:
        claim: the claim.
        given: what the run holds.
        where: the place named in errors.
        read: what it says in one cell.

    Raises:
        ConfigError: when the results do not hold what is asked for.
    """
    axes = given.grid.axes
    for cell in cells_of(axes, claim, where):
        yield _asked(claim, given, cell, where, read)
    sides: tuple[tuple[str, Role], ...] = (("negative", "negative control"), ("positive", "positive control"))
    for side, role in sides:
        for control in getattr(claim.controls, side):
            place = f"{where}.controls.{side}.{control.name}"
            asked = control_claim(claim, control, axes, place)
            (cell,) = cells_of(axes, asked, place)
            yield _asked(asked, given, cell, place, read, role, control.name)


def _asked(
    claim: Seeded, given: Given, cell: Indices, where: str, read: Read, role: Role | None = None, name: str = ""
) -> Asked:
    grid, held = given.grid, given.held
    if held is None:
        raise ConfigError(f"{where}: this claim needs a trial, and the experiment has none.")
    at = {n: v for axis in grid.axes if axis.name in cell for n, v in axis.points[cell[axis.name]].items()}
    found = read(held, claim, grid, cell, where)
    population = population_of(claim, grid, cell)
    ratio = population.ratio if population else 0.0
    if population:
        noted = found.effects.noted | {"population": population.words}
        found = replace(found, effects=replace(found.effects, noted=noted))
    if found.upper is not None and ratio:
        raise ConfigError(
            f"{where}.cap: capped times are decided by sign tests, which know of no law behind a data set."
        )
    if claim.range is not None and ratio:
        raise ConfigError(
            f"{where}.range: what a range tells of rare values holds for independent seeds; leave it out."
        )
    arms = arms_at(claim, grid, cell, found.effects.tuned, where)
    # A control may well lie where there is nothing to feel: such cells of a claim are left out, no controls.
    why = "" if role else left_out(held, claim, arms, where)
    met = meets_premise(held, claim, arms, where)
    count, narrow = None, found.effects.narrow
    if claim.applies_if is not None and met is not None:
        count, least = int(met.sum()), claim.applies_if.seeds
        noted = found.effects.noted | {"met": count, "seeds": len(met)}
        found = replace(found, effects=replace(found.effects, noted=noted))
        if count < least:
            why = why or f"left out, {claim.applies_if.words} in {count} of {len(met)} seeds, {least} are needed"
        else:
            found = _only(found, met)
    hypothesis = Hypothesis(
        claim=where,
        at=at,
        rows=found.rows,
        region=found.region,
        combine=found.combine,
        names=found.names,
        levels=found.levels,
        upper=found.upper,
        failed=found.effects.failed,
        ratio=ratio,
        difference=found.difference,
        # What is left out is decided alone, and by nobody: it takes no part in the families of the run.
        control="positive" if role == "positive control" else "negative" if role or why or narrow else None,
        count=None if why else count,
        span=claim.span,
        joint=JOINT.get(claim.quantifier),
    )
    return Asked(
        at=at,
        effects=found.effects,
        hypothesis=hypothesis,
        role=role,
        name=name,
        detail=described(claim, held.telling(claim, grid.axes)) if role else {},
        left_out=why,
    )


def _only(found: Reading, met: np.ndarray) -> Reading:
    """A reading of the seeds that meet a premise, in order; padding follows, so that looks count these."""
    order, count = np.argsort(~met, kind="stable"), int(met.sum())

    def packed(values: np.ndarray, fill: Any) -> np.ndarray:
        values = np.asarray(values)[..., order]
        values[..., count:] = fill
        return values

    effects = found.effects
    kept = replace(effects, theta=effects.theta[met], failed=packed(effects.failed, False))
    upper = None if found.upper is None else packed(found.upper, np.nan)
    return replace(found, effects=kept, rows=packed(found.rows, np.nan), upper=upper)


def described(claim: Seeded, arms: Mapping[str, Any]) -> dict[str, Any]:
    """What a seeded claim or a control of one measures, as plain values."""
    limits = {
        "premise": f"{claim.applies_if.words}, in {claim.applies_if.seeds} seeds at least" if claim.applies_if else "",
        "leaves_out": "; ".join(f"{rule.name} (mean {rule.words})" for rule in claim.leave_out),
        "cap": claim.cap,
        "range": list(claim.range) if claim.range else None,
        "tuned": claim.tune.per if claim.tune else "",
    }
    return {
        "metric": claim.metric,
        "direction": claim.direction,
        "scale": claim.scale,
        "arms": dict(arms),
        "margin": claim.margin.value,
        "margin_reason": claim.margin.reason,
        **{name: value for name, value in limits.items() if value not in ("", None)},
    } | claim.extra


def population_of(claim: Seeded, grid: Grid, cell: Indices) -> Population | None:
    """Whom the seeds of both arms tell of, where they draw from one data set."""
    here = {**locate(grid.axes, claim.arms.claimed, "arms"), **cell}
    for each in grid.population:
        meant = matches(grid.axes, each.where, "population")
        if all(here.get(axis) in positions for axis, positions in meant.items()):
            return each
    return None
