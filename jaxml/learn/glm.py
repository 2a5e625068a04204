"""What the fits of one linear prediction per example share: centring, the data term, its dual bound, the result."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxml.learn.families import Family
from jaxml.learn.implicit import implicit_minimise
from jaxml.learn.newton import Certificate, Smooth
from jaxml.learn.penalty import Penalty, Vector, dual_scale, penalty_conjugate, penalty_value
from jaxml.ops.checks import Scalar


class LinearParams(NamedTuple):
    """A linear model: predictions are ``X @ coef + intercept``.

    Attributes:
        coef: (d,), or (d, K) for K classes.
        intercept: (), or (K,).
    """

    coef: Array
    intercept: Array


class Diagnostics(NamedTuple):
    """The certificate of a fit.

    Attributes:
        objective: weighted mean loss plus penalty, at the solution; differentiable.
        gap: duality gap: the objective exceeds its minimum by at most this. inf where no bound exists, which is
            without a penalty.
        residual: largest absolute component of the least subgradient; the gradient's norm without a penalty.
        iterations: Newton iterations.
        converged: whether the gap is at most tolerance times the objective; without a penalty, whether the last
            step predicted no larger decrease. Never take parameters without looking at it.
    """

    objective: Array
    gap: Array
    residual: Array
    iterations: Array
    converged: Array


class Fit(NamedTuple):
    """Fitted parameters and their certificate."""

    params: LinearParams
    diagnostics: Diagnostics


def linear_predictor(params: LinearParams, X: Float[Array, "n d"]) -> Float[Array, "n *classes"]:
    """Predictions (targets, or logits) of a linear model, ``X @ coef + intercept``.

    >>> linear_predictor(LinearParams(jnp.array([2.0]), jnp.array(1.0)), jnp.array([[3.0]])).tolist()
    [7.0]
    """
    return X @ params.coef + jnp.broadcast_to(params.intercept, (X.shape[0], *params.intercept.shape))


def regularization_path(
    fit: Callable[[Array, LinearParams], Fit], init: LinearParams, penalties: Float[Array, " m"]
) -> Fit:
    """Fit one penalty after the other, each starting where the last one ended.

    Args:
        fit: ``(penalty, start) -> Fit``, e.g. ``lambda l1, start: fit_lasso(X, y, l1=l1, init=start)``.
        init: where the first one starts, usually zeros.
        penalties: strengths in descending order, (m,): neighbours have similar solutions, the first is sparse.

    Returns:
        The fits, stacked along a new first axis.

    Not needed for right answers, every fit starts anywhere: it saves iterations. vmap the whole path over
    sample weights or data to fit thousands of models in one program.

    >>> from jaxml.learn import fit_lasso
    >>> X, y = jnp.array([[1.0], [2.0], [4.0]]), jnp.array([1.0, 2.0, 4.0])
    >>> start = LinearParams(jnp.zeros(1), jnp.zeros(()))
    >>> path = regularization_path(
    ...     lambda l1, start: fit_lasso(X, y, l1=l1, init=start), start, jnp.array([2.0, 0.5, 0.0])
    ... )
    >>> [f"{weight:.2f}" for weight in path.params.coef.ravel()]
    ['0.00', '0.68', '1.00']
    """

    def advance(start: LinearParams, penalty: Array) -> tuple[LinearParams, Fit]:
        fitted = fit(penalty, start)
        return fitted.params, fitted

    return lax.scan(advance, init, penalties)[1]


def default_tolerance(tolerance: Scalar | None, dtype: jnp.dtype) -> Scalar:
    """What Newton's method reaches and rounding allows: 2e-12 in float64, 6e-6 in float32."""
    return float(jnp.finfo(dtype).eps) ** 0.75 if tolerance is None else tolerance


def make_penalty(
    d: int,
    l1: Scalar | None,
    l2: Scalar | None,
    groups: Sequence[int] | None,
    *,
    intercept: bool,
    dtype: jnp.dtype,
    columns: int = 1,
) -> Penalty:
    """Strengths over ``(d + intercept) * columns`` parameters, feature by feature, the intercept last and free."""
    rows = d + intercept
    feature = np.arange(rows * columns) // columns
    spread = lambda strength: jnp.where(feature < d, jnp.asarray(strength, dtype), jnp.zeros((), dtype))  # noqa: E731
    ridge = spread(0.0 if l2 is None else l2)
    if l1 is None:
        return Penalty(None, ridge)
    if groups is None:
        return Penalty(spread(l1), ridge)
    ids = np.unique(np.asarray(groups), return_inverse=True)[1].ravel()
    count = int(ids.max()) + 1
    ids = np.append(ids, count)[:rows]
    members = (np.arange(count + intercept)[:, None] == ids[feature][None, :]).astype(dtype)
    size = np.sqrt(members.sum(axis=1)) * (np.arange(count + intercept) < count)
    return Penalty(jnp.asarray(l1, dtype) * jnp.asarray(size, dtype), ridge, jnp.asarray(members))


