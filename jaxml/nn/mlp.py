"""Fully connected networks whose depth is a scan: compile time does not grow with it, and it may be traced."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from jaxml.nn.initializers import INITIALIZERS, Initializer, stacked
from jaxml.nn.layers import Dropout, hyperparameter, layer_key, value_of
from jaxml.ops import BatchNormState, NormParams, batch_norm
from jaxml.ops.checks import Scalar


class MLP(nnx.Module):
    """Affine layers with an activation between them, ``h_l = drop(phi(norm(W_l h_(l-1) + b_l)))``, and a linear head.

    The hidden layers after the first are one stack of weights and one `lax.scan`.

    Args:
        features: inputs.
        width: units of each hidden layer.
        outputs: units of the head.
        depth: hidden layers, >= 1; the most there can be.
        activation: phi.
        batch_norm: whether to normalise before each activation.
        dropout: rate after each activation; may be traced.
        momentum: of the batch norms, the weight of the old statistics; may be traced.
        kernel_init: draws each weight matrix, the head's too; `scaled` gives it a gain that may be traced.
        rngs: as for `nnx.Linear`.

    See also: `jaxml.nn.padded` for widths and numbers of examples as lanes.

    >>> jax.eval_shape(lambda x: MLP(3, 8, 2, depth=5, rngs=nnx.Rngs(0))(x), jnp.ones((4, 3))).shape
    (4, 2)
    """

    def __init__(
        self,
        features: int,
        width: int,
        outputs: int,
        *,
        depth: int,
        activation: Callable[[Array], Array] = jax.nn.relu,
        batch_norm: bool = False,
        dropout: Scalar = 0.0,
        momentum: Scalar = 0.9,
        kernel_init: Initializer = INITIALIZERS["he_normal"],
        rngs: nnx.Rngs,
    ):
        if depth < 1:
            raise ValueError(f"MLP: 'depth' must be at least 1, got {depth}. Use nnx.Linear for no hidden layer.")
        self.activation, self.momentum, self.dropout = activation, hyperparameter(momentum), Dropout(dropout)
        self.first = nnx.Linear(features, width, kernel_init=kernel_init, rngs=rngs)
        self.kernel = nnx.Param(stacked(kernel_init, rngs.params(), depth - 1, (width, width)))
        self.bias = nnx.Param(jnp.zeros((depth - 1, width)))
        self.scale = nnx.Param(jnp.ones((depth, width))) if batch_norm else None
        self.shift = nnx.Param(jnp.zeros((depth, width))) if batch_norm else None
        self.mean = nnx.BatchStat(jnp.zeros((depth, width))) if batch_norm else None
        self.var = nnx.BatchStat(jnp.ones((depth, width))) if batch_norm else None
        self.head = nnx.Linear(width, outputs, kernel_init=kernel_init, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "n features"],
        *,
        training: bool = False,
        key: Array | None = None,
        depth: Scalar | None = None,
    ) -> Float[Array, "n outputs"]:
        """Outputs for a batch.

        Args:
            x: rows of features.
            training: whether to drop units and to normalise by the batch.
            key: of the dropout.
            depth: use the first `depth` hidden layers only, 1 to all; may be traced. None is all.
        """
        norms = [None if v is None else v[...] for v in (self.scale, self.shift, self.mean, self.var)]

        def finish(z: Array, number: Array | int, norm: list) -> tuple[Array, tuple[Array | None, Array | None]]:
            mean, var = norm[2:]
            if norm[0] is not None:
                scale, shift, mean, var = (v[None] for v in norm)
                z, (mean, var) = batch_norm(
                    z, NormParams(scale, shift), BatchNormState(mean, var), training=training,
                    momentum=value_of(self.momentum),
                )  # fmt: skip
                mean, var = mean[0], var[0]
            drop_key = layer_key(key, number)
            return self.dropout(self.activation(z), training=training, key=drop_key), (mean, var)

        def layer(h: Array, stack: tuple) -> tuple[Array, tuple[Array | None, Array | None]]:
            number, kernel, bias, norm = stack
            after, moved = finish(h @ kernel + bias[None], number, norm)
            if depth is None:
                return after, moved
            used = number < depth
            moved = jax.tree.map(lambda new, old: jnp.where(used, new, old), moved, tuple(norm[2:]))
            return jnp.where(used, after, h), moved

        first, rest = ([None if v is None else v[part] for v in norms] for part in (0, slice(1, None)))
        h, moved = finish(self.first(x), 0, first)
        numbers = jnp.arange(1, self.kernel.shape[0] + 1)
        h, moved_rest = lax.scan(layer, h, (numbers, self.kernel[...], self.bias[...], rest))
        if training and self.mean is not None and self.var is not None:
            self.mean[...], self.var[...] = jax.tree.map(
                lambda one, more: jnp.concatenate([one[None], more]), moved, moved_rest
            )
        return self.head(h)
