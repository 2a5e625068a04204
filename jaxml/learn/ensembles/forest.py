"""Random forests and extremely randomised trees: bagging of `decision_tree` with random splits."""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num

from jaxml.learn.checks import looked_at, proper_rows
from jaxml.learn.ensembles.bagging import bagging
from jaxml.learn.fit import Fit
from jaxml.learn.trees import Tree, bin_features, decision_tree, predict_tree
from jaxml.learn.trees.binning import bins_from_data
from jaxml.learn.trees.fit import look_at_tree
from jaxml.ops.checks import Scalar, check_shapes


class ForestDiagnostics(NamedTuple):
    """What the rows left out of each tree's bootstrap say; NaN without a bootstrap.

    Attributes:
        leaves: leaves of each tree, (members,).
        oob_prediction: mean prediction of the trees that did not see a row, (n,) or (n, classes).
        oob_score: weighted accuracy or R^2 of those, over the rows that have one.
        converged: whether targets, weights and rules have a sensible answer; otherwise the values are NaN.
    """

    leaves: Int[Array, " members"]
    oob_prediction: Float[Array, "n ..."]
    oob_score: Float[Array, ""]
    converged: Bool[Array, ""]


ForestFit = Fit[Tree, ForestDiagnostics]


def _oob_score(prediction: Array, y: Array, weights: Array, classes: int | None) -> Array:
    """Accuracy or R^2 over the rows with a prediction."""
    rows = prediction if classes is None else prediction[:, 0]
    weights = jnp.where(jnp.isnan(rows), 0.0, weights)
    total = jnp.sum(weights)
    if classes is not None:
        right = (jnp.argmax(prediction, axis=1).astype(y.dtype) == y).astype(weights.dtype)
        return jnp.sum(weights * right) / total
    y = y.astype(weights.dtype)
    residual = jnp.where(weights > 0, y - prediction, 0.0)
    spread = y - jnp.sum(weights * y) / total
    return 1.0 - jnp.sum(weights * residual**2) / jnp.sum(weights * spread**2)


_STATIC = ("members", "classes", "max_depth", "width", "bins", "missing", "bootstrap", "batch_size")


