"""Making a counter-example small: fewer entries first, then simpler numbers, as long as it still fails."""

from collections.abc import Callable, Collection, Iterator, Sequence
from math import log2
from typing import Any

import numpy as np

BUDGET = 3_000  # evaluations of the property while shrinking


def shrink(
    case: Any,
    fails: Callable[[Any], bool],
    budget: int = BUDGET,
    *,
    axes: Collection[tuple[int, int]] | None = None,
    leaves: Collection[int] | None = None,
) -> Any:
    """The smallest failing case that greedy steps reach.

    Entries are removed together along all axes of equal length, so that features and labels stay aligned; then each
    number is replaced by 0, 1, -1, a rounder one or half of it.

    Args:
        case: arrays and numbers in dicts, tuples or lists; anything else is left as it is.
        fails: whether a case still violates the property; the given one does.
        budget: most calls of `fails`.
        axes: which axes may lose entries, as pairs of a leaf's position and its axis; by default all.
        leaves: which leaves may change at all, by position; by default all.

    Returns:
        A case that fails and is no heavier than the given one.

    >>> shrink(np.array([0.3, -7.2, 5.1, 9.0]), lambda v: v.sum() > 6)
    array([9.])
    """
    while True:
        for candidate in _simpler(case, axes, leaves):
            if budget == 0:
                return case
            budget -= 1
            if weight(candidate) < weight(case) and fails(candidate):
                case = candidate
                break
        else:
            return case


def varying_axes(cases: Sequence[Any]) -> set[tuple[int, int]] | None:
    """The axes whose length differs between cases, so that a smaller case is still one: four corners stay four.

    Returns:
        Pairs of a leaf's position and its axis; None where cases differ in more than lengths, which says nothing.

    >>> boxes = [{"boxes": np.zeros((n, 4)), "threshold": 0.5} for n in (1, 4, 9)]
    >>> varying_axes(boxes)
    {(0, 0)}
    """
    shapes = [[np.shape(leaf) for leaf in _leaves(case)] for case in cases]
    if len({tuple(map(len, each)) for each in shapes}) > 1:
        return None
    lengths: dict[tuple[int, int], set[int]] = {}
    for each in shapes:
        for position, shape in enumerate(each):
            for axis, length in enumerate(shape):
                lengths.setdefault((position, axis), set()).add(length)
    return {place for place, found in lengths.items() if len(found) > 1}


def leaves_of(case: Any, names: Collection[str]) -> set[int]:
    """The positions of the leaves of some inputs of a case.

    Raises:
        ValueError: when the case has no inputs of these names.

    >>> sorted(leaves_of({"boxes": np.zeros((3, 4)), "corners": (0.0, 1.0)}, ["corners"]))
    [1, 2]
    """
    inputs = case if isinstance(case, dict) else case._asdict() if hasattr(case, "_asdict") else None
    if inputs is None:
        raise ValueError(f"'shrink' names inputs, so cases must be dicts or named tuples, got {type(case).__name__}.")
    unknown = [name for name in names if name not in inputs]
    if unknown:
        raise ValueError(f"'shrink' names {unknown[0]!r}, and cases hold {', '.join(map(repr, inputs))}.")
    found, position = set(), 0
    for name, value in inputs.items():
        count = sum(1 for _ in _leaves(value))
        found |= set(range(position, position + count)) if name in names else set()
        position += count
    return found


def weight(case: Any) -> tuple[int, float]:
    """How large a case is: the number of entries, then how complicated they are."""
    leaves = [np.asarray(leaf) for leaf in _leaves(case)]
    numbers = [x for leaf in leaves if leaf.dtype.kind in "biuf" for x in leaf.ravel().tolist()]
    return sum(leaf.size for leaf in leaves), sum(_complexity(float(x)) for x in numbers)


def plain(value: Any) -> Any:
    """The same as lists, dicts and Python numbers that JSON can hold; what is not finite becomes text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "__array__"):
        return plain(np.asarray(value).tolist())
    if isinstance(value, float):
        return value if np.isfinite(value) else str(value)
    return value if isinstance(value, (bool, int, str, type(None))) else str(value)


def _complexity(x: float) -> float:
    if not np.isfinite(x):
        return 100.0
    if x in (0.0, 1.0, -1.0):
        return {0.0: 0.0, 1.0: 1.0, -1.0: 1.5}[x]
    size = abs(log2(abs(x)))
    return 2 + size if x == round(x) else 20 + size / 10 + len(repr(x))


def _leaves(case: Any) -> Iterator[Any]:
    if isinstance(case, dict):
        case = list(case.values())
    if isinstance(case, (list, tuple)):
        for item in case:
            yield from _leaves(item)
    else:
        yield case


def _map(fn: Callable[[Any], Any], case: Any) -> Any:
    """Apply `fn` to every array and number, in the order of `_leaves`."""
    if isinstance(case, dict):
        return {key: _map(fn, item) for key, item in case.items()}
    if isinstance(case, tuple) and hasattr(case, "_fields"):
        return type(case)(*(_map(fn, item) for item in case))
    if isinstance(case, (list, tuple)):
        return type(case)(_map(fn, item) for item in case)
    return fn(case)


def _simpler(case: Any, axes: Collection[tuple[int, int]] | None, leaves: Collection[int] | None) -> Iterator[Any]:
    held = list(enumerate(_leaves(case)))
    if leaves is not None:
        held = [(position, leaf) for position, leaf in held if position in leaves]
    loose = [
        (position, axis)
        for position, leaf in held
        if isinstance(leaf, np.ndarray)
        for axis in range(leaf.ndim)
        if axes is None or (position, axis) in axes
    ]
    lengths = {place: np.shape(dict(held)[place[0]])[place[1]] for place in loose}
    for length in sorted({n for n in lengths.values() if n}, reverse=True):
        half, every = length // 2, np.arange(length)
        kept = [every[:half], every[half:]] if length > 3 else []
        together = [place for place in loose if lengths[place] == length]
        for keep in (*kept, *(np.delete(every, i) for i in range(length))):
            yield _taken(case, together, keep)
    for position, leaf in held:
        if np.asarray(leaf).dtype.kind in "biuf":
            for candidate in _simpler_values(leaf):
                yield _replace(case, position, candidate)


def _taken(case: Any, places: Sequence[tuple[int, int]], keep: np.ndarray) -> Any:
    """The case with some entries left, along several axes at once."""
    counter = iter(range(10**9))

    def taken(leaf: Any) -> Any:
        position = next(counter)
        for axis in [axis for at, axis in places if at == position]:
            leaf = np.take(leaf, keep, axis)
        return leaf

    return _map(taken, case)


def _replace(case: Any, position: int, value: Any) -> Any:
    counter = iter(range(10**9))
    return _map(lambda leaf: value if next(counter) == position else leaf, case)


def _simpler_values(leaf: Any) -> Iterator[Any]:
    """The leaf with all, then with single entries made simpler; its type is kept."""
    array = np.asarray(leaf)
    whole = (np.zeros_like(array), np.round(array)) if array.dtype.kind == "f" else (np.zeros_like(array),)
    for candidate in whole:
        yield candidate if isinstance(leaf, np.ndarray) else type(leaf)(candidate)
    for index in np.ndindex(array.shape):
        x = array[index]
        options = (0, 1) if array.dtype.kind in "bu" else (0, 1, -1, np.round(x), np.round(x, 1), np.trunc(x / 2))
        for option in options:
            changed = array.copy()
            changed[index] = option
            yield changed if isinstance(leaf, np.ndarray) else type(leaf)(changed)
