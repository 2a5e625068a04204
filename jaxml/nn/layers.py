"""Layers that Flax lacks or whose hyperparameters it fixes: batch norm, dropout, unshared convolution, pooling.

Convolutions and affine maps are Flax's own `nnx.Conv` and `nnx.Linear`. Every layer takes a batch, channels last.
Hyperparameters of a layer may be traced (`hyperparameter`), so that a sweep makes lanes of them. Randomness is an
argument: a layer or model that drops units in training is called with ``key=``.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jaxtyping import Array, Bool, Float

from jaxml.nn.initializers import INITIALIZERS, Initializer, stacked
from jaxml.ops import BatchNormState, NormParams, batch_norm, conv_output_size
from jaxml.ops.checks import Scalar, check_shapes

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda z: z,
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
}
"""Activations by the name a config gives them."""


class Hyperparameter(nnx.Variable):
    """A number that a sweep may trace and that training leaves as it is: part of a model's state, not a `Param`."""


def hyperparameter(value: Scalar) -> Hyperparameter | float | int:
    """Hold a hyperparameter in a module: a Python number is static, an array or tracer becomes part of the state.

    Args:
        value: the number.

    >>> hyperparameter(0.9), float(hyperparameter(jnp.asarray(0.5))[...])
    (0.9, 0.5)
    """
    return value if isinstance(value, (int, float)) else Hyperparameter(value)


def value_of(held: Hyperparameter | float | int) -> Scalar:
    """The number that `hyperparameter` holds."""
    return held[...] if isinstance(held, Hyperparameter) else held


class BatchNorm(nnx.Module):
    """Batch normalisation of the last axis by `jaxml.ops.batch_norm`, its statistics kept as `nnx.BatchStat`.

    Args:
        features: channels.
        momentum: weight of the old statistics in [0, 1] (torch's 0.1 is 0.9 here); may be traced.
        eps: added to the variance.

    See also: `jaxml.ops.batch_norm` for the formula, masks and conventions.

    >>> norm = BatchNorm(1, momentum=0.5)
    >>> norm(jnp.array([[1.0], [3.0]]), training=True).ravel().round(3), norm.mean[...].item()
    (Array([-1.,  1.], dtype=float32), 1.0)
    """

    def __init__(self, features: int, *, momentum: Scalar = 0.9, eps: float = 1e-5):
        self.scale, self.bias = nnx.Param(jnp.ones(features)), nnx.Param(jnp.zeros(features))
        self.mean, self.var = nnx.BatchStat(jnp.zeros(features)), nnx.BatchStat(jnp.ones(features))
        self.momentum, self.eps = hyperparameter(momentum), eps

    def __call__(
        self, x: Float[Array, "*batch c"], *, training: bool = False, mask: Bool[Array, "*batch"] | None = None
    ) -> Float[Array, "*batch c"]:
        """Normalise a batch; in training by its own statistics, which move the running ones."""
        shape = (1,) * (x.ndim - 1) + (-1,)
        scale, bias, mean, var = (v[...].reshape(shape) for v in (self.scale, self.bias, self.mean, self.var))
        y, state = batch_norm(
            x, NormParams(scale, bias), BatchNormState(mean, var), training=training,
            momentum=value_of(self.momentum), eps=self.eps, mask=mask,
        )  # fmt: skip
        if training:
            self.mean[...], self.var[...] = state.mean.ravel(), state.var.ravel()
        return y


