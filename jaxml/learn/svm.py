"""Support vector machines for two classes: linear, and with a kernel.

Both minimise, with f(x) = w . phi(x) + b and the intercept b never penalised,

    ||w||^2 / 2 + C sum_i s_i loss((2 y_i - 1) f(x_i)),

the objective that scikit-learn's `SVC` has. The hinge is solved in its dual by an interior-point method, the squared
hinge in the primal by Newton's. C, gamma, coef0, example weights and data may be traced and vmapped. Inside `jit` one
class only gives w = 0 and b = 1 or -1, a zero total weight w = 0 and b = 0 (the hinge).
"""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Shaped

from jaxml.learn import families
from jaxml.learn.checks import Data, check_data, check_strength
from jaxml.learn.glm import LinearParams, fit_linear, linear_predictor
from jaxml.learn.interior import BoxSolution, Operator, dense, low_rank, solve_box
from jaxml.ops.checks import Scalar, check_choice

Kernel = Literal["linear", "rbf", "poly"]


class KernelParams(NamedTuple):
    """A kernel machine: f(x) = sum_i dual_coef_i k(x_i, x) + intercept.

    The linear kernel is taken about the mean of `X`: as the coefficients sum to zero, that changes nothing but the
    intercept, and far from the origin it saves all digits.

    Attributes:
        dual_coef: (2 y_i - 1) alpha_i, (n,); zero up to rounding for rows that are no support vectors.
        intercept: ().
        X: the rows it was fitted on, (n, d).
        gamma, coef0: the kernel's parameters, as used.
    """

    dual_coef: Array
    intercept: Array
    X: Array
    gamma: Array
    coef0: Array


class SVMDiagnostics(NamedTuple):
    """The certificate of a support vector machine.

    Attributes:
        objective: value of the primal problem.
        gap: duality gap; the objective exceeds its minimum by at most this.
        kkt_residual: largest violation of a margin condition: 1 - margin_i where alpha_i < C s_i, margin_i - 1 where
            alpha_i > 0. For the squared hinge, largest component of the gradient.
        iterations: done.
        converged: whether gap <= tolerance * objective.
        support: rows with alpha_i > 0 (of the squared hinge: inside the margin), (n,).
        margin: 1 / ||w||, the distance from the boundary to where |f| = 1; inf for w = 0.
    """

    objective: Array
    gap: Array
    kkt_residual: Array
    iterations: Array
    converged: Array
    support: Array
    margin: Array


class SVMFit(NamedTuple):
    """A linear machine and its certificate."""

    params: LinearParams
    diagnostics: SVMDiagnostics


class KernelSVMFit(NamedTuple):
    """A kernel machine and its certificate."""

    params: KernelParams
    diagnostics: SVMDiagnostics


def fit_linear_svm(
    X: Float[Data, "n d"],
    y: Shaped[Data, " n"],
    *,
    C: Scalar = 1.0,
    loss: Literal["hinge", "squared_hinge"] = "hinge",
    sample_weight: Float[Data, " n"] | None = None,
    intercept: bool = True,
    tolerance: Scalar | None = None,
    iterations: int = 60,
) -> SVMFit:
    """Fit a linear support vector machine.

    (w, b) = argmin  ||w||^2 / 2 + C sum_i s_i max(0, 1 - (2 y_i - 1)(x_i . w + b))^q,  q = 1 or 2.

    Args:
        X: features, (n, d).
        y: classes 0 and 1, (n,), of any dtype.
        C: cost of a violated margin, > 0; a large one approaches the hard margin.
        loss: q, "hinge" (1) or "squared_hinge" (2).
        sample_weight: weights s, (n,), >= 0; None means ones.
        intercept: whether to fit b.
        tolerance: largest accepted gap over objective; None is eps^(2/3): 4e-11 in float64, 2e-5 in float32.
        iterations: most iterations.

    Returns:
        `SVMFit`; decision values are ``linear_predictor(fit.params, X)``, class 1 where positive. With the squared
        hinge its parameters are differentiable; with the hinge derivatives are 0.

    Raises:
        ValueError: for mismatched shapes, an unknown loss or, outside `jit`, values that are not finite, labels
            other than 0 and 1, one class only, or weights all zero.

    What it is not: scikit-learn's `LinearSVC`, which penalises the intercept.

    Reference: Cortes and Vapnik (1995), Machine Learning 20, eq. 22.

    >>> X, y = jnp.array([[-2.0], [-1.0], [1.0], [3.0]]), jnp.array([0, 0, 1, 1])
    >>> fit = fit_linear_svm(X, y, C=10.0)
    >>> f"{fit.params.coef[0]:.3f} {fit.diagnostics.margin:.3f}", fit.diagnostics.support.tolist()
    ('1.000 1.000', [False, True, True, False])
    """
    check_choice("fit_linear_svm", "loss", loss, ("hinge", "squared_hinge"))
    X, y, omega = check_data("fit_linear_svm", X, y, sample_weight, target="binary")
    cost = _costs("fit_linear_svm", omega, sample_weight, C)
    fit = _linear_hinge if loss == "hinge" else _linear_squared_hinge
    return fit(X, y, cost, _tolerance(tolerance, X.dtype), intercept=intercept, iterations=iterations)


