"""Support vector machines for two classes: linear, and with a kernel.

Both minimise, with f(x) = w . phi(x) + b and the intercept b never penalised,

    ||w||^2 / 2 + C sum_i s_i loss((2 y_i - 1) f(x_i)),

the objective that scikit-learn's `SVC` has. The hinge is solved in its dual, of a linear machine by an interior-point
method, of a kernel machine pair by pair; the squared hinge in the primal by Newton's method. C, gamma, coef0, example
weights and data may be traced and vmapped. Inside `jit` one class only gives w = 0 and b = 1 or -1, a zero total weight
w = 0 and b = 0 (the hinge).
"""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Shaped

from jaxml.learn import losses
from jaxml.learn.checks import Data, check_data, check_strength
from jaxml.learn.fit import Fit
from jaxml.learn.glm import LinearParams, fit_linear, linear_predictor
from jaxml.learn.hinge import HingeCertificate, certify
from jaxml.learn.interior import solve_box
from jaxml.learn.kernels import Kernel, KernelParams, kernel_rounding, training_kernel
from jaxml.learn.pairs import solve_pairs
from jaxml.ops.checks import Scalar, check_choice


class SVMDiagnostics(NamedTuple):
    """The certificate of a support vector machine.

    Attributes:
        objective: value of the primal problem.
        gap: duality gap, with what rounding may hide of it; the objective exceeds its minimum by at most this.
        residual: largest violation of a margin condition: 1 - margin_i where alpha_i < C s_i, margin_i - 1 where
            alpha_i > 0. For the squared hinge, largest component of the gradient.
        iterations: done; steps of a kernel machine.
        converged: whether gap <= tolerance * objective.
        support: rows with alpha_i > 0 (of the squared hinge: inside the margin), (n,).
        margin: 1 / ||w||, the distance from the boundary to where |f| = 1; inf for w = 0.
    """

    objective: Array
    gap: Array
    residual: Array
    iterations: Array
    converged: Array
    support: Array
    margin: Array


SVMFit = Fit[LinearParams, SVMDiagnostics]
KernelSVMFit = Fit[KernelParams, SVMDiagnostics]


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
        The fit; decision values are ``linear_predictor(fit.params, X)``, class 1 where positive. With the squared
        hinge its parameters are differentiable; with the hinge derivatives are 0.

    Raises:
        ValueError: for mismatched shapes, an unknown loss or, outside `jit`, values that are not finite, labels
            other than 0 and 1, one class only, or weights all zero.

    Note: not scikit-learn's `LinearSVC`, which penalises the intercept.

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
    return fit(X, y, cost, _tolerance(tolerance, X.dtype, 2 / 3), intercept=intercept, iterations=iterations)


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
    iterations: int = 1_000_000,
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
        tolerance: largest accepted gap over objective; None is eps^0.55: 2e-9 in float64, 2e-4 in float32.
        iterations: most steps, each O(n); some two times n are usual, many more where C is large.

    Returns:
        The fit; decision values are ``kernel_decision(fit.params, X)``. Derivatives of its parameters are 0.

    Raises:
        ValueError: for mismatched shapes, an unknown kernel or, outside `jit`, values that are not finite, labels
            other than 0 and 1, one class only, or weights all zero.

    Note: not for large n. Memory is n^2 numbers a lane.

    Reference: Boser, Guyon and Vapnik (1992), COLT, eq. 11; soft margin: Cortes and Vapnik (1995), eq. 27; the method:
    Fan, Chen and Lin (2005), JMLR 6.

    >>> from jaxml.learn import kernel_decision
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
    tolerance = _tolerance(tolerance, X.dtype, 0.55)
    return _kernel_hinge(X, y, cost, *params, tolerance, kernel=kernel, degree=degree, iterations=iterations)


