"""`boundary`: where along an axis an effect reaches a level, against theory's value, by the root of every seed."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from jaxml.claims.along import at_first, check_along, effects_along
from jaxml.claims.answers import HEADS, Measured, at_cell, concluded, extreme, measured
from jaxml.claims.cells import Indices, cells_of, locate
from jaxml.claims.finding import CellResult, Finding
from jaxml.claims.given import Given, Grid
from jaxml.claims.kinds.contrast import ContrastKind
from jaxml.claims.spec import Finite, Scale, Seeded
from jaxml.claims.telling import QUANTIFIERS, told_of
from jaxml.claims.told import Facts, Told
from jaxml.claims.words import interval, number, phrase, place
from jaxml.errors import ConfigError

if TYPE_CHECKING:
    from jaxml.claims.asking import Asked, Reading
    from jaxml.claims.quantities import Quantities


class Boundary(Seeded):
    """What a config says of a boundary: along the axis the effect rises, or falls, to `meets` where theory says.

    `theory` is a number, or an output or metric that gives one for each seed and has used the axis up. The margin
    says how far from it counts as the same: in the unit of the axis, or with `log` as a factor.
    """

    kind: Literal["boundary"]
    along: str
    meets: Finite = 0.0
    rises: bool = True
    theory: Finite | str
    log: bool = False

    @property
    def extra(self) -> dict[str, Any]:
        """The axis, the level and theory; effects are told on the scale of the axis."""
        own = {name: getattr(self, name) for name in ("along", "meets", "rises", "theory")}
        return {**own, "form": "boundary", "scale": self.margin_scale(self.scale), "of_scale": self.scale}

    def margin_scale(self, scale: Scale) -> Scale:
        """That of the axis."""
        return "log_ratio" if self.log else "difference"


class BoundaryKind(ContrastKind):
    """The median root, by sign tests, which a root beyond the grid does not mislead."""

    name: ClassVar[str] = "boundary"
    Claim = Boundary

    def check(self, claim: Any, grid: Grid, where: str) -> None:
        """Check the axis and theory's value, then cells and controls."""
        from jaxml.claims.asking import population_of

        check_along(claim, grid, where, least=2)
        if claim.log and not isinstance(claim.theory, str) and claim.theory <= 0:
            raise ConfigError(f"{where}.theory: along a logarithmic axis it must be positive, got {claim.theory}.")
        posed = at_first(claim, grid.axes)
        whom = (population_of(posed, grid, cell) for cell in cells_of(grid.axes, posed, where))
        if any(each and each.ratio for each in whom):
            raise ConfigError(
                f"{where}: a boundary is decided by sign tests, which know of no law behind a data set. Draw fresh "
                "data, or claim it of the data set."
            )

    def quantities(self, claim: Any) -> Iterator[tuple[tuple[str, ...], str]]:
        """Those of a contrast, and theory's where it is one."""
        yield from super().quantities(claim)
        if isinstance(claim.theory, str):
            yield ("theory",), claim.theory

    def plan(self, claim: Any, grid: Grid, where: str) -> dict[str, Any]:
        """As for a contrast, with the axis."""
        held = super().plan(at_first(claim, grid.axes), grid, where)
        about = {"scale": claim.margin_scale(claim.scale), "direction": "larger", "compared": True}
        return {**held, **about, "along": claim.along, "meets": claim.meets, "theory": claim.theory}

    def planned(self, plan: Mapping[str, Any]) -> str:
        """In one line."""
        return f"boundary along {plan['along']} at {number(plan['theory'])}, {super().planned(plan)}"

    def measure(self, id: str, claim: Any, given: Given) -> "list[Asked]":
        """The root of every seed, less theory's, in every cell."""
        from jaxml.claims.asking import hypotheses

        return list(hypotheses(at_first(claim, given.grid.axes), given, f"claims.{id}", _read))

    def tell(self, finding: Finding, decided: bool) -> Told:
        """Where the boundary was found, cell by cell, beside theory's."""
        about = measured(finding)
        told = told_of(finding, decided, _answer(finding, decided), _facts(finding), mirrored=True)
        rows = [replace(row, shown=_shown(cell, about)) for row, cell in zip(told.rows, finding.cells, strict=True)]
        controls = [check.cell for check in finding.checks if check.cell]
        checks = [
            replace(check, row=replace(check.row, shown=_shown(cell, about)))
            for check, cell in zip(told.checks, controls, strict=True)
        ]
        found = _shown(finding.headline, about)
        summary = {"effect": f"{found['boundary']} ({found['interval']})", "theory": found["theory"]}
        return replace(told, rows=rows, checks=checks, summary=told.summary | summary)


