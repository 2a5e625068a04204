"""One decision tree as a pure fit."""

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num

from jaxml.learn.checks import look_at_rows, look_at_strengths, looked_at, proper_rows
from jaxml.learn.fit import Fit
from jaxml.learn.trees.binning import Binned, bin_features, bins_from_data
from jaxml.learn.trees.growth import Rules, Tree, grow_tree
from jaxml.learn.trees.sums import Method
from jaxml.ops.checks import Scalar, check_choice, check_floating, check_shapes

Criterion = Literal["squared", "gini", "entropy"]


class TreeDiagnostics(NamedTuple):
    """How a tree came out.

    Attributes:
        leaves: number of leaves that hold weight.
        leaf: slot of the leaf of each training row, (n,).
        gain: score gained by all splits: the fall of the sum of squares or of weight x impurity.
        converged: whether targets, weights and rules have a sensible answer; otherwise the values are NaN.
    """

    leaves: Int[Array, ""]
    leaf: Int[Array, " n"]
    gain: Float[Array, ""]
    converged: Bool[Array, ""]


_STATIC = ("classes", "criterion", "max_depth", "width", "bins", "missing", "splitter", "method")


def look_at_tree(
    key: Any, X: Any, y: Any, *, where: str = "decision_tree", sample_weight: Any = None, classes: Any = None,
    min_leaf_weight: Any = 0.0, min_gain: Any = 0.0, l2: Any = 0.0, **rest: Any,
) -> None:  # fmt: skip
    """Refuse known values of `decision_tree` or a forest that have no sensible answer."""
    look_at_rows(where, X, y, sample_weight, "real" if classes is None else "classes", classes)
    look_at_strengths(where, {"min_leaf_weight": min_leaf_weight, "min_gain": min_gain, "l2": l2})


