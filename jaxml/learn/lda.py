"""Fisher's linear discriminant for two classes, and linear discriminant analysis for many.

S_w, the within-class covariance, is the mean over classes k, weighted by their priors, of the (biased) covariances of
their rows, each shrunk:

    S_k(shrinkage) = (1 - shrinkage) S_k + shrinkage (tr S_k / d) I.

shrinkage 0 is none, 1 leaves a sphere, "ledoit_wolf" estimates the best one for each class on features scaled to unit
variance. A singular S_w (d > n, constant or dependent features) is inverted on its range only: directions in which no
class varies are ignored. Shrinkage, example weights and features may be traced, vmapped and differentiated (first
derivatives of coef and intercept, where the rank of S_w does not change). Inside `jit` a class without rows has prior 0
and a decision value of -inf.
"""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Shaped

from jaxml.learn.checks import Data, check_data, known
from jaxml.learn.fit import Fit
from jaxml.learn.glm import LinearParams
from jaxml.ops.checks import Scalar, check_shapes
from jaxml.ops.lapack import eigh, svd

Shrinkage = Scalar | Literal["ledoit_wolf"]


class LDAParams(NamedTuple):
    """A linear discriminant: decision values are ``(X - mean) @ coef + intercept``, one for each class.

    Class means and features are taken about the mean of all rows. About any other origin the decision values differ by
    a number that is the same for every class; far from the data it would cost all digits.

    Attributes:
        coef: S_w^-1 (m_k - mean), (d, K).
        intercept: log prior_k - (m_k - mean) S_w^-1 (m_k - mean) / 2, (K,).
        means: class means m_k, (K, d).
        priors: (K,), sum to one.
        within: S_w, (d, d).
        projection: discriminant directions in descending order of the variance between classes that they carry,
            with unit variance within, (d, min(K - 1, d)).
        mean: sum_k prior_k m_k, the origin, (d,).
    """

    coef: Array
    intercept: Array
    means: Array
    priors: Array
    within: Array
    projection: Array
    mean: Array


class LDADiagnostics(NamedTuple):
    """The certificate of a discriminant.

    Attributes:
        residual: largest |S_w coef_k - (m_k - mean)| on the range of S_w, over the largest |m_k - mean|; 0 but for
            rounding.
        rank: of S_w; below d it is singular.
        between: variance between classes along each direction of `projection`, in units of the variance within.
        shrinkage: used for each class, (K,).
        converged: whether the residual is rounding error.
    """

    residual: Array
    rank: Array
    between: Array
    shrinkage: Array
    converged: Array


LDAFit = Fit[LDAParams, LDADiagnostics]


