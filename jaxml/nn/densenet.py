"""Densely connected networks: `DenseNet` of any depth and growth, and the published ones."""

import re
from collections.abc import Sequence
from typing import Any

import jax
from flax import nnx
from jaxtyping import Array, Float

from jaxml.nn.blocks import DenseBlock, Transition
from jaxml.nn.layers import BatchNorm, he_conv, layer_key, max_pool
from jaxml.ops.checks import Scalar


class DenseNet(nnx.Module):
    """A stem, dense blocks with transitions between them, a norm, the mean over the map, and a linear head.

    Args:
        depths: layers in each block.
        growth: channels that each layer adds.
        classes: logits.
        channels: of the images.
        width: channels of the stem.
        small: a 3 x 3 stem of stride 1 without norm and pooling, for images of about 32 pixels or fewer.
        dropout: rate in each dense layer; may be traced.
        momentum: of the batch norms, the weight of the old statistics; may be traced.
        rngs: as for `nnx.Conv`.

    Reference: Huang et al. (2017), Densely Connected Convolutional Networks, CVPR, table 1: DenseNet-BC.

    >>> model = lambda x: DenseNet((2, 2), growth=4, classes=10, channels=1, width=8, small=True, rngs=nnx.Rngs(0))(x)
    >>> jax.eval_shape(model, jnp.ones((2, 8, 8, 1))).shape
    (2, 10)
    """

    def __init__(
        self,
        depths: Sequence[int],
        *,
        growth: int = 32,
        classes: int = 1000,
        channels: int = 3,
        width: int = 64,
        small: bool = False,
        dropout: Scalar = 0.0,
        momentum: Scalar = 0.9,
        rngs: nnx.Rngs,
    ):
        size, stride = (3, 1) if small else (7, 2)
        self.conv0 = he_conv(channels, width, size, stride=stride, rngs=rngs)
        self.norm0 = None if small else BatchNorm(width, momentum=momentum)
        self.blocks, self.transitions, features = nnx.List([]), nnx.List([]), width
        for number, layers in enumerate(depths):
            if number:
                self.transitions.append(Transition(features, features // 2, momentum=momentum, rngs=rngs))
                features //= 2
            options: dict[str, Any] = {"layers": layers, "dropout": dropout, "momentum": momentum}
            self.blocks.append(DenseBlock(features, growth, rngs=rngs, **options))
            features += growth * layers
        self.norm5 = BatchNorm(features, momentum=momentum)
        self.classifier = nnx.Linear(features, classes, rngs=rngs)

    def __call__(
        self, x: Float[Array, "n h w c"], *, training: bool = False, key: Array | None = None
    ) -> Float[Array, "n classes"]:
        """Logits of a batch of images."""
        x = self.conv0(x)
        if self.norm0 is not None:
            x = max_pool(jax.nn.relu(self.norm0(x, training=training)), 3, stride=2, padding=1)
        for i, block in enumerate(self.blocks):
            x = block(x if i == 0 else self.transitions[i - 1](x, training=training), training=training,
                      key=layer_key(key, i))  # fmt: skip
        x = jax.nn.relu(self.norm5(x, training=training))
        return self.classifier(x.mean((1, 2)))

    def torch_name(self, path: str) -> str:
        """Where torchvision's DenseNet keeps the layer at `path`."""
        if path.startswith("classifier"):
            return path
        path = re.sub(r"transitions\.(\d+)", lambda f: f"transition{int(f[1]) + 1}", path)
        dense = r"blocks\.(\d+)\.layers\.(\d+)"
        return "features." + re.sub(dense, lambda f: f"denseblock{int(f[1]) + 1}.denselayer{int(f[2]) + 1}", path)


def densenet121(*, rngs: nnx.Rngs, **options: Any) -> DenseNet:
    """DenseNet-121: 7,978,856 parameters for ImageNet. Options as for `DenseNet`."""
    return DenseNet((6, 12, 24, 16), rngs=rngs, **options)


def densenet169(*, rngs: nnx.Rngs, **options: Any) -> DenseNet:
    """DenseNet-169: 14,149,480 parameters for ImageNet. Options as for `DenseNet`."""
    return DenseNet((6, 12, 32, 32), rngs=rngs, **options)


def densenet201(*, rngs: nnx.Rngs, **options: Any) -> DenseNet:
    """DenseNet-201: 20,013,928 parameters for ImageNet. Options as for `DenseNet`."""
    return DenseNet((6, 12, 48, 32), rngs=rngs, **options)
