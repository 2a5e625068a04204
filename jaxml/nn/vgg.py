"""VGG networks: stacks of 3 x 3 convolutions between poolings, with or without batch norm."""

import itertools
from collections.abc import Sequence
from typing import Any

import jax
from flax import nnx
from jaxtyping import Array, Float

from jaxml.nn.layers import BatchNorm, Dropout, adaptive_average_pool, he_conv, layer_key, max_pool
from jaxml.ops.checks import Scalar


class VGG(nnx.Module):
    """Stages of 3 x 3 convolutions, each followed by a 2 x 2 maximum, then three affine layers.

    Args:
        depths: convolutions in each stage; channels double from stage to stage up to ``8 width``.
        classes: logits.
        channels: of the images.
        width: channels of the first stage.
        hidden: units of the two hidden affine layers.
        small: the mean over the map and one affine layer, for images of about 32 pixels or fewer, instead of a 7 x 7
            map and three. Poolings that would leave no pixel are left out.
        batch_norm: whether a batch norm follows each convolution.
        dropout: rate after each hidden affine layer, or before the only one; may be traced.
        momentum: of the batch norms, the weight of the old statistics; may be traced.
        rngs: as for `nnx.Conv`.

    Reference: Simonyan and Zisserman (2015), Very Deep Convolutional Networks, ICLR, table 1.

    >>> model = lambda x: VGG((1, 1), classes=10, channels=1, width=8, small=True, dropout=0.0, rngs=nnx.Rngs(0))(x)
    >>> jax.eval_shape(model, jnp.ones((2, 8, 8, 1))).shape
    (2, 10)
    """

    def __init__(
        self,
        depths: Sequence[int],
        *,
        classes: int = 1000,
        channels: int = 3,
        width: int = 64,
        hidden: int = 4096,
        small: bool = False,
        batch_norm: bool = False,
        dropout: Scalar = 0.5,
        momentum: Scalar = 0.9,
        rngs: nnx.Rngs,
    ):
        self.depths, self.small = tuple(depths), small
        widths = [min(2**stage, 8) * width for stage, depth in enumerate(depths) for _ in range(depth)]
        sizes = itertools.pairwise([channels, *widths])
        self.convs = nnx.List([he_conv(n, out, 3, use_bias=True, rngs=rngs) for n, out in sizes])
        self.norms = nnx.List([BatchNorm(n, momentum=momentum) for n in widths]) if batch_norm else None
        self.dropout = Dropout(dropout)
        units = [widths[-1], classes] if small else [49 * widths[-1], hidden, hidden, classes]
        self.affine = nnx.List([nnx.Linear(n, out, rngs=rngs) for n, out in itertools.pairwise(units)])

    def __call__(
        self, x: Float[Array, "n h w c"], *, training: bool = False, key: Array | None = None
    ) -> Float[Array, "n classes"]:
        """Logits of a batch of images."""
        number = 0
        for depth in self.depths:
            for _ in range(depth):
                x = self.convs[number](x)
                x = jax.nn.relu(x if self.norms is None else self.norms[number](x, training=training))
                number += 1
            x = max_pool(x, 2, stride=2) if min(x.shape[1:3]) > 1 else x
        if self.small:
            return self.affine[0](self.dropout(x.mean((1, 2)), training=training, key=key))
        x = adaptive_average_pool(x, output_size=(7, 7))
        x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)  # channels first, so that torchvision's weights fit
        for i, affine in enumerate(self.affine):
            x = affine(x)
            if i + 1 < len(self.affine):
                x = self.dropout(jax.nn.relu(x), training=training, key=layer_key(key, i))
        return x

    def torch_name(self, path: str) -> str:
        """Where torchvision's VGG keeps the layer at `path`: its lists also count activations and poolings."""
        kind, number, *rest = path.split(".")
        if kind == "affine":
            return ".".join(["classifier", str(3 * int(number)), *rest])
        stages = [stage for stage, depth in enumerate(self.depths) for _ in range(depth)]
        per_convolution = 2 if self.norms is None else 3
        place = int(number) * per_convolution + stages[int(number)] + (kind == "norms")
        return ".".join(["features", str(place), *rest])


def vgg11(*, rngs: nnx.Rngs, **options: Any) -> VGG:
    """VGG-11: 132,863,336 parameters for ImageNet. Options as for `VGG`."""
    return VGG((1, 1, 2, 2, 2), rngs=rngs, **options)


def vgg13(*, rngs: nnx.Rngs, **options: Any) -> VGG:
    """VGG-13: 133,047,848 parameters for ImageNet. Options as for `VGG`."""
    return VGG((2, 2, 2, 2, 2), rngs=rngs, **options)


def vgg16(*, rngs: nnx.Rngs, **options: Any) -> VGG:
    """VGG-16: 138,357,544 parameters for ImageNet. Options as for `VGG`."""
    return VGG((2, 2, 3, 3, 3), rngs=rngs, **options)


def vgg19(*, rngs: nnx.Rngs, **options: Any) -> VGG:
    """VGG-19: 143,667,240 parameters for ImageNet. Options as for `VGG`."""
    return VGG((2, 2, 4, 4, 4), rngs=rngs, **options)
