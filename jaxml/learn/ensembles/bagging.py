"""Bagging: the same fit under many bootstrap weightings. Members do not depend on each other: it is one `vmap`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Num

from jaxml.learn.checks import look_at_weights
from jaxml.learn.fit import Fit
from jaxml.ops.checks import check_shapes


class BaggingDiagnostics(NamedTuple):
    """What the rows left out of each member's bootstrap say.

    Attributes:
        members: the members' own diagnostics, stacked.
        oob_prediction: for each row the mean prediction of the members that did not see it, (n, ...); NaN where
            every member did. None without a `predict`.
        oob_count: number of members that did not see each row, (n,).
        converged: whether all members have.
    """

    members: Any
    oob_prediction: Float[Array, "n ..."] | None
    oob_count: Int[Array, " n"]
    converged: Bool[Array, ""]


def bootstrap_weights(key: Array, n: int) -> Float[Array, " n"]:
    """How often each of n rows is drawn in n draws with replacement.

    Args:
        key: PRNG key.
        n: number of rows, static.

    Returns:
        Counts, (n,), floating, which sum to n.

    Raises:
        ValueError: when `n` is less than 1.

    Note: not the Bayesian bootstrap: 1/e = 36.8 % of the rows get weight 0 on average.

    References:
        Efron (1979), Bootstrap Methods, section 2.

    >>> jnp.mean(bootstrap_weights(jax.random.key(0), 10_000) == 0)
    Array(0.3..., dtype=float32)
    """
    if n < 1:
        raise ValueError(f"bootstrap_weights: 'n' must be at least 1, got {n}.")
    drawn = jax.random.randint(key, (n,), 0, n)
    return jnp.zeros(n).at[drawn].add(1.0)


def map_members(member: Callable, keys: Array, batch_size: int | None) -> Any:
    """All members at once, or about `batch_size` at a time to bound the memory."""
    members = keys.shape[0]
    if batch_size is None or batch_size >= members:
        return jax.vmap(member)(keys)
    # Batches of one size, the last one filled up: a remainder would be compiled a second time.
    batches = -(-members // batch_size)
    size = -(-members // batches)
    filled = keys[jnp.arange(batches * size) % members].reshape(batches, size)
    stacked = lax.map(jax.vmap(member), filled)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:members], stacked)


def bagging(
    key: Array,
    X: Any,
    y: Num[Array, "n ..."],
    *,
    fit: Callable[..., Fit],
    members: int = 100,
    sample_weight: Num[Array, " n"] | None = None,
    predict: Callable | None = None,
    bootstrap: bool = True,
    batch_size: int | None = None,
) -> Fit[Any, BaggingDiagnostics]:
    """Fit `members` copies of a model, each under its own bootstrap weights.

    Args:
        key: PRNG key; each member gets one half of its share for its weights, the other for its fit.
        X: features as `fit` takes them; all members share them.
        y: targets, (n, ...).
        fit: any learner, ``fit(key, X, y, sample_weight=w)``. Wrap one that takes no key:
            ``lambda key, X, y, sample_weight: fit(X, y, sample_weight=sample_weight)``.
        members: number of members, static.
        sample_weight: weights, (n,), by which the bootstrap counts are multiplied; ones if None.
        predict: ``predict(params, X)`` with rows first, for out-of-bag predictions; None for none.
        bootstrap: False fits every member to the plain weights; only the keys differ then.
        batch_size: members fitted at once, static; None for all.

    Returns:
        Stacked parameters and diagnostics. Predict with ``jax.vmap(predict, (0, None))(params, X).mean(0)``.

    Raises:
        ValueError: for mismatched rows, no members, or known weights that are negative or not finite. Inside `jit`
            such weights are NaN to every member.

    Note: not pasting or sub-sampling: weights are counts of n draws out of n.

    References:
        Breiman (1996), Bagging Predictors, DOI 10.1007/BF00058655; (1996), Out-of-bag Estimation.

    >>> from jaxml.learn import decision_tree, predict_tree
    >>> X, y = jnp.arange(20.0)[:, None], jnp.arange(20.0)
    >>> fit = bagging(jax.random.key(0), X, y, fit=decision_tree, predict=predict_tree)
    >>> jnp.corrcoef(fit.diagnostics.oob_prediction, y)[0, 1] > 0.98
    Array(True, dtype=bool)
    """
    if members < 1:
        raise ValueError(f"bagging: 'members' must be at least 1, got {members}.")
    n = y.shape[0]
    base = jnp.ones(n) if sample_weight is None else sample_weight
    check_shapes("bagging", sample_weight=(base, str(n)))
    base = base.astype(jnp.result_type(float)) if jnp.issubdtype(base.dtype, jnp.integer) else base
    look_at_weights("bagging", X, sample_weight)
    # Before the bootstrap, which may leave the row in question out. Targets are the fit's own matter.
    base = base if sample_weight is None else jnp.where(jnp.all(base >= 0), base, jnp.nan)

    def weights(key: Array) -> Array:
        counts = bootstrap_weights(key, n) if bootstrap else jnp.ones(n)
        return counts.astype(base.dtype)

    def member(key: Array) -> Fit:
        weight_key, fit_key = jax.random.split(key)
        return fit(fit_key, X, y, sample_weight=base * weights(weight_key))

    keys = jax.random.split(key, members)
    found = map_members(member, keys, batch_size)
    params, diagnostics, converged = found.params, found.diagnostics, jnp.all(found.diagnostics.converged)

    def out_of_bag(key: Array) -> Array:
        return weights(jax.random.split(key)[0]) == 0

    zeros = jnp.zeros(n, jnp.int32)
    if predict is None:
        count = lax.scan(lambda c, key: (c + out_of_bag(key).astype(jnp.int32), None), zeros, keys)[0]
        return Fit(params, BaggingDiagnostics(diagnostics, None, count, converged))

    def add(carry: tuple[Array, Array], member: tuple[Array, Any]) -> tuple[tuple[Array, Array], None]:
        (total, count), (key, params) = carry, member
        out, prediction = out_of_bag(key), predict(params, X)
        seen = jnp.expand_dims(out, tuple(range(1, prediction.ndim)))
        return (total + jnp.where(seen, prediction, 0.0), count + out.astype(jnp.int32)), None

    first = jax.tree.map(lambda leaf: leaf[0], params)
    shape = jax.eval_shape(predict, first, X)
    (total, count), _ = lax.scan(add, (jnp.zeros(shape.shape, shape.dtype), zeros), (keys, params))
    divisor = jnp.expand_dims(count, tuple(range(1, total.ndim))).astype(total.dtype)
    mean = jnp.where(divisor > 0, total / jnp.maximum(divisor, 1.0), jnp.nan)
    return Fit(params, BaggingDiagnostics(diagnostics, mean, count, converged))
