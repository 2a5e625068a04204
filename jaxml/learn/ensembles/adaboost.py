"""AdaBoost (SAMME) over any weighted classifier: each round depends on the last, so it is one `scan`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Num

from jaxml.learn.checks import look_at_rows, look_at_strengths, proper_rows
from jaxml.learn.fit import Fit
from jaxml.ops.checks import Scalar, check_shapes

_LEAST_ERROR = 1e-6  # a learner without an error would weigh infinitely much; this one weighs about 14


class Boosted(NamedTuple):
    """Learners of all rounds, stacked, and the weight of each one's vote, (rounds,)."""

    members: Any
    votes: Float[Array, " rounds"]


class AdaboostDiagnostics(NamedTuple):
    """Round by round.

    Attributes:
        error: weighted training error of each learner under the weights it was given, (rounds,).
        active: whether the learner votes, (rounds,): boosting ends before the first one no better than chance.
        bound: bound on the training error after each round, (rounds,), for two classes and learning_rate = 1:
            the product of 2 sqrt(error (1 - error)).
        weights: weights of the rows after the last round, (n,), summing to 1.
        converged: whether targets, weights and the rate have a sensible answer, and all learners have converged.
    """

    error: Float[Array, " rounds"]
    active: Bool[Array, " rounds"]
    bound: Float[Array, " rounds"]
    weights: Float[Array, " n"]
    converged: Bool[Array, ""]


def _labels(prediction: Array) -> Array:
    """Classes as they are, or the most probable one of each row."""
    return prediction if prediction.ndim == 1 else jnp.argmax(prediction, axis=1)


def adaboost(
    key: Array,
    X: Num[Array, "n d"],
    y: Int[Array, " n"],
    *,
    fit: Callable[..., Fit],
    predict: Callable[[Any, Array], Array],
    classes: int,
    rounds: int = 50,
    sample_weight: Num[Array, " n"] | None = None,
    learning_rate: Scalar = 1.0,
) -> Fit[Boosted, AdaboostDiagnostics]:
    """Boost a classifier by giving more weight to the rows it gets wrong.

        error = sum_i w_i [wrong_i]          vote = learning_rate (log((1 - error) / error) + log(classes - 1))
        w_i <- w_i exp(vote [wrong_i]) / sum

    Args:
        key: PRNG key, one share for each round.
        X: features, (n, d).
        y: classes 0 to classes - 1, integers, (n,).
        fit: any learner, ``fit(key, X, y, sample_weight=w)``; weights sum to 1.
        predict: ``predict(params, X)``: integer classes, (n,), or scores, (n, classes).
        classes: number of classes, static, >= 2.
        rounds: number of learners, static.
        sample_weight: initial weights, (n,), >= 0; ones if None.
        learning_rate: factor on the votes, traced, > 0.

    Returns:
        The learners with their votes, for `predict_adaboost`, and diagnostics. From the first learner on that is
        no better than chance, votes are 0.

    Raises:
        ValueError: for wrong shapes, labels that are no integers, fewer than two classes; for a label that is no
            class, a negative weight, no weight at all or a rate that is not positive. Inside `jit`, where values are
            unknown, those make all votes NaN.

    Note: not SAMME.R: votes use labels, not probabilities.

    References:
        Freund and Schapire (1997), theorem 6, DOI 10.1006/jcss.1997.1504; Zhu et al. (2009), Multi-class AdaBoost,
        algorithm 2.

    >>> from jaxml.learn import decision_tree, predict_tree
    >>> from functools import partial
    >>> X = jax.random.normal(jax.random.key(0), (200, 2))
    >>> y = (X[:, 0] + X[:, 1] > 0).astype(int)
    >>> stump = partial(decision_tree, classes=2, max_depth=1)
    >>> fit = adaboost(jax.random.key(1), X, y, fit=stump, predict=predict_tree, classes=2, rounds=20)
    >>> scores = predict_adaboost(fit.params, X, predict=predict_tree, classes=2)
    >>> jnp.mean(jnp.argmax(scores, axis=1) == y) > 0.95
    Array(True, dtype=bool)
    """
    n = check_shapes("adaboost", X=(X, "n d"), y=(y, "n"), hint="Use y.reshape(n).")["n"]
    if not jnp.issubdtype(y.dtype, jnp.integer):
        raise ValueError(f"adaboost: 'y' must hold integer classes, got {y.dtype}. Use y.astype(int).")
    if classes < 2:
        raise ValueError(f"adaboost: 'classes' must be at least 2, got {classes}.")
    dtype = X.dtype if jnp.issubdtype(X.dtype, jnp.floating) else jnp.result_type(float)
    weights = jnp.ones(n, dtype) if sample_weight is None else sample_weight.astype(dtype)
    check_shapes("adaboost", y=(y, "n"), sample_weight=(weights, "n"))
    look_at_rows("adaboost", X, y, sample_weight, "classes", classes)
    look_at_strengths("adaboost", {"learning_rate": learning_rate}, positive=True)
    total = jnp.sum(weights)
    look_at_strengths("adaboost", {"sum of sample_weight": total}, positive=True)
    fine = proper_rows(y, weights, "classes", classes) & (total > 0) & (jnp.asarray(learning_rate) > 0)
    chance = 1.0 - 1.0 / classes

    def one_round(carry: tuple[Array, Array], key: Array) -> tuple[tuple[Array, Array], Any]:
        weights, active = carry
        found = fit(key, X, y, sample_weight=weights)
        params = found.params
        wrong = _labels(predict(params, X)).astype(y.dtype) != y
        error = jnp.sum(jnp.where(wrong, weights, 0.0))
        active &= error < chance
        held = jnp.clip(error, _LEAST_ERROR, 1.0 - _LEAST_ERROR)
        vote = learning_rate * (jnp.log1p(-held) - jnp.log(held) + jnp.log(classes - 1.0))
        vote = jnp.where(active, vote, 0.0)
        weights = weights * jnp.exp(jnp.where(wrong, vote, 0.0))
        return (weights / jnp.sum(weights), active), (params, vote, error, active, found.diagnostics.converged)

    start = (weights / total, jnp.asarray(True))
    (weights, _), (members, votes, error, active, converged) = lax.scan(one_round, start, jax.random.split(key, rounds))
    factor = jnp.where(active, 2.0 * jnp.sqrt(error * (1.0 - error)), 1.0)
    diagnostics = AdaboostDiagnostics(error, active, jnp.cumprod(factor), weights, fine & jnp.all(converged))
    return Fit(Boosted(members, jnp.where(fine, votes, jnp.nan)), diagnostics)


