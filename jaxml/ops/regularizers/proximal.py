"""Proximal operators: one implicit gradient step on a penalty.

``prox_f(x) = argmin_u  1/2 ||u - x||^2 + strength * f(u)`` for the penalty `f` of the same name. Each takes a
pytree (an array is one too) and returns a pytree of the same structure, shapes and dtypes. `strength` is the
step size times the penalty's weight, >= 0, and may be traced. The derivatives are those of the operator, which
are unique except on the border between shrinking and vanishing; there the side that keeps is taken, so that
`strength` 0 is the identity with derivative 1 everywhere.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxml.ops.checks import Scalar, accumulator_dtype, check_floating
from jaxml.ops.finite import divided, euclidean_norm
from jaxml.ops.regularizers.penalties import group_axes, group_weight, l2_norm

__all__ = ["prox_elastic_net", "prox_group_lasso", "prox_l0", "prox_l1", "prox_l2_norm", "prox_l2_squared"]


def prox_l1(tree: Any, *, strength: Scalar) -> Any:
    """Soft threshold, the proximal operator of `l1`.

    ``argmin_u 1/2 ||u - x||^2 + strength sum_i |u_i|  =  sign(x) max(|x| - strength, 0)``.

    Args:
        tree: pytree of floating arrays.
        strength: step size times penalty weight, >= 0.

    Returns:
        Each entry moved towards 0 by `strength`, exactly 0 where ``|x| <= strength``.

    Raises:
        ValueError: when a leaf is not floating.

    Not a penalty: it returns parameters. See also: `l1`, `prox_l0`, which does not shrink what it keeps.

    Reference: Parikh and Boyd (2014), Proximal Algorithms, section 6.5.2.

    >>> prox_l1(jnp.array([3.0, -0.5, -2.0]), strength=1.0)
    Array([ 2.,  0., -1.], dtype=float32)
    """
    return _map_leaves("prox_l1", tree, lambda x: _soft_threshold(x, jnp.asarray(strength, x.dtype)))


def prox_l2_squared(tree: Any, *, strength: Scalar) -> Any:
    """Proximal operator of `l2_squared`: shrinks everything, zeroes nothing.

    ``argmin_u 1/2 ||u - x||^2 + strength sum_i u_i^2  =  x / (1 + 2 strength)``.

    Args:
        tree: pytree of floating arrays.
        strength: step size times penalty weight, >= 0.

    Returns:
        Each entry divided by ``1 + 2 strength``.

    Raises:
        ValueError: when a leaf is not floating.

    Not ``jaxopt.prox.prox_ridge``, whose penalty carries a factor 1/2.

    Reference: Parikh and Boyd (2014), Proximal Algorithms, section 6.1.1.

    >>> prox_l2_squared(jnp.array([3.0, -0.5]), strength=0.5)
    Array([ 1.5 , -0.25], dtype=float32)
    """
    return _map_leaves("prox_l2_squared", tree, lambda x: x / (1 + 2 * jnp.asarray(strength, x.dtype)))


def prox_l2_norm(tree: Any, *, strength: Scalar) -> Any:
    """Block soft threshold, the proximal operator of `l2_norm`: everything vanishes together or nothing does.

    ``argmin_u 1/2 ||u - x||^2 + strength ||u||  =  x max(1 - strength / ||x||, 0)``, the norm over the whole pytree.

    Args:
        tree: pytree of floating arrays, taken as one long vector.
        strength: step size times penalty weight, >= 0.

    Returns:
        The vector shortened by `strength`, exactly 0 where its norm is at most that.

    Raises:
        ValueError: when a leaf is not floating.

    See also: `prox_group_lasso`, which does this group by group.

    Reference: Parikh and Boyd (2014), Proximal Algorithms, section 6.5.1.

    >>> prox_l2_norm({"w": jnp.array([3.0]), "b": jnp.array([4.0])}, strength=2.5)
    {'b': Array([2.], dtype=float32), 'w': Array([1.5], dtype=float32)}
    """
    norm = l2_norm(tree)
    scale = _block_scale(norm, jnp.asarray(strength, norm.dtype))
    return _map_leaves("prox_l2_norm", tree, lambda x: x * scale.astype(x.dtype))


def prox_elastic_net(tree: Any, *, strength: Scalar, l1_ratio: Scalar = 0.5) -> Any:
    """Proximal operator of `elastic_net`: soft threshold, then shrink.

    ``argmin_u 1/2 ||u - x||^2 + strength elastic_net(u)
    = prox_l1(x, strength l1_ratio) / (1 + strength (1 - l1_ratio))``.

    Args:
        tree: pytree of floating arrays.
        strength: step size times penalty weight, >= 0.
        l1_ratio: share of the L1 part, in [0, 1].

    Returns:
        The shrunk pytree, exactly 0 where ``|x| <= strength * l1_ratio``.

    Raises:
        ValueError: when a leaf is not floating.

    See also: `elastic_net`, whose convention of the mixture this shares.

    Reference: Parikh and Boyd (2014), Proximal Algorithms, section 6.5.3.

    >>> prox_elastic_net(jnp.array([3.0, -0.5]), strength=2.0, l1_ratio=0.5)
    Array([1., 0.], dtype=float32)
    """

    def shrink(x: Array) -> Array:
        weight, ratio = jnp.asarray(strength, x.dtype), jnp.asarray(l1_ratio, x.dtype)
        return _soft_threshold(x, weight * ratio) / (1 + weight * (1 - ratio))

    return _map_leaves("prox_elastic_net", tree, shrink)


def prox_group_lasso(tree: Any, *, strength: Scalar, axis: int | Sequence[int] = -1) -> Any:
    """Proximal operator of `group_lasso`: block soft threshold of each group.

    ``u_g = x_g max(1 - strength sqrt(p_g) / ||x_g||, 0)`` minimises ``1/2 ||u - x||^2 + strength group_lasso(u)``.

    Args:
        tree: pytree of floating arrays.
        strength: step size times penalty weight, >= 0.
        axis: the axis or axes that run inside a group, as in `group_lasso`.

    Returns:
        The shrunk pytree; a group whose norm is at most ``strength sqrt(p_g)`` is exactly 0.

    Raises:
        ValueError: when a leaf is not floating or lacks `axis`.

    See also: `group_lasso` for how groups are named.

    Reference: Yuan and Lin (2006), Model selection and estimation with grouped variables, JRSS B 68, eq. 2.4.

    >>> prox_group_lasso(jnp.array([[3.0, 0.0, 0.0, 4.0], [1.0, 0.0, 0.0, 0.0]]), strength=1.25)
    Array([[1.5, 0. , 0. , 2. ],
           [0. , 0. , 0. , 0. ]], dtype=float32)
    """

    def shrink(x: Array) -> Array:
        axes = group_axes("prox_group_lasso", x, axis)
        wide = x.astype(accumulator_dtype(x.dtype))
        norm = euclidean_norm(wide, axes, keepdims=True)
        threshold = group_weight(x, axes) * jnp.asarray(strength, wide.dtype)
        return x * _block_scale(norm, threshold).astype(x.dtype)

    return _map_leaves("prox_group_lasso", tree, shrink)


def prox_l0(tree: Any, *, strength: Scalar) -> Any:
    """Hard threshold, a proximal operator of `l0_count`: keep what is worth its price, unchanged.

    ``argmin_u 1/2 ||u - x||^2 + strength #{i : u_i != 0}  =  x where x^2 >= 2 strength, else 0``.

    Args:
        tree: pytree of floating arrays.
        strength: price of one entry that is not zero, >= 0.

    Returns:
        Each entry kept or set to 0; at ``x^2 = 2 strength``, where both minimise, kept.

    Raises:
        ValueError: when a leaf is not floating.

    Not continuous: at the threshold the output jumps, and its derivative does not see the jump.

    Reference: Beck (2017), First-Order Methods in Optimization, example 6.10.

    >>> prox_l0(jnp.array([3.0, -0.5, 1.5]), strength=1.0)
    Array([3. , 0. , 1.5], dtype=float32)
    """
    return _map_leaves("prox_l0", tree, lambda x: jnp.where(x * x >= 2 * jnp.asarray(strength, x.dtype), x, 0))


def _soft_threshold(x: Array, threshold: Array) -> Array:
    return jnp.where(jnp.abs(x) >= threshold, x - jnp.sign(x) * threshold, 0)


def _block_scale(norm: Array, threshold: Array) -> Array:
    kept = norm >= threshold
    return jnp.where(kept, 1 - divided(threshold, jnp.where(kept, norm, 1)), 0)


def _map_leaves(where: str, tree: Any, operator: Callable[[Array], Array]) -> Any:
    def apply(leaf: Any) -> Array:
        x = jnp.asarray(leaf)
        check_floating(where, leaf=x)
        return operator(x)

    return jax.tree.map(apply, tree)
