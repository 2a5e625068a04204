"""The losses that learners minimise: each is one of `jaxml.ops.losses`, with what fitting asks of it beyond its value.

Slopes and curvatures are derivatives of that value; written out here is only what differentiation does not give: the
Fenchel conjugate, the constant of least loss, the best value of a leaf. With u = slope(eta, y) as dual variables, weak
duality gives for any feasible u (and weights omega that sum to one)

    sum omega loss(eta) + penalty(w)  >=  -sum omega conjugate(u, y) - penalty*(-X^T (omega u)),

which is how every penalised fit certifies itself.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from jaxml.ops import losses as ops
from jaxml.ops.checks import Scalar

Vector = Float[Array, " n"]
Scores = Float[Array, "n *classes"]
Targets = Num[Array, " n"]


class Loss(NamedTuple):
    """A loss of a row's prediction, (n,), or of its scores for each class, (n, K), as linear fits and boosting use it.

    Attributes:
        value: (eta, y) -> loss of each row.
        conjugate: (u, y) -> sup over eta of u . eta - value(eta, y), for u = c slope with c in [0, 1].
        balance: (u, y, omega) -> u with sum(omega u) = 0, still in the conjugate's domain: what an unpenalised
            intercept asks of a dual point.
        start: (y, weights) -> the constant prediction of least loss.
        leaf: (residuals, weights, leaf, slots) -> best value of each leaf, (slots,); None for one Newton step.
        classes: K, or None for one prediction.
        quadratic: whether the curvature is constant.
        equivariant: whether the loss is a function of eta - y, so that an intercept absorbs any shift of y.
    """

    value: Callable[[Scores, Targets], Vector]
    conjugate: Callable[[Scores, Targets], Vector] | None = None
    balance: Callable[[Scores, Targets, Vector], Scores] | None = None
    start: Callable[[Targets, Vector], Array] | None = None
    leaf: Callable[[Vector, Vector, Array, int], Array] | None = None
    classes: int | None = None
    quadratic: bool = False
    equivariant: bool = False

    def slope(self, eta: Scores, y: Targets) -> Scores:
        """Derivative of each row's loss in its own predictions."""
        return _slope(self.value, eta, y)

    def curvature(self, eta: Scores, y: Targets) -> Scores:
        """Second derivative in each prediction; of scores for classes the diagonal, p (1 - p)."""
        if self.classes is not None:
            p = jax.nn.softmax(eta, axis=1)
            return p * (1 - p)
        return jax.jvp(lambda eta: self.slope(eta, y), (eta,), (jnp.ones_like(eta),))[1]


def _slope(value: Callable[[Scores, Targets], Vector], eta: Scores, y: Targets) -> Scores:
    return jax.grad(lambda eta: jnp.sum(value(eta, y)))(eta)


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


def _shares(weights: Vector) -> Vector:
    total = jnp.sum(weights)
    return weights / jnp.where(total > 0, total, 1.0)


def _mean(y: Vector, weights: Vector) -> Array:
    return jnp.sum(_shares(weights) * y)


def _median(y: Vector, weights: Vector) -> Array:
    return leaf_medians(y, weights, jnp.zeros(y.shape[0], jnp.int32), 1)[0]


def _log_odds(y: Vector, weights: Vector) -> Array:
    share = jnp.clip(_mean(y, weights), 1e-6, 1 - 1e-6)
    return jnp.log(share) - jnp.log1p(-share)


def _entropy(p: Array) -> Array:
    # p log p, with 0 log 0 = 0 and rounding below 0 or above 1 forgiven.
    return jax.scipy.special.xlogy(jnp.clip(p, 0.0, 1.0), jnp.clip(p, 0.0, 1.0))


def _center(u: Vector, y: Targets, omega: Vector) -> Vector:
    return u - jnp.sum(omega * u)


