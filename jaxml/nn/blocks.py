"""Blocks that deep convolutional networks repeat: plain, residual and dense ones, and the transitions between them.

A block maps a batch of images, channels last, to another; ``training=True`` normalises by the batch and moves the
running statistics. Attribute names are those of torchvision's modules, so that its weights find their place.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

from jaxml.nn.layers import BatchNorm, Dropout, he_conv, layer_key
from jaxml.ops.checks import Scalar

Images = Float[Array, "n _ _ _"]
"""(images, height, width, channels)."""


class PlainBlock(nnx.Module):
    """Two 3 x 3 convolutions, ``relu(norm(W2 * relu(norm(W1 * x))))``: a basic block without its shortcut.

    Args:
        features: channels of the input.
        width: channels of the convolutions; the block's output has ``expansion`` times as many.
        stride: step of the first 3 x 3 convolution.
        momentum: of the batch norms; may be traced.
        rngs: as for `nnx.Conv`.

    Reference: He et al. (2016), Deep Residual Learning, CVPR, whose plain networks it makes.

    >>> jax.eval_shape(lambda x: PlainBlock(4, 8, stride=2, rngs=nnx.Rngs(0))(x), jnp.ones((1, 6, 6, 4))).shape
    (1, 3, 3, 8)
    """

    expansion = 1
    normalises_last = True  # False: whoever stacks the blocks must normalise and activate their sum

    def __init__(self, features: int, width: int, *, stride: int = 1, momentum: Scalar = 0.9, rngs: nnx.Rngs):
        self.conv1 = he_conv(features, width, 3, stride=stride, rngs=rngs)
        self.bn1 = BatchNorm(width, momentum=momentum)
        self.conv2 = he_conv(width, width, 3, rngs=rngs)
        self.bn2 = BatchNorm(width, momentum=momentum)

    def branch(self, x: Images, training: bool) -> Images:
        """What a residual block adds to its input."""
        x = jax.nn.relu(self.bn1(self.conv1(x), training=training))
        return self.bn2(self.conv2(x), training=training)

    def __call__(self, x: Images, *, training: bool = False) -> Images:
        """Apply to a batch."""
        return jax.nn.relu(self.branch(x, training))


class BasicBlock(PlainBlock):
    """Residual block of two 3 x 3 convolutions, ``relu(branch(x) + shortcut(x))``.

    The shortcut is the identity, or a strided 1 x 1 convolution and a norm where the shape changes. Arguments as for
    `PlainBlock`.

    Reference: He et al. (2016), Deep Residual Learning, CVPR, figure 5 left, shortcut B.

    >>> block = BasicBlock(4, 4, rngs=nnx.Rngs(0))
    >>> block.bn2.scale[...] = jnp.zeros(4)  # a branch that adds nothing leaves the identity
    >>> x = jnp.arange(16.0).reshape(1, 2, 2, 4)
    >>> bool((block(x) == x).all())
    True
    """

    def __init__(self, features: int, width: int, *, stride: int = 1, momentum: Scalar = 0.9, rngs: nnx.Rngs):
        super().__init__(features, width, stride=stride, momentum=momentum, rngs=rngs)
        self.downsample = _shortcut(features, width, stride, momentum, rngs)

    def __call__(self, x: Images, *, training: bool = False) -> Images:
        """Apply to a batch."""
        return jax.nn.relu(self.branch(x, training) + _through(self.downsample, x, training))


class Bottleneck(nnx.Module):
    """Residual block of 1 x 1, 3 x 3 and 1 x 1 convolutions, the last with four times the channels.

    The stride is the 3 x 3 convolution's, as in torchvision ("v1.5"); the paper's is the first one's. Arguments as for
    `PlainBlock`.

    Reference: He et al. (2016), Deep Residual Learning, CVPR, figure 5 right.

    >>> jax.eval_shape(lambda x: Bottleneck(16, 8, stride=2, rngs=nnx.Rngs(0))(x), jnp.ones((1, 6, 6, 16))).shape
    (1, 3, 3, 32)
    """

    expansion = 4
    normalises_last = True

    def __init__(self, features: int, width: int, *, stride: int = 1, momentum: Scalar = 0.9, rngs: nnx.Rngs):
        out = self.expansion * width
        self.conv1, self.bn1 = he_conv(features, width, 1, rngs=rngs), BatchNorm(width, momentum=momentum)
        self.conv2 = he_conv(width, width, 3, stride=stride, rngs=rngs)
        self.bn2 = BatchNorm(width, momentum=momentum)
        self.conv3, self.bn3 = he_conv(width, out, 1, rngs=rngs), BatchNorm(out, momentum=momentum)
        self.downsample = _shortcut(features, out, stride, momentum, rngs)

    def __call__(self, x: Images, *, training: bool = False) -> Images:
        """Apply to a batch."""
        y = jax.nn.relu(self.bn1(self.conv1(x), training=training))
        y = jax.nn.relu(self.bn2(self.conv2(y), training=training))
        y = self.bn3(self.conv3(y), training=training)
        return jax.nn.relu(y + _through(self.downsample, x, training))


class PreActivationBlock(nnx.Module):
    """Residual block that normalises and activates before its convolutions, so that the identity path is untouched.

    ``x + W2 * relu(norm(W1 * relu(norm(x))))``; where the shape changes the shortcut is a 1 x 1 convolution of
    ``relu(norm(x))``. Arguments as for `PlainBlock`.

    Reference: He et al. (2016), Identity Mappings in Deep Residual Networks, ECCV, figure 4e.

    >>> block = PreActivationBlock(4, 4, rngs=nnx.Rngs(0))
    >>> block.conv2.kernel[...] = jnp.zeros((3, 3, 4, 4))
    >>> float(jax.grad(lambda x: block(x).sum())(jnp.ones((1, 2, 2, 4)))[0, 0, 0, 0])
    1.0
    """

    expansion = 1
    normalises_last = False

    def __init__(self, features: int, width: int, *, stride: int = 1, momentum: Scalar = 0.9, rngs: nnx.Rngs):
        self.bn1 = BatchNorm(features, momentum=momentum)
        self.conv1 = he_conv(features, width, 3, stride=stride, rngs=rngs)
        self.bn2 = BatchNorm(width, momentum=momentum)
        self.conv2 = he_conv(width, width, 3, rngs=rngs)
        same = stride == 1 and features == width
        self.downsample = None if same else he_conv(features, width, 1, stride=stride, rngs=rngs)

    def __call__(self, x: Images, *, training: bool = False) -> Images:
        """Apply to a batch."""
        activated = jax.nn.relu(self.bn1(x, training=training))
        y = jax.nn.relu(self.bn2(self.conv1(activated), training=training))
        return self.conv2(y) + (x if self.downsample is None else self.downsample(activated))


class DenseLayer(nnx.Module):
    """One layer of a dense block: normalise, activate, 1 x 1 to ``4 growth`` channels, and again 3 x 3 to `growth`.

    Args:
        features: channels of the input.
        growth: channels of the output, the growth rate.
        dropout: rate after the last convolution; may be traced.
        momentum: of the batch norms; may be traced.
        rngs: as for `nnx.Conv`.

    Reference: Huang et al. (2017), Densely Connected Convolutional Networks, CVPR, DenseNet-B.

    >>> jax.eval_shape(lambda x: DenseLayer(16, 4, rngs=nnx.Rngs(0))(x), jnp.ones((1, 3, 3, 16))).shape
    (1, 3, 3, 4)
    """

    def __init__(self, features: int, growth: int, *, dropout: Scalar = 0.0, momentum: Scalar = 0.9, rngs: nnx.Rngs):
        self.norm1 = BatchNorm(features, momentum=momentum)
        self.conv1 = he_conv(features, 4 * growth, 1, rngs=rngs)
        self.norm2 = BatchNorm(4 * growth, momentum=momentum)
        self.conv2 = he_conv(4 * growth, growth, 3, rngs=rngs)
        self.dropout = Dropout(dropout)

    def __call__(self, x: Images, *, training: bool = False, key: Array | None = None) -> Images:
        """Apply to a batch; the result holds the new channels only."""
        x = self.conv1(jax.nn.relu(self.norm1(x, training=training)))
        x = self.conv2(jax.nn.relu(self.norm2(x, training=training)))
        return self.dropout(x, training=training, key=key)


class DenseBlock(nnx.Module):
    """Layers of which each sees the input and the outputs of all before it: ``x_l = layer_l([x_0, ..., x_(l-1)])``.

    Args:
        features: channels of the input, k0; the output has ``k0 + growth layers``.
        growth: channels that each layer adds.
        layers: how many, L; there are ``L (L + 1) / 2`` links between layers.
        dropout: rate in each layer; may be traced.
        momentum: of the batch norms; may be traced.
        rngs: as for `nnx.Conv`.

    Reference: Huang et al. (2017), Densely Connected Convolutional Networks, CVPR, eq. 2.

    >>> block = nnx.eval_shape(lambda: DenseBlock(16, 4, layers=3, rngs=nnx.Rngs(0)))
    >>> [layer.conv1.in_features for layer in block.layers]
    [16, 20, 24]
    """

    def __init__(
        self,
        features: int,
        growth: int,
        *,
        layers: int,
        dropout: Scalar = 0.0,
        momentum: Scalar = 0.9,
        rngs: nnx.Rngs,
    ):
        self.layers = nnx.List(
            [DenseLayer(features + i * growth, growth, dropout=dropout, momentum=momentum, rngs=rngs)
             for i in range(layers)]
        )  # fmt: skip

    def __call__(self, x: Images, *, training: bool = False, key: Array | None = None) -> Images:
        """Apply to a batch."""
        for i, layer in enumerate(self.layers):
            x = jnp.concatenate([x, layer(x, training=training, key=layer_key(key, i))], axis=-1)
        return x


class Transition(nnx.Module):
    """Between dense blocks: normalise, activate, 1 x 1 convolution to `width` channels, average over 2 x 2.

    Args:
        features: channels of the input.
        width: channels of the output; DenseNet-C halves them.
        momentum: of the batch norm; may be traced.
        rngs: as for `nnx.Conv`.

    Reference: Huang et al. (2017), Densely Connected Convolutional Networks, CVPR, section 3.

    >>> jax.eval_shape(lambda x: Transition(8, 4, rngs=nnx.Rngs(0))(x), jnp.ones((1, 7, 7, 8))).shape
    (1, 3, 3, 4)
    """

    def __init__(self, features: int, width: int, *, momentum: Scalar = 0.9, rngs: nnx.Rngs):
        self.norm, self.conv = BatchNorm(features, momentum=momentum), he_conv(features, width, 1, rngs=rngs)

    def __call__(self, x: Images, *, training: bool = False) -> Images:
        """Apply to a batch."""
        x = self.conv(jax.nn.relu(self.norm(x, training=training)))
        window = (1, 2, 2, 1)
        single = min(x.shape[1:3]) < 2  # of a map of one pixel there is nothing to average
        return x if single else lax.reduce_window(x, 0.0, lax.add, window, window, "VALID") / 4


def _shortcut(
    features: int, out: int, stride: int, momentum: Scalar, rngs: nnx.Rngs
) -> Any:  # None or an nnx.List, as in torchvision
    if stride == 1 and features == out:
        return None
    return nnx.List([he_conv(features, out, 1, stride=stride, rngs=rngs), BatchNorm(out, momentum=momentum)])


def _through(downsample: Any, x: Images, training: bool) -> Images:
    if downsample is None:
        return x
    conv, norm = downsample
    return norm(conv(x), training=training)