def _read(held: "Quantities", claim: Any, grid: Grid, cell: Indices, where: str) -> "Reading":
    """How far the root of every seed lies from theory's, between bounds."""
    import numpy as np

    from jaxml.claims.asking import Reading
    from jaxml.claims.measure import Effects
    from jaxml.claims.rule.estimates import root
    from jaxml.claims.rule.hypothesis import within

    at, levels = effects_along(held, claim, grid, cell, where)
    expected = (
        np.asarray(claim.theory, float)
        if not isinstance(claim.theory, str)
        else _theory(held, claim, grid, cell, where)
    )
    x, expected_x = (np.log(at), np.log(expected)) if claim.log else (np.asarray(at), expected)
    failed = np.concatenate([level.failed for level in levels])
    effect = np.stack([level.bare for level in levels])
    found = root(x, effect, margin=claim.meets, rising=claim.rises)
    broken = failed.any(0)
    low, high = (np.where(broken, end, bound) for end, bound in ((-np.inf, found.low), (np.inf, found.high)))
    # What is kept of each seed is finite: a root beyond the grid is put at its end.
    middle = (np.clip(low, x[0], x[-1]) + np.clip(high, x[0], x[-1])) / 2 - expected_x
    noted = {
        "theory": float(np.mean(expected)),
        "censored": int(np.sum(~np.isfinite(low) | ~np.isfinite(high))),
        "of": len(middle),
    }
    tuned = {f"{claim.along} {v:g}": level.tuned["claimed"] for v, level in zip(at, levels, strict=True) if level.tuned}
    effects = Effects(np.broadcast_to(middle, broken.shape), failed, tuned, noted).told_with(levels)
    return Reading(
        effects, (low - expected_x)[None], within(claim.margin.value), difference=False, upper=(high - expected_x)[None]
    )


def _theory(held: "Quantities", claim: Any, grid: Grid, cell: Indices, where: str) -> Any:
    import numpy as np

    axis = next(axis.name for axis in grid.axes if claim.along in axis.parameters)
    here = {**locate(grid.axes, claim.arms.claimed, where), **cell}
    left, values = held.at(claim.theory, {name: i for name, i in here.items() if name != axis}, f"{where}.theory")
    values = values[..., held.seeds >= 0]
    if left == (axis, "seed"):  # the same all along it, but for failed trials, as a table must write it
        known = np.isfinite(values)
        values, lowest = np.where(known, values, -np.inf).max(0), np.where(known, values, np.inf).min(0)
        failed = ~known.any(0)  # of a seed without a trial nothing is known, whatever theory says of it
        values = np.where(failed & ~failed.all(), np.max(values), np.where(values == lowest, values, np.nan))
    if left not in (("seed",), (axis, "seed")) or not (np.isfinite(values) & ((values > 0) | (not claim.log))).all():
        raise ConfigError(
            f"{where}.theory: '{claim.theory}' must give one {'positive' if claim.log else 'finite'} number for each "
            f"seed of a cell. Let it use the axis '{axis}' up."
        )
    return values


def _root(theta: float | None, expected: float, about: Measured) -> float | None:
    """From the distance to theory's value to the value of the axis."""
    import math

    if theta is None:
        return None
    return expected * math.exp(min(theta, 700.0)) if about.scale == "log_ratio" else expected + theta


def _shown(cell: CellResult, about: Measured) -> dict[str, str]:
    decision, expected = cell.decision, cell.noted["theory"]
    low, high = (_root(end, expected, about) for end in (decision.low, decision.high))
    ends = interval(float("-inf") if low is None else low, float("inf") if high is None else high)
    return {
        "boundary": number(_root(decision.estimate, expected, about)),
        "interval": ends if decision.seeds else "–",
        "theory": number(expected),
        "seeds": number(decision.seeds),
    }


def _facts(finding: Finding) -> Facts:
    about = measured(finding)
    arm, against = place(about.arms["claimed"]), about.arms.get("against")
    moves = "rises to" if about.rises else "falls to"
    what = f"{arm} against {place(against)}" if against else arm
    how = "effect" if against else phrase(about.metric)
    expected = number(about.theory) if not isinstance(about.theory, str) else phrase(about.theory)
    scale = {"log_ratio": ", as log ratio", "points": ", in points", "logit": ", as log odds"}.get(about.of_scale, "")
    return [
        (
            "Claimed",
            f"along {phrase(about.along)} the {how} {moves} {number(about.meets)} at {expected}, "
            f"{QUANTIFIERS[finding.verdict.quantifier]}",
        ),
        ("Measured", f"the crossing of every seed{scale}: {phrase(about.metric)}{f' of {what}' if what else ''}"),
        ("Margin", f"{about.unit.amount(about.margin)} either way. {about.margin_reason}"),
    ]


def _answer(finding: Finding, decided: bool) -> str:
    about, cell = measured(finding), extreme(finding, lambda estimate: -abs(estimate))
    if cell is None:
        return concluded(finding, decided, f"{phrase(about.along)} does not reach the boundary in half of the seeds.")
    shown, where = _shown(cell, about), at_cell(finding, cell)
    found = f"the boundary lies at {phrase(about.along)} {shown['boundary']} (interval {shown['interval']}, "
    found += f"{shown['seeds']} seeds){f' at {where}' if where else ''}, theory's at {shown['theory']}; "
    found += f"{about.unit.amount(about.margin)} or more matters."
    heads = {"supported": "Yes, where theory has it", "refuted": "No, not where theory has it"}
    return concluded(finding, decided, found, HEADS | heads)
