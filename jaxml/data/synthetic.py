"""Synthetic problems, key first, pure and traceable: the truth is known, so that an estimate can be judged.

Sizes (`n`, `d`, number of signals, parity order) are static; noise levels, correlations and scales may be
traced, so that a sweep runs them as lanes of one program.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jaxml.ops.checks import Scalar, check_shapes
from jaxml.ops.lapack import cholesky, qr


class Sample(NamedTuple):
    """Features X, (n, d), and targets y, (n,): int32 classes or real values."""

    X: Array
    y: Array


class Planted(NamedTuple):
    """Targets y, (n,), and the weights that made them, (d,)."""

    y: Array
    weights: Array


def ar_design(key: PRNGKeyArray, *, n: int, d: int, rho: Scalar = 0.0) -> Float[Array, "n d"]:
    """Draw Gaussian features whose neighbours are correlated: an autoregressive design.

    x_1 = e_1,  x_j = rho x_{j-1} + sqrt(1 - rho^2) e_j,  so  corr(x_i, x_j) = rho^|i-j|, every variance 1.

    Args:
        key: a PRNG key.
        n: rows.
        d: features.
        rho: correlation of neighbours, in [-1, 1]; at 1 all features are equal.

    Returns:
        X, (n, d).

    >>> X = ar_design(jax.random.key(0), n=20_000, d=3, rho=0.6)
    >>> np.corrcoef(X.T)[0].round(1).tolist()
    [1.0, 0.6, 0.4]
    """
    noise = jax.random.normal(key, (d, n))
    rho = jnp.asarray(rho, noise.dtype)
    innovation = jnp.sqrt(jnp.maximum(1 - rho**2, 0.0))

    def step(previous: Array, fresh: Array) -> tuple[Array, Array]:
        current = rho * previous + innovation * fresh
        return current, current

    _, rest = jax.lax.scan(step, noise[0], noise[1:])
    return jnp.concatenate([noise[:1], rest]).T


def orthogonal_design(key: PRNGKeyArray, *, n: int, d: int) -> Float[Array, "n d"]:
    """Draw features with X^T X = n I exactly: the design on which lasso and ridge have closed forms.

    X = sqrt(n) Q, Q from the QR decomposition of a Gaussian matrix (Q is uniform over orthonormal frames up to
    column signs).

    Args:
        key: a PRNG key.
        n: rows.
        d: features, at most n.

    Returns:
        X, (n, d).

    Raises:
        ValueError: when d > n.

    >>> X = orthogonal_design(jax.random.key(0), n=50, d=3)
    >>> bool(jnp.allclose(X.T @ X, 50 * jnp.eye(3), atol=1e-4))
    True
    """
    if d > n:
        raise ValueError(
            f"orthogonal_design: 'd' must be at most n, got n={n} and d={d}. Draw more rows or use ar_design."
        )
    frame, _ = qr(jax.random.normal(key, (n, d)))
    return jnp.sqrt(n).astype(frame.dtype) * frame


def _planted_weights(key: PRNGKeyArray, d: int, nonzero: int, dtype: jnp.dtype) -> Array:
    """`nonzero` entries of +1 or -1 at random places, the others 0."""
    where, sign = jax.random.split(key)
    signs = jax.random.rademacher(sign, (d,), dtype)
    return jax.random.permutation(where, jnp.where(jnp.arange(d) < nonzero, signs, jnp.zeros((), dtype)))


def _check_nonzero(where: str, nonzero: int, d: int) -> None:
    if not 0 <= nonzero <= d:
        raise ValueError(f"{where}: 'nonzero' must lie in 0..d={d}, got {nonzero}. Plant fewer signals.")


def planted_linear(key: PRNGKeyArray, X: Float[Array, "n d"], *, nonzero: int, snr: Scalar = 5.0) -> Planted:
    """Draw targets of a sparse linear model on given features.

    y = X w + sigma e,  w_j = +-1 at `nonzero` random places and 0 elsewhere,  sigma^2 = var(X w) / snr.

    Args:
        key: a PRNG key.
        X: features, (n, d).
        nonzero: number of signals, 0..d.
        snr: variance of the signal over variance of the noise, > 0; jnp.inf means no noise. Without any signal
            sigma is 1.

    Returns:
        The targets and the true weights.

    Raises:
        ValueError: when `nonzero` is out of range.

    >>> design, plant = jax.random.split(jax.random.key(0))
    >>> X = ar_design(design, n=100, d=6)
    >>> planted_linear(plant, X, nonzero=2).weights.tolist()
    [0.0, -1.0, 0.0, -1.0, 0.0, 0.0]
    """
    sizes = check_shapes("planted_linear", X=(X, "n d"))
    _check_nonzero("planted_linear", nonzero, sizes["d"])
    plant, noise = jax.random.split(key)
    weights = _planted_weights(plant, sizes["d"], nonzero, X.dtype)
    signal = X @ weights
    sigma = jnp.sqrt(jnp.var(signal) / snr) if nonzero else jnp.ones((), X.dtype)
    return Planted(signal + sigma * jax.random.normal(noise, signal.shape, X.dtype), weights)


def planted_logistic(key: PRNGKeyArray, X: Float[Array, "n d"], *, nonzero: int, scale: Scalar = 2.0) -> Planted:
    """Draw classes of a sparse logistic model on given features.

    P(y = 1 | x) = 1 / (1 + exp(-x . w)),  w_j = +-scale at `nonzero` random places and 0 elsewhere.

    Args:
        key: a PRNG key.
        X: features, (n, d).
        nonzero: number of signals, 0..d.
        scale: size of a non-zero weight, >= 0; 0 makes the classes coin flips, a large one separates them.

    Returns:
        Classes 0 and 1 (int32) and the true weights.

    Raises:
        ValueError: when `nonzero` is out of range.

    >>> design, plant = jax.random.split(jax.random.key(0))
    >>> X = ar_design(design, n=1000, d=6)
    >>> y, weights = planted_logistic(plant, X, nonzero=2, scale=4.0)
    >>> round(((X @ weights > 0) == (y == 1)).mean().item(), 2)  # the Bayes classifier errs too
    0.91
    """
    sizes = check_shapes("planted_logistic", X=(X, "n d"))
    _check_nonzero("planted_logistic", nonzero, sizes["d"])
    plant, coin = jax.random.split(key)
    weights = scale * _planted_weights(plant, sizes["d"], nonzero, X.dtype)
    return Planted(jax.random.bernoulli(coin, jax.nn.sigmoid(X @ weights)).astype(jnp.int32), weights)


def gaussian_classes(
    key: PRNGKeyArray,
    *,
    n: int,
    means: Float[Array, "classes d"],
    covariances: Float[Array, "d d"] | Float[Array, "classes d d"],
    degrees: Scalar | None = None,
) -> Sample:
    """Draw equally likely Gaussian (or Student t) classes with given means and covariances.

    x | y = k  ~  means_k + L_k e * sqrt(degrees / chi2),  L_k L_k^T = covariances_k.

    Args:
        key: a PRNG key.
        n: rows.
        means: one mean per class, (K, d).
        covariances: one positive definite matrix for all classes, (d, d), or one each, (K, d, d). For t classes
            it is the scale matrix.
        degrees: degrees of freedom of the multivariate t, > 0; None means Gaussian.

    Returns:
        Features and classes 0..K-1.

    Raises:
        ValueError: when the shapes disagree.

    >>> X, y = gaussian_classes(
    ...     jax.random.key(0), n=2000, means=jnp.array([[-1.0, 0.0], [1.0, 0.0]]), covariances=jnp.eye(2)
    ... )
    >>> round(((X[:, 0] > 0) == (y == 1)).mean().item(), 1)  # Phi(1) = 0.84
    0.8
    """
    sizes = check_shapes("gaussian_classes", means=(means, "K d"))
    K, d = sizes["K"], sizes["d"]
    if covariances.ndim == 2:
        covariances = jnp.broadcast_to(covariances[None], (K, *covariances.shape))
    hint = "Give one (d, d) matrix, or one for each class."
    check_shapes("gaussian_classes", hint=hint, means=(means, "K d"), covariances=(covariances, "K d d"))
    which, noise, tail = jax.random.split(key, 3)
    y = jax.random.randint(which, (n,), 0, K)
    step = jnp.einsum("nij,nj->ni", jax.vmap(cholesky)(covariances)[y], jax.random.normal(noise, (n, d), means.dtype))
    if degrees is not None:
        half = jnp.asarray(degrees, means.dtype) / 2
        step = step * jnp.sqrt(half / jax.random.gamma(tail, half, (n, 1), means.dtype))
    return Sample(means[y] + step, y)


def friedman1(key: PRNGKeyArray, *, n: int, d: int = 10, noise: Scalar = 1.0) -> Sample:
    """Draw Friedman's first regression problem: five relevant features, the others idle.

    y = 10 sin(pi x_1 x_2) + 20 (x_3 - 1/2)^2 + 10 x_4 + 5 x_5 + noise e,  x uniform on [0, 1]^d.

    Args:
        key: a PRNG key.
        n: rows.
        d: features, at least 5.
        noise: standard deviation of the noise, >= 0.

    Returns:
        Features and real targets.

    Raises:
        ValueError: when d < 5.

    Reference: Friedman (1991), "Multivariate adaptive regression splines", Annals of Statistics 19(1),
    doi:10.1214/aos/1176347963.

    >>> round(friedman1(jax.random.key(0), n=5000).y.mean().item())
    14
    """
    if d < 5:
        raise ValueError(f"friedman1: 'd' must be at least 5, got {d}. Five features are relevant.")
    features, error = jax.random.split(key)
    X = jax.random.uniform(features, (n, d))
    signal = 10 * jnp.sin(jnp.pi * X[:, 0] * X[:, 1]) + 20 * (X[:, 2] - 0.5) ** 2 + 10 * X[:, 3] + 5 * X[:, 4]
    return Sample(X, signal + noise * jax.random.normal(error, (n,)))


def _impedance_features(key: PRNGKeyArray, n: int) -> Array:
    """Resistance, angular frequency, inductance and capacity, uniform in Friedman's ranges."""
    low = jnp.array([0.0, 40 * jnp.pi, 0.0, 1.0])
    high = jnp.array([100.0, 560 * jnp.pi, 1.0, 11.0])
    return low[None] + (high - low)[None] * jax.random.uniform(key, (n, 4))