def fit_lda(
    X: Float[Data, "n d"],
    y: Int[Data, " n"],
    *,
    classes: int | None = None,
    shrinkage: Shrinkage = 0.0,
    priors: Float[Data, " classes"] | None = None,
    sample_weight: Float[Data, " n"] | None = None,
) -> LDAFit:
    """Fit linear discriminant analysis: Gaussian classes with one covariance.

    decision_k(x) = z S_w^-1 d_k - d_k S_w^-1 d_k / 2 + log prior_k,  z = x - mean,  d_k = m_k - mean.

    Args:
        X: features, (n, d).
        y: class indices 0..K-1, (n,).
        classes: K, at least 2; None takes the largest index plus one, which needs known values of y.
        shrinkage: in [0, 1], or "ledoit_wolf" (which ignores `sample_weight` in its estimate's error term).
        priors: class probabilities, (K,), which sum to 1; None takes the classes' shares of the weight.
        sample_weight: weights, (n,), >= 0; None means ones.

    Returns:
        The fit, for `lda_decision`.

    Raises:
        ValueError: for mismatched shapes, an unknown shrinkage, labels that are not integers or, outside `jit`,
            values that are not finite, labels out of range, one class only, weights all zero, or priors that are no
            probabilities (inside `jit` those, too, make the fit NaN); when `classes` is
            missing under `jit`.

    Note: not scikit-learn's default solver, which divides the pooled covariance by n - K; its `lsqr` and `eigen`
    solvers agree with this, up to a number added to all decision values of a row.

    Reference: Rao (1948), J. Royal Statistical Society B 10(2); Ledoit and Wolf (2004), J. Multivariate Analysis 88(2).

    >>> from jaxml.data import load_problem
    >>> wine = load_problem("wine", standardize=True)
    >>> fit = fit_lda(wine.X.astype(np.float32), wine.y)
    >>> fit.params.projection.shape, float((lda_decision(fit.params, wine.X).argmax(axis=1) == wine.y).mean())
    ((13, 2), 1.0)
    """
    if isinstance(shrinkage, str) and shrinkage != "ledoit_wolf":
        raise ValueError(f"fit_lda: 'shrinkage' must be a number in [0, 1] or 'ledoit_wolf', got {shrinkage!r}.")
    if classes is None:
        if not known(y):
            raise ValueError(
                "fit_lda: 'classes' must be given where the values of y are unknown, as inside jit or vmap."
            )
        classes = max(int(np.max(np.asarray(y), initial=0)) + 1, 2)
    X, y, omega = check_data("fit_lda", X, y, sample_weight, target="classes", classes=classes)
    auto = isinstance(shrinkage, str)
    if not auto and known(shrinkage) and not 0 <= float(np.asarray(shrinkage)) <= 1:
        raise ValueError(f"fit_lda: 'shrinkage' must be a number in [0, 1] or 'ledoit_wolf', got {shrinkage}.")
    amount = jnp.zeros((), X.dtype) if isinstance(shrinkage, str) else jnp.asarray(shrinkage, X.dtype)
    amount = jnp.where((amount >= 0) & (amount <= 1), amount, jnp.nan)
    given = None if priors is None else _check_priors(priors, X.dtype, classes)
    return _fit_lda(X, y, omega, amount, given, classes=classes, auto=auto)


def _check_priors(priors: Data, dtype: jnp.dtype, classes: int) -> Array:
    """Return the priors in `dtype`, NaN where traced ones are no probabilities."""
    check_shapes("fit_lda", priors=(priors, str(classes)), hint="One class, one probability.")
    rounding = float(jnp.finfo(dtype).eps) ** 0.5
    if known(priors):
        values = np.asarray(priors, np.float64)
        if not ((values >= 0).all() and abs(values.sum() - 1) <= rounding):
            raise ValueError(
                f"fit_lda: 'priors' must be 0 or positive and sum to 1, got {values}. Use priors / priors.sum()."
            )
    given = jnp.asarray(priors, dtype)
    fine = jnp.all(given >= 0) & (jnp.abs(jnp.sum(given) - 1) <= rounding)
    return jnp.where(fine, given, jnp.nan)


