"""First-order solvers for `smooth(params) + penalty(params)`, over any pytree of parameters.

Pure, so that steps, tolerances, penalties and data may be traced and vmapped. Neither one searches for its step:
give 1 / L, with L the Lipschitz constant of the gradient. Convex models with a solution to full precision, a
duality gap and derivatives are the `fit_*` functions of `jaxml.learn`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxml.learn.fit import Fit
from jaxml.ops.checks import Scalar

Step = Scalar | Callable[[Array], Array]
"""A step size, or a schedule: a function of the iteration (0., 1., ..., floating) such as those of optax."""


class SolverDiagnostics(NamedTuple):
    """How a first-order solver ended.

    Attributes:
        residual: Euclidean norm of (params - next params) / step at the last iteration: 0 exactly at a minimiser
            of a proximal method; for the subgradient method it is the norm of a subgradient, which need not
            vanish anywhere.
        iterations: iterations done.
        converged: whether residual <= tolerance.
    """

    residual: Array
    iterations: Array
    converged: Array


Solution = Fit[Any, SolverDiagnostics]


class _State(NamedTuple):
    params: Any
    lookahead: Any
    momentum: Array
    residual: Array
    iteration: Array


def proximal_gradient(
    gradient: Callable[[Any], Any],
    prox: Callable[[Any, Array], Any],
    init: Any,
    *,
    step_size: Step,
    steps: int = 1000,
    tolerance: Scalar | None = None,
    accelerate: bool = True,
) -> Solution:
    """Minimise smooth + penalty by proximal gradient steps, accelerated with adaptive restarts (FISTA).

    x+ = prox(v - step gradient(v), step),  v+ = x+ + (t - 1) / t+ (x+ - x),  t+ = (1 + sqrt(1 + 4 t^2)) / 2;
    the momentum restarts (t = 1) whenever it points uphill: <v - x+, x+ - x> > 0.

    Args:
        gradient: gradient of the smooth part, e.g. ``jax.grad(smooth)``.
        prox: ``(params, step) -> argmin_z  penalty(z) + ||z - params||^2 / (2 step)``.
        init: where to start; a pytree of floating arrays.
        step_size: at most 1 / L for the gradient's Lipschitz constant L; or a schedule.
        steps: most iterations.
        tolerance: stop once the residual is at most this. None runs all `steps` as a `lax.scan`, which
            reverse-mode differentiates; with a tolerance it is a `lax.while_loop`, which only forward mode does.
        accelerate: False gives plain proximal gradient (ISTA), whose objective never rises.

    Returns:
        The fit. The parameters come out of the prox, so zeros are exact.

    Not a line search: with a step above 2 / L it diverges, and `diagnostics.converged` says so.

    Reference: Beck and Teboulle (2009), SIAM J. Imaging Sciences 2(1), eq. 4.1-4.3; restart: O'Donoghue and Candes
    (2015), Found. Comput. Math. 15, section 3.2, gradient scheme.

    >>> target = jnp.array([3.0, -0.5, 0.2])
    >>> shrink = lambda w, step: jnp.maximum(w - step, 0.0) + jnp.minimum(w + step, 0.0)
    >>> proximal_gradient(lambda w: w - target, shrink, jnp.zeros(3), step_size=1.0, steps=5).params.tolist()
    [2.0, 0.0, 0.0]
    """
    dtype = jnp.result_type(*jax.tree.leaves(init))

    def advance(state: _State) -> _State:
        step = _step_at(step_size, state.iteration, dtype)
        slope = gradient(state.lookahead)
        moved = prox(jax.tree.map(lambda v, g: v - step * g, state.lookahead, slope), step)
        change = jax.tree.map(jnp.subtract, moved, state.params)
        drop = jax.tree.map(jnp.subtract, state.lookahead, moved)
        residual = jnp.sqrt(_dot(drop, drop)) / step
        if not accelerate:
            return _State(moved, moved, state.momentum, residual, state.iteration + 1)
        uphill = _dot(drop, change) > 0
        t = jnp.where(uphill, jnp.ones((), dtype), state.momentum)
        t_next = (1 + jnp.sqrt(1 + 4 * t**2)) / 2
        lookahead = jax.tree.map(lambda x, c: x + (t - 1) / t_next * c, moved, change)
        return _State(moved, lookahead, t_next, residual, state.iteration + 1)

    start = _State(init, init, jnp.ones((), dtype), jnp.full((), jnp.inf, dtype), jnp.zeros((), jnp.int32))
    return _iterate(advance, start, steps, tolerance)


def subgradient_descent(
    subgradient: Callable[[Any], Any],
    init: Any,
    *,
    step_size: Step,
    steps: int = 1000,
) -> Solution:
    """Follow a subgradient: gradient descent on a function that need not be smooth.

    x+ = x - step subgradient(x).

    Args:
        subgradient: any subgradient, e.g. ``jax.grad`` of the whole objective (`jax.grad(jnp.abs)(0.)` is 0).
        init: where to start; a pytree of floating arrays.
        step_size: a constant, or a schedule such as ``lambda t: 0.1 / jnp.sqrt(t + 1)``.
        steps: iterations.

    Returns:
        The last iterate. `diagnostics.residual` is the norm of the last subgradient; `converged` is whether it
        is exactly 0.

    Note: not a way to exact zeros. At a kink a constant step keeps jumping across, with an amplitude of
    step times slope; only a decaying step converges, and slowly.

    Reference: Shor (1985), "Minimization Methods for Non-Differentiable Functions", chapter 2.

    >>> jumping = subgradient_descent(jax.grad(jnp.abs), jnp.array(0.25), step_size=0.1, steps=101)
    >>> round(jumping.params.item(), 2), jumping.diagnostics.converged.item()
    (-0.05, False)
    """
    dtype = jnp.result_type(*jax.tree.leaves(init))

    def advance(state: _State) -> _State:
        step = _step_at(step_size, state.iteration, dtype)
        slope = subgradient(state.params)
        moved = jax.tree.map(lambda x, g: x - step * g, state.params, slope)
        return _State(moved, (), state.momentum, jnp.sqrt(_dot(slope, slope)), state.iteration + 1)

    start = _State(init, (), jnp.ones((), dtype), jnp.full((), jnp.inf, dtype), jnp.zeros((), jnp.int32))
    return _iterate(advance, start, steps, None)


def _iterate(advance: Callable[[_State], _State], start: _State, steps: int, tolerance: Scalar | None) -> Solution:
    if tolerance is None:
        end, _ = lax.scan(lambda state, _: (advance(state), None), start, length=steps)
        limit = jnp.zeros_like(end.residual)
    else:
        limit = jnp.asarray(tolerance, start.residual.dtype)
        # "not small enough", rather than "too large", would run on for ever at NaN: steps bound it either way.
        end = lax.while_loop(lambda state: (state.residual > limit) & (state.iteration < steps), advance, start)
    return Fit(end.params, SolverDiagnostics(end.residual, end.iteration, end.residual <= limit))


def _step_at(step_size: Step, iteration: Array, dtype: Any) -> Array:
    return jnp.asarray(step_size(iteration.astype(dtype)) if callable(step_size) else step_size, dtype)


def _dot(a: Any, b: Any) -> Array:
    products = [jnp.sum(x * y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)]
    return sum(products[1:], products[0])
