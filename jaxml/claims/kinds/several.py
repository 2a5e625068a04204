"""`several`: more than two arms: better than all or any of several rivals, a share of an effect, an interaction."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from jaxml.claims.answers import Measured, at_cell, concluded, extreme, measured
from jaxml.claims.cells import Indices, cell_axes, check_claim
from jaxml.claims.finding import Finding
from jaxml.claims.given import Given, Grid
from jaxml.claims.kinds.contrast import ContrastKind
from jaxml.claims.spec import Arms, Finite, Seeded, Where
from jaxml.claims.telling import PICKED, QUANTIFIERS, told_of
from jaxml.claims.told import Facts, Told
from jaxml.claims.words import number, phrase, place
from jaxml.errors import ConfigError

if TYPE_CHECKING:
    from jaxml.claims.asking import Asked, Reading
    from jaxml.claims.measure import Effects
    from jaxml.claims.quantities import Quantities


class Several(Seeded):
    """What a config says of several arms; one of three.

    `rivals`: the claimed arm beats `all` of them, `any`, or the `best`, picked on the tuning seeds. `whole` and
    `share`: the claimed arm brings at least that share of what `whole` brings over `against`. `alone`: with both of two
    changes the claimed arm brings more over `against`, which has neither, than two arms with one change each add up to.
    """

    kind: Literal["several"]
    rivals: Annotated[tuple[Where, ...], Field(strict=False)] = ()
    beats: Literal["all", "any", "best"] = "all"
    whole: Where | None = None
    share: Annotated[Finite, Field(gt=0)] | None = None
    alone: Annotated[tuple[Where, ...], Field(strict=False, min_length=2, max_length=2)] | None = None

    @property
    def form(self) -> str:
        """Which of them it is."""
        return self.beats if self.rivals else "share" if self.alone is None else "interaction"

    @property
    def others(self) -> dict[str, Where]:
        """The arms besides `claimed` and `against`, by their part."""
        if self.whole is not None:
            return {"whole": self.whole}
        name = "rival" if self.rivals else "alone"
        return {f"{name} {k}": pins for k, pins in enumerate(self.rivals or self.alone or (), 1)}

    @property
    def sides(self) -> dict[str, Where | None]:
        """All arms."""
        return {**self.arms.model_dump(), **self.others}

    @property
    def theta_is_difference(self) -> bool:
        """From each rival."""
        return True

    @property
    def extra(self) -> dict[str, Any]:
        """Which form it is; the rows of a share have levels of their own."""
        return {"form": self.form} | (
            {"share": self.share, "levels": [self.margin.value, 0.0]} if self.form == "share" else {}
        )

    @model_validator(mode="after")
    def _one_form(self) -> "Several":
        if (self.whole is None) != (self.share is None):
            raise ValueError("'share' says how much of what the arm 'whole' brings; give both")
        if sum([bool(self.rivals), self.whole is not None, self.alone is not None]) != 1:
            raise ValueError("give one of 'rivals', 'whole' with 'share', and 'alone'")
        if len(self.rivals) == 1:
            raise ValueError("one rival is a contrast; name it under arms.against and leave 'kind' out")
        arms = [self.arms, *(c.arms for c in (*self.controls.negative, *self.controls.positive) if c.arms)]
        if any((arm.against is None) != bool(self.rivals) for arm in arms):
            needed = "'rivals' stand in its place" if self.rivals else "it has none of what is measured"
            raise ValueError(f"{'leave' if self.rivals else 'give'} arms.against{' out' * bool(self.rivals)}: {needed}")
        if any(pins == self.arms.claimed for pins in self.others.values()):
            raise ValueError("an arm is listed beside itself; leave the claimed arm out of the others")
        return self


class SeveralKind(ContrastKind):
    """Several thetas in a cell, or one made of more than two arms."""

    name: ClassVar[str] = "several"
    Claim = Several

    def check(self, claim: Any, grid: Grid, where: str) -> None:
        """Check that every arm pins the same axes, then cells and controls."""
        controls = (*claim.controls.negative, *claim.controls.positive)
        for first in (claim.arms.claimed, *(control.arms.claimed for control in controls if control.arms)):
            for part, pins in claim.others.items():
                cell_axes(grid.axes, Arms(claimed=first, against=pins), claim.tune, f"{where}.{part}")
        check_claim(claim, grid.axes, grid.tuning_seeds, where)
        if claim.form == "best" and claim.tune and claim.tune.per == "seed":
            raise ConfigError(f"{where}.tune.per: the best rival is picked for the whole run; leave 'per' out.")
        if claim.form == "best" and not grid.tuning_seeds:
            raise ConfigError(f"{where}.beats: the best rival is picked on tuning seeds; set tuning_seeds.")

    def plan(self, claim: Any, grid: Grid, where: str) -> dict[str, Any]:
        """As for a contrast, with the form and the number of arms."""
        held = super().plan(claim, grid, where)
        return {**held, "compared": True, "form": claim.form, "arms": 1 + len(claim.others)}

    def planned(self, plan: Mapping[str, Any]) -> str:
        """In one line."""
        rivals = f"against {plan['form']} of {plan['arms'] - 1} rivals"
        form = {"share": "a share of an effect", "interaction": "an interaction"}.get(plan["form"], rivals)
        return f"{form}, {super().planned(plan)}"

    def measure(self, id: str, claim: Any, given: Given) -> "list[Asked]":
        """Every theta in every cell, and in every control's."""
        from jaxml.claims.asking import hypotheses

        return list(hypotheses(claim, given, f"claims.{id}", _read))

    def tell(self, finding: Finding, decided: bool) -> Told:
        """The effect on which each cell rests, and the others below it."""
        return told_of(finding, decided, _answer(finding, decided), _facts(finding), rows=_rows(measured(finding)))