def _shrink_heavier_sign(u: Vector, y: Targets, omega: Vector) -> Vector:
    # The two classes pull with opposite signs; shrinking the stronger pull keeps every u between 0 and itself.
    up = jnp.sum(omega * jnp.maximum(u, 0.0))
    down = jnp.sum(omega * jnp.maximum(-u, 0.0))
    least = jnp.minimum(up, down)
    ratio = lambda total: jnp.where(total > 0, least / jnp.where(total > 0, total, 1.0), 0.0)  # noqa: E731
    return u * jnp.where(u > 0, ratio(up), ratio(down))


half_squared = Loss(
    value=lambda eta, y: ops.squared_error(eta, y) / 2,
    conjugate=lambda u, y: u * (u / 2 + y),
    balance=_center,
    start=_mean,
    quadratic=True,
    equivariant=True,
)
"""(eta - y)^2 / 2, y real: half of what "squared" means in `jaxml.ops` and as the criterion of a tree."""

absolute = Loss(value=ops.absolute_error, start=_median, leaf=leaf_medians, equivariant=True)
"""|eta - y|, y real; the best constant in a leaf is the median of its residuals."""

logistic = Loss(
    value=ops.sigmoid_cross_entropy,
    conjugate=lambda u, y: _entropy(y + u) + _entropy(1 - y - u),
    balance=_shrink_heavier_sign,
    start=_log_odds,
)
"""log(1 + exp(eta)) - y eta, y in [0, 1]."""

squared_hinge = Loss(
    value=lambda eta, y: ops.squared_hinge(eta, 2 * y - 1),
    conjugate=lambda u, y: u * ((2 * y - 1) + u / 4),
    balance=_shrink_heavier_sign,
)
"""max(0, 1 - (2 y - 1) eta)^2, y in {0, 1}."""


def huber(delta: Scalar) -> Loss:
    """(eta - y)^2 / 2 up to |eta - y| = delta, then delta (|eta - y| - delta / 2); leaves: one step from the median."""
    value = partial(ops.huber, delta=delta)

    def balance(u: Vector, y: Targets, omega: Vector) -> Vector:
        centered = _center(u, y, omega)
        # Centering may push a slope past delta, out of the conjugate's domain; scaling keeps the sum at 0.
        return centered * jnp.minimum(1.0, delta / jnp.maximum(jnp.max(jnp.abs(centered)), delta))

    def leaf_values(residual: Vector, weights: Vector, leaf: Array, slots: int) -> Array:
        median = leaf_medians(residual, weights, leaf, slots)
        zeros = jnp.zeros(slots, weights.dtype)
        mass = zeros.at[leaf].add(weights)
        step = zeros.at[leaf].add(weights * -_slope(value, median[leaf], residual))
        return median + jnp.where(mass > 0, step / jnp.where(mass > 0, mass, 1.0), 0.0)

    return Loss(
        value=value,
        conjugate=half_squared.conjugate,
        balance=balance,
        start=_median,
        leaf=leaf_values,
        equivariant=True,
    )


@cache  # so that a jitted fit meets the same static argument again
def softmax(classes: int) -> Loss:
    """logsumexp(eta) - eta_y, y in 0..classes-1."""

    def onehot(u: Array, y: Targets) -> Array:
        return jax.nn.one_hot(y, classes, dtype=u.dtype)

    def balance(u: Scores, y: Targets, omega: Vector) -> Scores:
        # Probabilities near u + onehot(y) whose weighted mean is that of the classes.
        frequency = (omega @ onehot(u, y))[None, :]
        shifted = u + onehot(u, y) - (omega @ u)[None, :]
        toward = frequency - shifted
        # The least step towards the constant `frequency`, which qualifies, that leaves nothing negative.
        t = jnp.max(jnp.where(shifted < 0, -shifted / jnp.where(shifted < 0, toward, 1.0), 0.0))
        return shifted + jnp.clip(t, 0.0, 1.0) * toward - onehot(u, y)

    return Loss(
        value=ops.softmax_cross_entropy,
        conjugate=lambda u, y: jnp.sum(_entropy(onehot(u, y) + u), axis=1),
        balance=balance,
        start=lambda y, weights: jnp.log(jnp.maximum(_shares(weights) @ onehot(weights, y), 1e-6)),
        classes=classes,
    )