def staged_adaboost(
    params: Boosted, X: Num[Array, "m d"], *, predict: Callable[[Any, Array], Array], classes: int
) -> Float[Array, "rounds m k"]:
    """Votes for each class after every round.

    Args:
        params: from `adaboost`.
        X: features, (m, d).
        predict: as given to `adaboost`.
        classes: number of classes, static.

    Returns:
        Sums of votes, (rounds, m, classes); the greatest one is the prediction of that round.

    Raises:
        ValueError: for features that are not (m, d).

    They are not probabilities.

    References:
        Zhu et al. (2009), Multi-class AdaBoost, algorithm 2, step 3.

    >>> from jaxml.learn import decision_tree, predict_tree
    >>> fit = lambda key, X, y, sample_weight: decision_tree(key, X, y, classes=2, max_depth=1)
    >>> X, y = jnp.array([[0.0], [1.0]]), jnp.array([0, 1])
    >>> boosted = adaboost(jax.random.key(0), X, y, fit=fit, predict=predict_tree, classes=2, rounds=3).params
    >>> staged_adaboost(boosted, X, predict=predict_tree, classes=2)[:, 0, 0]
    Array([13.8..., 27.6..., 41.4...], dtype=float32)
    """
    check_shapes("staged_adaboost", X=(X, "m d"))

    def add(total: Array, member: tuple[Any, Array]) -> tuple[Array, Array]:
        params, vote = member
        chosen = jax.nn.one_hot(_labels(predict(params, X)), classes, dtype=total.dtype)
        total = total + vote * chosen
        return total, total

    # A vote that is NaN spoils the sums of all classes, not only of those that it went to.
    nothing = jnp.where(jnp.any(jnp.isnan(params.votes)), jnp.nan, jnp.zeros((), params.votes.dtype))
    start = jnp.full((X.shape[0], classes), nothing)
    return lax.scan(add, start, (params.members, params.votes))[1]


def predict_adaboost(
    params: Boosted, X: Num[Array, "m d"], *, predict: Callable[[Any, Array], Array], classes: int
) -> Float[Array, "m k"]:
    """Votes for each class after the last round.

    Args:
        params: from `adaboost`.
        X: features, (m, d).
        predict: as given to `adaboost`.
        classes: number of classes, static.

    Returns:
        Sums of votes, (m, classes).

    Raises:
        ValueError: for features that are not (m, d).

    They are not probabilities.

    References:
        Zhu et al. (2009), Multi-class AdaBoost, algorithm 2, step 3.

    >>> from jaxml.learn import decision_tree, predict_tree
    >>> fit = lambda key, X, y, sample_weight: decision_tree(key, X, y, classes=2, max_depth=1)
    >>> X, y = jnp.array([[0.0], [1.0]]), jnp.array([0, 1])
    >>> boosted = adaboost(jax.random.key(0), X, y, fit=fit, predict=predict_tree, classes=2, rounds=3).params
    >>> jnp.argmax(predict_adaboost(boosted, X, predict=predict_tree, classes=2), axis=1)
    Array([0, 1], dtype=int32)
    """
    return staged_adaboost(params, X, predict=predict, classes=classes)[-1]
