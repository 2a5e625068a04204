"""Frozen dataclasses that are written as JSON and read back, checked against their annotations.

Standard library only, so that showing a run costs a few milliseconds.
"""

import types
import typing
from dataclasses import asdict, fields
from functools import cache
from typing import Any, Self

__all__ = ["Record"]


class Record:
    """Base of a dataclass that goes to JSON and back; an unknown field or a value of another type is an error.

    Fields are annotated with plain types, records, ``list[...]``, ``dict[str, ...]``, ``Literal`` and unions of these.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Point(Record):
    ...     x: float
    ...     label: str | None = None
    >>> Point.from_json(Point(1.5).to_json())
    Point(x=1.5, label=None)
    >>> Point.from_json({"x": "1.5"})
    Traceback (most recent call last):
    ValueError: Point.x: expected float, got '1.5'. Was the file edited by hand?
    """

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values, ready for `json.dumps(..., allow_nan=False)`."""
        return asdict(self)  # pyright: ignore[reportArgumentType]

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """The record that `to_json` wrote.

        Raises:
            ValueError: naming the field that is unknown, missing or of another type.
        """
        return _record(cls, data, cls.__name__)


def _record(cls: Any, data: Any, where: str) -> Any:
    hints = _hints(cls)
    if not isinstance(data, dict):
        raise ValueError(f"{where}: expected an object, got {_shown(data)}. Was the file edited by hand?")
    for name in data:
        if name not in hints:
            raise ValueError(
                f"{where}: unknown field {name!r}, expected only {', '.join(hints)}. "
                "Read the file with the version of jaxml that wrote it."
            )
    values = {name: _value(hints[name], value, f"{where}.{name}") for name, value in data.items()}
    try:
        return cls(**values)
    except TypeError as error:
        raise ValueError(f"{where}: {error}. The file is incomplete.") from None


def _value(annotation: Any, value: Any, where: str) -> Any:
    """A JSON value as its annotation has it."""
    kind, inner = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if kind in (typing.Union, types.UnionType):
        return _union(inner, value, where)
    if kind is typing.Literal:
        fits = value in inner
    elif kind is list and inner and isinstance(value, list):
        return [_value(inner[0], item, f"{where}[{i}]") for i, item in enumerate(value)]
    elif kind is dict and inner and isinstance(value, dict):
        return {name: _value(inner[1], item, f"{where}.{name}") for name, item in value.items()}
    elif isinstance(kind, type) and issubclass(kind, Record):
        return _record(kind, value, where)
    else:
        accepted = (int, float) if kind is float else kind
        fits = kind is Any or (isinstance(value, accepted) and (kind is bool or not isinstance(value, bool)))
    if not fits:
        expected = getattr(annotation, "__name__", str(annotation)) if not inner else str(annotation)
        expected = expected.replace("typing.", "")
        raise ValueError(f"{where}: expected {expected}, got {_shown(value)}. Was the file edited by hand?")
    return value


def _union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    """The value as the first option that fits has it; the last one says what is wrong."""
    if value is None and types.NoneType in options:
        return None
    *others, last = (option for option in options if option is not types.NoneType)
    for option in others:
        try:
            return _value(option, value, where)
        except ValueError:
            continue
    return _value(last, value, where)


@cache
def _hints(cls: type) -> dict[str, Any]:
    """The annotation of every field, resolved."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}  # pyright: ignore[reportArgumentType]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."
