"""From labelled results to verdict cards: select the arms, tune them, pair them by seed, decide every cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxml.claims.card import CellResult, ClaimCard, ControlResult
from jaxml.claims.cells import Indices, cells_of, control_claim, locate, matches
from jaxml.claims.rule.decide import decide_cells
from jaxml.claims.rule.quantifier import decide_claim, with_controls
from jaxml.claims.spec import Claim, DependentSplits, Tuning
from jaxml.errors import ConfigError, nearest
from jaxml.sweep.grid import Axis

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class Effect:
    """The oriented, paired effect of one cell: one number per reported seed."""

    theta: np.ndarray
    nonfinite: np.ndarray
    tuned: dict[str, dict[str, Any]]


def judge(
    results: "xarray.Dataset",
    claims: Mapping[str, Claim],
    axes: Sequence[Axis],
    *,
    looks: Sequence[int],
    alpha: float,
    splits: Sequence[DependentSplits] = (),
) -> list[ClaimCard]:
    """Decide every claim of a run; Holm's correction runs over all their primary cells together.

    Args:
        results: outputs and estimands over the grid's axes and ``seed``; negative seeds are for tuning.
        claims: by id.
        axes: the grid.
        looks: numbers of seeds at which a decision may be taken.
        alpha: two-sided error rate.
        splits: where seeds are splits of one data set.

    Returns:
        One card per claim, in order.

    Raises:
        ConfigError: when a claim names an estimand that the results do not hold.
    """
    places = {name: cells_of(axes, claim, f"claims.{name}") for name, claim in claims.items()}
    primary = [(name, cell) for name, cells in places.items() for cell in cells]
    if not primary:
        return []
    held = Quantities(results)
    effects = [effect_of(held, claims[name], axes, cell, looks[0], f"claims.{name}") for name, cell in primary]
    decisions = _decide(
        effects,
        [claims[name].margin.value for name, _ in primary],
        [_correction(claims[name], axes, cell, splits) for name, cell in primary],
        looks,
        alpha,
    )
    cells: dict[str, list[CellResult]] = {name: [] for name in claims}
    for (name, cell), effect, decision in zip(primary, effects, decisions, strict=True):
        cells[name].append(_cell_result(axes, cell, effect, decision))
    cards = []
    for name, claim in claims.items():
        controls = _controls(held, claim, axes, looks, alpha, splits, f"claims.{name}")
        verdict = decide_claim(
            [cell.decision for cell in cells[name]],
            quantifier=claim.quantifier,
            reference=0 if claim.quantifier == "at_reference" else None,
        )
        negatives, positives = (
            {c.name: c.cell.decision for c in controls if c.kind == kind} for kind in ("negative", "positive")
        )
        cards.append(
            ClaimCard(
                id=name,
                statement=claim.statement,
                estimand=claim.estimand,
                direction=claim.direction,
                scale=claim.scale,
                arms=held.telling(claim, axes),
                margin=claim.margin.value,
                margin_reason=claim.margin.reason,
                source=claim.source,
                verdict=with_controls(verdict, negatives, positives),
                cells=cells[name],
                controls=controls,
            )
        )
    return cards


class Quantities:
    """The results as plain arrays, each made once: a cell asks for few numbers, and labels cost more than they."""

    def __init__(self, results: "xarray.Dataset"):
        self.seeds = results.seed.values
        self._results = results
        self._held: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}

    def telling(self, claim: Claim, axes: Sequence[Axis]) -> dict[str, Any]:
        """What the arms of a claim pin, but for axes that its estimand has used up: there a pin plays no part."""
        left = {axis.name: axis.name in self._results[claim.estimand].dims for axis in axes}
        alive = {name: left[axis.name] for axis in axes for name in axis.parameters}
        arms = claim.arms.model_dump()
        return {side: pins and {n: v for n, v in pins.items() if alive[n]} for side, pins in arms.items()}

    def at(self, name: str, indices: Indices, where: str) -> tuple[tuple[str, ...], np.ndarray]:
        """A quantity at some positions: the axes that are left, the seeds last, and its values.

        Raises:
            ConfigError: when the results do not hold it.
        """
        if name not in self._held:
            values = estimand_of(self._results, name, where).transpose(..., "seed")
            self._held[name] = tuple(map(str, values.dims)), values.values.astype(np.float64)
        dims, values = self._held[name]
        left = tuple(dim for dim in dims if dim not in indices)
        return left, values[tuple(indices.get(dim, slice(None)) for dim in dims)]


def effect_of(
    results: "xarray.Dataset | Quantities",
    claim: Claim,
    axes: Sequence[Axis],
    cell: Indices,
    first_look: int,
    where: str,
) -> Effect:
    """The effect in one cell: transform both arms to the claim's scale, subtract seed by seed, orient.

    A seed whose run is not finite scores as the worst effect of the first look, so that no later seed changes an
    earlier decision; which seeds those are is returned arm by arm, shape (arms, seeds).
    """
    held = results if isinstance(results, Quantities) else Quantities(results)
    arms = {"claimed": claim.arms.claimed, "against": claim.arms.against}
    values, tuned = {}, {}
    for arm, pins in arms.items():
        if pins is None:
            continue
        here = {**locate(axes, pins, where), **cell}
        if claim.tune:
            best = _tune(held, here, claim.tune, where)
            here |= best
            points = {axis.name: axis.points[best[axis.name]] for axis in axes if axis.name in best}
            tuned[arm] = {name: value for point in points.values() for name, value in point.items()}
        left, column = held.at(claim.estimand, here, where)
        if left != ("seed",):
            raise ConfigError(f"{where}.estimand: '{claim.estimand}' still has the axes {left} in one cell.")
        values[arm] = transform(column[held.seeds >= 0], claim.scale)
    theta = values["claimed"] - values["against"] if "against" in values else values["claimed"]
    theta = theta if claim.direction == "larger" else -theta
    first = theta[:first_look][np.isfinite(theta[:first_look])]
    worst = first.min() if first.size else 0.0
    marks = [~np.isfinite(values[arm]) for arm in ("claimed", "against" if "against" in values else "claimed")]
    return Effect(np.where(np.isfinite(theta), theta, worst), np.stack(marks), tuned)


def estimand_of(results: "xarray.Dataset", name: str, where: str) -> "xarray.DataArray":
    """A quantity of the results, NaN where the trial is not finite.

    Raises:
        ConfigError: when there is none of that name.
    """
    if name not in results.data_vars:
        known = [str(n) for n in results.data_vars if n != "nonfinite"]
        raise ConfigError(f"{where}.estimand: the trial returns no '{name}'. {nearest(name, known)}")
    values = results[name].astype(float)
    return values.where(~results["nonfinite"]) if "nonfinite" in results else values


def _tune(held: Quantities, indices: Indices, tune: Tuning, where: str) -> Indices:
    """The grid point an arm picks on the tuning seeds; a point with a non-finite run is never picked over others."""
    left, score = held.at(tune.goal, indices, where)
    if set(left) != {*tune.over, "seed"}:
        raise ConfigError(f"{where}.tune: '{tune.goal}' has the axes {left} where it is to pick along {tune.over}.")
    score = score[..., held.seeds < 0].mean(-1) * (1 if tune.minimise else -1)
    score = np.where(np.isnan(score), np.inf, score).transpose([left.index(name) for name in tune.over])
    picked = np.unravel_index(score.argmin(), score.shape)
    return {name: int(index) for name, index in zip(tune.over, picked, strict=True)}


def transform(values: Any, scale: str) -> Any:
    """Values on a claim's scale, so that effects are differences."""
    with np.errstate(divide="ignore", invalid="ignore"):  # what has no logarithm is not finite, and counted as such
        if scale == "log_ratio":
            return np.log(values)
        if scale == "logit":
            return np.log(values) - np.log1p(-values)
    return values * 100.0 if scale == "points" else values


