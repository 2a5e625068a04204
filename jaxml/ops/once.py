"""What a compiler must not compute twice."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["once"]


@jax.custom_jvp
def once(y: Any) -> Any:
    """The identity, computed once.

    A compiler may compute a coordinate twice, for its floor and for its fraction, and round it differently each time;
    beside an integer the two then disagree by a whole pixel. Or it computes what all pixels of a channel share anew for
    every pixel. XLA's CPU compiler drops optimization barriers before it fuses, but it does not look into a loop whose
    length it cannot know (here it is 0: nothing exceeds infinity).
    """

    def loop(y: Any) -> Any:
        longer = jnp.any(y > jnp.inf)
        return lax.while_loop(lambda state: state[0], lambda state: (~state[0], state[1] + 1), (longer, y))[1]

    return lax.platform_dependent(y, cpu=loop, default=lax.optimization_barrier)


@once.defjvp
def _once_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    return once(*primals), tangents[0]
