"""What a grown tree says: predictions, leaf numbers, importances of features."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Num

from jaxml.learn.trees.growth import Tree
from jaxml.ops.checks import check_shapes


@jax.jit
def apply_tree(tree: Tree, X: Num[Array, "n d"]) -> Int[Array, " n"]:
    """Slot of the leaf in which each row ends.

    Args:
        tree: one tree, from `decision_tree`.
        X: features, (n, d), as at fitting; NaN marks a missing entry.

    Returns:
        Leaf slots, (n,): indices into the arrays of `Tree`.

    Raises:
        ValueError: for features that are not (n, d) or a stack of trees.

    Leaf slots are not consecutive: unused slots lie between them.

    References:
        Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees, section 2.4.

    >>> from jaxml.learn import decision_tree
    >>> X = jnp.array([[0.0], [1.0], [5.0]])
    >>> tree = decision_tree(None, X, jnp.array([1.0, 1.0, 3.0]), max_depth=1).params
    >>> apply_tree(tree, X)
    Array([1, 1, 2], dtype=int32)
    """
    check_shapes("apply_tree", X=(X, "n d"), hint="Use X.reshape(n, -1).")
    check_shapes("apply_tree", tree=(tree.feature, "slots"), hint="Use jax.vmap over a stack of trees.")
    if not jnp.issubdtype(X.dtype, jnp.floating):
        X = X.astype(tree.threshold.dtype)
    X, rows = lax.stop_gradient(X), jnp.arange(X.shape[0])

    def descend(node: Array) -> Array:
        feature = tree.feature[node]
        entry = X[rows, jnp.maximum(feature, 0)]
        goes_left = (entry <= tree.threshold[node]) | (jnp.isnan(entry) & tree.missing_left[node])
        return jnp.where(feature < 0, node, tree.left[node] + jnp.where(goes_left, 0, 1))

    root = jnp.zeros(X.shape[0], tree.left.dtype)
    return lax.while_loop(lambda node: jnp.any(tree.feature[node] >= 0), descend, root)


@jax.jit
def predict_tree(tree: Tree, X: Num[Array, "n d"]) -> Float[Array, "n ..."]:
    """Value of the leaf in which each row ends: the mean target, or the share of each class.

    Args:
        tree: one tree, from `decision_tree`; `jax.vmap` over a stack of them.
        X: features, (n, d), as at fitting; NaN marks a missing entry.

    Returns:
        Predicted targets, (n,), or class probabilities, (n, classes).

    Raises:
        ValueError: for features that are not (n, d) or a stack of trees.

    The probabilities of a tree grown to purity are 0 and 1; they are not calibrated.

    References:
        Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees, section 2.4.

    >>> from jaxml.learn import decision_tree
    >>> X = jnp.array([[0.0], [1.0], [5.0]])
    >>> tree = decision_tree(None, X, jnp.array([0, 1, 1]), classes=2, max_depth=1).params
    >>> predict_tree(tree, jnp.array([[0.2], [9.0]]))
    Array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    return tree.value[apply_tree(tree, X)]


def feature_importances(tree: Tree, *, n_features: int) -> Float[Array, " d"]:
    """Share of each feature in what the splits gained; over a stack, the mean share of its trees.

        importance_j = sum over splits on j of gain / sum over all splits of gain

    Args:
        tree: a tree or a stack of trees with any leading axes.
        n_features: d, static.

    Returns:
        Importances, (d,), which sum to 1; a tree without a split counts as zeros.

    Raises:
        ValueError: when `n_features` is less than 1.

    Note: not permutation importance: it is measured on the training rows and favours features with many
    distinct values.

    References:
        Breiman (2001), Random Forests, section 10; Strobl et al. (2007), on its bias.

    >>> from jaxml.learn import decision_tree
    >>> X = jnp.array([[0.0, 7.0], [1.0, 7.0], [5.0, 7.0]])
    >>> tree = decision_tree(None, X, jnp.array([1.0, 1.0, 3.0]), max_depth=1).params
    >>> feature_importances(tree, n_features=2)
    Array([1., 0.], dtype=float32)
    """
    if n_features < 1:
        raise ValueError(f"feature_importances: 'n_features' must be at least 1, got {n_features}.")
    slots = tree.feature.shape[-1]
    feature, gain = tree.feature.reshape(-1, slots), tree.gain.reshape(-1, slots)

    def one(feature: Array, gain: Array) -> Array:
        # A leaf's feature, -1, would count from the end: its gain is 0.
        return jnp.zeros(n_features, gain.dtype).at[feature].add(gain)

    total = jax.vmap(one)(feature, gain)
    scale = jnp.sum(total, axis=1, keepdims=True)
    share = jnp.where(scale > 0, total / jnp.where(scale > 0, scale, 1.0), 0.0)
    return jnp.mean(share, axis=0)
