"""Sizes of what convolutions give: the formula against what JAX makes, and the strides of known networks."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax import lax

from experiments.shared.convolutions import shape
from jaxml import Experiment, Suite
from jaxml.nn import describe, vgg16
from jaxml.ops import conv_output_size

Case = dict[str, Any]
Size = Callable[..., Any]


@functools.cache
def made(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """The size of the output that JAX infers."""
    convolve = functools.partial(
        lax.conv_general_dilated, window_strides=(stride,), padding=[(padding, padding)], rhs_dilation=(dilation,)
    )
    return jax.eval_shape(convolve, shape(n=1, c=1, size=size), shape(o=1, i=1, kernel=kernel)).shape[2]


def output_size(*, floor: bool, dilated: bool) -> Suite:
    """Is (W - F + 2 P) / S + 1 the size of the output: as it stands, rounded down, or rounded down for any dilation?"""
    exact: Size = lambda W, F, S, P, D: (W - F + 2 * P) / S + 1  # noqa: E731
    down: Size = lambda W, F, S, P, D: (W - F + 2 * P) // S + 1  # noqa: E731
    names = {"size": "W", "kernel": "F", "stride": "S", "padding": "P", "dilation": "D"}
    right: Size = lambda **c: conv_output_size(  # noqa: E731
        (c["W"],), kernel_size=c["F"], stride=c["S"], padding=c["P"], dilation=c["D"]
    )[0]

    def draw(generator: np.random.Generator) -> Case:
        most = {"W": 65, "F": 12, "S": 5, "D": 4 if dilated else 2}
        return {name: int(generator.integers(1, m)) for name, m in most.items()} | {"P": int(generator.integers(0, 6))}

    def valid(W: Any, D: Any, P: Any, F: Any, S: Any) -> bool:
        fits = D * (F - 1) + 1 <= W + 2 * P
        return fits and min(W, F, S, D) >= 1 and P >= 0 and (dilated or D == 1)

    return Suite(
        subject=down if floor else exact,
        reference=None if floor and not dilated else right,
        draw=draw,
        valid=valid,
        adversarial=[{"W": 224, "F": 7, "S": 2, "P": 3, "D": 1}, {"W": 1, "F": 1, "S": 4, "P": 0, "D": 1}],
        properties={"is what JAX makes": lambda f, c: (f(**c), made(**{long: c[n] for long, n in names.items()}))},
        mutants={
            "rounded up": lambda W, F, S, P, D: -((F - W - 2 * P) // S) + 1,
            "padding once": lambda W, F, S, P, D: (W - F + P) // S + 1,
            "without the 1": lambda W, F, S, P, D: (W - F + 2 * P) // S,
            "divided before": lambda W, F, S, P, D: W // S - F + 2 * P + 1,
        },
    )


def first_layer(padding: int) -> dict[str, float]:
    """The first convolution of ResNet, 7 x 7 in steps of 2 on 224 pixels."""
    return {"formula": (224 - 7 + 2 * padding) / 2 + 1, "size": made(224, 7, 2, padding, 1)}


def vgg_stride(before: int) -> dict[str, int]:
    """Pixels from one output of VGG-16's poolings to the next, so many poolings before the last."""
    layers = describe(nnx.eval_shape(lambda: vgg16(rngs=nnx.Rngs(0))), (224, 224, 3))
    fields: list[Any] = [layer.field for layer in layers if layer.kind == "max pool"]
    return {"stride": fields[-1 - before].stride[0]}


experiment = Experiment(
    suites={
        "as_written": lambda: output_size(floor=False, dilated=False),
        "rounded_down": lambda: output_size(floor=True, dilated=False),
        "dilated": lambda: output_size(floor=True, dilated=True),
    },
    numbers={
        "first_layer": lambda: first_layer(3),
        "first_layer_without_padding": lambda: first_layer(0),
        "vgg16_stride": lambda: vgg_stride(0),
        "vgg16_stride_one_pooling_before": lambda: vgg_stride(1),
        "vgg16_stride_two_poolings_before": lambda: vgg_stride(2),
    },
)