def check_groups(where: str, groups: Sequence[int] | None, l1: Scalar | None, d: int) -> None:
    """Groups need one id per feature and a strength.

    Raises:
        ValueError: when they have not.
    """
    if groups is None:
        return
    if len(groups) != d:
        raise ValueError(
            f"{where}: 'groups' must name a group for each of the d={d} features, got {len(groups)}. "
            "Give features of their own an id of their own."
        )
    if l1 is None:
        raise ValueError(f"{where}: 'groups' needs the strength 'l1' of the group penalty, got None.")


def centred(X: Array, mean: Array) -> Array:
    """Features about `mean`, with a column of ones: nothing cancels afterwards, a constant feature is exactly 0."""
    shifted = X - mean[None, :]
    rounding = 8 * jnp.finfo(X.dtype).eps * jnp.max(jnp.abs(X), axis=0)
    shifted = jnp.where((jnp.max(jnp.abs(shifted), axis=0) <= rounding)[None, :], 0.0, shifted)  # NaN stays
    return jnp.concatenate([shifted, jnp.ones((X.shape[0], 1), X.dtype)], axis=1)


def centre(X: Array, intercept: bool) -> tuple[Array, Array]:
    """The design to fit and what was subtracted from the features: nothing without an intercept to absorb it.

    The plain mean, not the weighted one, so that lanes that differ in their weights share one design.
    """
    mean = jnp.mean(X, axis=0) if intercept else jnp.zeros(X.shape[1], X.dtype)
    return (centred(X, mean) if intercept else X), mean


def centre_targets(family: Family, y: Array, intercept: bool) -> tuple[Array, Array]:
    """Targets about their mean, where an intercept absorbs it, and what was subtracted.

    Far from 0 the objective of the start, which convergence is measured by, would be that of the level alone.
    """
    level = lax.stop_gradient(jnp.mean(y)) if intercept and family.equivariant else jnp.zeros((), y.dtype)
    return y - level, level


def linear_data_term(family: Family, A: Array, y: Array, omega: Array, *, intercept: bool) -> Smooth:
    """sum_i omega_i loss((A w)_i, y_i), the intercept being the last column of A."""

    def bound(eta: Array, penalty: Penalty) -> Array:
        u = family.slope(eta, y)
        u = family.balance(u, y, omega) if intercept else u
        v = -((omega * u) @ A)  # A.T @ u would copy the transpose
        v = v.at[-1].set(0.0) if intercept else v
        c = dual_scale(penalty, v)
        scaled = jnp.where(c > 0, -jnp.sum(omega * family.conjugate(c * u, y)), -jnp.inf)
        return jnp.maximum(scaled, -jnp.sum(omega * family.conjugate(u, y)) - penalty_conjugate(penalty, v))

    return Smooth(
        predict=lambda w: A @ w,
        value=lambda eta: jnp.sum(omega * family.value(eta, y)),
        gradient=lambda eta: (omega * family.slope(eta, y)) @ A,
        hessian=lambda eta: (A * (omega * family.curvature(eta, y))[:, None]).T @ A,
        bound=bound,
        quadratic=family.quadratic,
    )


def fit_linear(
    family: Family,
    X: Array,
    y: Array,
    omega: Array,
    init: LinearParams | None,
    *,
    l1: Scalar | None,
    l2: Scalar | None,
    groups: Sequence[int] | None,
    intercept: bool,
    tolerance: Scalar | None,
    iterations: int,
) -> Fit:
    """Minimise the weighted mean loss plus penalty, from zeros or from `init`."""
    d, dtype = X.shape[1], X.dtype
    penalty = make_penalty(d, l1, l2, groups, intercept=intercept, dtype=dtype)
    A, mean = centre(X, intercept)
    y, level = centre_targets(family, y, intercept)
    if init is None:
        start: Vector = jnp.zeros(d + intercept, dtype)
    else:
        start = jnp.append(init.coef, init.intercept - level + mean @ init.coef) if intercept else init.coef
    smooth = linear_data_term(family, A, y, omega, intercept=intercept)
    w, certificate = implicit_minimise(
        smooth,
        penalty,
        lax.stop_gradient(start),
        tolerance=default_tolerance(tolerance, dtype),
        iterations=iterations,
    )
    coef = w[:d]
    params = LinearParams(coef, w[d] + level - mean @ coef if intercept else jnp.zeros((), dtype))
    # Evaluated once more, out here, so that the objective has derivatives; the certificate has none.
    objective = smooth.value(smooth.predict(w)) + penalty_value(penalty, w)
    return Fit(params, diagnose(objective, certificate))


def diagnose(objective: Array, certificate: Certificate) -> Diagnostics:
    """The certificate with the objective, and without derivatives of its own."""
    return Diagnostics(objective, *jax.tree.map(lax.stop_gradient, certificate))
