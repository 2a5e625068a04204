"""Gradient boosting of histogram trees: each tree depends on the last, so it is one `scan`."""

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Num

from jaxml.learn.checks import Target, look_at_rows, look_at_strengths, looked_at, proper_rows
from jaxml.learn.fit import Fit
from jaxml.learn.losses import Loss, absolute, half_squared, huber, logistic, softmax
from jaxml.learn.trees import Binned, Rules, Tree, bin_features, grow_tree, predict_tree
from jaxml.learn.trees.binning import bins_from_data
from jaxml.learn.trees.sums import Method
from jaxml.ops.checks import Scalar, check_choice, check_floating, check_shapes


class BoostedTrees(NamedTuple):
    """A sum of trees.

    Attributes:
        trees: trees stacked by round, or by round and class for softmax; their values already carry the learning
            rate, and are 0 in rounds that early stopping took back.
        start: raw score before the first tree, () or (K,).
    """

    trees: Tree
    start: Float[Array, "..."]


class BoostingDiagnostics(NamedTuple):
    """Round by round.

    Attributes:
        train_loss: mean loss of the training rows after each round, (rounds,).
        validation_loss: mean loss of the rows held out, (rounds,); NaN without any.
        rounds: rounds kept.
        converged: whether targets, weights and rules have a sensible answer; otherwise `start` and all values are NaN.
    """

    train_loss: Float[Array, " rounds"]
    validation_loss: Float[Array, " rounds"]
    rounds: Int[Array, ""]
    converged: Bool[Array, ""]


def _rounds_kept(loss: Array, patience: Scalar) -> Array:
    """Rounds up to the best one seen before `patience` rounds went by without a better one."""
    rounds = jnp.arange(loss.shape[0])
    best = lax.cummin(loss)
    improved = loss < jnp.concatenate([jnp.full(1, jnp.inf, loss.dtype), best[:-1]])
    best_round = lax.cummax(jnp.where(improved, rounds, 0))
    stopped = rounds - best_round >= patience
    at = jnp.where(jnp.any(stopped), jnp.argmax(stopped), loss.shape[0] - 1)
    return best_round[at] + 1


_STATIC = ("loss", "classes", "rounds", "max_depth", "width", "bins", "missing", "order", "method")


_TARGET: dict[str, Target] = {"logistic": "share", "softmax": "classes"}


def _look(
    key: Any, X: Any, y: Any, *, loss: str = "half_squared", classes: Any = None, sample_weight: Any = None, **rest: Any
) -> None:
    """Refuse known values that have no sensible answer."""
    if loss != "softmax" or classes is not None:
        look_at_rows("gradient_boosting", X, y, sample_weight, _TARGET.get(loss, "real"), classes)
    for positive, names in ((True, _POSITIVE), (False, _NOT_NEGATIVE)):
        look_at_strengths("gradient_boosting", {name: rest.get(name) for name in names}, positive=positive)


_POSITIVE = ("learning_rate", "delta", "subsample", "column_sample")
_NOT_NEGATIVE = ("l2", "min_leaf_weight", "min_gain")


def _loss(name: str, classes: int | None, delta: Scalar) -> Loss:
    if name == "huber":
        return huber(delta)
    if name != "softmax":
        return {"half_squared": half_squared, "absolute": absolute, "logistic": logistic}[name]
    if classes is None:
        raise ValueError("gradient_boosting: 'classes' must be given for loss='softmax', got None.")
    return softmax(classes)