def fit_fisher(
    X: Float[Data, "n d"],
    y: Shaped[Data, " n"],
    *,
    shrinkage: Shrinkage = 0.0,
    sample_weight: Float[Data, " n"] | None = None,
) -> Fit[LinearParams, LDADiagnostics]:
    """Fit Fisher's discriminant: the direction along which two classes differ most for their spread.

    coef = S_w^-1 (m_1 - m_0) = argmax_w  (w . (m_1 - m_0))^2 / w S_w w, up to its length; the threshold lies halfway
    between the projected means. S_w is the mean of both classes' covariances, which count alike whatever the size of
    their classes; `fit_lda` pools them by size.

    Args:
        X: features, (n, d).
        y: classes 0 and 1, (n,), of any dtype.
        shrinkage: in [0, 1], or "ledoit_wolf".
        sample_weight: weights, (n,), >= 0; None means ones.

    Returns:
        The fit: ``linear_predictor(fit.params, X) > 0`` says class 1.

    Raises:
        ValueError: as `fit_lda`.

    Note: not a probability. `fit_lda` adds the log ratio of the priors.

    Reference: Fisher (1936), Annals of Eugenics 7(2).

    >>> X, y = jnp.array([[0.0, 0.0], [0.0, 2.0], [4.0, 0.0], [4.0, 2.0]]), jnp.array([0, 0, 1, 1])
    >>> fit = fit_fisher(X, y)  # the first feature never varies within a class; the range of S_w has no part of it
    >>> int(fit.diagnostics.rank), fit_fisher(X, y, shrinkage=0.5).params.coef.tolist()
    (1, [16.0, 0.0])
    """
    X, labels, _ = check_data("fit_fisher", X, y, sample_weight, target="binary")
    fit = fit_lda(
        X, labels.astype(jnp.int32), classes=2, shrinkage=shrinkage, sample_weight=sample_weight,
        priors=jnp.full(2, 0.5, X.dtype),
    )  # fmt: skip
    coef = fit.params.coef[:, 1] - fit.params.coef[:, 0]
    middle, gap = jnp.mean(fit.params.means, axis=0), fit.params.means[1] - fit.params.means[0]
    # Far from the origin the threshold is rounded by as much as the classes are apart.
    eps = jnp.finfo(X.dtype).eps
    close = ~(eps * (jnp.abs(middle) @ jnp.abs(coef)) > eps ** (1 / 3) * jnp.abs(gap @ coef))
    found = fit.diagnostics._replace(converged=fit.diagnostics.converged & lax.stop_gradient(close))
    return Fit(LinearParams(coef, -(middle @ coef)), found)


def lda_decision(params: LDAParams, X: Float[Data, "m d"]) -> Float[Array, "m classes"]:
    """Decision values, the largest of which names the class; their softmax gives the class probabilities.

    >>> params = fit_lda(jnp.array([[0.0], [1.0], [4.0], [5.0]]), jnp.array([0, 0, 1, 1])).params
    >>> lda_decision(params, jnp.array([[2.0], [3.0]])).argmax(axis=1).tolist()
    [0, 1]
    """
    return (jnp.asarray(X) - params.mean[None, :]) @ params.coef + params.intercept[None, :]


def lda_transform(params: LDAParams, X: Float[Data, "m d"]) -> Float[Array, "m directions"]:
    """Coordinates along the discriminant directions, from the mean of the training rows.

    >>> params = fit_lda(jnp.array([[0.0], [1.0], [4.0], [5.0]]), jnp.array([0, 0, 1, 1])).params
    >>> jnp.abs(lda_transform(params, jnp.array([[2.5], [3.0]]))).ravel().tolist()  # half a unit is one deviation
    [0.0, 1.0]
    """
    return (jnp.asarray(X) - params.mean[None, :]) @ params.projection


