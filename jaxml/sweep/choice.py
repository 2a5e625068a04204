"""Choices that are traced: names in configs, tables and results, lanes of one program inside a trial."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from jaxml.errors import TrialError, nearest

T = TypeVar("T")


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Choice:
    """What a trial is given for a parameter ``Traced[Literal["a", "b"]]``: one of the names, known as the program runs.

    ``choice == "a"`` is an array of truth values, and `select` picks a value by the name.

    Attributes:
        index: which of the names, an integer array.
        names: all of them.
    """

    index: jax.Array
    names: tuple[str, ...] = field(metadata={"static": True})

    def __eq__(self, name: object) -> Any:
        return self.index == self._place(name)

    def __ne__(self, name: object) -> Any:
        return self.index != self._place(name)

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def _place(self, name: object) -> int:
        if name not in self.names:
            raise TrialError(f"{name!r} is none of the choices. {nearest(name, self.names)}")
        return self.names.index(str(name))


def select(choice: Choice | str, values: Mapping[str, T]) -> T:
    """The value of the name that is chosen; all of them are computed.

    Args:
        choice: a trial's parameter ``Traced[Literal[...]]``; a plain name where the trial is called by hand.
        values: for each of the names an array, or a tree of arrays; all trees alike, arrays broadcast.

    Raises:
        TrialError: when the names are not those of the choice.

    >>> from typing import Literal
    >>> from jaxml import Traced, sweep
    >>> def trial(key, *, x: float, shape: Traced[Literal["square", "cube"]] = "square"):
    ...     return {"y": select(shape, {"square": x**2, "cube": x**3})}
    >>> sweep(trial, seeds=1, x=[2.0, 3.0], shape=["square", "cube"]).y.values[..., 0].tolist()
    [[4.0, 8.0], [9.0, 27.0]]
    >>> trial(jax.random.key(0), x=2.0)
    {'y': 4.0}
    """
    if isinstance(choice, str):
        if choice not in values:
            raise TrialError(f"select: there is no value for '{choice}'. {nearest(choice, values)}")
        return values[choice]
    if set(values) != set(choice.names):
        raise TrialError(f"select: expected a value for each of {list(choice.names)}, got {list(values)}.")

    def pick(*cases: Any) -> jax.Array:
        return jax.lax.select_n(choice.index.astype(jnp.int32), *jnp.broadcast_arrays(*cases))

    return jax.tree.map(pick, *(values[name] for name in choice.names))
