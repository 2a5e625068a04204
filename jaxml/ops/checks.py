"""Shape, dtype and choice checks shared by the ops: they look at static facts only, so they work under `jit`.

Every message names the function, the argument, what was expected, what arrived and the edit that mends it.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Shaped

Scalar = Shaped[Array, ""] | float | int
"""A hyperparameter that may be traced: a Python number or a 0-d array."""


def check_shapes(where: str, *, hint: str = "", **arguments: tuple[Any, str]) -> dict[str, int]:
    """Match arrays against shape patterns such as ``"n 4"`` or ``"... h w c"`` and return the named sizes.

    A number in a pattern is an exact size, a name is bound at its first use and must agree afterwards, and a
    leading ``...`` admits any batch axes.

    Args:
        where: the public function's name, for the message.
        hint: the edit that mends the mistake.
        **arguments: ``name=(array, pattern)``.

    Raises:
        ValueError: when a shape does not match its pattern.

    >>> check_shapes("nms", boxes=(jnp.zeros((3, 4)), "n 4"), scores=(jnp.zeros(3), "n"))
    {'n': 3}
    """
    sizes: dict[str, int] = {}
    for name, (array, pattern) in arguments.items():
        shape, axes = tuple(jnp.shape(array)), pattern.split()
        tail = axes[1:] if axes[:1] == ["..."] else axes
        fits = len(shape) >= len(tail) if axes[:1] == ["..."] else len(shape) == len(tail)
        if fits:
            for axis, size in zip(tail, shape[len(shape) - len(tail) :], strict=True):
                fits &= size == (int(axis) if axis.isdigit() else sizes.setdefault(axis, size))
        if not fits:
            known = ", ".join(f"{k}={v}" for k, v in sizes.items() if k in tail)
            expected = f"({', '.join(axes)}{',' if len(axes) == 1 else ''})" + (f" with {known}" if known else "")
            raise ValueError(f"{where}: '{name}' must have shape {expected}, got {shape}. {hint}".rstrip())
    return sizes


def check_equal_shapes(where: str, **arrays: Any) -> None:
    """Refuse arguments of different shapes: nothing is broadcast silently.

    Raises:
        ValueError: when two shapes differ.
    """
    (first, leader), *others = arrays.items()
    for name, array in others:
        if jnp.shape(array) != jnp.shape(leader):
            raise ValueError(
                f"{where}: '{name}' must have the shape of '{first}', {jnp.shape(leader)}, "
                f"got {jnp.shape(array)}. Reshape or jnp.broadcast_to it first."
            )


def check_floating(where: str, **arrays: Any) -> None:
    """Refuse integer arrays where a gradient or an average is needed.

    Raises:
        ValueError: when an array's dtype is not floating.
    """
    for name, array in arrays.items():
        dtype = jnp.result_type(array)
        if not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(f"{where}: '{name}' must be floating, got {dtype}. Use {name}.astype(jnp.float32).")


def check_choice(where: str, name: str, value: Any, choices: Sequence[Any]) -> None:
    """Refuse a mode that is not offered.

    Raises:
        ValueError: when `value` is not one of `choices`.
    """
    if isinstance(value, jax.Array) or value not in choices:
        offered = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{where}: '{name}' must be one of {offered}, got {value!r}.")


def accumulator_dtype(*dtypes: Any) -> jnp.dtype:
    """The dtype in which to add up: the widest of those given, and float32 at least.

    >>> accumulator_dtype(jnp.bfloat16)
    dtype('float32')
    """
    return max((jnp.dtype(d) for d in (jnp.float32, *dtypes)), key=lambda dtype: jnp.finfo(dtype).bits)