@looked_at(_look)
@bins_from_data
@partial(jax.jit, static_argnames=_STATIC)
def gradient_boosting(
    key: Array | None,
    X: Num[Array, "n d"] | Binned,
    y: Num[Array, " n"],
    *,
    loss: Literal["half_squared", "absolute", "huber", "logistic", "softmax"] = "half_squared",
    classes: int | None = None,
    sample_weight: Num[Array, " n"] | None = None,
    validation: Bool[Array, " n"] | None = None,
    rounds: int = 100,
    max_depth: int = 3,
    width: int | None = None,
    bins: int = 64,
    missing: bool | None = None,
    order: Literal["newton", "gradient"] = "newton",
    method: Method = "auto",
    learning_rate: Scalar = 0.1,
    depth: Scalar | None = None,
    l2: Scalar = 1.0,
    min_leaf_weight: Scalar = 1e-3,
    min_gain: Scalar = 0.0,
    subsample: Scalar | None = None,
    column_sample: Scalar | None = None,
    delta: Scalar = 1.0,
    patience: Scalar | None = None,
) -> Fit[BoostedTrees, BoostingDiagnostics]:
    """Fit a sum of trees, each to the negative gradient (and Hessian) of the loss at the sum so far.

        f_t(x) = f_{t-1}(x) + learning_rate * tree_t(x),      leaf value = sum g / (sum h + l2)

    with g the negative gradients, and h the second derivatives (``"newton"``) or ones (``"gradient"``). For the
    absolute and the Huber loss h is 1 in both, and leaves take the median of their residuals, or one step from it.

    Args:
        key: drawn from where `subsample` or `column_sample` is given; otherwise None will do.
        X: features, (n, d), NaN where missing; ordinal categories as numbers. Or `bin_features(X)`.
        y: targets, (n,), floating; 0 and 1 for ``"logistic"``; classes 0 to classes - 1 for ``"softmax"``.
        loss: ``"half_squared"``, ``"absolute"``, ``"huber"``, ``"logistic"`` or ``"softmax"``, static; see
            `jaxml.learn.losses`.
        classes: number of classes for ``"softmax"``, static.
        sample_weight: weights, (n,), >= 0; ones if None.
        validation: rows held out from fitting, on which early stopping looks, (n,), boolean; None for none.
        rounds: number of rounds, static.
        max_depth: levels of splits, static.
        width: most nodes on one level, static; None for no limit.
        bins: most intervals per feature, static, 2 to 256.
        missing: whether entries of X may be missing, static; False halves the search. None looks, where X is known.
        order: ``"newton"`` or ``"gradient"``, static.
        method: how sums are formed, see `grow_tree`.
        learning_rate: shrinkage of every tree, traced, > 0.
        depth: effective depth, at most `max_depth`, traced; None for `max_depth`.
        l2: penalty on squared leaf values, traced, >= 0; no effect on medians.
        min_leaf_weight: least sum of h in a leaf, traced, >= 0.
        min_gain: least gain of a split, traced, >= 0.
        subsample: probability that a row enters a round, traced, in (0, 1]; None for all rows.
        column_sample: share of features that a round may use (at least one), traced, in (0, 1]; None for all.
        delta: Huber's threshold, in units of y, traced, > 0.
        patience: rounds without a lower validation loss after which boosting stops, traced, >= 1; the trees after
            the best round are then taken back. None for no early stopping.

    Returns:
        The sum of trees, for `predict_boosted`, and the loss curves.

    Raises:
        ValueError: for wrong shapes, dtypes or modes, a missing key, or patience without validation rows; for a
            target that is not finite, no class or, for ``"logistic"``, outside of [0, 1], a negative weight or rule,
            or a rate, threshold or share that is not positive. Inside `jit`, where values are unknown, those make
            `start` and the values of the trees NaN.

    Early stopping saves no time: shapes are fixed, so every round is computed, then masked.

    References:
        Friedman (2001), Greedy Function Approximation, algorithms 1 to 6, DOI 10.1214/aos/1013203451; (2002),
        Stochastic Gradient Boosting; Chen and Guestrin (2016), XGBoost, equation 5.

    >>> X = jax.random.normal(jax.random.key(0), (200, 3))
    >>> fit = gradient_boosting(None, X, X[:, 0] * X[:, 1], rounds=100)
    >>> fit.diagnostics.train_loss[jnp.array([0, 99])].round(3)
    Array([0.386, 0.012], dtype=float32)
    """
    check_choice("gradient_boosting", "loss", loss, ("half_squared", "absolute", "huber", "logistic", "softmax"))
    check_choice("gradient_boosting", "order", order, ("newton", "gradient"))
    if key is None and (subsample is not None or column_sample is not None):
        raise ValueError("gradient_boosting: 'key' must be a PRNG key where rows or columns are drawn, got None.")
    if patience is not None and validation is None:
        raise ValueError("gradient_boosting: 'validation' must mark rows for early stopping, got None.")
    binned = X if isinstance(X, Binned) else bin_features(X, bins=bins, missing=missing)
    codes, dtype = binned.codes, binned.edges.dtype
    d, n = codes.shape
    weights = jnp.ones(n, dtype) if sample_weight is None else sample_weight.astype(dtype)
    held_out = jnp.zeros(n, bool) if validation is None else validation
    hint = "Use y.reshape(n)."
    check_shapes("gradient_boosting", X=(codes, "d n"), y=(y, "n"), sample_weight=(weights, "n"), hint=hint)
    check_shapes("gradient_boosting", y=(y, "n"), validation=(held_out, "n"))
    if loss == "softmax":
        if not jnp.issubdtype(y.dtype, jnp.integer):
            raise ValueError(f"gradient_boosting: 'y' must hold integer classes, got {y.dtype}. Use y.astype(int).")
    else:
        if loss != "logistic":
            check_floating("gradient_boosting", y=y)
        y = y.astype(dtype)
    goal = _loss(loss, classes, delta)
    fine = proper_rows(y, weights, _TARGET.get(loss, "real"), classes)
    for value in (learning_rate, delta, subsample, column_sample):
        fine &= True if value is None else jnp.asarray(value) > 0
    for value in (l2, min_leaf_weight, min_gain):
        fine &= jnp.asarray(value) >= 0
    y = jnp.where(weights > 0, y, jnp.zeros_like(y))  # a row of weight 0 may lack its target
    train, test = jnp.where(held_out, 0.0, weights), jnp.where(held_out, weights, 0.0)
    rules = Rules(max_depth if depth is None else depth, min_leaf_weight, min_gain, l2)

    def mean_loss(values: Array, weights: Array) -> Array:
        total = jnp.sum(weights)
        return jnp.where(total > 0, jnp.sum(weights * values) / total, jnp.nan)

    def one_round(raw: Array, key: Array | None) -> tuple[Array, tuple[Tree, Array, Array]]:
        row_key, column_key = (None, None) if key is None else jax.random.split(key)
        drawn, columns = train, None
        if subsample is not None and row_key is not None:
            drawn = jnp.where(jax.random.uniform(row_key, (n,), dtype) < subsample, train, 0.0)
        if column_sample is not None and column_key is not None:
            draw = jax.random.uniform(column_key, (d,), dtype)
            rank = jnp.sum(draw[None] < draw[:, None], axis=1)
            columns = rank.astype(dtype) < jnp.maximum(1.0, jnp.round(column_sample * d))
        newton = order == "newton" and goal.leaf is None
        descent, curvature = -goal.slope(raw, y), goal.curvature(raw, y) if newton else jnp.ones_like(raw)

        def grow(gradient: Array, hessian: Array) -> tuple[Tree, Array]:
            return grow_tree(
                None,
                binned,
                gradient[:, None],
                hessian,
                max_depth=max_depth,
                rules=rules._replace(feature_mask=columns),
                width=width,
                missing=missing,
                method=method,
            )

        if goal.classes is None:
            tree, leaf = grow(descent * drawn, curvature * drawn)
        else:  # one tree for each class
            tree, leaf = jax.vmap(grow, in_axes=1)(descent * drawn[:, None], curvature * drawn[:, None])
        value = tree.value[..., 0]
        if goal.leaf is not None:
            value = goal.leaf(y - raw, drawn, leaf, value.shape[0])
        tree = tree._replace(value=learning_rate * value)
        raw = raw + jnp.take_along_axis(tree.value, leaf, axis=-1).T
        values = goal.value(raw, y)
        return raw, (tree, mean_loss(values, train), mean_loss(values, test))

    assert goal.start is not None
    start = goal.start(y, train)
    # Far from 0 a raw score would be rounded by what a round adds to it: where only differences count, they are taken.
    y, first = (y - start, jnp.zeros_like(start)) if goal.equivariant else (y, start)
    raw = jnp.broadcast_to(first[None], (n, *start.shape))
    keys = None if key is None else jax.random.split(key, rounds)
    _, (trees, train_loss, validation_loss) = lax.scan(one_round, raw, keys, length=rounds)
    kept = jnp.asarray(rounds) if patience is None else _rounds_kept(validation_loss, patience)
    values = jnp.where(jnp.expand_dims(jnp.arange(rounds), tuple(range(1, trees.value.ndim))) < kept, trees.value, 0.0)
    trees, start = trees._replace(value=jnp.where(fine, values, jnp.nan)), jnp.where(fine, start, jnp.nan)
    return Fit(BoostedTrees(trees, start), BoostingDiagnostics(train_loss, validation_loss, kept, fine))


