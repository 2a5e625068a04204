"""An interior-point method for the dual of a linear support vector machine: a box, at most one equality.

    minimise  ||A^T alpha||^2 / 2 - gain . alpha   subject to  0 <= alpha <= c,  signs . alpha = 0.

Its iterations, some twenty of O(n d^2), do not depend on the conditioning of A: lanes of a vmap run in step.

Reference: Mehrotra (1992), "On the implementation of a primal-dual interior point method", SIAM J. Optimization 2(4);
for support vector machines: Ferris and Munson (2002), SIAM J. Optimization 13(3).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxml.ops.checks import Scalar
from jaxml.ops.lapack import cholesky, solve_cholesky

Vector = Float[Array, " n"]
Columns = Float[Array, "n m"]
Solver = Callable[[Columns], Columns]
_BACK_OFF = 0.995  # of the way to the boundary: the interior is never left
_PATIENCE = 6  # iterations without a better point, after which rounding has the last word
_NEAR = 0.1  # excess below which that holds


class BoxSolution(NamedTuple):
    """Where the method ended.

    Attributes:
        alpha: inside the box, (n,).
        level: multiplier of the equality, (): the intercept.
        iterations: done.
        excess: last value of the `excess` callback.
    """

    alpha: Array
    level: Array
    iterations: Array
    excess: Array


def _shifted(A: Float[Array, "n d"], D: Vector) -> Solver:
    """Solve (A A^T + diag D) X = R, column by column, by Woodbury's identity."""
    scaled = A / D[:, None]
    factor = cholesky(jnp.eye(A.shape[1], dtype=A.dtype) + A.T @ scaled)

    def solve(R: Columns) -> Columns:
        return R / D[:, None] - scaled @ solve_cholesky(factor, (R.T @ scaled).T)

    def refined(R: Columns) -> Columns:
        X = solve(R)
        for _ in range(2):
            X = X + solve(R - A @ (X.T @ A).T - D[:, None] * X)
        return X

    return refined


class _State(NamedTuple):
    alpha: Array
    level: Array
    lower: Array
    upper: Array
    iteration: Array
    best: BoxSolution


def solve_box(
    A: Float[Array, "n d"],
    signs: Vector | None,
    gain: Vector,
    c: Vector,
    *,
    excess: Callable[[Vector, Array], Array],
    tolerance: Scalar,
    iterations: int,
) -> BoxSolution:
    """Solve the problem above.

    Args:
        A: rows, (n, d).
        signs: coefficients of the equality, or None without one.
        gain: linear term, (n,).
        c: upper bounds, (n,), > 0.
        excess: (alpha, level) -> a bound of how far from optimal they are, relative to the optimum; to be at most
            `tolerance`.
        tolerance: see `excess`.
        iterations: most.
    """
    dtype = c.dtype
    floor = jnp.finfo(dtype).tiny ** 0.5

    def advance(s: _State) -> _State:
        slack = c - s.alpha
        balance = jnp.zeros((), dtype) if signs is None else jnp.sum(signs * s.alpha)
        pull = jnp.zeros_like(c) if signs is None else signs * s.level
        rest = A @ (s.alpha @ A) - gain + pull - s.lower + s.upper
        solve = _shifted(A, s.lower / s.alpha + s.upper / slack)

        def direction(
            low: Vector, up: Vector, normal: Vector | None
        ) -> tuple[Array, Array, Array, Array, Vector | None]:
            """Newton step towards alpha * lower = low and slack * upper = up, and the equality's normal, if unknown."""
            push_low, push_up = low / s.alpha - s.lower, up / slack - s.upper
            rhs = push_low - push_up - rest
            if signs is None or normal is not None:
                step = solve(rhs[:, None])[:, 0]
            else:
                step, normal = solve(jnp.stack([rhs, signs], axis=1)).T
            d_level = jnp.zeros((), dtype)
            if signs is not None and normal is not None:
                d_level = (jnp.sum(signs * step) + balance) / jnp.sum(signs * normal)
                step = step - normal * d_level
            d_low, d_up = push_low - s.lower / s.alpha * step, push_up + s.upper / slack * step
            return step, d_level, d_low, d_up, normal

        def longest(*pairs: tuple[Array, Array]) -> Array:
            room = [jnp.min(jnp.where(d < 0, -x / jnp.where(d < 0, d, 1.0), jnp.inf)) for x, d in pairs]
            return jnp.minimum(1.0, _BACK_OFF * jnp.min(jnp.stack(room)))

        mean = jnp.mean(s.alpha * s.lower + slack * s.upper) / 2
        step, _, d_low, d_up, normal = direction(jnp.zeros_like(c), jnp.zeros_like(c), None)
        primal, dual = longest((s.alpha, step), (slack, -step)), longest((s.lower, d_low), (s.upper, d_up))
        reached = (s.alpha + primal * step) * (s.lower + dual * d_low)
        reached = reached + (slack - primal * step) * (s.upper + dual * d_up)
        target = mean * (jnp.mean(reached) / 2 / jnp.maximum(mean, floor)) ** 3
        # Second order: what the affine step's product of changes would leave over.
        step, d_level, d_low, d_up, _ = direction(target - step * d_low, target + step * d_up, normal)
        primal, dual = longest((s.alpha, step), (slack, -step)), longest((s.lower, d_low), (s.upper, d_up))
        alpha, level = s.alpha + primal * step, s.level + dual * d_level
        now = excess(alpha, level)
        better = now < s.best.excess  # false for NaN
        point = (alpha, level, s.iteration + 1, now)
        best = BoxSolution(*(jnp.where(better, new, old) for new, old in zip(point, s.best, strict=True)))
        return _State(alpha, level, s.lower + dual * d_low, s.upper + dual * d_up, s.iteration + 1, best)

    def unfinished(s: _State) -> Array:
        # A bound of the optimum's own size says nothing yet: rounding has a word once it has been far below.
        hopeful = (s.iteration - s.best.iterations < _PATIENCE) | (s.best.excess > _NEAR)
        return (s.best.excess > tolerance) & (s.iteration < iterations) & hopeful

    # The least point on the way from 0 to the middle of the box: the middle of a large box is so far from the optimum
    # that rounding there exceeds the whole linear term.
    middle = c / 2
    bent = A @ (middle @ A)
    share = jnp.sum(gain * middle) / jnp.maximum(jnp.sum(middle * bent), floor)
    share = jnp.clip(share, jnp.finfo(dtype).eps, 1.0)
    alpha, slope = share * middle, share * bent - gain
    zero, none = jnp.zeros((), dtype), jnp.zeros((), jnp.int32)
    lower, upper = jnp.maximum(slope, 0.0) + 1, jnp.maximum(-slope, 0.0) + alpha / (c - alpha)
    begin = BoxSolution(alpha, zero, none, jnp.full((), jnp.inf, dtype))
    return lax.while_loop(unfinished, advance, _State(alpha, zero, lower, upper, none, begin)).best
