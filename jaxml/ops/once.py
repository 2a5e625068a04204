"""What a compiler must not compute twice, and what it must not fuse."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxml.ops import primitives

__all__ = ["apart", "once"]


def _barrier(y: Any) -> Any:
    """The identity, behind a loop on a CPU: XLA drops optimization barriers there before it fuses.

    It does not look into a loop whose length it cannot know. Here it is 0: nothing exceeds infinity.
    """
    if y.size == 0:
        return y

    def loop(y: Any) -> Any:
        return lax.while_loop(lambda y: y[(0,) * y.ndim] > jnp.inf, lambda y: y + 1, y)

    return lax.platform_dependent(y, cpu=loop, default=lax.optimization_barrier)


@jax.custom_jvp
def once(y: Any) -> Any:
    """The identity, computed once.

    A compiler may compute a coordinate twice, for its floor and for its fraction, and round it differently each time;
    beside an integer the two then disagree by a whole pixel. Or it computes what all pixels of a channel share anew for
    every pixel.
    """
    return _barrier(y)


@once.defjvp
def _once_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    return once(*primals), tangents[0]


def apart(y: Any) -> Any:
    """The identity, which no fusion crosses, and neither does one of its derivatives.

    XLA's CPU compiler (seen in jaxlib 0.10.2) hands matrix products to a library together with what surrounds them.
    Where a factor repeats one number and a sum is in the same fusion, the library returns wrong numbers: jax issue
    39103. The factors of a product, and the result for the sake of its cotangent, are therefore arrays in memory.

    A sum of gathers is one loop, until something adds up its result: then the same library takes the additions, and
    XLA writes every gather to memory, each as large as the sum. Nor does XLA know that two shapes of a cotangent are
    one array; it computes each for itself. Behind this function neither happens.
    """
    return _apart(y)


_apart = primitives.elementwise("apart", _barrier, lambda cotangent, _: _apart(cotangent), dtype=lambda y: y.dtype)
