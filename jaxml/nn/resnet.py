"""Residual networks: `ResNet` of any blocks, and the published depths."""

import re
from collections.abc import Sequence
from typing import Any

import jax
from flax import nnx
from jaxtyping import Array, Float

from jaxml.nn.blocks import BasicBlock, Bottleneck, PlainBlock, PreActivationBlock
from jaxml.nn.layers import BatchNorm, Dropout, he_conv, max_pool
from jaxml.ops.checks import Scalar

Block = type[PlainBlock | BasicBlock | Bottleneck | PreActivationBlock]


class ResNet(nnx.Module):
    """A stem, stages of blocks that each halve the map and double the channels, the mean over the map, a linear head.

    The first stage keeps the size of the map. With `PlainBlock` it is the plain network of the same depth.

    Args:
        block: `BasicBlock`, `Bottleneck`, `PreActivationBlock` or `PlainBlock`.
        depths: blocks in each stage.
        classes: logits.
        channels: of the images.
        width: channels of the first stage's convolutions.
        small: a 3 x 3 stem of stride 1 without pooling, for images of about 32 pixels or fewer, instead of the 7 x 7
            stem of stride 2 and the 3 x 3 maximum of stride 2.
        dropout: rate before the head; may be traced.
        momentum: of the batch norms, the weight of the old statistics; may be traced.
        rngs: as for `nnx.Conv`.

    Reference: He et al. (2016), Deep Residual Learning, CVPR, table 1 and section 4.2 (small).

    >>> model = lambda x: ResNet(BasicBlock, (1, 1), classes=10, channels=1, width=8, small=True, rngs=nnx.Rngs(0))(x)
    >>> jax.eval_shape(model, jnp.ones((2, 8, 8, 1))).shape
    (2, 10)
    """

    def __init__(
        self,
        block: Block,
        depths: Sequence[int],
        *,
        classes: int = 1000,
        channels: int = 3,
        width: int = 64,
        small: bool = False,
        dropout: Scalar = 0.0,
        momentum: Scalar = 0.9,
        rngs: nnx.Rngs,
    ):
        size, stride = (3, 1) if small else (7, 2)
        self.small = small
        self.conv1 = he_conv(channels, width, size, stride=stride, rngs=rngs)
        self.bn1 = BatchNorm(width, momentum=momentum)
        self.stages, features = nnx.List([]), width
        for number, depth in enumerate(depths):
            stage = nnx.List([])
            for i in range(depth):
                stride = 2 if i == 0 and number > 0 else 1
                stage.append(block(features, width * 2**number, stride=stride, momentum=momentum, rngs=rngs))
                features = block.expansion * width * 2**number
            self.stages.append(stage)
        self.norm = None if block.normalises_last else BatchNorm(features, momentum=momentum)
        self.dropout = Dropout(dropout)
        self.fc = nnx.Linear(features, classes, rngs=rngs)

    def __call__(
        self, x: Float[Array, "n h w c"], *, training: bool = False, key: Array | None = None
    ) -> Float[Array, "n classes"]:
        """Logits of a batch of images."""
        x = jax.nn.relu(self.bn1(self.conv1(x), training=training))
        x = x if self.small else max_pool(x, 3, stride=2, padding=1)
        for stage in self.stages:
            for block in stage:
                x = block(x, training=training)
        if self.norm is not None:
            x = jax.nn.relu(self.norm(x, training=training))
        return self.fc(self.dropout(x.mean((1, 2)), training=training, key=key))

    def torch_name(self, path: str) -> str:
        """Where torchvision's ResNet keeps the layer at `path`."""
        return re.sub(r"stages\.(\d+)", lambda found: f"layer{int(found[1]) + 1}", path)


def resnet18(*, rngs: nnx.Rngs, **options: Any) -> ResNet:
    """ResNet-18: 11,689,512 parameters for ImageNet. Options as for `ResNet`.

    >>> from jaxml.nn import count_parameters
    >>> count_parameters(nnx.eval_shape(lambda: resnet18(rngs=nnx.Rngs(0))))
    11689512
    """
    return ResNet(BasicBlock, (2, 2, 2, 2), rngs=rngs, **options)


def resnet34(*, rngs: nnx.Rngs, **options: Any) -> ResNet:
    """ResNet-34: 21,797,672 parameters for ImageNet. Options as for `ResNet`."""
    return ResNet(BasicBlock, (3, 4, 6, 3), rngs=rngs, **options)


def resnet50(*, rngs: nnx.Rngs, **options: Any) -> ResNet:
    """ResNet-50: 25,557,032 parameters for ImageNet. Options as for `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), rngs=rngs, **options)


def resnet101(*, rngs: nnx.Rngs, **options: Any) -> ResNet:
    """ResNet-101: 44,549,160 parameters for ImageNet. Options as for `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), rngs=rngs, **options)


def resnet152(*, rngs: nnx.Rngs, **options: Any) -> ResNet:
    """ResNet-152: 60,192,808 parameters for ImageNet. Options as for `ResNet`."""
    return ResNet(Bottleneck, (3, 8, 36, 3), rngs=rngs, **options)
