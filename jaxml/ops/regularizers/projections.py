"""Euclidean projections onto convex sets, for a pytree taken as one long vector (an array is one too).

The derivatives are those of the projection, with the active set held fixed: exact wherever they exist.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from jaxml.ops.checks import Scalar, check_floating

__all__ = ["project_l1_ball", "project_simplex"]


def project_simplex(tree: Any, *, total: Scalar = 1.0) -> Any:
    """Nearest point with non-negative entries that sum to `total`.

    ``argmin_u ||u - x||^2`` subject to ``u >= 0, sum_i u_i = total``, which is ``max(x - theta, 0)`` for the one
    `theta` that gives the right sum.

    Args:
        tree: pytree of floating arrays with at least one entry.
        total: the sum, > 0.

    Returns:
        The projection, of the same structure.

    Raises:
        ValueError: when a leaf is not floating or there is no entry.

    Not softmax: the result is sparse, and a point of the simplex is its own projection.

    Reference: Duchi et al. (2008), Efficient projections onto the l1-ball, ICML, figure 1.

    >>> project_simplex(jnp.array([0.8, 0.6, -1.0])).round(3)
    Array([0.6, 0.4, 0. ], dtype=float32)
    """
    x, restore = _one_vector("project_simplex", tree)
    return restore(_onto_simplex(x, jnp.asarray(total, x.dtype)))


def project_l1_ball(tree: Any, *, radius: Scalar = 1.0) -> Any:
    """Nearest point whose absolute values sum to at most `radius`.

    ``argmin_u ||u - x||^2`` subject to ``sum_i |u_i| <= radius``.

    Args:
        tree: pytree of floating arrays with at least one entry.
        radius: the bound on the L1 norm, > 0.

    Returns:
        The projection, of the same structure; `tree` itself when it lies in the ball.

    Raises:
        ValueError: when a leaf is not floating or there is no entry.

    Not `prox_l1`, whose threshold is given; here it follows from the radius.

    Reference: Duchi et al. (2008), Efficient projections onto the l1-ball, ICML, section 4.

    >>> project_l1_ball(jnp.array([0.8, -0.6, 0.0])).round(3)
    Array([ 0.6, -0.4,  0. ], dtype=float32)
    """
    x, restore = _one_vector("project_l1_ball", tree)
    radius = jnp.asarray(radius, x.dtype)
    on_sphere = jnp.sign(x) * _onto_simplex(jnp.abs(x), radius)
    return restore(jnp.where(jnp.sum(jnp.abs(x)) <= radius, x, on_sphere))


def _one_vector(where: str, tree: Any) -> tuple[Array, Any]:
    for leaf in jax.tree.leaves(tree):
        check_floating(where, leaf=leaf)
    x, restore = ravel_pytree(tree)
    if x.size == 0:
        raise ValueError(f"{where}: 'tree' must hold at least one entry, got {jax.tree.map(jnp.shape, tree)}.")
    return x, restore


def _onto_simplex(x: Array, total: Array) -> Array:
    # The support is found from sorted values without derivatives; theta follows from it by a formula whose
    # derivative is that of the projection.
    fixed = jax.lax.stop_gradient(x)
    falling = -jnp.sort(-fixed)
    ranks = jnp.arange(1, x.size + 1, dtype=x.dtype)
    excess = jnp.cumsum(falling - falling[0]) - jax.lax.stop_gradient(total)
    kept = jnp.sum((falling - falling[0]) * ranks > excess)
    support = fixed >= falling[jnp.maximum(kept - 1, 0)]
    count = jnp.sum(support, dtype=x.dtype)
    theta = (jnp.sum(jnp.where(support, x - falling[0], 0)) - total) / count
    return jnp.where(support, jnp.maximum(x - falling[0] - theta, 0), 0)
