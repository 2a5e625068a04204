"""A claim evaluated off the declared grid: two or more traced parameters are free, the rest as declared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxml.claims.cells import locate
from jaxml.claims.population import Population
from jaxml.claims.spec import Seeded, Value, Where
from jaxml.errors import ConfigError, nearest
from jaxml.sweep.grid import Axis, Zip, same_value
from jaxml.sweep.signature import Schema

ARM = "arm of the claim"
"""The axis of the results along which the arms lie, where there are two."""


@dataclass(frozen=True)
class Posed:
    """What a claim compares when some parameters are free.

    Attributes:
        claim: the claim, for its metric, scale, direction, margin and tuning.
        names: the free parameters.
        arms: every other parameter of each arm, tuned ones left out; one arm when the effect is absolute.
        tuned: the axes along which each arm picks its own point.
        at: where the claim is asked along the axes that neither an arm nor tuning takes.
        correction: the ratio of `Population`, where the seeds draw from one data set.
    """

    claim: Seeded
    names: tuple[str, ...]
    arms: tuple[dict[str, Value], ...]
    tuned: tuple[Axis, ...]
    at: dict[str, Value]
    correction: float | None

    @property
    def entries(self) -> dict[str, Any]:
        """All parameters but the free ones, as `make_plan` takes them."""
        first, *other = self.arms
        apart = [name for name in first if any(arm[name] != first[name] for arm in other)]
        entries: dict[str, Any] = {name: value for name, value in first.items() if name not in apart}
        if apart:
            entries[ARM] = Zip({name: [arm[name] for arm in self.arms] for name in apart})
        return entries | {a.name: Zip({n: a.values(n) for n in a.parameters}) for a in self.tuned}


def pose(
    claim: Seeded,
    names: Sequence[str],
    at: Where,
    *,
    axes: Sequence[Axis],
    fixed: Mapping[str, Value],
    schema: Schema,
    population: Sequence[Population] = (),
    where: str,
) -> Posed:
    """Free some parameters of a claim; they override what the arms pin.

    Args:
        claim: the claim.
        names: the parameters to free; they must be traced.
        at: values of the claim's other axes; by default those of its reference cell.
        axes: the grid.
        fixed: the parameters that the grid leaves alone.
        schema: the trial's parameters.
        population: whom the seeds tell of, where they draw from one data set.
        where: the place named in errors.

    Raises:
        ConfigError: for a parameter that cannot move, or when a setting is left open.
    """
    for name in names:
        parameter = schema.find(name, f"{where}.{name}")
        if not parameter.traced or parameter.type in (bool, str):
            raise ConfigError(
                f"{where}.{name}: '{name}' must be a number that is traced. Declare it float or Traced[int]."
            )
    rest = [axis for axis in (_without(axis, names) for axis in axes) if axis is not None]
    known = {name for axis in rest for name in axis.parameters}
    over = set(claim.tune.over if claim.tune else ())
    for name in sorted(over - {axis.name for axis in rest}):
        raise ConfigError(f"{where}: the claim tunes '{name}', so that it cannot move freely. Free another one.")
    open_axes = [axis for axis in rest if axis.name not in over]
    pins = [{n: v for n, v in arm.items() if n not in names} for arm in (claim.arms.claimed, claim.arms.against or {})]
    pins = pins if claim.arms.against is not None else pins[:1]
    reference = {n: v for n, v in claim.reference.items() if n in known and n not in names}
    taken = {name for arm in pins for name in locate(open_axes, arm, f"{where}.arms")}
    given = {**{n: v for n, v in reference.items() if _owner(rest, n) not in taken}, **at}
    for name in at:
        if name not in known:
            raise ConfigError(f"{where}.at.{name}: no other axis has '{name}'. {nearest(name, known)}")
    place = {name: index for name, index in locate(open_axes, given, f"{where}.at").items() if name not in taken}
    arms = []
    for arm in pins:
        values = dict(fixed)
        here = {**place, **locate(open_axes, arm, f"{where}.arms")}
        for axis in open_axes:
            if axis.name not in here and len(axis) > 1:
                raise ConfigError(f"{where}.at: say which '{axis.name}' is meant, for example {dict(axis.points[0])}.")
            values |= axis.points[here.get(axis.name, 0)]
        arms.append({n: v for n, v in values.items() if n not in names})
    if len(arms) == 2 and arms[0] == arms[1]:
        raise ConfigError(f"{where}: the arms differ only in what would move freely. Free another parameter.")
    at = {n: v for axis in rest if axis.name in place for n, v in axis.points[place[axis.name]].items()}
    tuned = tuple(axis for name in (claim.tune.over if claim.tune else ()) for axis in rest if axis.name == name)
    return Posed(claim, tuple(names), tuple(arms), tuned, at, _correction(arms[0], population))


def _without(axis: Axis, names: Sequence[str]) -> Axis | None:
    """An axis without some of its parameters and the repetitions that leaves; None when nothing is left."""
    points = [{n: v for n, v in point.items() if n not in names} for point in axis.points]
    distinct = list({tuple(point.items()): point for point in points}.values())
    return Axis(axis.name, tuple(distinct)) if distinct[0] else None


def _owner(axes: Sequence[Axis], parameter: str) -> str:
    return next(axis.name for axis in axes if parameter in axis.parameters)


def _correction(arm: Where, population: Sequence[Population]) -> float | None:
    """As in `judge`: the correction where the arm's seeds draw from one data set, which no free parameter changes."""
    for each in population:
        if all(n in arm and same_value(arm[n], v) for n, v in each.where.items()):
            return each.ratio
    return None