def _read(held: "Quantities", claim: Any, grid: Grid, cell: Indices, where: str) -> "Reading":
    """The thetas of one cell.

    The best rival is the one that looks best on the tuning seeds: the best within each seed would partly be the
    luckiest, and beat a claimed arm that is no worse.
    """
    import numpy as np

    from jaxml.claims.asking import Reading
    from jaxml.claims.effect import scored
    from jaxml.claims.measure import Effects, effect_in
    from jaxml.claims.rule.hypothesis import at_least

    def effect(first: Where, second: Where, tuning: bool = False) -> "Effects":
        posed = claim.model_copy(update={"arms": Arms(claimed=first, against=second)})
        return effect_in(held, posed, grid, cell, where, tuning=tuning)

    def kept(theta: np.ndarray, found: Sequence["Effects"], tuned: dict[str, dict[str, Any]]) -> Effects:
        failed = np.concatenate([each.failed for each in found])
        return Effects(scored(theta, grid.looks[0]), failed, tuned).told_with(found)

    first, others, region = claim.arms.claimed, claim.others, at_least(claim.margin.value)
    if claim.form == "best":
        means = [effect(first, rival, True).bare.mean() for rival in claim.rivals]
        pick = claim.rivals[int(np.where(np.isnan(means), np.inf, means).argmin())]
        best = effect(first, pick)
        kept_best = Effects(best.theta, best.failed, {**best.tuned, PICKED: pick}).told_with([best])
        return Reading(kept_best, best.theta[None], region)
    if claim.form in ("all", "any"):
        found = [effect(first, rival) for rival in claim.rivals]
        rows = np.stack([each.bare for each in found])
        tuned = {part: each.tuned["against"] for part, each in zip(others, found, strict=True) if each.tuned}
        tuned = {"claimed": found[0].tuned["claimed"], **tuned} if tuned else {}
        names = tuple(place(rival) for rival in claim.rivals)
        effects = kept(rows.min(0) if claim.form == "all" else rows.max(0), found, tuned)
        return Reading(effects, rows, region, names, difference=False, combine=claim.form)
    if claim.form == "share":
        found = [effect(claim.whole, claim.arms.against), effect(first, claim.arms.against)]
        whole, part = (each.bare for each in found)
        theta = part - claim.share * whole
        tuned = {"whole": found[0].tuned["claimed"], "claimed": found[1].tuned["claimed"]} if claim.tune else {}
        names = ("the whole effect", f"what is beyond {number(claim.share)} of it")
        levels = (claim.margin.value, 0.0)
        return Reading(
            kept(theta, found, tuned), np.stack([whole, theta]), region, names, difference=False, levels=levels
        )
    found = [effect(first, claim.alone[0]), effect(claim.alone[1], claim.arms.against)]
    theta = found[0].bare - found[1].bare
    parts = ("claimed", "alone 1"), ("alone 2", "against")
    tuned = {
        part: each.tuned[side]
        for sides, each in zip(parts, found, strict=True)
        for part, side in zip(sides, ("claimed", "against"), strict=True)
        if each.tuned
    }
    effects = kept(theta, found, tuned)
    return Reading(effects, np.where(np.isfinite(theta), theta, effects.theta)[None], region)


