"""Shapes of convolutions, and their operations counted one by one."""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp


def shape(**settings: Any) -> Any:
    """An array of which only the shape counts."""
    return jax.ShapeDtypeStruct(tuple(settings.values()), jnp.float32)


@functools.cache
def counted(places: int, kernel: int, channels: int, filters: int, bias: bool) -> int:
    """Multiplications and additions of a convolution, one by one: those of each output, products first."""
    operations = 0
    for _ in range(places * filters):
        products = sum(1 for _ in itertools.product(range(kernel), range(kernel), range(channels)))
        operations += products + sum(1 for _ in range(1, products)) + bias
    return operations
