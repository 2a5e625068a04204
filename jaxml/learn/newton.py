"""Proximal Newton: minimise data term + penalty to full precision, with a duality gap.

Each iteration minimises the quadratic model (exact Hessian of the data term, exact penalty) and searches backwards
along the way there. The model is minimised by coordinate (or block) descent, which finds the active groups, and by a
direct solve along them, which finishes. Nothing needs a step size, a scaling of the features or their independence.
All of it is of fixed shape, so thousands of fits vmap into one program.

Reference: Lee, Sun and Saunders (2014), "Proximal Newton-type methods for minimizing composite functions", SIAM J.
Optimization 24(3); the direct solve along the active set is that of feature-sign search (Lee et al., 2007, NIPS).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxml.learn.penalty import (
    Matrix,
    Penalty,
    Vector,
    l1_value,
    manifold,
    penalty_value,
    soft_threshold,
    violation,
)
from jaxml.ops.checks import Scalar
from jaxml.ops.lapack import cholesky, solve_cholesky

_SWEEPS = 2  # coordinate sweeps between two direct solves
_ROUNDS = 5  # sweeps-and-solve rounds in one model; a quadratic data term, whose model is exact, has many more
_HALVINGS = 30  # of the step, before it is given up


class Smooth(NamedTuple):
    """A convex data term of a linear prediction.

    Attributes:
        predict: parameters (p,) -> predictions, linear.
        value: predictions -> the data term.
        gradient: predictions -> its gradient in the parameters, (p,).
        hessian: predictions -> its (generalised) Hessian in the parameters, (p, p).
        bound: (predictions, penalty) -> a lower bound of the whole minimum, -inf where there is none.
        quadratic: whether the Hessian is constant.
    """

    predict: Callable[[Vector], Array]
    value: Callable[[Array], Array]
    gradient: Callable[[Array], Vector]
    hessian: Callable[[Array], Matrix]
    bound: Callable[[Array, Penalty], Array]
    quadratic: bool = False


class Certificate(NamedTuple):
    """What is known about a solution.

    Attributes:
        gap: objective minus a lower bound of its minimum, so the excess is at most this; inf without a penalty.
        residual: largest norm of the least subgradient (of the gradient, where nothing is penalised).
        iterations: Newton iterations.
        converged: whether gap <= tolerance * objective; without a penalty, whether the decrease that the last
            Newton step predicted was.
    """

    gap: Array
    residual: Array
    iterations: Array
    converged: Array


class _State(NamedTuple):
    w: Array
    prediction: Array
    objective: Array
    slope: Array
    gap: Array
    predicted: Array
    iteration: Array


def minimise(
    smooth: Smooth, penalty: Penalty, init: Vector, *, tolerance: Scalar, iterations: int
) -> tuple[Vector, Certificate]:
    """Minimise ``smooth.value(smooth.predict(w)) + penalty(w)`` over w, starting at `init`."""
    dtype = init.dtype
    eps = jnp.finfo(dtype).eps
    at_zero = smooth.value(jnp.zeros_like(smooth.predict(init)))

    def settle(w: Array, prediction: Array, objective: Array, predicted: Array, iteration: Array) -> _State:
        slope = smooth.gradient(prediction) + penalty.l2 * w
        gap = objective - smooth.bound(prediction, penalty)
        return _State(w, prediction, objective, slope, gap, predicted, iteration)

    def small_enough(state: _State) -> Array:
        bounded = jnp.isfinite(state.gap)
        limit = tolerance * jnp.abs(state.objective)
        # A perfect fit has objective 0 and a gap of rounding errors: forgive those of the starting value.
        limit = limit + jnp.where(bounded, 4 * eps * jnp.abs(at_zero), 0.0)
        # A gap below 0 says that the bound does not hold, which is no reason to stop.
        return jnp.where(bounded, jnp.abs(state.gap), state.predicted) <= limit

    def unfinished(state: _State) -> Array:
        return ~small_enough(state) & (state.iteration < iterations) & jnp.isfinite(state.objective)

    def advance(state: _State) -> _State:
        hessian = smooth.hessian(state.prediction) + jnp.diag(penalty.l2)
        direction = _minimise_model(hessian, state.slope, state.w, penalty, smooth.quadratic) - state.w
        direction = jnp.where(jnp.all(jnp.isfinite(direction)), direction, 0.0)
        along = smooth.predict(direction)
        most = state.objective + 2 * eps * jnp.abs(state.objective)

        def halve(trial: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            half = trial[0] / 2
            objective = smooth.value(state.prediction + half * along)
            return half, objective + penalty_value(penalty, state.w + half * direction), trial[2] + 1

        start = (jnp.full((), 2.0, dtype), jnp.full((), jnp.inf, dtype), jnp.zeros((), jnp.int32))
        t, objective, _ = lax.while_loop(lambda s: ~(s[1] <= most) & (s[2] < _HALVINGS), halve, start)
        better = objective <= most
        t, objective = jnp.where(better, t, 0.0), jnp.where(better, objective, state.objective)
        predicted = jnp.abs(jnp.sum(state.slope * direction)) / 2
        w = state.w + t * direction
        return settle(w, smooth.predict(w), objective, predicted, state.iteration + 1)

    prediction = smooth.predict(init)
    objective = smooth.value(prediction) + penalty_value(penalty, init)
    begin = settle(init, prediction, objective, jnp.full((), jnp.inf, dtype), jnp.zeros((), jnp.int32))
    end = lax.while_loop(unfinished, advance, begin)
    residual = violation(penalty, end.w, end.slope)
    w = jnp.where(jnp.isnan(end.objective), jnp.nan, end.w)
    return w, Certificate(end.gap, residual, end.iteration, small_enough(end))


def damped_solve(matrix: Matrix, rhs: Vector) -> Vector:
    """Solve a positive semidefinite system; a singular one as if each diagonal entry were slightly larger."""
    diagonal = jnp.diagonal(matrix)
    # eps^(2/3) outweighs the rounding of the factorisation and stays far below what the solution's accuracy needs.
    hair = jnp.finfo(matrix.dtype).eps ** (2 / 3)
    empty = diagonal <= jnp.finfo(matrix.dtype).tiny
    factor = cholesky(matrix + jnp.diag(jnp.where(empty, 1.0, hair * diagonal)))
    return solve_cholesky(factor, jnp.where(empty, 0.0, rhs)[:, None])[:, 0]


def _minimise_model(hessian: Matrix, slope: Vector, start: Vector, penalty: Penalty, exact: bool) -> Vector:
    """argmin_x  slope.(x - start) + (x - start)^T hessian (x - start) / 2 + the penalty's first term at x."""
    if penalty.l1 is None:
        newton = damped_solve(hessian, -slope)
        gentle = -slope / jnp.maximum(jnp.trace(hessian), jnp.finfo(hessian.dtype).tiny)
        return start + jnp.where(jnp.all(jnp.isfinite(newton)), newton, gentle)

    l1, members = penalty.l1, penalty.members
    at_start = violation(penalty, start, slope)
    # The model is worth solving only as well as it resembles the objective; an exact one is worth all digits.
    target = at_start * (jnp.finfo(start.dtype).eps ** 0.75 if exact else 0.05)
    rounds = 40 * _ROUNDS if exact else _ROUNDS

    def sweep(x: Vector, q: Vector) -> tuple[Vector, Vector]:
        if members is None:
            return _coordinate_sweep(hessian, x, q, l1)
        return _block_sweep(hessian, x, q, l1, members)

    def model(x: Vector, q: Vector) -> Array:
        return jnp.sum((x - start) * (slope + q)) / 2 + l1_value(penalty, x)

    def improve(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        x, q, _, done = state
        x, q = lax.fori_loop(0, _SWEEPS, lambda _, s: sweep(*s), (x, q))
        best, best_q, least = x, q, model(x, q)
        for candidate in _along_manifold(hessian, x, q, penalty, l1):
            candidate_q = slope + hessian @ (candidate - start)
            value = model(candidate, candidate_q)
            lower = value <= least  # false for NaN
            best, best_q = jnp.where(lower, candidate, best), jnp.where(lower, candidate_q, best_q)
            least = jnp.where(lower, value, least)
        return best, best_q, violation(penalty, best, best_q), done + 1

    begin = (start, slope, jnp.full((), jnp.inf, start.dtype), jnp.zeros((), jnp.int32))
    return lax.while_loop(lambda s: (s[2] > target) & (s[3] < rounds), improve, begin)[0]


def _coordinate_sweep(hessian: Matrix, x: Vector, q: Vector, l1: Vector) -> tuple[Vector, Vector]:
    """Minimise the model over each coordinate in turn; q is the model's gradient at x and is kept up to date."""
    diagonal = jnp.diagonal(hessian)
    # A constant feature has no curvature and no slope: with any positive divisor its weight only shrinks to 0.
    divisor = jnp.where(diagonal > 0, diagonal, 1.0)

    def update(j: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        x, q = state
        moved = soft_threshold(x[j] - q[j] / divisor[j], l1[j] / divisor[j])
        return x.at[j].set(moved), q + (moved - x[j]) * hessian[j]

    return lax.fori_loop(0, x.size, update, (x, q))


def _block_sweep(hessian: Matrix, x: Vector, q: Vector, l1: Array, members: Array) -> tuple[Vector, Vector]:
    """Take a proximal step in each group in turn, with the largest absolute row sum of its block as curvature."""
    rows = jnp.abs(hessian) @ members.T
    bound = jnp.max(jnp.where(members.T > 0, rows, 0.0), axis=0)
    bound = jnp.where(bound > 0, bound, 1.0)

    def update(k: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        x, q = state
        v = members[k] * (x - q / bound[k])
        norm = jnp.sqrt(jnp.sum(v**2))
        shrunk = v * jnp.maximum(1 - l1[k] / bound[k] / jnp.where(norm > 0, norm, 1.0), 0.0)
        change = shrunk - members[k] * x
        return x + change, q + hessian @ change

    return lax.fori_loop(0, members.shape[0], update, (x, q))


def _along_manifold(
    hessian: Matrix, x: Vector, q: Vector, penalty: Penalty, l1: Array
) -> tuple[Float[Array, " p"], ...]:
    """Candidates from the Newton step that keeps x's zero groups at zero."""
    along = manifold(penalty, x)
    both = along.free[:, None] & along.free[None, :]
    curved = hessian if along.curvature is None else hessian + along.curvature
    restricted = jnp.where(both, curved, 0.0) + jnp.diag(jnp.where(along.free, 0.0, 1.0))
    step = damped_solve(restricted, jnp.where(along.free, -(q + along.slope), 0.0))
    if penalty.members is not None:
        return x + step, x + step / 4
    # A weight that changes its sign leaves the orthant on which the model is quadratic: either all such weights
    # become zero, or the step ends where the first one does.
    crossing = (x * (x + step) < 0) & (l1 > 0)
    share = jnp.where(crossing, -x / jnp.where(crossing, step, 1.0), 1.0)
    first = jnp.min(share)
    return (
        jnp.where(crossing, 0.0, x + step),
        jnp.where(crossing & (share <= first), 0.0, x + first * step),
    )