class Dropout(nnx.Module):
    """Omission of single units in training, ``x b / (1 - rate)`` with ``b`` 1 with probability ``1 - rate``, else 0.

    Args:
        rate: probability to drop in [0, 1]; may be traced. The Python number 0 costs nothing and needs no key.

    Reference: Srivastava et al. (2014), Dropout, JMLR 15.

    >>> kept = Dropout(0.25)(jnp.ones(1000), training=True, key=jax.random.key(0))
    >>> sorted(set(kept.round(3).tolist())), float(jnp.abs(kept.mean() - 1).round(1))
    ([0.0, 1.333...], 0.0)
    """

    def __init__(self, rate: Scalar):
        self.rate = hyperparameter(rate)

    def __call__(
        self, x: Float[Array, "..."], *, training: bool = False, key: Array | None = None
    ) -> Float[Array, "..."]:
        """Drop units, in training only."""
        rate = value_of(self.rate)
        if not training or (isinstance(rate, (int, float)) and rate == 0):
            return x
        if key is None:
            raise ValueError("Dropout: in training a 'key' must be given, got None. Call the model with key=...")
        survival = 1 - jnp.asarray(rate, x.dtype)
        kept = jax.random.uniform(key, x.shape) < survival.astype(jnp.float32)
        return jnp.where(kept, x / jnp.where(survival > 0, survival, 1), 0)


class LocallyConnected(nnx.Module):
    """Unshared convolution: a convolution with a kernel of its own at every position of the output.

    ``y[p, o] = sum over taps t and channels c of kernel[p, t, c, o] x[p stride + t - padding, c] + bias[p, o]``: as
    many operations as the convolution, and as many times its parameters as the output has positions.

    Args:
        in_features: channels of the input.
        out_features: channels of the output.
        input_size: height and width of the input.
        kernel_size: taps per axis.
        stride: step on both axes.
        padding: zeros on every side.
        use_bias: whether each position and channel has a bias.
        kernel_init: draws each position's (taps x channels, out) matrix.
        rngs: as for `nnx.Conv`.

    Reference: LeCun (1989), Generalization and network design strategies, which compares it with shared weights.

    >>> sizes = {"kernel_size": (3, 3), "padding": 1}
    >>> local = nnx.eval_shape(lambda: LocallyConnected(3, 8, input_size=(8, 8), rngs=nnx.Rngs(0), **sizes))
    >>> shared = nnx.eval_shape(lambda: nnx.Conv(3, 8, rngs=nnx.Rngs(0), **sizes))
    >>> count_parameters(local) // count_parameters(shared)
    64
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        input_size: tuple[int, int],
        kernel_size: tuple[int, int],
        stride: int = 1,
        padding: int = 0,
        use_bias: bool = True,
        kernel_init: Initializer = INITIALIZERS["lecun_normal"],
        rngs: nnx.Rngs,
    ):
        self.input_size, self.kernel_size, self.stride, self.padding = input_size, kernel_size, stride, padding
        h, w = conv_output_size(input_size, kernel_size=kernel_size, stride=stride, padding=padding)
        taps = math.prod(kernel_size) * in_features
        kernel = stacked(kernel_init, rngs.params(), h * w, (taps, out_features))
        self.kernel = nnx.Param(kernel.reshape(h, w, taps, out_features))
        self.bias = nnx.Param(jnp.zeros((h, w, out_features))) if use_bias else None

    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n oh ow o"]:
        """Apply to a batch of images of the size given."""
        height, width = self.input_size
        channels = self.kernel.shape[2] // math.prod(self.kernel_size)
        check_shapes(
            "LocallyConnected", x=(x, f"n {height} {width} {channels}"), hint="Its weights fit one size of image only."
        )
        windows = patches(x, kernel_size=self.kernel_size, stride=self.stride, padding=self.padding)
        y = jnp.einsum("nhwk,hwko->nhwo", windows, self.kernel[...])
        return y if self.bias is None else y + self.bias[...][None]


def patches(
    x: Float[Array, "n h w c"], *, kernel_size: tuple[int, int], stride: int = 1, padding: int = 0
) -> Float[Array, "n oh ow k"]:
    """Lay out what each position of a convolution reads, taps row by row, channels fastest.

    Args:
        x: a batch of images.
        kernel_size: taps per axis.
        stride: step on both axes.
        padding: zeros on every side.

    Returns:
        Shape (n, oh, ow, taps x channels): times a kernel reshaped to (taps x channels, out), the convolution.

    Slices and not `lax.conv_general_dilated_patches`, whose derivative is an order of magnitude slower on a CPU.

    >>> patches(jnp.arange(9.0).reshape(1, 3, 3, 1), kernel_size=(2, 2))[0, 0, 0]
    Array([0., 1., 3., 4.], dtype=float32)
    """
    oh, ow = conv_output_size(x.shape[1:3], kernel_size=kernel_size, stride=stride, padding=padding)
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    last = (x.shape[0], (oh - 1) * stride + 1, (ow - 1) * stride + 1, x.shape[3])
    windows = [
        lax.slice(x, (0, i, j, 0), (last[0], i + last[1], j + last[2], last[3]), (1, stride, stride, 1))
        for i, j in itertools.product(*map(range, kernel_size))
    ]
    return jnp.concatenate(windows, axis=-1)


def adaptive_average_pool(x: Float[Array, "n h w c"], *, output_size: tuple[int, int]) -> Float[Array, "n oh ow c"]:
    """Average over ``[floor(i h / oh), ceil((i + 1) h / oh))`` for each row `i` of the output, and columns alike.

    Args:
        x: a batch of images.
        output_size: height and width of the output; the input may be smaller.

    See also: torch's ``adaptive_avg_pool2d``, which it equals.

    >>> adaptive_average_pool(jnp.arange(5.0).reshape(1, 5, 1, 1), output_size=(2, 1)).ravel()
    Array([1., 3.], dtype=float32)
    """

    def weights(size: int, out: int) -> Array:
        rows = np.zeros((out, size))
        for i in range(out):
            rows[i, i * size // out : -(-(i + 1) * size // out)] = 1
        return jnp.asarray(rows / rows.sum(1, keepdims=True), x.dtype)

    if x.shape[1:3] == tuple(output_size):
        return x
    return jnp.einsum("ph,nhwc,qw->npqc", weights(x.shape[1], output_size[0]), x, weights(x.shape[2], output_size[1]))


def count_parameters(model: nnx.Module) -> int:
    """Number of trainable parameters; the model may be abstract (`nnx.eval_shape`), which computes nothing.

    Args:
        model: any module.

    >>> count_parameters(nnx.Linear(3, 4, rngs=nnx.Rngs(0)))
    16
    """
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


def layer_key(key: Array | None, number: Array | int) -> Array | None:
    """The key of a model's `number`-th layer; None stays None."""
    return None if key is None else jax.random.fold_in(key, number)