def friedman2(key: PRNGKeyArray, *, n: int, noise: Scalar = 0.0) -> Sample:
    """Draw Friedman's second problem: the impedance of an alternating-current circuit.

    y = sqrt(x_1^2 + (x_2 x_3 - 1 / (x_2 x_4))^2) + noise e.

    Args:
        key: a PRNG key.
        n: rows.
        noise: standard deviation of the noise, >= 0.

    Returns:
        Features (n, 4) and real targets.

    Reference: Friedman (1991), Annals of Statistics 19(1), doi:10.1214/aos/1176347963.

    >>> round(friedman2(jax.random.key(0), n=5000).y.mean().item() / 100)
    5
    """
    features, error = jax.random.split(key)
    X = _impedance_features(features, n)
    reactance = X[:, 1] * X[:, 2] - 1 / (X[:, 1] * X[:, 3])
    return Sample(X, jnp.hypot(X[:, 0], reactance) + noise * jax.random.normal(error, (n,)))


def friedman3(key: PRNGKeyArray, *, n: int, noise: Scalar = 0.0) -> Sample:
    """Draw Friedman's third problem: the phase angle of an alternating-current circuit.

    y = arctan((x_2 x_3 - 1 / (x_2 x_4)) / x_1) + noise e.

    Args:
        key: a PRNG key.
        n: rows.
        noise: standard deviation of the noise, >= 0.

    Returns:
        Features (n, 4) and real targets.

    Reference: Friedman (1991), Annals of Statistics 19(1), doi:10.1214/aos/1176347963.

    >>> round(friedman3(jax.random.key(0), n=5000).y.mean().item(), 1)
    1.3
    """
    features, error = jax.random.split(key)
    X = _impedance_features(features, n)
    reactance = X[:, 1] * X[:, 2] - 1 / (X[:, 1] * X[:, 3])
    # x_1 >= 0, so arctan2 is arctan of the quotient, and finite at x_1 = 0.
    return Sample(X, jnp.arctan2(reactance, X[:, 0]) + noise * jax.random.normal(error, (n,)))


