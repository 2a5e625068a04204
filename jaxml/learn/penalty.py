"""The penalty of a fit, coordinate by coordinate or group by group, and its geometry at a point.

    penalty(w) = sum_g l1_g ||w_g||_2 + 1/2 sum_j l2_j w_j^2.

Singleton groups, the usual case, make the first sum a weighted L1 norm. At a point, `w` lies on the manifold of its
active groups (those not exactly zero); along it the penalty is smooth, and that is what Newton steps and derivatives
of solutions use.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Vector = Float[Array, " p"]
Matrix = Float[Array, "p p"]


class Penalty(NamedTuple):
    """Strengths; an intercept has strength 0 in both.

    Attributes:
        l1: strength per group, (g,), or per coordinate, (p,), without `members`; None means no such term at all.
        l2: strength per coordinate, (p,).
        members: 1 where a coordinate belongs to a group, (g, p); None means singleton groups.
    """

    l1: Float[Array, " g"] | None
    l2: Vector
    members: Float[Array, "g p"] | None = None


class Manifold(NamedTuple):
    """Where `w` may move while its zero groups stay zero, with the first term's slope and curvature there."""

    free: Bool[Array, " p"]
    slope: Vector
    curvature: Matrix | None


def soft_threshold(v: Array, size: Array) -> Array:
    """sign(v) max(|v| - size, 0)."""
    return jnp.maximum(v - size, 0.0) + jnp.minimum(v + size, 0.0)


def group_norms(penalty: Penalty, w: Vector) -> Float[Array, " g"]:
    """||w_g||_2 of every group, with derivative 0 at 0."""
    if penalty.members is None:
        return jnp.abs(w)
    squares = penalty.members @ w**2
    return jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1.0)), 0.0)


def l1_value(penalty: Penalty, w: Vector) -> Float[Array, ""]:
    """The first term."""
    if penalty.l1 is None:
        return jnp.zeros((), w.dtype)
    return jnp.sum(penalty.l1 * group_norms(penalty, w))


def penalty_value(penalty: Penalty, w: Vector) -> Float[Array, ""]:
    """Both terms."""
    return l1_value(penalty, w) + jnp.sum(penalty.l2 * w**2) / 2


def manifold(penalty: Penalty, w: Vector) -> Manifold:
    """Free coordinates of `w`, and the first term's gradient and Hessian along them."""
    if penalty.l1 is None:
        return Manifold(jnp.ones(w.shape, bool), jnp.zeros_like(w), None)
    if penalty.members is None:
        return Manifold((w != 0) | (penalty.l1 == 0), penalty.l1 * jnp.sign(w), None)
    norms = group_norms(penalty, w)
    active = norms > 0
    # d^2 ||w_g|| = (I - w_g w_g^T / ||w_g||^2) / ||w_g||
    rate = penalty.members.T @ jnp.where(active, penalty.l1 / jnp.where(active, norms, 1.0), 0.0)
    radius = penalty.members.T @ jnp.where(active, norms, 1.0)
    unit = w / radius
    together = penalty.members.T @ penalty.members
    curvature = jnp.diag(rate) - together * (rate[:, None] * unit[:, None] * unit[None, :])
    free = penalty.members.T @ (active | (penalty.l1 == 0)).astype(w.dtype) > 0
    return Manifold(free, rate * w, curvature)


def optimality(penalty: Penalty, w: Vector, slope: Vector) -> Vector:
    """A function of (w, slope of the rest) that is 0 at a minimiser and smooth around it: w itself where not free."""
    along = manifold(penalty, w)
    return jnp.where(along.free, slope + along.slope, w)


def violation(penalty: Penalty, w: Vector, slope: Vector) -> Float[Array, ""]:
    """How far 0 is from the subdifferential: the largest group norm of the least subgradient.

    Args:
        penalty: the penalty.
        w: where.
        slope: gradient of everything but the first term, `l2` included.
    """
    if penalty.l1 is None:
        return jnp.max(jnp.abs(slope))
    norms = group_norms(penalty, w)
    here = group_norms(penalty, slope + manifold(penalty, w).slope)
    return jnp.max(jnp.where(norms > 0, here, jnp.maximum(group_norms(penalty, slope) - penalty.l1, 0.0)))


def dual_scale(penalty: Penalty, v: Vector) -> Float[Array, ""]:
    """The largest c <= 1 at which c v lies in the domain of the first term's conjugate; 0 without such a term."""
    if penalty.l1 is None:
        return jnp.zeros((), v.dtype)
    norms = group_norms(penalty, v)
    return jnp.min(jnp.where(norms > penalty.l1, penalty.l1 / jnp.where(norms > 0, norms, 1.0), 1.0))


def penalty_conjugate(penalty: Penalty, v: Vector) -> Float[Array, ""]:
    """Largest v.w - penalty(w) over w, for l2 constant within groups; infinite where nothing bounds it."""
    l1 = jnp.zeros_like(v) if penalty.l1 is None else penalty.l1
    l2 = penalty.l2 if penalty.members is None else jnp.max(penalty.members * penalty.l2[None, :], axis=1)
    excess = jnp.maximum(group_norms(penalty, v) - l1, 0.0)
    bounded = jnp.where(l2 > 0, excess**2 / (2 * jnp.where(l2 > 0, l2, 1.0)), jnp.inf)
    return jnp.sum(jnp.where(excess > 0, bounded, 0.0))