def _correction(claim: Claim, axes: Sequence[Axis], cell: Indices, splits: Sequence[DependentSplits]) -> float | None:
    """The ratio of test to training size where both arms' seeds are splits of one data set."""
    here = {**locate(axes, claim.arms.claimed, "arms"), **cell}
    for split in splits:
        meant = matches(axes, split.where, "dependent_splits")
        if all(here.get(axis) in positions for axis, positions in meant.items()):
            return split.test_to_train
    return None


def _decide(
    effects: Sequence[Effect],
    margins: Sequence[float],
    corrections: Sequence[float | None],
    looks: Sequence[int],
    alpha: float,
) -> list[Any]:
    return decide_cells(
        np.stack([effect.theta for effect in effects]),
        margin=np.asarray(margins),
        looks=tuple(looks),
        alpha=alpha,
        correction=np.asarray([c or 0.0 for c in corrections]),
        nonfinite=np.stack([effect.nonfinite for effect in effects]),
    )


def _controls(
    results: Quantities,
    claim: Claim,
    axes: Sequence[Axis],
    looks: Sequence[int],
    alpha: float,
    splits: Sequence[DependentSplits],
    where: str,
) -> list[ControlResult]:
    found = []
    for kind in ("negative", "positive"):
        for control in getattr(claim.controls, kind):
            place = f"{where}.controls.{kind}.{control.name}"
            posed = control_claim(claim, control, axes, place)
            (cell,) = cells_of(axes, posed, place)
            effect = effect_of(results, posed, axes, cell, looks[0], place)
            correction = _correction(posed, axes, cell, splits)
            (decision,) = _decide([effect], [posed.margin.value], [correction], looks, alpha)
            supported = decision.verdict == "supported"
            found.append(
                ControlResult(
                    name=control.name,
                    kind=kind,
                    passed=supported == (kind == "positive"),
                    margin=posed.margin.value,
                    cell=_cell_result(axes, cell, effect, decision, arms=results.telling(posed, axes)),
                )
            )
    return found


def _cell_result(
    axes: Sequence[Axis], cell: Indices, effect: Effect, decision: Any, arms: Mapping[str, Any] | None = None
) -> CellResult:
    at = {name: value for axis in axes if axis.name in cell for name, value in axis.points[cell[axis.name]].items()}
    pinned = {f"{arm} {k}": v for arm, pins in (arms or {}).items() for k, v in (pins or {}).items()}
    return CellResult(at={**at, **pinned}, tuned=effect.tuned, theta=effect.theta.tolist(), decision=decision)
