"""Losses of a linear predictor: value, slope, curvature and the pieces of their Fenchel dual.

One `Family` is what the Newton solver needs to know of a loss. With u = slope(eta, y) as dual variables,
weak duality gives for any feasible u (and weights omega that sum to one)

    sum omega loss(eta) + penalty(w)  >=  -sum omega conjugate(u, y) - penalty*(-X^T (omega u)),

which is how every penalised fit certifies itself.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.ops.checks import Scalar

Vector = Float[Array, " n"]


class Family(NamedTuple):
    """A loss of one real prediction per example.

    Attributes:
        value: loss(eta, y).
        slope: d loss / d eta.
        curvature: d^2 loss / d eta^2, or a generalised one at a kink of the slope.
        conjugate: sup over eta of u eta - loss(eta, y), for u = c slope with c in [0, 1].
        balance: (u, y, omega) -> u with sum(omega u) = 0, still in the conjugate's domain: what an unpenalised
            intercept asks of a dual point.
        quadratic: whether the curvature is constant.
        equivariant: whether the loss is a function of eta - y, so that an intercept absorbs any shift of y.
    """

    value: Callable[[Vector, Vector], Vector]
    slope: Callable[[Vector, Vector], Vector]
    curvature: Callable[[Vector, Vector], Vector]
    conjugate: Callable[[Vector, Vector], Vector]
    balance: Callable[[Vector, Vector, Vector], Vector]
    quadratic: bool = False
    equivariant: bool = False


def _entropy(p: Vector) -> Vector:
    # p log p, with 0 log 0 = 0 and rounding below 0 or above 1 forgiven.
    return jax.scipy.special.xlogy(jnp.clip(p, 0.0, 1.0), jnp.clip(p, 0.0, 1.0))


def _center(u: Vector, y: Vector, omega: Vector) -> Vector:
    return u - jnp.sum(omega * u)


def _shrink_heavier_sign(u: Vector, y: Vector, omega: Vector) -> Vector:
    # The two classes pull with opposite signs; shrinking the stronger pull keeps every u between 0 and itself.
    up = jnp.sum(omega * jnp.maximum(u, 0.0))
    down = jnp.sum(omega * jnp.maximum(-u, 0.0))
    least = jnp.minimum(up, down)
    ratio = lambda total: jnp.where(total > 0, least / jnp.where(total > 0, total, 1.0), 0.0)  # noqa: E731
    return u * jnp.where(u > 0, ratio(up), ratio(down))


squared = Family(
    value=lambda eta, y: (eta - y) ** 2 / 2,
    slope=lambda eta, y: eta - y,
    curvature=lambda eta, y: jnp.ones_like(eta),
    conjugate=lambda u, y: u * (u / 2 + y),
    balance=_center,
    quadratic=True,
    equivariant=True,
)
"""(eta - y)^2 / 2, y real."""

logistic = Family(
    # softplus(eta) - y eta, written so that nothing cancels at large |eta|.
    value=lambda eta, y: jax.nn.softplus(eta) - y * eta,
    slope=lambda eta, y: jax.nn.sigmoid(eta) - y,
    curvature=lambda eta, y: jax.nn.sigmoid(eta) * jax.nn.sigmoid(-eta),
    conjugate=lambda u, y: _entropy(y + u) + _entropy(1 - y - u),
    balance=_shrink_heavier_sign,
)
"""log(1 + exp(-(2 y - 1) eta)), y in {0, 1}."""

squared_hinge = Family(
    value=lambda eta, y: jnp.maximum(1 - (2 * y - 1) * eta, 0.0) ** 2,
    slope=lambda eta, y: -2 * (2 * y - 1) * jnp.maximum(1 - (2 * y - 1) * eta, 0.0),
    curvature=lambda eta, y: jnp.where((2 * y - 1) * eta < 1, 2 * jnp.ones_like(eta), 0.0),
    conjugate=lambda u, y: u * ((2 * y - 1) + u / 4),
    balance=_shrink_heavier_sign,
)
"""max(0, 1 - (2 y - 1) eta)^2, y in {0, 1}."""


def huber(delta: Scalar) -> Family:
    """Huber's loss: (eta - y)^2 / 2 while |eta - y| <= delta, then delta (|eta - y| - delta / 2)."""

    def value(eta: Vector, y: Vector) -> Vector:
        inner = jnp.clip(eta - y, -delta, delta)
        return inner * (eta - y - inner / 2)

    def balance(u: Vector, y: Vector, omega: Vector) -> Vector:
        centered = _center(u, y, omega)
        # Centering may push a slope past delta, out of the conjugate's domain; scaling keeps the sum at 0.
        return centered * jnp.minimum(1.0, delta / jnp.maximum(jnp.max(jnp.abs(centered)), delta))

    return Family(
        value=value,
        slope=lambda eta, y: jnp.clip(eta - y, -delta, delta),
        curvature=lambda eta, y: jnp.where(jnp.abs(eta - y) <= delta, jnp.ones_like(eta), 0.0),
        conjugate=squared.conjugate,
        balance=balance,
        equivariant=True,
    )
