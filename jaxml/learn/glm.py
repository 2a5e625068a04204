"""What the fits of linear predictions share: centring, the data term, its dual bound, the result."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from jaxml.learn.fit import Fit
from jaxml.learn.implicit import implicit_minimise
from jaxml.learn.losses import Loss
from jaxml.learn.newton import Smooth
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


def linear_predictor(params: LinearParams, X: Float[Array, "n d"]) -> Float[Array, "n *classes"]:
    """Predictions (targets, or logits) of a linear model, ``X @ coef + intercept``.

    >>> linear_predictor(LinearParams(jnp.array([2.0]), jnp.array(1.0)), jnp.array([[3.0]])).tolist()
    [7.0]
    """
    return X @ params.coef + jnp.broadcast_to(params.intercept, (X.shape[0], *params.intercept.shape))


def regularization_path(
    fit: Callable[[Array, LinearParams], Fit], init: LinearParams, penalties: Float[Array, " m"]
) -> Fit[LinearParams, Any]:
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


def centre_targets(loss: Loss, y: Array, intercept: bool) -> tuple[Array, Scalar]:
    """Targets about their mean, where an intercept absorbs it, and what was subtracted.

    Far from 0 the objective of the start, which convergence is measured by, would be that of the level alone.
    """
    if not (intercept and loss.equivariant):
        return y, 0.0
    level = lax.stop_gradient(jnp.mean(y))
    return y - level, level


def _hessian(loss: Loss, A: Array, y: Array, omega: Array, eta: Array) -> Array:
    if loss.classes is None:
        return (A * (omega * loss.curvature(eta, y))[:, None]).T @ A
    P, size = jax.nn.softmax(eta), A.shape[1] * loss.classes
    # d^2 / dz_k dz_l = p_k (1[k = l] - p_l): the diagonal part first, then the rank-one part, as two products.
    same = jnp.einsum("nk,ni,nj->kij", omega[:, None] * P, A, A)
    B = (A[:, :, None] * P[:, None, :]).reshape(-1, size)
    blocks = jnp.einsum("kij,kl->ikjl", same, jnp.eye(loss.classes, dtype=eta.dtype))
    return blocks.reshape(size, size) - (B * omega[:, None]).T @ B


def linear_data_term(loss: Loss, A: Array, y: Array, omega: Array, *, intercept: bool) -> Smooth:
    """sum_i omega_i loss((A w)_i, y_i), the intercept being the last column of A; w of many classes row by row."""
    shape = (A.shape[1],) if loss.classes is None else (A.shape[1], loss.classes)
    conjugate, balance = loss.conjugate, loss.balance
    assert conjugate is not None
    assert balance is not None

    def pull(u: Array) -> Array:
        return ((jnp.broadcast_to(omega, u.T.shape) * u.T) @ A).T  # A.T @ u would copy the transpose

    def bound(eta: Array, penalty: Penalty) -> Array:
        u = loss.slope(eta, y)
        u = balance(u, y, omega) if intercept else u
        v = -pull(u)
        v = (v.at[-1].set(0.0) if intercept else v).ravel()
        c = dual_scale(penalty, v)
        scaled = jnp.where(c > 0, -jnp.sum(omega * conjugate(c * u, y)), -jnp.inf)
        return jnp.maximum(scaled, -jnp.sum(omega * conjugate(u, y)) - penalty_conjugate(penalty, v))

    return Smooth(
        predict=lambda w: A @ w.reshape(shape),
        value=lambda eta: jnp.sum(omega * loss.value(eta, y)),
        gradient=lambda eta: pull(loss.slope(eta, y)).ravel(),
        hessian=lambda eta: _hessian(loss, A, y, omega, eta),
        bound=bound,
        quadratic=loss.quadratic,
    )


def fit_linear(
    loss: Loss,
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
) -> Fit[LinearParams, Diagnostics]:
    """Minimise the weighted mean loss plus penalty, from zeros or from `init`."""
    d, dtype, columns = X.shape[1], X.dtype, loss.classes or 1
    tolerance = default_tolerance(tolerance, dtype)
    penalty = make_penalty(d, l1, l2, groups, intercept=intercept, dtype=dtype, columns=columns)
    A, mean = centre(X, intercept)
    targets, level = centre_targets(loss, y, intercept)
    if init is None:
        start: Vector = jnp.zeros((d + intercept) * columns, dtype)
    else:
        last = (init.intercept - level + mean @ init.coef)[None]
        start = (jnp.concatenate([init.coef, last]) if intercept else init.coef).ravel()
    smooth = linear_data_term(loss, A, targets, omega, intercept=intercept)
    w, found = implicit_minimise(smooth, penalty, lax.stop_gradient(start), tolerance=tolerance, iterations=iterations)
    W = w if loss.classes is None else w.reshape(-1, columns)
    coef = W[:d]
    free = W[d] + level - mean @ coef if intercept else jnp.zeros(coef.shape[1:], dtype)
    # Adding a constant to the intercepts of all classes changes no probability: return the balanced ones.
    params = LinearParams(coef, free if loss.classes is None else free - jnp.mean(free))
    # Evaluated once more, out here, so that the objective has derivatives; the certificate has none.
    eta = smooth.predict(w)
    objective = smooth.value(eta) + penalty_value(penalty, w)
    lost = lost_to_rounding(params, X, omega, loss.curvature(eta, targets))
    limit = tolerance * jnp.abs(objective) + 4 * jnp.finfo(dtype).eps * smooth.value(jnp.zeros_like(eta))
    found = found._replace(gap=found.gap + lost, converged=found.converged & ~(lost > limit))
    return Fit(params, Diagnostics(objective, *jax.tree.map(lax.stop_gradient, found)))


def lost_to_rounding(params: LinearParams, X: Array, omega: Array, curvature: Array) -> Array:
    """What the loss of rounded predictions exceeds that of exact ones by, near a minimum: curvature (rounding)^2 / 2.

    Far from the origin X @ coef and the intercept are large, and their sum has as many digits less.
    """
    size = linear_predictor(LinearParams(jnp.abs(params.coef), jnp.abs(params.intercept)), jnp.abs(X))
    return jnp.sum(omega @ (curvature * (jnp.finfo(X.dtype).eps / 2 * size) ** 2)) / 2