@looked_at(partial(look_at_tree, where="random_forest"))
@bins_from_data
@partial(jax.jit, static_argnames=(*_STATIC, "criterion", "splitter", "method"))
def random_forest(
    key: Array,
    X: Num[Array, "n d"],
    y: Num[Array, " n"],
    *,
    members: int = 100,
    sample_weight: Num[Array, " n"] | None = None,
    classes: int | None = None,
    features_per_split: Scalar | None = None,
    max_depth: int = 10,
    width: int | None = 32,
    bins: int = 64,
    missing: bool | None = None,
    bootstrap: bool = True,
    batch_size: int | None = 64,
    **tree: Any,
) -> ForestFit:
    """Fit a forest: bootstrap weights for every tree, random features for every split.

    Args:
        key: PRNG key.
        X: features, (n, d), NaN where missing; ordinal categories as numbers.
        y: targets, (n,), floating; or classes 0 to classes - 1, integers.
        members: number of trees, static.
        sample_weight: weights, (n,), >= 0; ones if None.
        classes: number of classes, static; None for regression.
        features_per_split: features drawn for each split, 1 to d, traced. None: sqrt(d) for classes, d / 3 for
            regression. With d the forest is bagging of trees.
        max_depth: levels of splits, static.
        width: most nodes on one level, static; None for no limit.
        bins: most intervals per feature, static, 2 to 256.
        missing: whether entries of X may be missing, static; False halves the search. None looks, where X is known.
        bootstrap: False fits every tree to all rows.
        batch_size: trees grown at once, static; None for all. It bounds the memory and changes no result beyond
            rounding.
        **tree: further keywords of `decision_tree`: depth, min_leaf_weight, min_gain, l2, criterion, splitter, ...

    Returns:
        A stack of trees for `predict_forest`, and out-of-bag diagnostics.

    Raises:
        ValueError: as `decision_tree`.

    Note: not grown to purity where `max_depth` or `width` forbid; the defaults hold some 200 leaves.

    References:
        Breiman (2001), Random Forests, DOI 10.1023/A:1010933404324.

    >>> X = jax.random.normal(jax.random.key(0), (200, 4))
    >>> fit = random_forest(jax.random.key(1), X, (X[:, 0] > 0).astype(int), classes=2, members=20, max_depth=3)
    >>> fit.diagnostics.oob_score > 0.95
    Array(True, dtype=bool)
    """
    d = check_shapes("random_forest", X=(X, "n d"), y=(y, "n"), hint="Use y.reshape(n).")["d"]
    if features_per_split is None:
        features_per_split = max(1, math.isqrt(d) if classes is not None else d // 3)
    binned = bin_features(X, bins=bins, missing=missing)
    weights = jnp.ones(y.shape[0]) if sample_weight is None else sample_weight.astype(jnp.result_type(float))
    check_shapes("random_forest", y=(y, "n"), sample_weight=(weights, "n"))
    # Before the bootstrap, which may leave the row in question out of every tree.
    fine = proper_rows(y, weights, "real" if classes is None else "classes", classes)
    weights = jnp.where(fine, weights, jnp.nan)

    def fit(key: Array, X: Array, y: Array, sample_weight: Array) -> Any:
        tree_fit = decision_tree(
            key,
            binned,
            y,
            sample_weight=sample_weight,
            classes=classes,
            features_per_split=features_per_split,
            max_depth=max_depth,
            width=width,
            missing=missing,
            **tree,
        )
        # Growing led every row to its leaf: predictions out of bag need not walk the tree again.
        return Fit((tree_fit.params, tree_fit.diagnostics.leaf), tree_fit.diagnostics)

    bag = bagging(
        key,
        X,
        y,
        fit=fit,
        members=members,
        sample_weight=weights,
        predict=lambda params, X: params[0].value[params[1]],
        bootstrap=bootstrap,
        batch_size=batch_size,
    )
    found = bag.diagnostics
    prediction = found.oob_prediction
    assert prediction is not None
    score = _oob_score(prediction, y, weights.astype(prediction.dtype), classes)
    return Fit(bag.params[0], ForestDiagnostics(found.members.leaves, prediction, score, found.converged))


def extra_trees(
    key: Array, X: Num[Array, "n d"], y: Num[Array, " n"], *, bootstrap: bool = False, **forest: Any
) -> ForestFit:
    """Fit extremely randomised trees: one random threshold per feature and split, no bootstrap.

    Args:
        key: PRNG key.
        X: features, (n, d), NaN where missing.
        y: targets, (n,), floating; or classes 0 to classes - 1, integers.
        bootstrap: True draws bootstrap weights as well (and gives out-of-bag diagnostics).
        **forest: further keywords of `random_forest`.

    Returns:
        A stack of trees for `predict_forest`, and diagnostics.

    Raises:
        ValueError: as `decision_tree`.

    Thresholds are drawn evenly from the quantile bins a node still spans, not from its range of values.

    References:
        Geurts, Ernst and Wehenkel (2006), Extremely Randomized Trees, table 1, DOI 10.1007/s10994-006-6226-1.

    >>> X = jax.random.normal(jax.random.key(0), (200, 4))
    >>> fit = extra_trees(jax.random.key(1), X, X[:, 0], members=20, features_per_split=4)
    >>> jnp.corrcoef(predict_forest(fit.params, X), X[:, 0])[0, 1] > 0.98
    Array(True, dtype=bool)
    """
    return random_forest(key, X, y, bootstrap=bootstrap, splitter="random", **forest)


@jax.jit
def predict_forest(trees: Tree, X: Num[Array, "m d"]) -> Float[Array, "m ..."]:
    """Mean prediction of a stack of trees.

    Args:
        trees: trees stacked along one leading axis.
        X: features, (m, d), as at fitting.

    Returns:
        Mean targets, (m,), or mean class probabilities, (m, classes).

    Raises:
        ValueError: for features that are not (m, d).

    Note: not a majority vote: probabilities are averaged.

    References:
        Breiman (1996), Bagging Predictors, section 6.1, on averaging against voting.

    >>> X = jnp.arange(8.0)[:, None]
    >>> fit = random_forest(jax.random.key(0), X, (X[:, 0] > 3).astype(int), classes=2, members=50, max_depth=2)
    >>> jnp.argmax(predict_forest(fit.params, X), axis=1)
    Array([0, 0, 0, 0, 1, 1, 1, 1], dtype=int32)
    """
    return jnp.mean(jax.vmap(predict_tree, (0, None))(trees, X), axis=0)