def convolve(x: Array, kernel: Array, strides: Any, padding: Any, **options: Any) -> Array:
    """`lax.conv_general_dilated` for `nnx.Conv`, or the same as a matrix product of `patches` where those are small.

    On a CPU, XLA's convolution is an order of magnitude slower inside a loop, which every training run is, than
    outside, and slower with a kernel of its own in each lane. Large patches would cost more memory than they save time.
    """
    small = math.prod(x.shape[1:3]) <= 256 and math.prod(kernel.shape[:3]) <= 288
    if not small:
        return lax.conv_general_dilated(x, kernel, strides, padding, **options)
    size = (kernel.shape[0], kernel.shape[1])
    windows = patches(x, kernel_size=size, stride=strides[0], padding=padding[0][0])
    return windows @ kernel.reshape(-1, kernel.shape[-1])


def he_conv(
    features_in: int, features_out: int, size: int, *, stride: int = 1, use_bias: bool = False, rngs: nnx.Rngs
) -> nnx.Conv:
    """The convolution of residual and dense networks: odd `size`, output of ``ceil(input / stride)``, He's weights."""
    padding = ((size // 2, size // 2),) * 2
    return nnx.Conv(
        features_in, features_out, (size, size), strides=stride, padding=padding, use_bias=use_bias,
        kernel_init=INITIALIZERS["he_fan_out"], conv_general_dilated=convolve, rngs=rngs,
    )  # fmt: skip


def max_pool(x: Float[Array, "n h w c"], size: int, *, stride: int, padding: int = 0) -> Float[Array, "n oh ow c"]:
    """Maximum over windows; padding never wins."""
    sides: Any = ((padding, padding),) * 2  # which Flax's annotation leaves out
    return nnx.max_pool(x, (size, size), strides=(stride, stride), padding=sides)
