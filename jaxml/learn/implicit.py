"""Derivatives of a solution by the implicit function theorem: the iterations that found it are not differentiated.

At a solution w(theta) the optimality conditions hold, c(w, theta) = 0, hence

    dw / dtheta = -(dc / dw)^-1 (dc / dtheta),

with respect to everything that the conditions mention: penalties, example weights, data. Zero weights stay zero in a
neighbourhood, so they have derivative 0 and the rest moves along the manifold of active groups. Where a weight is just
about to become active the solution has a kink, and this is one of its one-sided derivatives.

Reference: Bertrand et al. (2022), "Implicit differentiation for fast hyperparameter selection in non-smooth convex
learning", JMLR 23(149).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxml.learn.newton import Certificate, Smooth, minimise
from jaxml.learn.penalty import Matrix, Penalty, Vector, optimality
from jaxml.ops.checks import Scalar
from jaxml.ops.lapack import inverse


def implicit_minimise(
    smooth: Smooth, penalty: Penalty, init: Vector, *, tolerance: Scalar, iterations: int
) -> tuple[Vector, Certificate]:
    """`newton.minimise`, whose solution has derivatives of any order in all that smooth and penalty close over."""

    def conditions(w: Vector) -> Vector:
        return optimality(penalty, w, smooth.gradient(smooth.predict(w)) + penalty.l2 * w)

    def solve(start: Vector) -> tuple[Vector, Certificate]:
        w, certificate = minimise(smooth, penalty, start, tolerance=tolerance, iterations=iterations)
        # custom_root wants floating outputs only.
        return w, jax.tree.map(lambda leaf: leaf.astype(w.dtype), certificate)

    w, (gap, residual, count, converged) = implicit_root(conditions, init, solve)
    return w, Certificate(gap, residual, count.astype(jnp.int32), converged > 0)


def implicit_root(
    conditions: Callable[[Vector], Vector], init: Vector, solve: Callable[[Vector], tuple[Vector, Any]]
) -> tuple[Vector, Any]:
    """The root that `solve(init)` finds, differentiable in what `conditions` closes over; second output: none."""
    return lax.custom_root(conditions, init, lambda _, start: solve(start), _solve_linear, has_aux=True)


def _solve_linear(linear: Callable[[Vector], Vector], rhs: Vector) -> Vector:
    jacobian: Matrix = jax.vmap(linear)(jnp.eye(rhs.size, dtype=rhs.dtype)).T
    diagonal = jnp.abs(jnp.diagonal(jacobian))
    # Duplicate or constant features make the system singular, but solvable: a tiny ridge term selects one solution.
    hair = jnp.finfo(rhs.dtype).eps ** (2 / 3) * diagonal
    system = jacobian + jnp.diag(jnp.where(diagonal > 0, hair, 1.0))
    undo = inverse(system)
    found = undo @ rhs
    return found + undo @ (rhs - system @ found)
