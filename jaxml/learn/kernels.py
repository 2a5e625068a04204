"""Kernels of pairs of rows, and the decision values of a machine that is a sum of them."""

from dataclasses import dataclass, field
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxml.learn.checks import Data
from jaxml.ops.checks import Scalar

Kernel = Literal["linear", "rbf", "poly"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class KernelParams:
    """A kernel machine: f(x) = sum_i dual_coef_i k(x_i, x) + intercept.

    The linear kernel is taken about the mean of `X`: as the coefficients sum to zero, that changes nothing but the
    intercept, and far from the origin it saves all digits.

    Attributes:
        dual_coef: (2 y_i - 1) alpha_i, (n,); zero up to rounding for rows that are no support vectors.
        intercept: ().
        X: the rows it was fitted on, (n, d).
        gamma, coef0: the kernel's parameters, as used.
        kernel, degree: which kernel; static.
    """

    dual_coef: Any  # arrays, or whatever a pytree of this shape may hold
    intercept: Any
    X: Any
    gamma: Any
    coef0: Any
    kernel: Kernel = field(default="rbf", metadata={"static": True})
    degree: int = field(default=3, metadata={"static": True})


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


def training_kernel(X: Array, rows: Array, *, kernel: Kernel, gamma: Scalar, degree: int, coef0: Scalar) -> Array:
    """Kernel values of `X` with the rows of a fit, the linear kernel about their mean."""
    origin = jnp.mean(rows, axis=0) if kernel == "linear" else jnp.zeros((), rows.dtype)
    shifted = [value - jnp.broadcast_to(origin, value.shape) for value in (X, rows)]
    return kernel_matrix(*shifted, kernel=kernel, gamma=gamma, degree=degree, coef0=coef0)


def kernel_rounding(
    K: Float[Array, "n n"], coef: Float[Array, " n"], *, kernel: Kernel, degree: int
) -> Float[Array, " n"]:
    """What K coef may be off by, as every entry of K and of coef was rounded its own way.

    An inner product is off by eps ||x|| ||x'||, and exp(-t) by half of eps times itself and t exp(-t).
    """
    eps = jnp.finfo(K.dtype).eps
    if kernel == "rbf":
        return eps / 2 * jnp.sqrt(K @ coef**2)
    length = jnp.sqrt(jnp.maximum(jnp.diagonal(K), 0.0))
    return eps * (degree if kernel == "poly" else 1) * length * jnp.sqrt(jnp.sum((length * coef) ** 2))


def kernel_decision(params: KernelParams, X: Float[Data, "m d"]) -> Float[Array, " m"]:
    """Decision values of a kernel machine, class 1 where positive.

    >>> params = KernelParams(jnp.ones(1), jnp.array(-0.5), jnp.zeros((1, 2)), jnp.array(1.0), jnp.array(0.0))
    >>> kernel_decision(params, jnp.zeros((1, 2))).tolist()
    [0.5]
    """
    values = training_kernel(
        jnp.asarray(X), params.X, kernel=params.kernel, gamma=params.gamma, degree=params.degree, coef0=params.coef0
    )
    return values @ params.dual_coef + params.intercept
