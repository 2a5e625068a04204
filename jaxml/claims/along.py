"""A claim on what happens along an axis of numbers: checked, posed at one of its values, measured at all of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jaxml.claims.cells import Indices, check_claim
from jaxml.claims.given import Grid
from jaxml.claims.spec import Arms
from jaxml.errors import ConfigError, nearest
from jaxml.sweep.grid import Axis

if TYPE_CHECKING:
    from jaxml.claims.measure import Effects
    from jaxml.claims.quantities import Quantities


def check_along(claim: Any, grid: Grid, where: str, *, least: int = 3) -> None:
    """Check the axis, then cells and controls at one of its values.

    Args:
        claim: with `along`, and `log` where its values are spaced by a factor.
        grid: what it is held against.
        where: the place named in errors.
        least: so many values are needed.

    Raises:
        ConfigError: naming the part of the claim that does not fit.
    """
    owner = {name: axis for axis in grid.axes for name in axis.parameters}
    if claim.along not in owner:
        raise ConfigError(
            f"{where}.along: no axis of the grid is called '{claim.along}'. {nearest(claim.along, owner)}"
        )
    values = owner[claim.along].values(claim.along)
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) < max(len(values), least) or numbers != sorted(set(numbers)):
        count = {2: "two", 3: "three"}[least]
        raise ConfigError(f"{where}.along: a {claim.kind} needs {count} or more increasing numbers on '{claim.along}'.")
    if claim.log and numbers[0] <= 0:
        raise ConfigError(f"{where}.log: the values of '{claim.along}' must be positive, got {numbers[0]}.")
    check_claim(at_first(claim, grid.axes), grid.axes, grid.tuning_seeds, where)


def at_first(claim: Any, axes: Sequence[Axis]) -> Any:
    """The claim, and its controls, at the first value of the axis: so that it has no cells along it."""
    first = next(axis.values(claim.along)[0] for axis in axes if claim.along in axis.parameters)
    sides = {
        side: tuple(
            c.model_copy(update={"arms": _pinned(claim.along, first, c.arms)}) if c.arms else c
            for c in getattr(claim.controls, side)
        )
        for side in ("negative", "positive")
    }
    controls = claim.controls.model_copy(update=sides)
    return claim.model_copy(update={"arms": _pinned(claim.along, first, claim.arms), "controls": controls})


def _pinned(along: str, value: Any, arms: Arms) -> Arms:
    against = None if arms.against is None else {**arms.against, along: value}
    return Arms(claimed={**arms.claimed, along: value}, against=against)


def effects_along(
    held: "Quantities", claim: Any, grid: Grid, cell: Indices, where: str
) -> "tuple[list[float], list[Effects]]":
    """The values of the axis, and the effect at each of them in one cell."""
    from jaxml.claims.measure import effect_in

    (axis,) = (axis for axis in grid.axes if claim.along in axis.parameters)
    values: list[Any] = axis.values(claim.along)
    posed = [claim.model_copy(update={"arms": _pinned(claim.along, value, claim.arms)}) for value in values]
    return [float(value) for value in values], [effect_in(held, each, grid, cell, where) for each in posed]