def two_moons(key: PRNGKeyArray, *, n: int, noise: Scalar = 0.1) -> Sample:
    """Draw two interleaved half circles: two classes that no line separates.

    Class 0: (cos t, sin t);  class 1: (1 - cos t, 1/2 - sin t);  t uniform on [0, pi]; plus noise e.

    Args:
        key: a PRNG key.
        n: rows.
        noise: standard deviation of the noise, >= 0.

    Returns:
        Features (n, 2) and classes 0 and 1, equally likely.

    >>> X, y = two_moons(jax.random.key(0), n=1000, noise=0.0)
    >>> round(X[y == 0, 1].max().item(), 1), round(X[y == 1, 1].max().item(), 1)
    (1.0, 0.5)
    """
    which, angle, error = jax.random.split(key, 3)
    y = jax.random.bernoulli(which, 0.5, (n,)).astype(jnp.int32)
    t = jax.random.uniform(angle, (n,), maxval=jnp.pi)
    first = jnp.stack([jnp.cos(t), jnp.sin(t)], axis=1)
    second = jnp.stack([1 - jnp.cos(t), 0.5 - jnp.sin(t)], axis=1)
    X = jnp.where(y[:, None] == 0, first, second)
    return Sample(X + noise * jax.random.normal(error, X.shape), y)


def parity(key: PRNGKeyArray, *, n: int, d: int = 2, order: int = 2, noise: Scalar = 0.0) -> Sample:
    """Draw the parity problem: the class is the sign of a product of features; XOR at order 2.

    x uniform on [-1, 1]^d,  y = 1 if x_1 x_2 ... x_order < 0 else 0, flipped with probability `noise`. No feature
    alone, nor any set of fewer than `order` of them, says anything about the class.

    Args:
        key: a PRNG key.
        n: rows.
        d: features, at least `order`.
        order: number of features that matter, at least 1.
        noise: probability of a flipped class, in [0, 1].

    Returns:
        Features (n, d) and classes 0 and 1.

    Raises:
        ValueError: when `order` is not in 1..d.

    >>> X, y = parity(jax.random.key(0), n=4000)
    >>> ((X[:, 0] * X[:, 1] < 0) == (y == 1)).mean().item(), round(((X[:, 0] < 0) == (y == 1)).mean().item(), 1)
    (1.0, 0.5)
    """
    if not 1 <= order <= d:
        raise ValueError(f"parity: 'order' must lie in 1..d={d}, got {order}. Add features or lower it.")
    features, flip = jax.random.split(key)
    X = jax.random.uniform(features, (n, d), minval=-1.0, maxval=1.0)
    flipped = jax.random.bernoulli(flip, noise, (n,))
    y: Int[Array, " n"] = ((jnp.prod(X[:, :order], axis=1) < 0) ^ flipped).astype(jnp.int32)
    return Sample(X, y)
