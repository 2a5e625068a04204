"""Logistic regression, binary and multinomial, with no, L1, L2, elastic-net or group penalty.

Every fit minimises, over weights w and intercepts b that are never penalised,

    sum_i s_i cross_entropy_i / sum_i s_i  +  l1 ||w||_1  +  l2/2 ||w||_2^2,

(with `groups`, l1 sum_g sqrt(size_g) ||w_g||_2 in place of l1 ||w||_1) and returns a duality gap. scikit-learn's C is
``1 / (strength * sum(s))``. Penalties, tolerances, example weights and features may be traced, vmapped and
differentiated. Outside `jit` the data are checked; inside, labels outside the classes, data that are not finite,
negative weights and strengths give parameters of NaN, one class only sends the intercept towards infinity until the
iterations end (`converged` is False without harm to other lanes), a zero total weight gives zero weights, a constant
feature weight 0.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from jaxml.learn import families
from jaxml.learn.checks import Data, check_data, check_strength, known, normalised
from jaxml.learn.glm import (
    Diagnostics,
    Fit,
    LinearParams,
    centre,
    check_groups,
    default_tolerance,
    diagnose,
    fit_linear,
    linear_predictor,
    make_penalty,
)
from jaxml.learn.implicit import implicit_minimise
from jaxml.learn.newton import Smooth
from jaxml.learn.penalty import Penalty, dual_scale, penalty_conjugate, penalty_value
from jaxml.ops.checks import Scalar, check_shapes

ClassWeight = Float[Data, " classes"] | Literal["balanced"] | None


class LogisticDiagnostics(NamedTuple):
    """`Diagnostics`, and whether the classes came apart.

    Attributes:
        objective, gap, residual, iterations, converged: as in `Diagnostics`.
        separated: whether the fit classifies every row of positive weight rightly. Without a penalty there is then
            no minimiser: the weights grow for as long as one iterates, and `converged` is False.
    """

    objective: Array
    gap: Array
    residual: Array
    iterations: Array
    converged: Array
    separated: Array


class LogisticFit(NamedTuple):
    """Fitted parameters and their certificate."""

    params: LinearParams
    diagnostics: LogisticDiagnostics


def fit_logistic(
    X: Float[Data, "n d"],
    y: Shaped[Data, " n"],
    *,
    l1: Scalar | None = None,
    l2: Scalar | None = None,
    groups: Sequence[int] | None = None,
    class_weight: ClassWeight = None,
    sample_weight: Float[Data, " n"] | None = None,
    intercept: bool = True,
    init: LinearParams | None = None,
    tolerance: Scalar | None = None,
    iterations: int = 50,
) -> LogisticFit:
    """Fit binary logistic regression.

    (w, b) = argmin  sum_i s_i log(1 + exp(-(2 y_i - 1)(x_i . w + b))) / sum_i s_i + l1 ||w||_1 + l2/2 ||w||^2.

    Args:
        X: features, (n, d).
        y: classes 0 and 1, (n,), of any dtype.
        l1: strength of the L1 norm, >= 0, or None for no such term.
        l2: strength of the squared L2 norm, >= 0, or None.
        groups: a group id per feature; the L1 norm becomes sum_g sqrt(size_g) ||w_g||_2, so that groups vanish whole.
        class_weight: factor of each class's rows, (2,), or "balanced" for equal totals.
        sample_weight: weights s, (n,), >= 0; None means ones.
        intercept: whether to fit b.
        init: where to start (see `regularization_path`); None is at zero.
        tolerance: largest accepted gap over objective; None is about 2e-12 in float64, 6e-6 in float32.
        iterations: most Newton steps.

    Returns:
        `LogisticFit`; logits are ``linear_predictor(fit.params, X)``.

    Raises:
        ValueError: for mismatched shapes or, outside `jit`, values that are not finite, labels other than 0 and 1,
            one class only, or weights all zero.

    What it is not: a finite answer for separable classes without a penalty. None exists; `diagnostics.separated`.

    Reference: Friedman, Hastie and Tibshirani (2010), J. Statistical Software 33(1), eq. 14; groups: Meier, van de
    Geer and Buehlmann (2008), J. Royal Statistical Society B 70(1), eq. 2.2.

    >>> from jaxml.data import load_problem
    >>> problem = load_problem("breast_cancer", standardize=True)
    >>> fit = fit_logistic(problem.X.astype(np.float32), problem.y, l1=0.1)
    >>> int((fit.params.coef != 0).sum()), bool(fit.diagnostics.converged)
    (4, True)
    """
    where = "fit_logistic"
    X, y, omega = check_data(where, X, y, sample_weight, target="binary")
    check_groups(where, groups, l1, X.shape[1])
    l1, l2 = check_strength(where, X.dtype, l1=l1, l2=l2)
    omega = _class_weighted(where, omega, y.astype(jnp.int32), class_weight, 2)
    return _fit_logistic(
        X, y, omega, init, l1, l2, tolerance,
        groups=_hashable(groups), intercept=intercept, iterations=iterations,
    )  # fmt: skip


@partial(jax.jit, static_argnames=("groups", "intercept", "iterations"))
def _fit_logistic(
    X: Array,
    y: Array,
    omega: Array,
    init: LinearParams | None,
    l1: Scalar | None,
    l2: Scalar | None,
    tolerance: Scalar | None,
    *,
    groups: tuple[int, ...] | None,
    intercept: bool,
    iterations: int,
) -> LogisticFit:
    fit = fit_linear(
        families.logistic, X, y, omega, init, l1=l1, l2=l2, groups=groups,
        intercept=intercept, tolerance=tolerance, iterations=iterations,
    )  # fmt: skip
    margin = (2 * y - 1) * linear_predictor(fit.params, X)
    return _judge(fit, jnp.all((margin > 0) | (omega == 0)), l1, l2)


def fit_softmax(
    X: Float[Data, "n d"],
    y: Int[Data, " n"],
    *,
    classes: int | None = None,
    l1: Scalar | None = None,
    l2: Scalar | None = None,
    groups: Sequence[int] | None = None,
    class_weight: ClassWeight = None,
    sample_weight: Float[Data, " n"] | None = None,
    intercept: bool = True,
    tolerance: Scalar | None = None,
    iterations: int = 50,
) -> LogisticFit:
    """Fit multinomial logistic regression: one weight vector per class, all of them penalised alike.

    (W, b) = argmin  sum_i s_i (logsumexp(z_i) - z_i[y_i]) / sum_i s_i + l1 ||W||_1 + l2/2 ||W||_F^2,
    z_i = x_i W + b.

    Args:
        X: features, (n, d).
        y: class indices 0..K-1, (n,).
        classes: K, at least 2; None takes the largest index plus one, which needs known values of y.
        l1: strength of the L1 norm, >= 0, or None for no such term.
        l2: strength of the squared L2 norm, >= 0, or None.
        groups: a group id per feature; a group holds its features' weights of all classes, and the L1 norm becomes
            sum_g sqrt(size_g) ||W_g||_F. ``groups=range(d)`` selects whole features.
        class_weight: factor of each class's rows, (K,), or "balanced" for equal totals.
        sample_weight: weights s, (n,), >= 0; None means ones.
        intercept: whether to fit b.
        tolerance: largest accepted gap over objective; None is about 2e-12 in float64, 6e-6 in float32.
        iterations: most Newton steps. One costs O(n (d K)^2 + (d K)^3).

    Returns:
        `LogisticFit` with coef (d, K) and intercept (K,), which sums to zero.

    Raises:
        ValueError: for mismatched shapes, labels that are not integers or, outside `jit`, values that are not
            finite, labels out of range, one class only, or weights all zero; when `classes` is missing under `jit`.

    What it is not: the binary fit when K = 2. The two weight vectors there are penalised separately, so that
    ``fit_logistic(l2=l2)`` equals ``fit_softmax(l2=2 * l2)``, with coef[:, 1] - coef[:, 0] in place of coef.

    Reference: Friedman, Hastie and Tibshirani (2010), J. Statistical Software 33(1), section 4.

    >>> X, y = jnp.array([[0.0], [1.0], [2.0], [3.0]]), jnp.array([0, 1, 1, 2])
    >>> fit = fit_softmax(X, y, l2=0.1)
    >>> linear_predictor(fit.params, X).argmax(axis=1).tolist()
    [0, 1, 1, 2]
    """
    where = "fit_softmax"
    if classes is None:
        if not known(y):
            raise ValueError(
                f"{where}: 'classes' must be given where the values of y are unknown, as inside jit or vmap."
            )
        classes = max(int(np.max(np.asarray(y), initial=0)) + 1, 2)
    X, y, omega = check_data(where, X, y, sample_weight, target="classes", classes=classes)
    check_groups(where, groups, l1, X.shape[1])
    l1, l2 = check_strength(where, X.dtype, l1=l1, l2=l2)
    omega = _class_weighted(where, omega, y, class_weight, classes)
    return _fit_softmax(
        X, y, omega, l1, l2, tolerance,
        classes=classes, groups=_hashable(groups), intercept=intercept, iterations=iterations,
    )  # fmt: skip


@partial(jax.jit, static_argnames=("classes", "groups", "intercept", "iterations"))
def _fit_softmax(
    X: Array,
    y: Array,
    omega: Array,
    l1: Scalar | None,
    l2: Scalar | None,
    tolerance: Scalar | None,
    *,
    classes: int,
    groups: tuple[int, ...] | None,
    intercept: bool,
    iterations: int,
) -> LogisticFit:
    d, dtype = X.shape[1], X.dtype
    penalty = make_penalty(d, l1, l2, groups, intercept=intercept, dtype=dtype, columns=classes)
    A, mean = centre(X, intercept)
    smooth = _softmax_data_term(A, jax.nn.one_hot(y, classes, dtype=dtype), omega, intercept=intercept)
    w, certificate = implicit_minimise(
        smooth,
        penalty,
        jnp.zeros(A.shape[1] * classes, dtype),
        tolerance=default_tolerance(tolerance, dtype),
        iterations=iterations,
    )
    W = w.reshape(-1, classes)
    coef = W[:d]
    level = W[d] - mean @ coef if intercept else jnp.zeros(classes, dtype)
    # Adding a constant to all intercepts changes no probability: of all solutions, return the balanced one.
    params = LinearParams(coef, level - jnp.mean(level))
    objective = smooth.value(smooth.predict(w)) + penalty_value(penalty, w)
    logits = linear_predictor(params, X)
    rival = jnp.max(jnp.where(jnp.arange(classes, dtype=y.dtype)[None, :] == y[:, None], -jnp.inf, logits), axis=1)
    margin = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0] - rival
    fit = Fit(params, diagnose(objective, certificate))
    return _judge(fit, jnp.all((margin > 0) | (omega == 0)), l1, l2)


def _softmax_data_term(A: Array, Y: Array, omega: Array, *, intercept: bool) -> Smooth:
    """sum_i omega_i (logsumexp(z_i) - z_i . Y_i),  z = A W,  W flattened row by row."""
    p, classes = A.shape[1], Y.shape[1]
    frequency = omega @ Y

    def hessian(z: Array) -> Array:
        P = jax.nn.softmax(z)
        # d^2 / dz_k dz_l = p_k (1[k = l] - p_l): the diagonal part first, then the rank-one part, as two products.
        same = jnp.einsum("nk,ni,nj->kij", omega[:, None] * P, A, A)
        B = (A[:, :, None] * P[:, None, :]).reshape(-1, p * classes)
        blocks = jnp.einsum("kij,kl->ikjl", same, jnp.eye(classes, dtype=z.dtype))
        return blocks.reshape(p * classes, -1) - (B * omega[:, None]).T @ B

    def negative_entropy(P: Array) -> Array:
        P = jnp.clip(P, 0.0, 1.0)
        return jnp.sum(omega * jnp.sum(jax.scipy.special.xlogy(P, P), axis=1))

    def balanced(P: Array) -> Array:
        """Probabilities near P whose weighted mean is that of the classes, as a free intercept asks."""
        shifted = P + (frequency - omega @ P)[None, :]
        toward = frequency[None, :] - shifted
        # The least step towards the constant `frequency`, which qualifies, that leaves nothing negative.
        t = jnp.max(jnp.where(shifted < 0, -shifted / jnp.where(shifted < 0, toward, 1.0), 0.0))
        return shifted + jnp.clip(t, 0.0, 1.0) * toward

    def bound(z: Array, penalty: Penalty) -> Array:
        P = jax.nn.softmax(z)
        U = (balanced(P) if intercept else P) - Y
        V = -(A.T @ (omega[:, None] * U))
        v = (V.at[-1].set(0.0) if intercept else V).ravel()
        c = dual_scale(penalty, v)
        scaled = jnp.where(c > 0, -negative_entropy(Y + c * U), -jnp.inf)
        return jnp.maximum(scaled, -negative_entropy(Y + U) - penalty_conjugate(penalty, v))

    return Smooth(
        predict=lambda w: A @ w.reshape(p, classes),
        value=lambda z: jnp.sum(omega * (jax.nn.logsumexp(z, axis=1) - jnp.sum(z * Y, axis=1))),
        gradient=lambda z: (A.T @ (omega[:, None] * (jax.nn.softmax(z) - Y))).ravel(),
        hessian=hessian,
        bound=bound,
    )


def _judge(fit: Fit, separated: Array, l1: Scalar | None, l2: Scalar | None) -> LogisticFit:
    penalised = jnp.zeros((), bool)
    for strength in (l1, l2):
        penalised |= jnp.asarray(0.0 if strength is None else strength) > 0
    known_part: Diagnostics = fit.diagnostics
    converged = known_part.converged & (penalised | ~separated)
    return LogisticFit(fit.params, LogisticDiagnostics(*known_part._replace(converged=converged), separated=separated))


def _class_weighted(where: str, omega: Array, y: Array, class_weight: ClassWeight, classes: int) -> Array:
    if class_weight is None:
        return omega
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(
                f"{where}: 'class_weight' must be an array of {classes} weights, 'balanced' or None, "
                f"got {class_weight!r}."
            )
        totals = jnp.zeros(classes, omega.dtype).at[y].add(omega)
        factor = jnp.where(totals > 0, 1 / jnp.where(totals > 0, totals, 1.0), 0.0)
    else:
        check_shapes(where, class_weight=(class_weight, str(classes)), hint="Give one weight for each class.")
        factor = jnp.asarray(class_weight, omega.dtype)
    return normalised(omega * factor[y])


def _hashable(groups: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if groups is None else tuple(int(group) for group in groups)