@partial(jax.jit, static_argnames=("intercept", "iterations"))
def _linear_hinge(X: Array, y: Array, cost: Array, tolerance: Scalar, *, intercept: bool, iterations: int) -> SVMFit:
    X, y, cost = (lax.stop_gradient(value) for value in (X, y, cost))
    sign = _silenced(2 * y - 1, cost)
    # The equality makes the dual blind to shifts of the features; about their mean nothing cancels.
    mean = jnp.mean(X, axis=0) if intercept else jnp.zeros(X.shape[1], X.dtype)
    A = sign[:, None] * (X - mean[None, :])
    size = jnp.abs(A)
    # A row of weight 0 keeps a box, so that there is an interior, but nothing pulls at it: `_silenced` saw to that.
    counts = cost > 0
    gain = counts.astype(cost.dtype)
    box = jnp.where(counts, cost, jnp.maximum(jnp.max(cost), jnp.finfo(cost.dtype).tiny ** 0.25))
    both = jnp.any(sign > 0) & jnp.any(sign < 0) if intercept else jnp.any(counts)

    def settle(alpha: Array, coef: Array, level: Array) -> tuple[Array, Array, Array, HingeCertificate]:
        # With one class the equality leaves no interior, and the solution is plain: w = 0, b on that class's side.
        alpha, coef = jnp.where(counts & both, alpha, 0.0), jnp.where(both, coef, 0.0)
        level = jnp.where(both, level, jnp.sign(jnp.sum(sign))) if intercept else jnp.zeros_like(level)
        slack = gain - (A @ coef + sign * level)
        # What margins lose in being summed and, far from the origin, in the intercept of the features as they are.
        lost = size @ jnp.abs(coef) + jnp.abs(mean @ coef) / 2
        apart = jnp.sum((coef - alpha @ A) ** 2) / 2 + jnp.abs(level * jnp.sum(sign * alpha))
        return coef, level, alpha, certify(alpha, slack, jnp.finfo(X.dtype).eps * lost, cost, jnp.sum(coef**2), apart)

    excess = lambda alpha, coef, level: settle(alpha, coef, level)[3].excess  # noqa: E731
    found = solve_box(
        A, sign if intercept else None, gain, box, excess=excess, tolerance=tolerance, iterations=iterations
    )
    coef, level, alpha, certificate = settle(found.alpha, found.coef, found.level)
    # Inside the box, alpha is never exactly 0 or C: what is this close to an end belongs there.
    near = jnp.finfo(X.dtype).eps ** (1 / 3) * jnp.minimum(cost, jnp.max(alpha))
    alpha = jnp.where(alpha <= near, 0.0, jnp.where(alpha >= cost - near, cost, alpha))
    usable = jnp.isfinite(jnp.sum(cost) + jnp.sum(A))
    factor = jnp.where(usable, certificate.stretch, jnp.nan)
    params = LinearParams(factor * coef, factor * (level - mean @ coef))
    return Fit(params, _diagnose(certificate, alpha, cost, found.iterations, usable, tolerance))


@partial(jax.jit, static_argnames=("intercept", "iterations"))
def _linear_squared_hinge(
    X: Array, y: Array, cost: Array, tolerance: Scalar, *, intercept: bool, iterations: int
) -> SVMFit:
    total = jnp.maximum(jnp.sum(cost), jnp.finfo(X.dtype).tiny)
    fit = fit_linear(
        losses.squared_hinge, X, y, cost / total, None, l1=None, l2=1 / total, groups=None,
        intercept=intercept, tolerance=tolerance, iterations=iterations,
    )  # fmt: skip
    found = fit.diagnostics
    support = ((2 * y - 1) * linear_predictor(fit.params, X) < 1) & (cost > 0)
    diagnostics = SVMDiagnostics(
        found.objective * total, found.gap * total, found.residual * total, found.iterations, found.converged,
        support, _margin(jnp.sum(fit.params.coef**2)),
    )  # fmt: skip
    return Fit(fit.params, diagnostics)


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
    K = training_kernel(X, X, kernel=kernel, gamma=gamma, degree=degree, coef0=coef0)
    rounding = partial(kernel_rounding, K, kernel=kernel, degree=degree)
    found = solve_pairs(K, sign, cost, rounding=rounding, tolerance=tolerance, iterations=iterations)
    # What cannot be solved is NaN throughout, rather than rows that do not count.
    usable = jnp.isfinite(jnp.sum(cost) + jnp.sum(K))
    factor = jnp.where(usable, found.certificate.stretch, jnp.nan)
    params = KernelParams(factor * found.coef, factor * found.level, X, gamma, coef0, kernel, degree)
    diagnostics = _diagnose(found.certificate, jnp.abs(found.coef), cost, found.steps, usable, tolerance)
    return Fit(params, diagnostics)


def _silenced(sign: Array, cost: Array) -> Array:
    """Signs, 0 for rows of weight 0: such a row drops out of the matrix and of the equality."""
    return jnp.where(cost > 0, sign, 0.0)


def _diagnose(
    found: HingeCertificate, alpha: Array, cost: Array, iterations: Array, usable: Array, tolerance: Scalar
) -> SVMDiagnostics:
    violated = jnp.maximum(jnp.where(alpha < cost, found.slack, 0.0), jnp.where(alpha > 0, -found.slack, 0.0))
    return SVMDiagnostics(
        found.objective, found.gap, jnp.max(jnp.maximum(violated, 0.0)), iterations,
        (found.excess <= tolerance) & usable, alpha > 0, _margin(found.norm),
    )  # fmt: skip


def _margin(norm: Array) -> Array:
    return jnp.where(norm > 0, 1 / jnp.sqrt(jnp.where(norm > 0, norm, 1.0)), jnp.inf)


def _costs(where: str, omega: Array, sample_weight: Shaped[Data, " n"] | None, C: Scalar) -> Array:
    """C s_i in the features' dtype, NaN where the checks made the weights NaN."""
    [strength] = check_strength(where, omega.dtype, positive=True, C=C)
    weight = jnp.ones_like(omega) if sample_weight is None else jnp.asarray(sample_weight, omega.dtype)
    return strength * jnp.where(jnp.isnan(omega), omega, weight)


def _tolerance(tolerance: Scalar | None, dtype: jnp.dtype, power: float) -> Scalar:
    return float(jnp.finfo(dtype).eps) ** power if tolerance is None else tolerance