def staged_boosted(params: BoostedTrees, X: Num[Array, "m d"]) -> Float[Array, "rounds m ..."]:
    """Raw scores after every round.

    Args:
        params: from `gradient_boosting`.
        X: features, (m, d), as at fitting.

    Returns:
        Raw scores, (rounds, m), or (rounds, m, K) for softmax.

    Raises:
        ValueError: for features that are not (m, d).

    They are not probabilities: take `jax.nn.sigmoid` or `jax.nn.softmax` of them.

    References:
        Friedman (2001), Greedy Function Approximation, equation 2.

    >>> X = jnp.array([[0.0], [1.0]])
    >>> fit = gradient_boosting(None, X, jnp.array([0.0, 1.0]), learning_rate=0.5, l2=0.0, rounds=3)
    >>> staged_boosted(fit.params, X)[:, 1]
    Array([0.75  , 0.875 , 0.9375], dtype=float32)
    """
    predict = jax.vmap(predict_tree, (0, None))  # rounds
    if params.start.ndim:
        values = jax.vmap(predict, (1, None), 2)(params.trees, X)
        return params.start[None, None] + jnp.cumsum(values, axis=0)
    return params.start + jnp.cumsum(predict(params.trees, X), axis=0)


def predict_boosted(params: BoostedTrees, X: Num[Array, "m d"]) -> Float[Array, "m ..."]:
    """Raw scores after the last round.

    Args:
        params: from `gradient_boosting`.
        X: features, (m, d), as at fitting.

    Returns:
        Predicted targets or log odds, (m,), or softmax logits, (m, K).

    Raises:
        ValueError: for features that are not (m, d).

    They are not probabilities: take `jax.nn.sigmoid` or `jax.nn.softmax` of them.

    References:
        Friedman (2001), Greedy Function Approximation, equation 2.

    >>> X = jnp.array([[0.0], [1.0]])
    >>> fit = gradient_boosting(None, X, jnp.array([0, 1]), loss="logistic", rounds=100)
    >>> jax.nn.sigmoid(predict_boosted(fit.params, X))[0]
    Array(0.1..., dtype=float32)
    """
    predict = jax.vmap(predict_tree, (0, None))
    if params.start.ndim:
        per_class = jax.vmap(predict, (1, None), 2)(params.trees, X)
        return params.start[None] + jnp.sum(per_class, axis=0)
    return params.start + jnp.sum(predict(params.trees, X), axis=0)