def fit_kernel_svm(
    X: Float[Data, "n d"],
    y: Shaped[Data, " n"],
    *,
    C: Scalar = 1.0,
    kernel: Kernel = "rbf",
    gamma: Scalar | None = None,
    degree: int = 3,
    coef0: Scalar = 0.0,
    sample_weight: Float[Data, " n"] | None = None,
    tolerance: Scalar | None = None,
    iterations: int = 60,
) -> KernelSVMFit:
    """Fit a support vector machine with a kernel, in its dual.

    alpha = argmax  sum_i alpha_i - sum_ij alpha_i alpha_j z_i z_j k(x_i, x_j) / 2,  z = 2 y - 1,
    subject to 0 <= alpha_i <= C s_i and sum_i alpha_i z_i = 0.

    Args:
        X: features, (n, d).
        y: classes 0 and 1, (n,), of any dtype.
        C: cost of a violated margin, > 0.
        kernel: "linear" x.x', "rbf" exp(-gamma ||x - x'||^2), or "poly" (gamma x.x' + coef0)^degree.
        gamma: > 0; None means 1 / (d Var(X)) over all entries.
        degree: of "poly"; static.
        coef0: of "poly", >= 0.
        sample_weight: weights s, (n,), >= 0; None means ones.
        tolerance: largest accepted gap over objective; None is eps^(2/3): 4e-11 in float64, 2e-5 in float32.
        iterations: most iterations, each O(n^3).

    Returns:
        `KernelSVMFit`; decision values are ``kernel_decision(fit.params, X, kernel=..., degree=...)``.

    Raises:
        ValueError: for mismatched shapes, an unknown kernel or, outside `jit`, values that are not finite, labels
            other than 0 and 1, one class only, or weights all zero.

    What it is not: for large n. Memory is n^2 numbers a lane.

    Reference: Boser, Guyon and Vapnik (1992), COLT, eq. 11; soft margin: Cortes and Vapnik (1995), eq. 27.

    >>> X, y = jnp.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]), jnp.array([0, 0, 1, 1])
    >>> fit = fit_kernel_svm(X, y, C=100.0, gamma=1.0)  # XOR, which no line separates
    >>> (kernel_decision(fit.params, X) > 0).tolist()
    [False, False, True, True]
    """
    check_choice("fit_kernel_svm", "kernel", kernel, ("linear", "rbf", "poly"))
    X, y, omega = check_data("fit_kernel_svm", X, y, sample_weight, target="binary")
    if gamma is None:
        # The entries' mean of squares about one origin in their midst: nothing cancels.
        variance = jnp.var(X - jnp.mean(X))
        gamma = 1 / (X.shape[1] * jnp.where(variance > 0, variance, 1.0))
    [gamma] = check_strength("fit_kernel_svm", X.dtype, positive=True, gamma=gamma)
    [coef0] = check_strength("fit_kernel_svm", X.dtype, coef0=coef0)
    params = (gamma, coef0)
    cost = _costs("fit_kernel_svm", omega, sample_weight, C)
    tolerance = _tolerance(tolerance, X.dtype)
    return _kernel_hinge(X, y, cost, *params, tolerance, kernel=kernel, degree=degree, iterations=iterations)


def kernel_matrix(
    A: Float[Array, "m d"],
    B: Float[Array, "n d"],
    *,
    kernel: Kernel = "rbf",
    gamma: Scalar = 1.0,
    degree: int = 3,
    coef0: Scalar = 0.0,
) -> Float[Array, "m n"]:
    """Kernel values of all pairs of rows; the arguments are those of `fit_kernel_svm`.

    >>> f"{kernel_matrix(jnp.zeros((1, 2)), jnp.ones((1, 2)), gamma=0.5)[0, 0]:.4f}"  # exp(-1)
    '0.3679'
    """
    if kernel == "linear":
        return A @ B.T
    if kernel == "poly":
        return (gamma * (A @ B.T) + coef0) ** degree
    return jnp.exp(-gamma * _squared_distances(A, B))