@partial(jax.jit, static_argnames=("classes", "auto"))
def _fit_lda(
    X: Array, y: Array, omega: Array, shrinkage: Array, priors: Array | None, *, classes: int, auto: bool
) -> LDAFit:
    d, dtype = X.shape[1], X.dtype
    eps = jnp.finfo(dtype).eps
    # A feature that never varies within a class has this much variance all the same.
    rounding = 8 * eps * lax.stop_gradient(jnp.max(jnp.abs(X), axis=0))
    share = omega[:, None] * jax.nn.one_hot(y, classes, dtype=dtype)
    total = jnp.sum(share, axis=0)
    inside = (share / jnp.where(total > 0, total, 1.0)[None, :]).T
    priors = total if priors is None else priors
    # About an origin within the data nothing cancels; about the mean, found in turn, the decision values are taken.
    origin = lax.stop_gradient(jnp.mean(X, axis=0))
    Z = X - origin[None, :]
    mean = origin + priors @ (inside @ Z)
    Z = Z - (mean - origin)[None, :]  # as the rounded mean will do it
    offsets = inside @ Z

    def covariance(weight: Array, offset: Array) -> tuple[Array, Array]:
        within = Z - offset[None, :]
        if auto:
            return _ledoit_wolf(within, weight, rounding)
        S = (within * weight[:, None]).T @ within
        return (1 - shrinkage) * S + shrinkage * jnp.trace(S) / d * jnp.eye(d, dtype=dtype), shrinkage

    covariances, used = jax.vmap(covariance)(inside, offsets)
    within = jnp.einsum("k,kij->ij", priors, covariances)

    # On features of unit variance within, so that what counts as singular does not depend on their units.
    variance = lax.stop_gradient(jnp.diagonal(within))
    varies = variance > rounding**2
    scale = jnp.where(varies, jnp.sqrt(jnp.where(varies, variance, 1.0)), 1.0)
    values, vectors = eigh(lax.stop_gradient(within) / (scale[:, None] * scale[None, :]))
    inverse = jnp.where(values > 10 * d * eps, 1 / jnp.where(values > 10 * d * eps, values, 1.0), 0.0)
    half = vectors / scale[:, None] * jnp.sqrt(inverse)[None, :]

    coef = _solve_on_range(within, half, offsets.T)
    gap = half.T @ (within @ coef - offsets.T)
    residual = jnp.max(jnp.abs(gap)) / jnp.maximum(jnp.max(jnp.abs(half.T @ offsets.T)), jnp.finfo(dtype).tiny)
    log_prior = jnp.where(priors > 0, jnp.log(jnp.where(priors > 0, priors, 1.0)), -jnp.inf)
    intercept = log_prior - jnp.sum(offsets.T * coef, axis=0) / 2

    spread = lax.stop_gradient(jnp.sqrt(priors)[:, None] * offsets) @ half
    _, singular, right = svd(spread)
    k = min(classes - 1, d)
    projection = half @ right[:k].T
    params = LDAParams(coef, intercept, mean[None, :] + offsets, priors, within, projection, mean)
    residual = lax.stop_gradient(residual)
    rank = jnp.sum(inverse > 0).astype(jnp.int32)
    converged = (residual <= eps**0.5) & jnp.all(jnp.isfinite(coef))
    return Fit(params, LDADiagnostics(residual, rank, singular[:k] ** 2, used, converged))


def _solve_on_range(within: Array, half: Array, rhs: Array) -> Array:
    """Solve within @ coef = rhs by its pseudo-inverse half @ half.T; first derivatives in within and rhs are exact."""
    within_fixed, half = lax.stop_gradient(within), lax.stop_gradient(half)

    def solve(r: Array) -> Array:
        x = half @ (half.T @ r)
        return x + half @ (half.T @ (r - within_fixed @ x))

    found = lax.stop_gradient(solve(lax.stop_gradient(rhs)))
    # One Newton step from the solution: changes nothing but rounding, and has the derivative of the inverse.
    return found + solve(rhs - within @ found)


def _ledoit_wolf(Z: Array, weight: Array, rounding: Array) -> tuple[Array, Array]:
    """Shrunk covariance of centred rows, on features of unit variance, and the shrinkage.

    shrinkage = min(1, b / delta),  delta = ||S - mu I||^2 / d,  b = (mean_i ||z_i z_i^T||^2 - ||S||^2) / (d n).
    """
    d = Z.shape[1]
    square = weight @ Z**2
    deviation = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)
    scale = jnp.where(deviation > rounding, deviation, 1.0)
    U = Z / scale[None, :]
    S = (U * weight[:, None]).T @ U
    n = jnp.maximum(jnp.sum((weight > 0).astype(Z.dtype)), 1.0)
    mu = jnp.trace(S) / d
    delta = (jnp.sum(S**2) - d * mu**2) / d
    b = (weight @ jnp.sum(U**2, axis=1) ** 2 - jnp.sum(S**2)) / (d * n)
    amount = jnp.where(delta > 0, jnp.clip(b / jnp.where(delta > 0, delta, 1.0), 0.0, 1.0), 0.0)
    shrunk = (1 - amount) * S + amount * mu * jnp.eye(d, dtype=Z.dtype)
    return shrunk * scale[:, None] * scale[None, :], amount
