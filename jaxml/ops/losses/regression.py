"""Regression losses: functions of ``predictions - targets``, one value per element, never reduced.

Any shape, the same for both arguments: nothing is broadcast. Hyperparameters may be traced, so a sweep can `vmap`
over them. At a kink the derivative is one of the subgradients, and 0 at ``predictions == targets``.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from jaxml.ops.checks import Scalar, check_equal_shapes, check_floating
from jaxml.ops.finite import divided, hypotenuse, saturated, squared
from jaxml.ops.losses.robust import biweight, robust

__all__ = [
    "absolute_error",
    "barron",
    "charbonnier",
    "huber",
    "log_cosh",
    "pinball",
    "smooth_l1",
    "squared_error",
    "tukey_biweight",
]

Predictions = Float[Array, "*shape"]
Targets = Num[Array, "*other_shape"]


def squared_error(predictions: Predictions, targets: Targets) -> Predictions:
    """Squared residual.

    ``(predictions - targets)^2``, without a factor 1/2.

    Args:
        predictions: any shape.
        targets: the same shape.

    Returns:
        The loss of each element.

    Raises:
        ValueError: when the shapes differ or `predictions` is not floating.

    Not robust: one residual of 100 weighs as much as 10,000 of 1. Values equal ``optax.squared_error``;
    ``optax.l2_loss`` is half of it.

    Reference: Legendre (1805), Nouvelles méthodes pour la détermination des orbites des comètes, appendix.

    >>> squared_error(jnp.array([0.5, 3.0]), jnp.array([0.0, 0.0]))
    Array([0.25, 9.  ], dtype=float32)
    """
    return squared(_residual("squared_error", predictions, targets))


def absolute_error(predictions: Predictions, targets: Targets) -> Predictions:
    """Absolute residual.

    ``|predictions - targets|``; its mean is least at the median.

    Args:
        predictions: any shape.
        targets: the same shape.

    Returns:
        The loss of each element; the derivative at 0 is 0.

    Raises:
        ValueError: when the shapes differ or `predictions` is not floating.

    See also: `smooth_l1`, which rounds off the kink; `pinball`, for other quantiles than the median.

    Reference: Koenker and Bassett (1978), Regression Quantiles, Econometrica 46, with quantile 1/2.

    >>> absolute_error(jnp.array([0.5, -3.0]), jnp.array([0.0, 0.0]))
    Array([0.5, 3. ], dtype=float32)
    """
    return _absolute(_residual("absolute_error", predictions, targets))


def huber(predictions: Predictions, targets: Targets, *, delta: Scalar = 1.0) -> Predictions:
    """Quadratic near 0, linear beyond `delta`.

    ``r^2 / 2`` for ``|r| <= delta``, else ``delta (|r| - delta / 2)``, with ``r = predictions - targets``.

    Args:
        predictions: any shape.
        targets: the same shape.
        delta: the residual at which the loss turns linear, >= 0.

    Returns:
        The loss of each element; 0 for ``delta = 0``.

    Raises:
        ValueError: when the shapes differ or `predictions` is not floating.

    Not `smooth_l1`, which is this divided by its `beta`, so that its tails keep slope 1. Values equal
    ``optax.huber_loss``, which broadcasts where this raises.

    Reference: Huber (1964), Robust estimation of a location parameter, Ann. Math. Statist. 35.

    >>> huber(jnp.array([0.5, 3.0]), jnp.array([0.0, 0.0]))
    Array([0.125, 2.5  ], dtype=float32)
    """
    r = _residual("huber", predictions, targets)
    delta = jnp.asarray(delta, r.dtype)
    # With c = clip(r), c (r - c/2) is both branches at once, smooth in r and delta and exact in its derivatives.
    clipped = jnp.clip(r, -delta, delta)
    return saturated(clipped * (r - clipped / 2), r, delta)


def smooth_l1(predictions: Predictions, targets: Targets, *, beta: Scalar = 1.0) -> Predictions:
    """Absolute error with its kink rounded off over a width `beta`.

    ``r^2 / (2 beta)`` for ``|r| < beta``, else ``|r| - beta / 2``, with ``r = predictions - targets``.

    Args:
        predictions: any shape.
        targets: the same shape.
        beta: the residual at which the loss turns linear, >= 0; 0 is exactly `absolute_error`.

    Returns:
        The loss of each element; all derivatives are finite, at ``beta = 0`` too.

    Raises:
        ValueError: when the shapes differ or `predictions` is not floating.

    Not `huber`, although both agree for ``beta = 1``: ``smooth_l1(beta) = huber(delta=beta) / beta``.

    Reference: Girshick (2015), Fast R-CNN, ICCV, eq. 3.

    >>> smooth_l1(jnp.array([0.5, 3.0]), jnp.array([0.0, 0.0]), beta=2.0)
    Array([0.0625, 2.    ], dtype=float32)
    """
    r = _residual("smooth_l1", predictions, targets)
    beta = jnp.asarray(beta, r.dtype)
    near = (jnp.abs(r) < beta) | (r == 0)
    inside = jnp.where(near, r, 0)
    quadratic = inside * divided(inside, beta) / 2
    return jnp.where(near, quadratic, _absolute(r) - beta / 2)


def pinball(predictions: Predictions, targets: Targets, *, quantile: Scalar) -> Predictions:
    """Quantile loss: its mean is least at the given quantile of the targets.

    ``max(q u, (q - 1) u)`` with ``u = targets - predictions``.

    Args:
        predictions: any shape.
        targets: the same shape.
        quantile: q, in [0, 1]; above 1/2 it costs more to predict too little.

    Returns:
        The loss of each element; ``q = 1/2`` gives half of `absolute_error`.

    Raises:
        ValueError: when the shapes differ or `predictions` is not floating.

    Not a guard against quantiles that cross when several are fitted.

    Reference: Koenker and Bassett (1978), Regression Quantiles, Econometrica 46.

    >>> pinball(jnp.array([-1.0, 1.0]), jnp.array([0.0, 0.0]), quantile=0.75)
    Array([0.75, 0.25], dtype=float32)
    """
    u = -_residual("pinball", predictions, targets)
    q = jnp.asarray(quantile, u.dtype)
    return jnp.maximum(q * u, (q - 1) * u)


def log_cosh(predictions: Predictions, targets: Targets) -> Predictions:
    """Logarithm of the hyperbolic cosine of the residual: smooth, quadratic near 0, linear far out.

    ``log cosh(predictions - targets)``.

    Args:
        predictions: any shape.
        targets: the same shape.

    Returns:
        The loss of each element, to full relative accuracy for the smallest residuals and the largest.

    Raises:
        ValueError: when the shapes differ or `predictions` is not floating.

    Not scaled: divide both arguments to set where it turns linear. Values equal ``optax.log_cosh``, which loses
    residuals below 1e-4 to rounding in float32.

    Reference: Green (1990), Bayesian reconstructions from emission tomography data, IEEE TMI 9, section III.

    >>> [f"{v:.4g}" for v in log_cosh(jnp.array([1e-5, 1.0, 1000.0]), jnp.zeros(3))]
    ['5e-11', '0.4338', '999.3']
    """
    r = _residual("log_cosh", predictions, targets)
    small = jnp.abs(r) < 1
    # log cosh r = log(1 + sinh^2 r) / 2 has no cancellation for small r, and overflows for large.
    near = jnp.log1p(jnp.square(jnp.sinh(jnp.where(small, r, 0)))) / 2
    far = jnp.abs(jnp.where(small, 1, r))
    return jnp.where(small, near, far + jnp.log1p(jnp.exp(-2 * far)) - jnp.log(jnp.asarray(2, r.dtype)))


def charbonnier(predictions: Predictions, targets: Targets, *, epsilon: Scalar = 1e-3) -> Predictions:
    """Absolute error rounded off by a hyperbola.

    ``sqrt((predictions - targets)^2 + epsilon^2)``.

    Args:
        predictions: any shape.
        targets: the same shape.
        epsilon: the loss at residual 0 and the width of the bend, >= 0; 0 is exactly `absolute_error`.

    Returns:
        The loss of each element; at least `epsilon`.

    Raises:
        ValueError: when the shapes differ or `predictions` is not floating.

    Not 0 at 0: subtract `epsilon` where that matters. `barron` with ``alpha = 1`` is this, scaled and shifted to 0.

    Reference: Charbonnier et al. (1997), Deterministic edge-preserving regularization, IEEE TIP 6, table I.

    >>> charbonnier(jnp.array([0.0, 3.0]), jnp.zeros(2), epsilon=4.0)
    Array([4., 5.], dtype=float32)
    """
    r = _residual("charbonnier", predictions, targets)
    return hypotenuse(r, jnp.asarray(epsilon, r.dtype))


def tukey_biweight(predictions: Predictions, targets: Targets, *, c: Scalar = 4.685) -> Predictions:
    """Robust loss that is constant (zero gradient) beyond residuals of `c`.

    ``c^2/6 (1 - (1 - (r/c)^2)^3)`` for ``|r| <= c``, else ``c^2/6``, with ``r = predictions - targets``.

    Args:
        predictions: any shape.
        targets: the same shape.
        c: the residual beyond which the loss is constant, > 0, in units of the noise's standard deviation. The default
            gives 95 % efficiency under normal noise.

    Returns:
        The loss of each element, at most ``c^2/6``; near 0 it is ``r^2/2``.

    Raises:
        ValueError: when the shapes differ or `predictions` is not floating.

    Not convex: a fit needs a good start. See also: `barron`, which spans robust and convex losses.

    Reference: Beaton and Tukey (1974), The fitting of power series, Technometrics 16; Holland and Welsch (1977),
    Robust regression using iteratively reweighted least-squares, for the constant.

    >>> [f"{v:.3f}" for v in tukey_biweight(jnp.array([1.0, 3.0, 100.0]), jnp.zeros(3), c=3.0)]
    ['0.447', '1.500', '1.500']
    """
    r = _residual("tukey_biweight", predictions, targets)
    return biweight(r, jnp.asarray(c, r.dtype))


def barron(predictions: Predictions, targets: Targets, *, alpha: Scalar = 1.0, scale: Scalar = 1.0) -> Predictions:
    """General robust loss: one shape parameter from squared error to a loss that ignores outliers.

    ``|alpha - 2|/alpha (((r/scale)^2 / |alpha - 2| + 1)^(alpha/2) - 1)`` with ``r = predictions - targets`` and its
    limits: ``alpha = 2`` squared error, 1 Charbonnier, 0 Cauchy, -2 Geman-McClure, ``-inf`` Welsch.

    Args:
        predictions: any shape.
        targets: the same shape.
        alpha: shape; the smaller, the less outliers count. -inf is allowed.
        scale: width of the quadratic bowl, > 0.

    Returns:
        The loss of each element; ``(r/scale)^2/2`` near 0 for every `alpha`.

    Raises:
        ValueError: when the shapes differ or `predictions` is not floating.

    Not a log-likelihood: minimising over `alpha` or `scale` needs the normaliser of Barron's eq. 16. The slope in
    `alpha` is infinite at 2, and reported as 0 there.

    Reference: Barron (2019), A General and Adaptive Robust Loss Function, CVPR, eq. 8.

    >>> alphas = jnp.array([2.0, 1.0, 0.0, -2.0, -np.inf])
    >>> [f"{barron(jnp.array(10.0), jnp.array(0.0), alpha=alpha):.2f}" for alpha in alphas]
    ['50.00', '9.05', '3.93', '1.92', '1.00']
    """
    r = _residual("barron", predictions, targets)
    alpha, scale = jnp.asarray(alpha, r.dtype), jnp.asarray(scale, r.dtype)
    return robust(r, scale, alpha)


def _absolute(r: Array) -> Array:
    """``|r|`` with derivative 0 at 0, where `jnp.abs` has 1."""
    return r * jnp.sign(r)


def _residual(where: str, predictions: Array, targets: Array) -> Array:
    check_floating(where, predictions=predictions)
    check_equal_shapes(where, predictions=predictions, targets=targets)
    predictions = jnp.asarray(predictions)
    targets = jnp.asarray(targets).astype(predictions.dtype)
    return saturated(predictions - targets, predictions, targets)
