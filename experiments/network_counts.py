"""How many convolutions ResNet-50 has, and what its published operations count, read from modules."""

import functools
from collections.abc import Callable
from typing import Any

from flax import nnx

from jaxml import Experiment
from jaxml.nn import Bottleneck, ResNet, describe, resnet18, resnet50


class PublishedBottleneck(Bottleneck):
    """The block as the paper has it: the step is taken by the first convolution, not by the second."""

    def __init__(self, features: int, width: int, *, stride: int = 1, rngs: nnx.Rngs, **options: Any):
        super().__init__(features, width, stride=stride, rngs=rngs, **options)
        self.conv1 = nnx.Conv(features, width, (1, 1), strides=stride, use_bias=False, rngs=rngs)
        self.conv2 = nnx.Conv(width, width, (3, 3), padding=1, use_bias=False, rngs=rngs)


@functools.cache
def layers(make: Callable[..., Any]) -> list[Any]:
    """The layers of a network for ImageNet, of which no weights are drawn."""
    return describe(nnx.eval_shape(lambda: make(rngs=nnx.Rngs(0))), (224, 224, 3))


def convolutions(make: Callable[..., Any], *, shortcuts: bool) -> dict[str, int]:
    """Convolutions of a network, with those of its shortcuts or without, and how many there are with affine layers."""
    kinds = [layer.kind for layer in layers(make) if shortcuts or "downsample" not in layer.path]
    return {"convolutions": kinds.count("Conv"), "layers": kinds.count("Conv") + kinds.count("Linear")}


def published_resnet50(*, rngs: nnx.Rngs) -> ResNet:
    """ResNet-50 as the paper has it."""
    return ResNet(PublishedBottleneck, (3, 4, 6, 3), rngs=rngs)


def published(*, operations: int) -> dict[str, float]:
    """The published 3.8e9 for each of so many operations of ResNet-50, counted in its program."""
    return {"for_each": 3.8e9 * operations / sum(layer.flops for layer in layers(published_resnet50))}


experiment = Experiment(
    numbers={
        "all_convolutions": lambda: convolutions(resnet50, shortcuts=True),
        "convolutions_of_the_path": lambda: convolutions(resnet50, shortcuts=False),
        "convolutions_of_the_path_of_resnet18": lambda: convolutions(resnet18, shortcuts=False),
        "published_multiply_adds": lambda: published(operations=2),
        "published_operations": lambda: published(operations=1),
    }
)
