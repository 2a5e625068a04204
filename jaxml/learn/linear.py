"""Linear regression: least squares, ridge, lasso, elastic net, Huber.

Every fit minimises, over weights w and an intercept b that is never penalised,

    sum_i s_i loss(x_i . w + b - y_i) / sum_i s_i  +  l1 ||w||_1  +  l2/2 ||w||_2^2,

and returns ``Fit(params, diagnostics)`` with a duality gap. Penalties, tolerances, example weights and data may be
traced, vmapped and differentiated: derivatives of a solution follow from its optimality conditions (`implicit.py`).
Outside `jit` the data are checked; inside, data that are not finite, negative weights and strengths give parameters of
NaN, a zero total weight zeros, and neither touches another vmapped lane. A constant feature gets weight 0 (without an
intercept it acts as one). One row gives weight 0 and the row's target as the intercept. Cost: O(n d^2) an iteration;
memory per vmapped lane about n d (when its weights or data are its own) + 4 d^2 numbers.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Shaped

from jaxml.learn import losses
from jaxml.learn.checks import Data, check_data, check_strength
from jaxml.learn.fit import Fit
from jaxml.learn.glm import (
    Diagnostics,
    LinearParams,
    centre,
    centre_targets,
    centred,
    default_tolerance,
    fit_linear,
    lost_to_rounding,
)
from jaxml.learn.implicit import implicit_root
from jaxml.learn.newton import damped_solve
from jaxml.ops.checks import Scalar
from jaxml.ops.lapack import cholesky, solve_cholesky, svd

LinearFit = Fit[LinearParams, Diagnostics]
_fit = jax.jit(fit_linear, static_argnames=("loss", "groups", "intercept", "iterations"))


def fit_least_squares(
    X: Float[Data, "n d"],
    y: Shaped[Data, " n"],
    *,
    sample_weight: Float[Data, " n"] | None = None,
    intercept: bool = True,
) -> LinearFit:
    """Fit a line by least squares; among several minimisers, the one of least norm.

    (w, b) = argmin  sum_i s_i (x_i . w + b - y_i)^2 / (2 sum_i s_i), by the normal equations of centred features of
    one length, refined, or, where these are badly conditioned, by a singular value decomposition.

    Args:
        X: features, (n, d); d > n is fine.
        y: targets, (n,).
        sample_weight: weights s, (n,), >= 0; None means ones.
        intercept: whether to fit b.

    Returns:
        The fit. `diagnostics.residual` is the largest component of the gradient; `gap` is inf, since nothing bounds an
        unpenalised objective from below; `converged` is whether every
        component is rounding error, which grows with the root of n.

    Raises:
        ValueError: for mismatched shapes or, outside `jit`, values that are not finite or weights all zero.

    Note: not differentiable where features are linearly dependent. There the minimiser of least norm jumps with
    the rank; the derivative returned keeps the combination that the data leave undetermined.

    Reference: Golub and Van Loan (2013), "Matrix Computations", 4th ed., section 5.5.

    >>> X = jnp.array([[0.0], [1.0], [2.0]])
    >>> fit = fit_least_squares(X, jnp.array([1.0, 3.0, 5.0]))
    >>> fit.params.coef.round(4).tolist(), round(fit.params.intercept.item(), 4)
    ([2.0], 1.0)
    """
    X, y, omega = check_data("fit_least_squares", X, y, sample_weight, target="real")
    return _least_squares(X, y, omega, intercept=intercept)


@partial(jax.jit, static_argnames=("intercept",))
def _least_squares(X: Array, y: Array, omega: Array, *, intercept: bool) -> LinearFit:
    d = X.shape[1]
    # About the weighted mean the column of ones is orthogonal to the rest, and leaves their least norm alone.
    mean = omega @ X if intercept else jnp.zeros(d, X.dtype)
    A = centred(X, mean) if intercept else X
    y, level = centre_targets(losses.half_squared, y, intercept)

    def gradient(w: Array) -> Array:
        return (omega * losses.half_squared.slope(A @ w, y)) @ A

    w, slope = implicit_root(gradient, jnp.zeros(A.shape[1], X.dtype), lambda _: _least_norm(A, y, omega, gradient))
    slope = lax.stop_gradient(slope)
    coef = w[:d]
    params = LinearParams(coef, w[d] + level - mean @ coef if intercept else jnp.zeros((), X.dtype))
    # A component sums n products of a feature and a residual, which is a difference of terms of this size.
    length = jnp.sqrt(omega @ A**2)
    size = jnp.sqrt(jnp.sum(omega * y**2)) + jnp.sum(length * jnp.abs(w))
    rounding = (100 + jnp.sqrt(float(X.shape[0]))) * jnp.finfo(X.dtype).eps
    objective = jnp.sum(omega * losses.half_squared.value(A @ w, y))
    limit = default_tolerance(None, X.dtype) * objective + 2 * jnp.finfo(X.dtype).eps * jnp.sum(omega * y**2)
    converged = jnp.all(jnp.abs(slope) <= rounding * length * size) & ~(
        lost_to_rounding(params, X, omega, jnp.ones_like(y)) > limit
    )
    residual = jnp.max(jnp.abs(slope))
    count = jnp.ones((), jnp.int32)
    return Fit(params, Diagnostics(objective, jnp.full_like(objective, jnp.inf), residual, count, converged))


def _least_norm(A: Array, y: Array, omega: Array, gradient: Callable[[Array], Array]) -> tuple[Array, Array]:
    """The minimiser of least norm, and the gradient there."""
    n, p = A.shape
    root = jnp.sqrt(omega)
    weighted = A * root[:, None]

    def solver(scale: Array) -> tuple[Callable[[Array], Array], Array]:
        left, values, right = svd(weighted / scale[None, :])
        usable = values > max(n, p) * jnp.finfo(A.dtype).eps * values[0]
        undo = jnp.where(usable, 1 / jnp.where(usable, values, 1.0), 0.0)
        return lambda r: (undo * ((root * r) @ left)) @ right / scale, jnp.sum(usable)

    def plain() -> Array:
        return solver(jnp.ones(p, A.dtype))[0](y)

    if n < p:
        w = plain()
        return w, gradient(w)
    # With features of one length, which of them count does not depend on their units. Only where they are dependent
    # does the norm of the weights, in the units given, have a say.
    length = jnp.linalg.norm(weighted, axis=0)
    scale = jnp.where(length > 0, length, 1.0)
    unit = weighted / scale[None, :]
    factor = cholesky(unit.T @ unit + jnp.diag(jnp.where(length > 0, 0.0, 1.0)))

    def by_equations() -> Array:
        w = jnp.zeros_like(length)
        for _ in range(4):
            w = w + solve_cholesky(factor, ((root * (y - A @ w)) @ unit)[:, None])[:, 0] / scale
        return w

    def by_values() -> Array:
        solve, rank = solver(scale)
        w = solve(y)
        w = w + solve(y - A @ w)
        return lax.cond(rank == jnp.sum(length > 0), lambda: w, plain)

    # A decomposition of all rows takes up to a hundred times as long as the normal equations, which will do where their
    # condition leaves each refinement digits to win.
    pivot = jnp.min(jnp.diagonal(factor)) ** 2
    w = lax.cond(pivot > 100 * p * jnp.finfo(A.dtype).eps, by_equations, by_values)  # false for NaN
    return w, gradient(w)


def fit_ridge(
    X: Float[Data, "n d"],
    y: Shaped[Data, " n"],
    *,
    l2: Scalar,
    sample_weight: Float[Data, " n"] | None = None,
    intercept: bool = True,
    tolerance: Scalar | None = None,
    iterations: int = 100,
) -> LinearFit:
    """Fit ridge regression: least squares with a squared L2 penalty, which shrinks and never zeroes.

    (w, b) = argmin  sum_i s_i (x_i . w + b - y_i)^2 / (2 sum_i s_i) + l2/2 ||w||^2.

    Args:
        X: features, (n, d).
        y: targets, (n,).
        l2: strength, >= 0. scikit-learn's `Ridge(alpha)` is ``l2 = alpha / sum(s)``.
        sample_weight: weights s, (n,), >= 0; None means ones.
        intercept: whether to fit b.
        tolerance: largest accepted gap over objective; None is about 2e-12 in float64, 6e-6 in float32.
        iterations: most Newton steps: one solves, the next ones refine its rounding.

    Returns:
        The fit.

    Raises:
        ValueError: for mismatched shapes or, outside `jit`, values that are not finite or weights all zero.

    Reference: Hoerl and Kennard (1970), Technometrics 12(1), eq. 2.1.

    >>> X, y = jnp.array([[-1.0], [0.0], [1.0]]), jnp.array([-2.0, 0.0, 2.0])
    >>> fit_ridge(X, y, l2=2 / 3).params.coef.round(4).tolist()  # half of the least-squares weight 2
    [1.0]
    """
    X, y, omega = check_data("fit_ridge", X, y, sample_weight, target="real")
    [l2] = check_strength("fit_ridge", X.dtype, l2=l2)
    options = {"groups": None, "intercept": intercept, "tolerance": tolerance, "iterations": iterations}
    return _fit(losses.half_squared, X, y, omega, None, l1=None, l2=l2, **options)


def fit_lasso(
    X: Float[Data, "n d"],
    y: Shaped[Data, " n"],
    *,
    l1: Scalar,
    sample_weight: Float[Data, " n"] | None = None,
    intercept: bool = True,
    init: LinearParams | None = None,
    tolerance: Scalar | None = None,
    iterations: int = 100,
) -> LinearFit:
    """Fit the lasso: least squares with an L1 penalty, which makes weights exactly zero.

    (w, b) = argmin  sum_i s_i (x_i . w + b - y_i)^2 / (2 sum_i s_i) + l1 ||w||_1.

    Args:
        X: features, (n, d).
        y: targets, (n,).
        l1: strength, >= 0; scikit-learn's `alpha`. From max_j |cov(x_j, y)| on, all weights are zero.
        sample_weight: weights s, (n,), >= 0; None means ones.
        intercept: whether to fit b.
        init: where to start (see `regularization_path`); None is at zero.
        tolerance: largest accepted gap over objective; None is about 2e-12 in float64, 6e-6 in float32.
        iterations: most Newton steps.

    Returns:
        The fit.

    Raises:
        ValueError: for mismatched shapes or, outside `jit`, values that are not finite or weights all zero.

    Note: not unique where features are duplicates. Any split of their common weight is then a solution.

    Reference: Tibshirani (1996), J. Royal Statistical Society B 58(1), eq. 1.

    >>> X, y = jnp.array([[-1.0, 0.1], [0.0, -0.2], [1.0, 0.1]]), jnp.array([-2.0, 0.0, 2.0])
    >>> fit = fit_lasso(X, y, l1=1 / 3)
    >>> fit.params.coef.round(4).tolist(), bool(fit.diagnostics.converged)
    ([1.5, 0.0], True)
    """
    X, y, omega = check_data("fit_lasso", X, y, sample_weight, target="real")
    [l1] = check_strength("fit_lasso", X.dtype, l1=l1)
    options = {"groups": None, "intercept": intercept, "tolerance": tolerance, "iterations": iterations}
    return _fit(losses.half_squared, X, y, omega, init, l1=l1, l2=None, **options)


def fit_elastic_net(
    X: Float[Data, "n d"],
    y: Shaped[Data, " n"],
    *,
    l1: Scalar,
    l2: Scalar,
    sample_weight: Float[Data, " n"] | None = None,
    intercept: bool = True,
    init: LinearParams | None = None,
    tolerance: Scalar | None = None,
    iterations: int = 100,
) -> LinearFit:
    """Fit the elastic net: least squares with both penalties; correlated features share their weight.

    (w, b) = argmin  sum_i s_i (x_i . w + b - y_i)^2 / (2 sum_i s_i) + l1 ||w||_1 + l2/2 ||w||^2.

    Args:
        X: features, (n, d).
        y: targets, (n,).
        l1: strength of the L1 norm, >= 0; scikit-learn's ``alpha * l1_ratio``.
        l2: strength of the squared L2 norm, >= 0; scikit-learn's ``alpha * (1 - l1_ratio)``.
        sample_weight: weights s, (n,), >= 0; None means ones.
        intercept: whether to fit b.
        init: where to start (see `regularization_path`); None is at zero.
        tolerance: largest accepted gap over objective; None is about 2e-12 in float64, 6e-6 in float32.
        iterations: most Newton steps.

    Returns:
        The fit.

    Raises:
        ValueError: for mismatched shapes or, outside `jit`, values that are not finite or weights all zero.

    Reference: Zou and Hastie (2005), J. Royal Statistical Society B 67(2), eq. 3 (the "naive" elastic net).

    >>> X, y = jnp.array([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]]), jnp.array([-2.0, 0.0, 2.0])
    >>> [f"{weight:.1f}" for weight in fit_elastic_net(X, y, l1=0.1, l2=0.1).params.coef]  # duplicates share
    ['0.9', '0.9']
    """
    X, y, omega = check_data("fit_elastic_net", X, y, sample_weight, target="real")
    l1, l2 = check_strength("fit_elastic_net", X.dtype, l1=l1, l2=l2)
    options = {"groups": None, "intercept": intercept, "tolerance": tolerance, "iterations": iterations}
    return _fit(losses.half_squared, X, y, omega, init, l1=l1, l2=l2, **options)


def fit_huber(
    X: Float[Data, "n d"],
    y: Shaped[Data, " n"],
    *,
    delta: Scalar,
    l1: Scalar | None = None,
    l2: Scalar | None = None,
    sample_weight: Float[Data, " n"] | None = None,
    intercept: bool = True,
    tolerance: Scalar | None = None,
    iterations: int = 100,
) -> LinearFit:
    """Fit Huber regression: squared error for small residuals, absolute error for large ones.

    (w, b) = argmin  sum_i s_i huber_delta(x_i . w + b - y_i) / sum_i s_i + l1 ||w||_1 + l2/2 ||w||^2,
    huber_delta(r) = r^2 / 2 up to |r| = delta, then delta (|r| - delta / 2).

    Args:
        X: features, (n, d).
        y: targets, (n,).
        delta: where the loss becomes linear, > 0, in units of y. It is not scaled by an estimate of the noise. Far
            below the noise the problem becomes least absolute deviations and Newton's method slow; `converged` tells.
        l1: strength of the L1 norm, >= 0, or None.
        l2: strength of the squared L2 norm, >= 0, or None.
        sample_weight: weights s, (n,), >= 0; None means ones.
        intercept: whether to fit b.
        tolerance: largest accepted gap over objective; None is about 2e-12 in float64, 6e-6 in float32.
        iterations: most Newton steps, after ten of iteratively reweighted least squares.

    Returns:
        The fit.

    Raises:
        ValueError: for mismatched shapes or, outside `jit`, values that are not finite or weights all zero.

    Note: not scikit-learn's `HuberRegressor`, which fits a scale sigma too. Its solution is ours at
    ``delta = epsilon * sigma``, ``l2 = alpha * sigma / sum(s)``. Nor robust to outliers in X.

    Reference: Huber (1964), Annals of Mathematical Statistics 35(1), eq. 1.1 and example (iii).

    >>> X, y = jnp.arange(6.0)[:, None], jnp.array([0.0, 1.0, 2.0, 3.0, 4.0, 100.0])
    >>> f"{fit_huber(X, y, delta=0.1).params.coef[0]:.1f} {fit_least_squares(X, y).params.coef[0]:.1f}"
    '1.0 14.6'
    """
    X, y, omega = check_data("fit_huber", X, y, sample_weight, target="real")
    l1, l2 = check_strength("fit_huber", X.dtype, l1=l1, l2=l2)
    [delta] = check_strength("fit_huber", X.dtype, positive=True, delta=delta)
    options = {"intercept": intercept, "iterations": iterations}
    return _fit_huber(X, y, omega, delta, l1, l2, tolerance, **options)


@partial(jax.jit, static_argnames=("intercept", "iterations"))
def _fit_huber(
    X: Array,
    y: Array,
    omega: Array,
    delta: Scalar,
    l1: Scalar | None,
    l2: Scalar | None,
    tolerance: Scalar | None,
    *,
    intercept: bool,
    iterations: int,
) -> LinearFit:
    d = X.shape[1]
    delta = jnp.asarray(delta, X.dtype)
    A, mean = centre(X, intercept)
    ridge = jnp.where(jnp.arange(A.shape[1]) < d, jnp.asarray(0.0 if l2 is None else l2, X.dtype), 0.0)
    # Where the fit starts has no derivatives.
    targets, level = centre_targets(losses.half_squared, y, intercept)
    A, targets, shares, bend, ridge = (lax.stop_gradient(value) for value in (A, targets, omega, delta, ridge))

    # Newton's method has no curvature to go by where all residuals are large; reweighting gets it near.
    def reweight(w: Array, _: None) -> tuple[Array, None]:
        weight = shares * bend / jnp.maximum(jnp.abs(A @ w - targets), bend)
        return damped_solve((A * weight[:, None]).T @ A + jnp.diag(ridge), (weight * targets) @ A), None

    w, _ = lax.scan(reweight, jnp.zeros(d + intercept, X.dtype), length=10)
    init = LinearParams(w[:d], w[d] + level - lax.stop_gradient(mean) @ w[:d] if intercept else jnp.zeros((), X.dtype))
    return fit_linear(
        losses.huber(delta), X, y, omega, init, l1=l1, l2=l2, groups=None,
        intercept=intercept, tolerance=tolerance, iterations=iterations,
    )  # fmt: skip
