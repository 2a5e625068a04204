"""An interior-point method for the dual of a linear support vector machine: a box, at most one equality.

    minimise  ||A^T alpha||^2 / 2 - gain . alpha   subject to  0 <= alpha <= c,  signs . alpha = 0.

Its iterations, some twenty of O(n d^2), do not depend on the conditioning of A: lanes of a vmap run in step. The
weights w = A^T alpha have variables of their own: as sums of numbers as large as the box they would lose their digits.

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
_BACK_OFF = 0.995  # of the way to the boundary: the interior is never left
_PATIENCE = 6  # iterations without a better point, after which rounding has the last word
_NEAR = 0.1  # excess below which that holds
_CENTRED = 0.1  # share of the tolerance that complementarity is not driven below: steps would lose their digits
_RIDGE = 10  # roundings added to a diagonal of ones, so that the matrix has a factor; refining takes them out again


class BoxSolution(NamedTuple):
    """Where the method ended.

    Attributes:
        alpha: in the box, (n,).
        coef: w = A^T alpha, up to what rounding leaves of the difference, (d,).
        level: multiplier of the equality, (): the intercept.
        iterations: done.
        excess: last value of the `excess` callback.
    """

    alpha: Array
    coef: Array
    level: Array
    iterations: Array
    excess: Array


class _State(NamedTuple):
    alpha: Array
    weights: Array
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
    excess: Callable[[Vector, Array, Array], Array],
    tolerance: Scalar,
    iterations: int,
) -> BoxSolution:
    """Solve the problem above.

    Args:
        A: rows, (n, d).
        signs: coefficients of the equality, or None without one.
        gain: linear term, (n,).
        c: upper bounds, (n,), > 0.
        excess: (alpha, coef, level) -> a bound of how far from optimal they are, relative to the optimum; to be at most
            `tolerance`.
        tolerance: see `excess`.
        iterations: most.
    """
    d, dtype = A.shape[1], c.dtype
    eps, floor = jnp.finfo(dtype).eps, jnp.finfo(dtype).tiny ** 0.5
    # The level is one weight more, which costs nothing.
    rows = A if signs is None else jnp.concatenate([A, signs[:, None]], axis=1)
    priced = (jnp.arange(rows.shape[1]) < d).astype(dtype)

    def newton(D: Vector, missing: Array) -> Callable[[Vector], tuple[Array, Array]]:
        """Solve  rows dw + D dx = rest,  rows^T dx - priced dw = missing  for (dx, dw), given rest."""
        M = jnp.diag(priced) + rows.T @ (rows / D[:, None])
        scale = 1 / jnp.sqrt(jnp.maximum(jnp.diagonal(M), floor))
        ridge = _RIDGE * eps * jnp.eye(M.shape[0], dtype=dtype)
        factor = cholesky(M * scale[:, None] * scale[None, :] + ridge)

        def back(r: Array) -> Array:
            return scale * solve_cholesky(factor, (scale * r)[:, None])[:, 0]

        def solve(rest: Vector) -> tuple[Array, Array]:
            dw = back((rest / D) @ rows - missing)
            for _ in range(2):
                dw = dw + back(((rest - rows @ dw) / D) @ rows - missing - priced * dw)
            return (rest - rows @ dw) / D, dw

        return solve

    def advance(s: _State) -> _State:
        room = c - s.alpha
        rest = rows @ s.weights - gain - s.lower + s.upper
        solve = newton(s.lower / s.alpha + s.upper / room, priced * s.weights - s.alpha @ rows)

        def direction(low: Vector, up: Vector) -> tuple[Array, Array, Array, Array]:
            """Newton step towards alpha * lower = low and room * upper = up."""
            push_low, push_up = low / s.alpha - s.lower, up / room - s.upper
            step, turn = solve(push_low - push_up - rest)
            return step, turn, push_low - s.lower / s.alpha * step, push_up + s.upper / room * step

        def longest(*pairs: tuple[Array, Array]) -> Array:
            far = [jnp.min(jnp.where(d < 0, -x / jnp.where(d < 0, d, 1.0), jnp.inf)) for x, d in pairs]
            return jnp.minimum(1.0, _BACK_OFF * jnp.min(jnp.stack(far)))

        mean = jnp.mean(s.alpha * s.lower + room * s.upper) / 2
        step, _, d_low, d_up = direction(jnp.zeros_like(c), jnp.zeros_like(c))
        primal, dual = longest((s.alpha, step), (room, -step)), longest((s.lower, d_low), (s.upper, d_up))
        reached = (s.alpha + primal * step) * (s.lower + dual * d_low)
        reached = reached + (room - primal * step) * (s.upper + dual * d_up)
        target = mean * (jnp.mean(reached) / 2 / jnp.maximum(mean, floor)) ** 3
        target = jnp.maximum(target, _CENTRED * tolerance * jnp.mean(gain * s.alpha))
        # Second order: what the affine step's product of changes would leave over.
        step, turn, d_low, d_up = direction(target - step * d_low, target + step * d_up)
        primal, dual = longest((s.alpha, step), (room, -step)), longest((s.lower, d_low), (s.upper, d_up))
        alpha, weights = s.alpha + primal * step, s.weights + dual * turn
        coef, level = weights[:d], jnp.zeros((), dtype) if signs is None else weights[d]
        now = excess(alpha, coef, level)
        better = now < s.best.excess  # false for NaN
        point = (alpha, coef, level, s.iteration + 1, now)
        best = BoxSolution(*(jnp.where(better, new, old) for new, old in zip(point, s.best, strict=True)))
        return _State(alpha, weights, s.lower + dual * d_low, s.upper + dual * d_up, s.iteration + 1, best)

    def unfinished(s: _State) -> Array:
        # A bound of the optimum's own size says nothing yet: rounding has a word once it has been far below.
        hopeful = (s.iteration - s.best.iterations < _PATIENCE) | (s.best.excess > _NEAR)
        return (s.best.excess > tolerance) & (s.iteration < iterations) & hopeful

    # The least point on the way from 0 to the middle of the box: the middle of a large box is so far from the optimum
    # that rounding there exceeds the whole linear term.
    middle = c / 2
    bent = A @ (middle @ A)
    share = jnp.sum(gain * middle) / jnp.maximum(jnp.sum(middle * bent), floor)
    share = jnp.clip(share, eps, 1.0)
    alpha, slope = share * middle, share * bent - gain
    zero, none = jnp.zeros((), dtype), jnp.zeros((), jnp.int32)
    lower, upper = jnp.maximum(slope, 0.0) + 1, jnp.maximum(-slope, 0.0) + alpha / (c - alpha)
    weights = priced * (alpha @ rows)
    begin = BoxSolution(alpha, weights[:d], zero, none, jnp.full((), jnp.inf, dtype))
    return lax.while_loop(unfinished, advance, _State(alpha, weights, lower, upper, none, begin)).best
