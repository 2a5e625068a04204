"""Grids: what a sweep runs over. Every grid is a product of axes, and an axis is a list of assignments.

A plain axis assigns one parameter (``lam = 0.1``), a zipped axis several at once (``n = 50, d = 20``).
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxml.errors import ConfigError
from jaxml.sweep.signature import Schema, Value


def linspace(start: float, stop: float, num: int) -> tuple[float, ...]:
    """`num` evenly spaced numbers from `start` to `stop`, both included.

    >>> linspace(0.0, 1.0, 5)
    (0.0, 0.25, 0.5, 0.75, 1.0)
    """
    _check_count("linspace", num)
    if num == 1:
        return (float(start),)
    return (*(start + (stop - start) * i / (num - 1) for i in range(num - 1)), float(stop))


def logspace(start: float, stop: float, num: int) -> tuple[float, ...]:
    """`num` numbers evenly spaced on a log scale from ``10**start`` to ``10**stop``.

    >>> logspace(-2, 0, 3)
    (0.01, 0.1, 1.0)
    """
    return tuple(10.0**exponent for exponent in linspace(start, stop, num))


def geomspace(start: float, stop: float, num: int) -> tuple[float, ...]:
    """`num` numbers in geometric progression from `start` to `stop`, both included.

    >>> geomspace(1, 16, 5)
    (1.0, 2.0, 4.0, 8.0, 16.0)
    """
    _check_count("geomspace", num)
    if start * stop <= 0:
        raise ConfigError(f"geomspace: the ends must have the same sign and not be 0, got {start} and {stop}.")
    if num == 1:
        return (float(start),)
    ratio = stop / start
    return (*(start * ratio ** (i / (num - 1)) for i in range(num - 1)), float(stop))


def _check_count(name: str, num: int) -> None:
    if isinstance(num, bool) or not isinstance(num, int) or num < 1:
        raise ConfigError(f"{name}: the number of points must be a whole number of at least 1, got {num!r}.")


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
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) != 1:
        raise ConfigError(f"zip: the columns must be equally long, got {lengths}.")
    return Zip(columns)


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
                declared.given_default(place) if value is DEFAULT else declared.accept(value, place) for value in values
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
        axes.append(Axis(name, points))
    return tuple(axes)