@jax.custom_jvp
@jax.jit
def _squared_distances(A: Array, B: Array) -> Array:
    # ||a||^2 - 2 a.b + ||b||^2 would lose the distance of close rows that are far from the origin. Compiled, the
    # differences of all pairs are never stored.
    return jnp.sum((A[:, None, :] - B[None, :, :]) ** 2, axis=2)


@_squared_distances.defjvp
def _squared_distances_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    # 2 (a - b).(da - db), as products of matrices, which need not store the differences either.
    origin = lax.stop_gradient(jnp.mean(primals[1], axis=0))[None, :]
    (A, B), (dA, dB) = (value - origin for value in primals), tangents
    lengths = jnp.sum(A * dA, axis=1)[:, None] + jnp.sum(B * dB, axis=1)[None, :]
    return _squared_distances(*primals), 2 * (lengths - A @ dB.T - dA @ B.T)


def _training_kernel(X: Array, rows: Array, *, kernel: Kernel, gamma: Scalar, degree: int, coef0: Scalar) -> Array:
    """Kernel values of `X` with the rows of a fit, the linear kernel about their mean."""
    origin = jnp.mean(rows, axis=0) if kernel == "linear" else jnp.zeros((), rows.dtype)
    shifted = [value - jnp.broadcast_to(origin, value.shape) for value in (X, rows)]
    return kernel_matrix(*shifted, kernel=kernel, gamma=gamma, degree=degree, coef0=coef0)


def kernel_decision(
    params: KernelParams, X: Float[Data, "m d"], *, kernel: Kernel = "rbf", degree: int = 3
) -> Float[Array, " m"]:
    """Decision values of a kernel machine, class 1 where positive; `kernel` and `degree` as it was fitted.

    >>> params = KernelParams(jnp.ones(1), jnp.array(-0.5), jnp.zeros((1, 2)), jnp.array(1.0), jnp.array(0.0))
    >>> kernel_decision(params, jnp.zeros((1, 2))).tolist()
    [0.5]
    """
    values = _training_kernel(
        jnp.asarray(X), params.X, kernel=kernel, gamma=params.gamma, degree=degree, coef0=params.coef0
    )
    return values @ params.dual_coef + params.intercept


@partial(jax.jit, static_argnames=("intercept", "iterations"))
def _linear_hinge(X: Array, y: Array, cost: Array, tolerance: Scalar, *, intercept: bool, iterations: int) -> SVMFit:
    X, y, cost = (lax.stop_gradient(value) for value in (X, y, cost))
    sign = _silenced(2 * y - 1, cost)
    # The equality makes the dual blind to shifts of the features; about their mean nothing cancels.
    mean = jnp.mean(X, axis=0) if intercept else jnp.zeros(X.shape[1], X.dtype)
    A = sign[:, None] * (X - mean[None, :])
    solution = _solve(low_rank(A), sign if intercept else None, cost, tolerance, iterations)
    coef = A.T @ solution.alpha
    params = LinearParams(coef, solution.level - mean @ coef)
    margins = sign * linear_predictor(params, X)
    return SVMFit(params, _certify(solution, jnp.sum(coef**2), margins, cost, tolerance))


@partial(jax.jit, static_argnames=("intercept", "iterations"))
def _linear_squared_hinge(
    X: Array, y: Array, cost: Array, tolerance: Scalar, *, intercept: bool, iterations: int
) -> SVMFit:
    total = jnp.maximum(jnp.sum(cost), jnp.finfo(X.dtype).tiny)
    fit = fit_linear(
        families.squared_hinge, X, y, cost / total, None, l1=None, l2=1 / total, groups=None,
        intercept=intercept, tolerance=tolerance, iterations=iterations,
    )  # fmt: skip
    found = fit.diagnostics
    support = ((2 * y - 1) * linear_predictor(fit.params, X) < 1) & (cost > 0)
    diagnostics = SVMDiagnostics(
        found.objective * total, found.gap * total, found.residual * total, found.iterations, found.converged,
        support, _margin(jnp.sum(fit.params.coef**2)),
    )  # fmt: skip
    return SVMFit(fit.params, diagnostics)


