"""Penalties on the size or structure of parameters.

Each takes one pytree (an array is one too) and returns **one scalar for the whole pytree**, the sum over its
leaves, in at least float32. Batching is the caller's `vmap`. What must not be penalised, an intercept say, is
simply not passed. The penalty's weight is the caller's: ``loss + lam * l1(params)``.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.ops.checks import Scalar, accumulator_dtype, check_floating
from jaxml.ops.finite import euclidean_norm, saturated, squared, total

__all__ = ["elastic_net", "group_lasso", "l0_count", "l1", "l2_norm", "l2_squared", "total_variation"]


def l0_count(tree: Any, *, tolerance: Scalar = 0.0) -> Float[Array, ""]:
    """Number of entries that are not zero.

    ``#{i : |x_i| > tolerance}``.

    Args:
        tree: pytree of floating arrays.
        tolerance: entries up to this absolute value count as zero, >= 0.

    Returns:
        The count over the whole pytree, floating so that it adds to a loss; its derivative is zero.

    Raises:
        ValueError: when a leaf is not floating.

    Not a norm, and no use to gradient descent; `prox_l0` is its proximal operator.

    Reference: Beck (2017), First-Order Methods in Optimization, example 6.10.

    >>> l0_count({"w": jnp.array([0.0, 1e-9, 2.0]), "v": jnp.ones((2, 2))}, tolerance=1e-6)
    Array(5., dtype=float32)
    """
    return _sum_over_leaves(
        "l0_count", tree, lambda x: jnp.sum(jnp.abs(x) > jnp.asarray(tolerance, x.dtype), dtype=x.dtype)
    )


def l1(tree: Any) -> Float[Array, ""]:
    """Sum of absolute values.

    ``sum_i |x_i|``.

    Args:
        tree: pytree of floating arrays.

    Returns:
        One scalar for the whole pytree; the derivative at 0 is 0, one of its subgradients.

    Raises:
        ValueError: when a leaf is not floating.

    Not made sparse by gradient descent, which steps over zero: use `prox_l1`.

    Reference: Tibshirani (1996), Regression shrinkage and selection via the lasso, JRSS B 58.

    >>> l1({"w": jnp.array([1.0, -2.0]), "b": jnp.array(0.5)})
    Array(3.5, dtype=float32)
    """
    return _sum_over_leaves("l1", tree, lambda x: total(_absolute(x)))


def l2_squared(tree: Any) -> Float[Array, ""]:
    """Sum of squares.

    ``sum_i x_i^2``, without a factor 1/2.

    Args:
        tree: pytree of floating arrays.

    Returns:
        One scalar for the whole pytree.

    Raises:
        ValueError: when a leaf is not floating.

    Not `l2_norm` (no square root), and not decoupled weight decay, which differs under an adaptive optimizer.

    Reference: Hoerl and Kennard (1970), Ridge regression, Technometrics 12.

    >>> l2_squared({"w": jnp.array([3.0, -4.0]), "b": jnp.array(0.5)})
    Array(25.25, dtype=float32)
    """
    return _sum_over_leaves("l2_squared", tree, lambda x: total(squared(x)))


def l2_norm(tree: Any) -> Float[Array, ""]:
    """Euclidean norm of all entries together.

    ``sqrt(sum_i x_i^2)``.

    Args:
        tree: pytree of floating arrays, taken as one long vector.

    Returns:
        One scalar for the whole pytree; at the origin all its derivatives are 0.

    Raises:
        ValueError: when a leaf is not floating.

    Not a sum of the leaves' norms: that is `group_lasso`.

    Reference: Beck (2017), First-Order Methods in Optimization, example 6.19.

    >>> l2_norm({"w": jnp.array([3.0, 0.0]), "b": jnp.array(4.0)})
    Array(5., dtype=float32)
    """
    leaves, wide = _wide_leaves("l2_norm", tree)
    norms = [jnp.zeros((), wide), *(euclidean_norm(leaf) for leaf in leaves)]
    return euclidean_norm(jnp.stack(norms))


def elastic_net(tree: Any, *, l1_ratio: Scalar = 0.5) -> Float[Array, ""]:
    """Mixture of `l1` and half of `l2_squared`.

    ``l1_ratio sum_i |x_i| + (1 - l1_ratio)/2 sum_i x_i^2``.

    Args:
        tree: pytree of floating arrays.
        l1_ratio: share of the L1 part, in [0, 1].

    Returns:
        One scalar for the whole pytree.

    Raises:
        ValueError: when a leaf is not floating.

    See also: `prox_elastic_net`. The mixture is that of glmnet and scikit-learn, with the 1/2 in the L2 part.

    Reference: Zou and Hastie (2005), Regularization and variable selection via the elastic net, JRSS B 67;
    Friedman, Hastie and Tibshirani (2010), J. Stat. Softw. 33(1), eq. 2.

    >>> elastic_net(jnp.array([1.0, -2.0]), l1_ratio=0.5)
    Array(2.75, dtype=float32)
    """

    def mixture(x: Array) -> Array:
        ratio = jnp.asarray(l1_ratio, x.dtype)
        return total(jnp.stack([ratio * total(_absolute(x)), (1 - ratio) / 2 * total(squared(x))]))

    return _sum_over_leaves("elastic_net", tree, mixture)


def group_lasso(tree: Any, *, axis: int | Sequence[int] = -1) -> Float[Array, ""]:
    """Sum of the Euclidean norms of groups, each weighted by the root of its size.

    ``sum_g sqrt(p_g) ||x_g||``: whole groups become zero together.

    Args:
        tree: pytree of floating arrays. Groups of unequal size are leaves of their own: ``{"city": w50, "sex": w2}``.
        axis: the axis or axes that run inside a group; all other axes count groups. With -1 the rows of a
            (features, classes) matrix are its groups, and a vector is one group.

    Returns:
        One scalar for the whole pytree; the derivative of a group that is all zero is 0.

    Raises:
        ValueError: when a leaf is not floating or lacks `axis`.

    Not for overlapping groups. See also: `prox_group_lasso`.

    Reference: Yuan and Lin (2006), Model selection and estimation with grouped variables, JRSS B 68, eq. 2.1.

    >>> group_lasso(jnp.array([[3.0, 4.0], [0.0, 0.0]])) / np.sqrt(2)
    Array(5., dtype=float32)
    """

    def norms(x: Array) -> Array:
        axes = group_axes("group_lasso", x, axis)
        norms = total(euclidean_norm(x, axes))
        return saturated(group_weight(x, axes) * norms, norms)

    return _sum_over_leaves("group_lasso", tree, norms)


def total_variation(tree: Any, *, axes: Sequence[int] | None = None, isotropic: bool = False) -> Float[Array, ""]:
    """Sum of the differences between neighbours.

    Anisotropic ``sum_i sum_a |x_{i + e_a} - x_i|``; isotropic ``sum_i sqrt(sum_a (x_{i + e_a} - x_i)^2)``, where a
    difference that would leave the array is 0.

    Args:
        tree: pytree of floating arrays.
        axes: the axes along which neighbours are compared, default all; (0, 1) for an image with channels last.
        isotropic: whether the differences along the axes join in one Euclidean norm per entry.

    Returns:
        One scalar for the whole pytree; a constant array has 0, with derivative 0.

    Raises:
        ValueError: when a leaf is not floating or lacks one of `axes`.

    Not divided by the number of entries.

    Reference: Rudin, Osher and Fatemi (1992), Nonlinear total variation based noise removal algorithms, Physica D 60.

    >>> step = jnp.array([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    >>> total_variation(step), total_variation(step, isotropic=True).round(3)
    (Array(3., dtype=float32), Array(2.414, dtype=float32))
    """

    def variation(x: Array) -> Array:
        along = group_axes("total_variation", x, tuple(range(x.ndim)) if axes is None else tuple(axes))
        steps = [_step(x, a) for a in along if x.shape[a] > 0]
        if not steps:
            return jnp.zeros((), x.dtype)
        if isotropic:
            return total(euclidean_norm(jnp.stack(steps), 0))
        return total(_absolute(jnp.stack(steps)))

    return _sum_over_leaves("total_variation", tree, variation)


def group_axes(where: str, x: Array, axis: int | Sequence[int]) -> tuple[int, ...]:
    """Non-negative axes of `x`, or an error that says which one it lacks."""
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for a in axes:
        if not -x.ndim <= a < x.ndim:
            raise ValueError(
                f"{where}: axis {a} needs more than the {x.ndim} axes of a leaf of shape {x.shape}. "
                "Name an axis that every leaf has, or reshape the leaf."
            )
    return tuple(a % x.ndim for a in axes)


def group_weight(x: Array, axes: tuple[int, ...]) -> float:
    """Square root of the number of entries in a group that runs along `axes`."""
    return math.prod(x.shape[a] for a in axes) ** 0.5


def _absolute(x: Array) -> Array:
    """``|x|`` with derivative 0 at 0, where `jnp.abs` has 1."""
    return x * jnp.sign(x)


def _step(x: Array, axis: int) -> Array:
    """Differences to the next entries; that which would leave the array is 0."""
    rest, last = (jax.lax.slice_in_dim(x, k, x.shape[axis], axis=axis) for k in (1, x.shape[axis] - 1))
    following = jnp.concatenate([rest, last], axis=axis)
    return saturated(following - x, following, x)


def _sum_over_leaves(where: str, tree: Any, penalty: Callable[[Array], Array]) -> Array:
    leaves, wide = _wide_leaves(where, tree)
    return total(jnp.stack([jnp.zeros((), wide), *map(penalty, leaves)]))


def _wide_leaves(where: str, tree: Any) -> tuple[list[Array], Any]:
    """The leaves in the dtype in which to add up, and that dtype."""
    leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    for leaf in leaves:
        check_floating(where, leaf=leaf)
    wide = accumulator_dtype(*(leaf.dtype for leaf in leaves))
    return [leaf.astype(wide) for leaf in leaves], wide
