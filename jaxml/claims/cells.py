"""Which parts of the grid a claim speaks of: its arms, its tuned axes, and the cells that remain."""

import itertools
from collections.abc import Mapping, Sequence

from jaxml.claims.spec import Arms, Control, Seeded, Tuning, Value
from jaxml.errors import ConfigError, nearest
from jaxml.sweep.grid import Axis, same_value

Indices = dict[str, int]
"""Positions along axes, by axis name."""


def matches(axes: Sequence[Axis], pins: Mapping[str, Value], where: str) -> dict[str, list[int]]:
    """The positions along each pinned axis that hold all the values pinned on it; on a zipped axis that may be several.

    Raises:
        ConfigError: when no axis carries a parameter, or no point of an axis holds all of its pinned values.
    """
    owner = {name: axis for axis in axes for name in axis.parameters}
    found: dict[str, list[int]] = {}
    for name, value in pins.items():
        if name not in owner:
            raise ConfigError(f"{where}.{name}: no axis of the grid is called '{name}'. {nearest(name, owner)}")
        axis = owner[name]
        column = axis.values(name)
        here = [i for i, held in enumerate(column) if same_value(held, value)]
        if not here:
            raise ConfigError(f"{where}.{name}: {value!r} is not on the grid. {_closest(value, column)}")
        before = found.get(axis.name, here)
        found[axis.name] = [i for i in before if i in here]
        if not found[axis.name]:
            held = ", ".join(f"{n} {v!r}" for n, v in pins.items() if owner.get(n) is axis)
            raise ConfigError(f"{where}.{name}: no point of '{axis.name}' has {held}. Pin values of one point.")
    return found


def locate(axes: Sequence[Axis], pins: Mapping[str, Value], where: str) -> Indices:
    """The one position on each pinned axis; several values on a zipped axis pin a point together.

    Raises:
        ConfigError: as `matches`, and when several points of a zipped axis hold the pinned values.
    """
    axis_of = {axis.name: axis for axis in axes}
    indices: Indices = {}
    for name, positions in matches(axes, pins, where).items():
        if len(positions) > 1:
            points = [axis_of[name].points[i] for i in positions]
            more = [n for n in axis_of[name].parameters if n not in pins and len({p[n] for p in points}) > 1]
            raise ConfigError(
                f"{where}: {len(positions)} points of '{name}' are meant. Pin {' or '.join(map(repr, more))} too, for "
                f"example {dict(points[0])}."
            )
        indices[name] = positions[0]
    return indices


def _closest(value: Value, values: Sequence[Value]) -> str:
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if numbers and isinstance(value, (int, float)):
        return f"The nearest value on it is {min(numbers, key=lambda v: abs(v - value))!r}."
    return nearest(value, values)


def cell_axes(axes: Sequence[Axis], arms: Arms, tune: Tuning | None, where: str) -> list[Axis]:
    """The axes along which a claim has cells: neither pinned by an arm nor tuned.

    Raises:
        ConfigError: when the arms pin different axes, or tuning would favour one of them.
    """
    claimed = locate(axes, arms.claimed, f"{where}.arms.claimed")
    against = locate(axes, arms.against, f"{where}.arms.against") if arms.against is not None else claimed
    if set(claimed) != set(against):
        raise ConfigError(
            f"{where}.arms: both arms must pin the same axes, got {sorted(claimed)} and {sorted(against)}."
        )
    if arms.against is not None and claimed == against:
        raise ConfigError(f"{where}.arms: both arms are the same, so that nothing could differ. Change one of them.")
    known = {axis.name for axis in axes}
    tuned = set(tune.over) if tune else set()
    for name in sorted(tuned - known):
        raise ConfigError(f"{where}.tune.over: no axis is called '{name}'. {nearest(name, known)}")
    if tuned & set(claimed):
        raise ConfigError(f"{where}.tune.over: {sorted(tuned & set(claimed))} is pinned by the arms; tune or pin it.")
    return [axis for axis in axes if axis.name not in tuned | set(claimed)]