@partial(jax.jit, static_argnames=("kernel", "degree", "iterations"))
def _kernel_hinge(
    X: Array,
    y: Array,
    cost: Array,
    gamma: Array,
    coef0: Array,
    tolerance: Scalar,
    *,
    kernel: Kernel,
    degree: int,
    iterations: int,
) -> KernelSVMFit:
    X, cost, gamma, coef0 = (lax.stop_gradient(value) for value in (X, cost, gamma, coef0))
    sign = _silenced(2 * y - 1, cost)
    K = _training_kernel(X, X, kernel=kernel, gamma=gamma, degree=degree, coef0=coef0)
    solution = _solve(dense(sign[:, None] * K * sign[None, :]), sign, cost, tolerance, iterations)
    dual_coef = sign * solution.alpha
    values = K @ dual_coef
    margins = sign * (values + solution.level)
    params = KernelParams(dual_coef, solution.level, X, gamma, coef0)
    return KernelSVMFit(params, _certify(solution, jnp.sum(dual_coef * values), margins, cost, tolerance))


def _solve(operator: Operator, sign: Array | None, cost: Array, tolerance: Scalar, iterations: int) -> BoxSolution:
    # What cannot be solved is NaN throughout, rather than rows that do not count.
    unusable = jnp.isnan(jnp.sum(cost) + jnp.sum(operator.apply(jnp.ones_like(cost))))
    # A row of weight 0 keeps a box, so that there is an interior, but nothing pulls at it: `_silenced` saw to that.
    counts = cost > 0
    gain = counts.astype(cost.dtype)
    box = jnp.where(counts, cost, jnp.maximum(jnp.max(cost), jnp.finfo(cost.dtype).tiny ** 0.25))

    def excess(alpha: Array, level: Array) -> Array:
        applied = operator.apply(alpha)
        norm = jnp.sum(alpha * applied)
        margins = applied if sign is None else applied + sign * level
        objective = norm / 2 + jnp.sum(cost * jnp.maximum(1 - margins, 0.0))
        unbalanced = 0.0 if sign is None else jnp.abs(level * jnp.sum(sign * alpha))
        gap = jnp.abs(objective - jnp.sum(gain * alpha) + norm / 2) + unbalanced
        return gap / jnp.maximum(objective, jnp.finfo(cost.dtype).tiny)

    found = solve_box(operator, sign, gain, box, excess=excess, tolerance=tolerance, iterations=iterations)
    alpha = jnp.where(counts, found.alpha, 0.0)
    alpha = jnp.where(unusable, jnp.nan, alpha)
    if sign is None:
        return found._replace(alpha=alpha)
    # With one class the equality leaves no interior, and the solution is plain: w = 0, b on the side of that class.
    both = jnp.any(sign > 0) & jnp.any(sign < 0)
    side = jnp.sign(jnp.sum(sign))
    return BoxSolution(
        jnp.where(both | unusable, alpha, 0.0),
        jnp.where(unusable, jnp.nan, jnp.where(both, found.level, side)),
        found.iterations,
        jnp.where(both | unusable, found.excess, 0.0),
    )


def _silenced(sign: Array, cost: Array) -> Array:
    """Signs, 0 for rows of weight 0: such a row drops out of the matrix and of the equality."""
    return jnp.where(cost > 0, sign, 0.0)


def _certify(solution: BoxSolution, norm: Array, margins: Array, cost: Array, tolerance: Scalar) -> SVMDiagnostics:
    alpha = solution.alpha
    objective = norm / 2 + jnp.sum(cost * jnp.maximum(1 - margins, 0.0))
    # Inside the box, alpha is never exactly 0 or C: what is this close to an end belongs there.
    near = jnp.finfo(alpha.dtype).eps ** (1 / 3) * cost
    below, above = (alpha < cost - near) & (cost > 0), (alpha > near) & (cost > 0)
    violated = jnp.maximum(jnp.where(below, 1 - margins, 0.0), jnp.where(above, margins - 1, 0.0))
    return SVMDiagnostics(
        objective, objective - jnp.sum(alpha) + norm / 2, jnp.max(jnp.maximum(violated, 0.0)), solution.iterations,
        (solution.excess <= tolerance) & jnp.isfinite(objective), above, _margin(norm),
    )  # fmt: skip


def _margin(norm: Array) -> Array:
    return jnp.where(norm > 0, 1 / jnp.sqrt(jnp.where(norm > 0, norm, 1.0)), jnp.inf)


def _costs(where: str, omega: Array, sample_weight: Shaped[Data, " n"] | None, C: Scalar) -> Array:
    """C s_i in the features' dtype, NaN where the checks made the weights NaN."""
    [strength] = check_strength(where, omega.dtype, positive=True, C=C)
    weight = jnp.ones_like(omega) if sample_weight is None else jnp.asarray(sample_weight, omega.dtype)
    return strength * jnp.where(jnp.isnan(omega), omega, weight)


def _tolerance(tolerance: Scalar | None, dtype: jnp.dtype) -> Scalar:
    return float(jnp.finfo(dtype).eps) ** (2 / 3) if tolerance is None else tolerance
