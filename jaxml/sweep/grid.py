"""Grids: what a sweep runs over. Every grid is a product of axes, and an axis is a list of assignments.

A plain axis assigns one parameter (``lam = 0.1``), a zipped axis several at once (``n = 50, d = 20``).
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from jaxml.errors import ConfigError
from jaxml.sweep.names import trouble_with
from jaxml.sweep.signature import Schema, Value, plain

MOST_POINTS = 10**7
"""Values of one axis, and seeds: more than that is a slip of the pen, and fills the memory before anything says so."""


def linspace(start: float, stop: float, num: int) -> tuple[float, ...]:
    """`num` evenly spaced numbers from `start` to `stop`, both included, each rounded once.

    >>> linspace(0.0, 0.6, 7)
    (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    """
    steps = count("linspace", num) - 1
    (a, b), scale = _whole(start, stop)
    if steps == 0:
        return (float(start),)
    return tuple((a * (steps - i) + b * i) / (scale * steps) for i in range(num))


def logspace(start: float, stop: float, num: int) -> tuple[float, ...]:
    """`num` numbers evenly spaced on a log scale from ``10**start`` to ``10**stop``.

    >>> logspace(-2, 0, 3)
    (0.01, 0.1, 1.0)
    """
    exponents = linspace(start, stop, num)
    if max(map(abs, exponents)) > 300:
        raise ConfigError(f"logspace: the ends are exponents of 10, from -300 to 300, got {start} and {stop}.")
    return tuple(float(f"1e{int(e)}") if e == int(e) else 10.0**e for e in exponents)


def geomspace(start: float, stop: float, num: int) -> tuple[float, ...]:
    """`num` numbers in geometric progression from `start` to `stop`, both included.

    A number within rounding of one of ten digits is that one: 0.1 rather than 0.09999999999999998.

    >>> geomspace(0.001, 1, 4)
    (0.001, 0.01, 0.1, 1.0)
    """
    steps = count("geomspace", num) - 1
    _whole(start, stop)
    if start == 0 or stop == 0 or (start < 0) != (stop < 0):
        raise ConfigError(f"geomspace: the ends must have the same sign and not be 0, got {start} and {stop}.")
    if steps == 0:
        return (float(start),)
    low, high = math.log(abs(start)), math.log(abs(stop))
    inner = (math.copysign(math.exp(low + (high - low) * i / steps), start) for i in range(1, steps))
    return (float(start), *map(_typed, inner), float(stop))


def whole_range(*ends: float) -> tuple[int, ...]:
    """The whole numbers of Python's ``range(stop)``, ``range(start, stop)`` or ``range(start, stop, step)``.

    >>> whole_range(0, 10, 4)
    (0, 4, 8)
    """
    if not 1 <= len(ends) <= 3 or not all(isinstance(end, int) or float(end).is_integer() for end in ends):
        raise ConfigError(
            f"range: expected one to three whole numbers, got {', '.join(map(str, ends))}. For fractions, give the "
            "first and the last value and how many: linspace(0, 0.9, 10)."
        )
    if len(ends) == 3 and ends[2] == 0:
        raise ConfigError(f"range: the step must not be 0, got {', '.join(map(str, ends))}.")
    points = range(*map(int, ends))
    if points[MOST_POINTS:]:
        raise ConfigError(f"range: an axis has at most {MOST_POINTS:,} values, these are more.")
    return tuple(points)


def _typed(value: float) -> float:
    short = float(f"{value:.10g}")
    return short if abs(short - value) <= 1e-13 * abs(value) else value


def _whole(*ends: float) -> tuple[list[int], int]:
    """Numbers as a person typed them, as whole numbers over a common denominator: 0.1 is 1 / 10."""
    for end in map(plain, ends):
        if isinstance(end, bool) or not isinstance(end, (int, float)) or not math.isfinite(end):
            raise ConfigError(f"a grid's ends must be finite numbers, got {end!r}.")
    exact = [Fraction(repr(plain(end))) for end in ends]
    scale = math.lcm(*(end.denominator for end in exact))
    return [int(end * scale) for end in exact], scale


def count(name: str, num: Any) -> int:
    """A number of points, which must be whole and at least 1."""
    num = plain(num)
    if isinstance(num, bool) or not isinstance(num, int) or not 1 <= num <= MOST_POINTS:
        raise ConfigError(f"{name}: the number of points must be a whole number of 1 to {MOST_POINTS:,}, got {num!r}.")
    return num


DEFAULT: Any = object()
"""Stands in a column for the default that the trial declares."""


@dataclass(frozen=True)
class Zip:
    """Parameters that move together along one axis; made by `zipped`, `random_search`, `grids` and `product`."""

    columns: Mapping[str, Sequence[Value]]
    ordered: bool = True
    """Whether the order of the points means something; else those of one static point are put together."""


def zipped(**columns: Sequence[Value]) -> Zip:
    """Let several parameters move together: ``sweep(trial, seeds=8, size=zipped(n=[50, 100], d=[20, 40]))``.

    The axis is named by the keyword it is given to, and each column becomes a coordinate along it.

    Raises:
        ConfigError: when the columns differ in length.
    """
    lists = {name: listed(column, f"zip.{name}") for name, column in columns.items()}
    lengths = {name: len(column) for name, column in lists.items()}
    if len(set(lengths.values())) != 1:
        raise ConfigError(f"zip: the columns must be equally long, got {lengths}.")
    return Zip(lists)


def listed(values: Any, where: str) -> Sequence[Any]:
    """A sequence or a NumPy, JAX or pandas array of rank 1, as a sequence of its values.

    Raises:
        ConfigError: when it is neither.
    """
    if hasattr(values, "dtype") and hasattr(values, "shape"):
        import numpy as np

        if len(values.shape) == 1:
            return list(np.asarray(values))
        raise ConfigError(f"{where}: expected one list of values, got an array of shape {tuple(values.shape)}.")
    if isinstance(values, Sequence) and not isinstance(values, (str, bytes)):
        return values
    raise ConfigError(f"{where}: expected a value or a list of values, got {values!r}.")


@dataclass(frozen=True)
class Axis:
    """One dimension of the results: its name and, for each position, the parameters it assigns."""

    name: str
    points: tuple[Mapping[str, Value], ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(self.points[0])

    def __len__(self) -> int:
        return len(self.points)

    def values(self, parameter: str) -> list[Value]:
        return [point[parameter] for point in self.points]

    def position(self, value: Any) -> int | None:
        """Where `value` stands on this axis, floats compared to within 1e-9 of their size; None when nowhere."""
        if len(self.parameters) == 1:
            column = self.values(self.parameters[0])
            return next((i for i, here in enumerate(column) if same_value(here, value)), None)
        return value if isinstance(value, int) and 0 <= value < len(self) else None


def same_value(here: Value, value: Any) -> bool:
    """Whether two values of a parameter are the same, floats compared to within 1e-9 of their size."""
    if isinstance(here, bool) != isinstance(value, bool):
        return False
    if isinstance(here, float) and isinstance(value, (int, float)):
        return math.isclose(here, value, rel_tol=1e-9, abs_tol=1e-300)
    return here == value


def build_axes(schema: Schema, entries: Mapping[str, Any], where: str = "sweep") -> tuple[Axis, ...]:
    """Turn ``name -> values`` (or `Zip`) into checked axes.

    Raises:
        ConfigError: for a parameter the trial does not have, a value of the wrong type, a value given twice, an
            empty axis, or a parameter on two axes.
    """
    axes, owner = [], {}
    for name, entry in entries.items():
        columns = entry.columns if isinstance(entry, Zip) else {name: entry}
        checked = {}
        for parameter, values in columns.items():
            place = f"{where}.{name}" if parameter == name else f"{where}.{name}.{parameter}"
            declared = schema.find(parameter, place)
            checked[parameter] = [
                declared.given_default(place) if value is DEFAULT else declared.accept(value, place)
                for value in listed(values, place)
            ]
            if parameter in owner:
                raise ConfigError(f"{place}: '{parameter}' is already swept by axis '{owner[parameter]}'.")
            owner[parameter] = name
        points = tuple(dict(zip(checked, row, strict=True)) for row in zip(*checked.values(), strict=True))
        if isinstance(entry, Zip) and not entry.ordered:
            static = [parameter for parameter in checked if not schema[parameter].traced]
            points = tuple(sorted(points, key=lambda point: [str(point[parameter]) for parameter in static]))
        if not points:
            raise ConfigError(f"{where}.{name}: the grid is empty. Give at least one value.")
        rows: list[tuple[Value, ...]] = [tuple(point.values()) for point in points]
        for first, second in itertools.pairwise(sorted(rows, key=repr)):
            if first == second:
                raise ConfigError(f"{where}.{name}: {', '.join(map(repr, first))} is given twice.")
        if name == "seed" or (isinstance(entry, Zip) and name in schema and name not in entry.columns):
            raise ConfigError(f"{where}.{name}: this name is taken; call the axis something else.")
        for label in (name, *checked):
            if label in ("seed", "status", "nonfinite") or label.startswith("nonfinite_"):
                raise ConfigError(f"{where}.{name}: the results have a '{label}' of their own. Rename it.")
            if trouble := trouble_with(label):
                raise ConfigError(f"{where}.{name}: the name {label!r} {trouble}.")
        axes.append(Axis(name, points))
    return tuple(axes)