def cells_of(axes: Sequence[Axis], claim: Seeded, where: str) -> list[Indices]:
    """The primary cells of a claim, in grid order; for *at reference* that is the reference alone.

    Raises:
        ConfigError: when the claim does not fit the grid.
    """
    free = cell_axes(axes, claim.arms, claim.tune, where)
    if claim.quantifier == "reference":
        return [reference_cell(free, axes, claim.reference, f"{where}.reference")]
    allowed = {axis.name: list(range(len(axis))) for axis in free}
    for name, values in claim.where.items():
        places = [matches(axes, {name: value}, f"{where}.where") for value in values]
        axis = next(iter(places[0]))
        if axis not in allowed:
            raise ConfigError(f"{where}.where.{name}: this axis is pinned or tuned by the claim.")
        named = {position for place in places for position in place[axis]}
        allowed[axis] = [position for position in allowed[axis] if position in named]
        if not allowed[axis]:
            raise ConfigError(f"{where}.where.{name}: no point of '{axis}' has these values together. Nothing is left.")
    return [dict(zip(allowed, point, strict=True)) for point in itertools.product(*allowed.values())]


def reference_cell(free: Sequence[Axis], axes: Sequence[Axis], pins: Mapping[str, Value], where: str) -> Indices:
    """The one cell that `pins` selects among the free axes (an axis of one value needs no pin).

    Raises:
        ConfigError: when an axis is left open or a pinned one is not free.
    """
    indices = locate(axes, pins, where)
    names = {axis.name for axis in free}
    for name in indices:
        if name not in names:
            raise ConfigError(f"{where}.{name}: this axis is pinned or tuned by the claim.")
    for axis in free:
        if axis.name not in indices:
            if len(axis) > 1:
                raise ConfigError(
                    f"{where}: say which '{axis.name}' is meant, for example {axis.points[0]}. Where the metric has "
                    "used the axis up, any of its values will do."
                )
            indices[axis.name] = 0
    return {axis.name: indices[axis.name] for axis in free}


def with_control(claim: Seeded, control: Control) -> Seeded:
    """The claim that a control poses: its own settings where it has any, its claim's elsewhere."""
    tune = None if control.tune == "none" else control.tune or claim.tune
    own = {
        k: v
        for k in ("arms", "metric", "direction", "scale", "margin", "range")
        if (v := getattr(control, k)) is not None
    }
    if control.metric not in (None, claim.metric):
        own["range"] = control.range  # another quantity has another range
    reference = {**claim.reference, **control.where}
    return claim.model_copy(update={**own, "tune": tune, "quantifier": "reference", "reference": reference})


def control_claim(claim: Seeded, control: Control, axes: Sequence[Axis], where: str) -> Seeded:
    """`with_control`, leaving out reference pins on axes that the control's own arms or tuning take over."""
    posed = with_control(claim, control)
    free = {axis.name for axis in cell_axes(axes, posed.arms, posed.tune, where)}
    owner = {name: axis.name for axis in axes for name in axis.parameters}
    kept = {n: v for n, v in posed.reference.items() if n in control.where or owner.get(n) in free}
    return posed.model_copy(update={"reference": kept})


def check_claim(claim: Seeded, axes: Sequence[Axis], tuning_seeds: int, name: str = "claims") -> None:
    """Check a claim and its controls against the grid.

    Raises:
        ConfigError: naming the part of the claim that does not fit.
    """
    cells_of(axes, claim, name)
    if claim.tune and not tuning_seeds:
        raise ConfigError(f"{name}.tune: tuning needs seeds of its own; set tuning_seeds.")
    if claim.tune and claim.tune.per == "seed" and (claim.applies_if or claim.leave_out):
        raise ConfigError(f"{name}.tune.per: premises are measured at one setting; leave 'per' or the premise out.")
    for kind in ("negative", "positive"):
        for control in getattr(claim.controls, kind):
            where = f"{name}.controls.{kind}.{control.name}"
            cells_of(axes, control_claim(claim, control, axes, where), where)
