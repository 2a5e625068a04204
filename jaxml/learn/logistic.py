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
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from jaxml.learn import losses
from jaxml.learn.checks import Data, check_data, check_strength, known, normalised
from jaxml.learn.fit import Fit
from jaxml.learn.glm import LinearParams, check_groups, fit_linear, linear_predictor
from jaxml.learn.losses import Loss
from jaxml.ops.checks import Scalar, check_shapes
from jaxml.ops.losses.rows import best_of_others, own_score

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


LogisticFit = Fit[LinearParams, LogisticDiagnostics]


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
        The fit; logits are ``linear_predictor(fit.params, X)``.

    Raises:
        ValueError: for mismatched shapes or, outside `jit`, values that are not finite, labels other than 0 and 1,
            one class only, or weights all zero.

    Note: not a finite answer for separable classes without a penalty. None exists; `diagnostics.separated`.

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
    options = {"intercept": intercept, "tolerance": tolerance, "iterations": iterations}
    return _fit(losses.logistic, X, y, omega, init, l1=l1, l2=l2, groups=_hashable(groups), **options)


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
    init: LinearParams | None = None,
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
        init: where to start (see `regularization_path`); None is at zero.
        tolerance: largest accepted gap over objective; None is about 2e-12 in float64, 6e-6 in float32.
        iterations: most Newton steps. One costs O(n (d K)^2 + (d K)^3).

    Returns:
        The fit, with coef (d, K) and intercept (K,), which sums to zero.

    Raises:
        ValueError: for mismatched shapes, labels that are not integers or, outside `jit`, values that are not
            finite, labels out of range, one class only, or weights all zero; when `classes` is missing under `jit`.

    Note: not the binary fit when K = 2. The two weight vectors there are penalised separately, so that
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
    options = {"intercept": intercept, "tolerance": tolerance, "iterations": iterations}
    return _fit(losses.softmax(classes), X, y, omega, init, l1=l1, l2=l2, groups=_hashable(groups), **options)


@partial(jax.jit, static_argnames=("loss", "groups", "intercept", "iterations"))
def _fit(loss: Loss, X: Array, y: Array, omega: Array, init: LinearParams | None, **options: Any) -> LogisticFit:
    fit = fit_linear(loss, X, y, omega, init, **options)
    z = linear_predictor(fit.params, X)
    margin = (2 * y - 1) * z if loss.classes is None else own_score(z, y) - best_of_others(z, y)
    separated = jnp.all((margin > 0) | (omega == 0))
    penalised = jnp.zeros((), bool)
    for strength in (options["l1"], options["l2"]):
        penalised |= jnp.asarray(0.0 if strength is None else strength) > 0
    found = fit.diagnostics
    found = found._replace(converged=found.converged & (penalised | ~separated))
    return Fit(fit.params, LogisticDiagnostics(*found, separated=separated))


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