@looked_at(look_at_tree)
@bins_from_data
@partial(jax.jit, static_argnames=_STATIC)
def decision_tree(
    key: Array | None,
    X: Num[Array, "n d"] | Binned,
    y: Float[Array, " n"] | Int[Array, " n"],
    *,
    sample_weight: Num[Array, " n"] | None = None,
    classes: int | None = None,
    criterion: Criterion | None = None,
    max_depth: int = 6,
    width: int | None = None,
    bins: int = 64,
    missing: bool | None = None,
    splitter: Literal["best", "random"] = "best",
    method: Method = "auto",
    depth: Scalar | None = None,
    features_per_split: Scalar | None = None,
    min_leaf_weight: Scalar = 0.0,
    min_gain: Scalar = 0.0,
    l2: Scalar = 0.0,
) -> Fit[Tree, TreeDiagnostics]:
    """Fit one classification or regression tree on quantile bins.

    Each split minimises the weighted impurity of its two sides, over the mean y and class shares p of a side of
    total weight W:

        squared:  sum_i w_i (y_i - mean)^2        gini:  W (1 - sum_k p_k^2)        entropy:  -W sum_k p_k log p_k

    Args:
        key: drawn from where `features_per_split` or a random splitter asks for it; otherwise None will do.
        X: features, (n, d), NaN where missing; ordinal categories as numbers. Or `bin_features(X)`.
        y: targets, (n,), floating; or classes 0 to classes - 1, integers.
        sample_weight: weights, (n,), >= 0; ones if None. Rows of weight 0 get a leaf and do not affect the fit.
        classes: number of classes, static; None for regression.
        criterion: ``"squared"`` for regression; ``"gini"`` (default) or ``"entropy"`` for classes.
        max_depth: levels of splits, static, >= 1.
        width: most nodes on one level, static, even; None for no limit. Deep trees want one: a level of
            unlimited width holds 2^level slots, used or not.
        bins: most intervals per feature, static, 2 to 256.
        missing: whether entries of X may be missing, static; False halves the search. None looks, where X is known.
        splitter: ``"best"`` threshold, or a ``"random"`` one per node and feature, static.
        method: how sums are formed, see `grow_tree`.
        depth: effective depth, at most `max_depth`, traced; None for `max_depth`.
        features_per_split: features drawn afresh for each node, 1 to d, traced; None for all.
        min_leaf_weight: least weight of a leaf, traced, >= 0.
        min_gain: a split must lower the impurity by more than this, traced, >= 0.
        l2: pull of leaf values to the mean target or class shares, in units of weight, traced, >= 0.

    Returns:
        The tree, with values (N,) or (N, classes), and its diagnostics.

    Raises:
        ValueError: for wrong shapes, dtypes or modes; for a target that is not finite or no class, a negative weight
            or rule. Inside `jit`, where values are unknown, those make the values of the tree NaN.

    It does not prune, and it does not split where the first split alone gains nothing (exclusive or).

    References:
        Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees, chapters 4 and 8.

    >>> X = jnp.array([[0.0], [1.0], [5.0], [6.0]])
    >>> fit = decision_tree(None, X, jnp.array([1.0, 1.0, 3.0, 4.0]), max_depth=1)
    >>> fit.params.value, fit.diagnostics.gain
    (Array([2.25, 1.  , 3.5 ], dtype=float32), Array(6.25, dtype=float32))
    """
    binned = X if isinstance(X, Binned) else bin_features(X, bins=bins, missing=missing)
    dtype = binned.edges.dtype
    n = check_shapes("decision_tree", X=(binned.codes, "d n"), y=(y, "n"), hint="Use y.reshape(n).")["n"]
    weights = jnp.ones(n, dtype) if sample_weight is None else sample_weight.astype(dtype)
    check_shapes("decision_tree", y=(y, "n"), sample_weight=(weights, "n"))
    total = jnp.sum(weights)
    if classes is None:
        criterion = criterion or "squared"
        check_choice("decision_tree", "criterion", criterion, ("squared",))
        check_floating("decision_tree", y=y)
        fine = proper_rows(y, weights, "real")
        y = jnp.where(weights > 0, y, 0.0)  # a row of weight 0 may lack its target
        # Around the mean, so that gains do not drown in the rounding of a large common offset.
        prior = jnp.sum(weights * y.astype(dtype), keepdims=True) / jnp.where(total > 0, total, 1.0)
        targets = (y.astype(dtype) - prior)[:, None]
    else:
        criterion = criterion or "gini"
        check_choice("decision_tree", "criterion", criterion, ("gini", "entropy"))
        if not jnp.issubdtype(y.dtype, jnp.integer):
            raise ValueError(f"decision_tree: 'y' must hold integer classes, got {y.dtype}. Use y.astype(int).")
        fine = proper_rows(y, weights, "classes", classes)
        targets = jax.nn.one_hot(y, classes, dtype=dtype)
        prior = weights @ targets / jnp.where(total > 0, total, 1.0)
    tree, leaf = grow_tree(
        key,
        binned,
        targets * weights[:, None],
        weights,
        max_depth=max_depth,
        rules=Rules(max_depth if depth is None else depth, min_leaf_weight, min_gain, l2, features_per_split),
        width=width,
        score="entropy" if criterion == "entropy" else "quadratic",
        splitter=splitter,
        missing=missing,
        method=method,
    )
    # The penalty pulls to the mean: G / (H + l2) of centred targets, plus the mean.
    if classes is None:
        value = tree.value[:, 0] + prior
    else:
        mass = tree.weight + l2
        value = tree.value + prior[None] * jnp.where(mass > 0, l2 / jnp.where(mass > 0, mass, 1.0), 1.0)[:, None]
    fine &= (jnp.asarray(min_leaf_weight) >= 0) & (jnp.asarray(min_gain) >= 0) & (jnp.asarray(l2) >= 0)
    value = jnp.where(fine, value, jnp.nan)
    leaves = jnp.sum((tree.feature < 0) & (tree.weight > 0))
    return Fit(tree._replace(value=value), TreeDiagnostics(leaves, leaf, jnp.sum(tree.gain), fine))