def _others(about: Measured) -> list[str]:
    return [place(pins) for part, pins in about.arms.items() if part not in ("claimed", "against")]


def _rows(about: Measured) -> list[str]:
    """What each theta of a cell is called, where there are several."""
    if about.form == "share":
        return ["the whole effect", f"what is beyond {number(about.share)} of it"]
    return [f"over {other}" for other in _others(about)] if about.form in ("all", "any") else []


def _facts(finding: Finding) -> Facts:
    about, others = measured(finding), _others(measured(finding))
    arm, against = place(about.arms["claimed"]), place(about.arms.get("against"))
    claimed, compared = {
        "share": (
            f"at least {number(about.share)} of the effect on {phrase(about.metric)}",
            f"{arm} and {others[0]}, each against {against}",
        ),
        "interaction": (
            f"{phrase(about.metric)} is {about.direction} than two changes add up to",
            f"{arm} against {against}, less {' and '.join(others)} against it",
        ),
    }.get(
        about.form,
        (
            f"{phrase(about.metric)} is {about.direction} than with {_which(about)}",
            f"{arm} against {'; '.join(others)}",
        ),
    )
    whole = "the whole effect is at least " if about.form == "share" else ""
    return [
        ("Claimed", f"{claimed}, {QUANTIFIERS[finding.verdict.quantifier]}"),
        ("Compared", f"{compared}, paired by seed"),
        ("Margin", f"{whole}{about.unit.shown(about.margin)}. {about.margin_reason}"),
    ]


def _which(about: Measured) -> str:
    count = len(_others(about))
    return {"all": f"each of {count} rivals", "any": f"any of {count} rivals"}.get(
        about.form, f"the best of {count} rivals on the tuning seeds"
    )


def _answer(finding: Finding, decided: bool) -> str:
    about, unit = measured(finding), measured(finding).unit
    cell = extreme(finding)
    if cell is None:
        return concluded(finding, decided, "")
    decision, arm, others = cell.decision, place(about.arms["claimed"]), _others(about)
    where = at_cell(finding, cell)
    interval = f"interval {unit.interval(decision.low, decision.high)}, {decision.seeds} seeds"
    found = f"{unit.shown(decision.estimate)} ({interval}){f' at {where}' if where else ''}"
    matters = f"{unit.amount(about.margin)} or more matters"
    if about.form == "share":
        what = _rows(about)[decision.row or 0]
        whole, beyond = (row.estimate for row in decision.rows)
        part = f", {arm} brings {number(about.share + beyond / whole)} of it" if whole and beyond is not None else ""
        shown = f"{others[0]} brings {unit.shown(whole)} over {place(about.arms['against'])}{part}"
        return concluded(finding, decided, f"{shown}; {what} is {found}.")
    if about.form == "interaction":
        shown = f"{arm} brings {found} more than {' and '.join(others)} add up to, on {phrase(about.metric)}"
        return concluded(finding, decided, f"{shown}; {matters}.")
    rival = place(cell.tuned.get(PICKED)) or others[decision.row or 0]
    least = {"all": "the least effect", "any": "the largest effect"}.get(about.form, "the effect")
    shown = f"{least} of {arm} over {_which(about)} on {phrase(about.metric)} is {found}, over {rival}"
    return concluded(finding, decided, f"{shown}; {matters}.")
