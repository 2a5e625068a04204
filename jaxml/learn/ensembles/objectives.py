"""What boosting descends: for each loss its start, negative gradient, Hessian diagonal and leaf rule."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.ops.checks import Scalar

Loss = Literal["squared", "absolute", "huber", "logistic", "softmax"]
LOSSES = ("squared", "absolute", "huber", "logistic", "softmax")


class Objective(NamedTuple):
    """A loss as boosting needs it; raw scores are (n, K), with K = 1 but for softmax.

    Attributes:
        loss: per-row loss, (raw, y) to (n,).
        start: constant raw scores of least loss, (y, weights) to (K,).
        descent: negative gradient, (raw, y) to (n, K).
        hessian: second derivatives, (raw, y) to (n, K); None where they vanish almost everywhere.
        leaf: value of each leaf from its residuals, (residual, weights, leaf, slots) to (slots,); None for the
            ratio of gradient to Hessian.
    """

    loss: Callable[[Array, Array], Array]
    start: Callable[[Array, Array], Array]
    descent: Callable[[Array, Array], Array]
    hessian: Callable[[Array, Array], Array] | None
    leaf: Callable[[Array, Array, Array, int], Array] | None = None


def leaf_medians(
    residual: Float[Array, " n"], weights: Float[Array, " n"], leaf: Array, slots: int
) -> Float[Array, " slots"]:
    """Weighted median of the residuals in each leaf, 0 in an empty one."""
    order = jnp.lexsort((residual, leaf))
    ordered, upto = residual[order], jnp.cumsum(weights[order])
    mass = jnp.zeros(slots, weights.dtype).at[leaf].add(weights)
    halfway = jnp.cumsum(mass) - mass / 2
    # Where half the mass is met exactly, midway between the two residuals that it parts.
    last = residual.shape[0] - 1
    low = jnp.minimum(jnp.searchsorted(upto, halfway, side="left"), last)
    high = jnp.minimum(jnp.searchsorted(upto, halfway, side="right"), last)
    return jnp.where(mass > 0, (ordered[low] + ordered[high]) / 2, 0.0)


def _mean(values: Array, weights: Array) -> Array:
    total = jnp.sum(weights)
    return jnp.sum(weights * values) / jnp.where(total > 0, total, 1.0)


def _median(y: Array, weights: Array) -> Array:
    return leaf_medians(y, weights, jnp.zeros(y.shape[0], jnp.int32), 1)


def _squared() -> Objective:
    """(y - f)^2 / 2."""
    return Objective(
        loss=lambda raw, y: 0.5 * (y - raw[:, 0]) ** 2,
        start=lambda y, w: _mean(y, w)[None],
        descent=lambda raw, y: y[:, None] - raw,
        hessian=lambda raw, y: jnp.ones_like(raw),
    )


def _absolute() -> Objective:
    """|y - f|; the best constant in a leaf is the median of its residuals."""
    return Objective(
        loss=lambda raw, y: jnp.abs(y - raw[:, 0]),
        start=_median,
        descent=lambda raw, y: jnp.sign(y[:, None] - raw),
        hessian=None,
        leaf=leaf_medians,
    )


def _huber(delta: Scalar) -> Objective:
    """r^2 / 2 up to delta, then delta (|r| - delta / 2); leaves by Friedman's one step from the median."""

    def loss(raw: Array, y: Array) -> Array:
        size = jnp.abs(y - raw[:, 0])
        inner = jnp.minimum(size, delta)
        return inner * (size - 0.5 * inner)

    def leaf_values(residual: Array, weights: Array, leaf: Array, slots: int) -> Array:
        median = leaf_medians(residual, weights, leaf, slots)
        zeros = jnp.zeros(slots, weights.dtype)
        mass = zeros.at[leaf].add(weights)
        step = zeros.at[leaf].add(weights * jnp.clip(residual - median[leaf], -delta, delta))
        return median + jnp.where(mass > 0, step / jnp.where(mass > 0, mass, 1.0), 0.0)

    return Objective(
        loss=loss,
        start=_median,
        descent=lambda raw, y: jnp.clip(y[:, None] - raw, -delta, delta),
        hessian=None,
        leaf=leaf_values,
    )


def _logistic() -> Objective:
    """log(1 + e^f) - y f, with y in [0, 1]."""

    def start(y: Array, weights: Array) -> Array:
        share = jnp.clip(_mean(y, weights), 1e-6, 1 - 1e-6)
        return (jnp.log(share) - jnp.log1p(-share))[None]

    def hessian(raw: Array, y: Array) -> Array:
        return jax.nn.sigmoid(raw) * jax.nn.sigmoid(-raw)

    return Objective(
        loss=lambda raw, y: jax.nn.softplus(raw[:, 0]) - y * raw[:, 0],
        start=start,
        descent=lambda raw, y: y[:, None] - jax.nn.sigmoid(raw),
        hessian=hessian,
    )


def _softmax(n_classes: int) -> Objective:
    """logsumexp(f) - f_y; the Hessian is its diagonal p (1 - p)."""

    def onehot(raw: Array, y: Array) -> Array:
        return jax.nn.one_hot(y, n_classes, dtype=raw.dtype)

    def start(y: Array, weights: Array) -> Array:
        shares = jnp.zeros(n_classes, weights.dtype).at[y].add(weights)
        total = jnp.sum(weights)
        return jnp.log(jnp.maximum(shares / jnp.where(total > 0, total, 1.0), 1e-6))

    def hessian(raw: Array, y: Array) -> Array:
        p = jax.nn.softmax(raw, axis=1)
        return p * (1.0 - p)

    return Objective(
        loss=lambda raw, y: jax.nn.logsumexp(raw, axis=1) - jnp.sum(onehot(raw, y) * raw, axis=1),
        start=start,
        descent=lambda raw, y: onehot(raw, y) - jax.nn.softmax(raw, axis=1),
        hessian=hessian,
    )


def objective(loss: Loss, *, n_classes: int | None, delta: Scalar) -> Objective:
    """The objective of a loss by its name."""
    if loss == "softmax":
        if n_classes is None:
            raise ValueError("gradient_boosting: 'n_classes' must be given for loss='softmax', got None.")
        return _softmax(n_classes)
    if loss == "huber":
        return _huber(delta)
    return {"squared": _squared, "absolute": _absolute, "logistic": _logistic}[loss]()
