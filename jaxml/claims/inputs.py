"""How the functions of an exact suite take a case: whole, or, of a case that is a dict, some of its inputs by name."""

import inspect
from collections.abc import Callable
from typing import Any


def by_name(function: Callable[..., Any], case: Any, where: str, *, given: int = 0) -> Callable[..., Any]:
    """The same function, of what comes before the case and of the whole case.

    Args:
        function: its parameters, but for those with a default, are what is given before the case, then either names of
            inputs of the case, or one that stands for the whole case.
        case: an example.
        where: the function's name in a message.
        given: how many arguments come before the case.

    Raises:
        ValueError: when it asks for an input that cases do not hold.

    >>> twice_the_width = by_name(lambda factor, width: factor * width, {"width": 2, "height": 3}, "'twice'", given=1)
    >>> twice_the_width(2, {"width": 4, "height": 5})
    8
    """
    names = parameters(function)
    if names is None or not isinstance(case, dict):
        return function
    wanted = names[given:]
    if all(name in case for name in wanted):
        return lambda *before: function(*before[:-1], **{name: before[-1][name] for name in wanted})
    if len(wanted) == 1:
        return function
    unknown = next(name for name in wanted if name not in case)
    raise ValueError(f"{where} asks for {unknown!r}, and cases hold {', '.join(map(repr, case))}.")


def parameters(function: Callable[..., Any]) -> list[str] | None:
    """The names of the parameters without a default; None where they cannot be read, or are any number.

    >>> parameters(lambda generator, size, scale=1.0: scale)
    ['generator', 'size']
    """
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    if any(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in found):
        return None
    return [each.name for each in found if each.default is each.empty]
