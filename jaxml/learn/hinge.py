"""The certificate of a machine with the hinge: how far its dual point and its primal point are from each other."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Vector = Float[Array, " n"]


class HingeCertificate(NamedTuple):
    """What is known of a machine whose decision values were stretched by a factor.

    Where C is large, a margin short of 1 by a rounding costs C times that; a factor of one rounding more avoids it.

    Attributes:
        stretch: the factor, 1 or a little more: of the dual's weights and level to those of the machine.
        slack: 1 - margin of each row, (n,), after stretching.
        norm: ||w||^2, after stretching.
        objective: ||w||^2 / 2 + sum_i c_i max(0, slack_i).
        gap: objective minus the dual's value, and what rounding may hide of it.
        excess: gap over objective.
    """

    stretch: Array
    slack: Array
    norm: Array
    objective: Array
    gap: Array
    excess: Array


def certify(alpha: Vector, slack: Vector, error: Vector, cost: Vector, norm: Array, apart: Array) -> HingeCertificate:
    """Stretch by t and measure the gap as a sum in which nothing cancels. With m_i = 1 - slack_i and d = t - 1,

    gap = d (1 + t) ||w||^2 / 2 + sum_i [(c_i - alpha_i) max(0, 1 - t m_i) + alpha_i max(-slack_i, -d m_i)] + apart.

    Args:
        alpha: dual point, 0 to cost, (n,).
        slack: one minus the margin of each row, (n,).
        error: what each slack may be off by, (n,).
        cost: upper bounds c, (n,).
        norm: ||w||^2.
        apart: what the gap grows by because the primal point is not exactly that of the dual one: how much the equality
            of the dual is missed by, times its multiplier, and ||w - A^T alpha||^2 / 2.
    """

    def stretched(more: Array) -> HingeCertificate:
        after, length = slack - more * (1 - slack), (1 + more) ** 2 * norm
        objective = length / 2 + jnp.sum(cost * jnp.maximum(after, 0.0))
        rows = (cost - alpha) * jnp.maximum(after + error, 0.0)
        rows = rows + alpha * jnp.maximum(error - slack, -more * (1 - slack))
        gap = more * (2 + more) / 2 * norm + jnp.sum(rows) + apart
        excess = gap / jnp.maximum(objective, jnp.finfo(alpha.dtype).tiny)
        return HingeCertificate(1 + more, after, length, objective, gap, excess)

    plain = stretched(jnp.zeros_like(norm))
    # As much as the worst row lacks that the optimum does not let off.
    other = stretched(jnp.max(jnp.where(alpha < cost, jnp.maximum(slack + error, 0.0), 0.0)))
    return jax.tree.map(lambda a, b: jnp.where(other.gap < plain.gap, b, a), plain, other)
