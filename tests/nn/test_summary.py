"""`describe` against XLA's count, brute-force receptive fields, and published tables."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxml.nn import (
    MLP,
    BasicBlock,
    DenseBlock,
    LocallyConnected,
    PreActivationBlock,
    Transition,
    describe,
)
from jaxml.nn.summary import WHOLE
from tests.nn.build import published

GIGA_MACS = {"resnet18": 1.814, "resnet50": 4.089, "densenet121": 2.834, "vgg16": 15.47}
"""Multiply-adds in units of 1e9, as torchvision's documentation lists them."""


def layers_of(build, size, channels=3):
    return describe(nnx.eval_shape(build), (size, size, channels))


@pytest.mark.parametrize("name", GIGA_MACS)
def test_operations_are_the_published_ones(name):
    layers = describe(published(name), (224, 224, 3))
    assert sum(layer.flops for layer in layers) / 2e9 == pytest.approx(GIGA_MACS[name], abs=0.008)


def xla_flops(function, *shapes):
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.jit(function).lower(*arguments).cost_analysis()["flops"]


def test_operations_of_every_convolution_are_xlas_own():
    model = published("resnet50")
    layers = {layer.path: layer for layer in describe(model, (64, 64, 3)) if layer.kind == "Conv"}
    graph, state = nnx.split(model)
    images = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    program = jax.make_jaxpr(lambda s, x: nnx.merge(graph, s, copy=True)(x))(state, images)
    *equations, _ = [e for e in program.jaxpr.eqns if e.primitive.name in ("conv_general_dilated", "dot_general")]
    assert len(equations) == len(layers) == 53  # the last product is the head
    counted = {}
    for equation, layer in zip(equations, layers.values(), strict=True):
        shapes = tuple(v.aval.shape for v in equation.invars)
        key = (shapes, str(equation.params.get("window_strides")))
        if key not in counted:
            counted[key] = xla_flops(lambda x, w, e=equation: e.primitive.bind(x, w, **e.params), *shapes)
        assert layer.flops_inside == counted[key], layer.path
    assert len(counted) > 15


@pytest.mark.parametrize(
    "build", [lambda: nnx.Linear(6, 5, rngs=nnx.Rngs(0)), lambda: nnx.Conv(6, 5, (3, 3), padding=1, rngs=nnx.Rngs(0))]
)
def test_a_layer_with_bias_costs_what_xla_says(build):
    class Model(nnx.Module):
        def __init__(self):
            self.layer = build()

        def __call__(self, x):
            return self.layer(x)

    model = nnx.eval_shape(Model)
    (layer,) = describe(model, (4, 4, 6))
    graph, state = nnx.split(model)
    leaves, tree = jax.tree.flatten(state)

    def forward(x, *leaves):
        return nnx.merge(graph, jax.tree.unflatten(tree, leaves))(x)

    assert layer.flops_inside == xla_flops(forward, (1, 4, 4, 6), *(leaf.shape for leaf in leaves))


class Maps(nnx.Module):
    """Blocks one after another, without a head."""

    def __init__(self, *blocks):
        self.blocks = nnx.List(blocks)

    def __call__(self, x):
        for block in self.blocks:
            x = block(x)
        return x


KERNEL = {"kernel_size": (3, 3), "padding": 1}
STACKS = {
    "local": lambda r: Maps(
        nnx.Conv(1, 2, strides=2, rngs=r, **KERNEL),
        LocallyConnected(2, 2, input_size=(16, 16), stride=2, rngs=r, **KERNEL),
    ),
    "dilated": lambda r: Maps(nnx.Conv(1, 1, (3, 3), kernel_dilation=(2, 3), padding="VALID", rngs=r)),
    "residual": lambda r: Maps(BasicBlock(1, 2, stride=2, rngs=r), PreActivationBlock(2, 2, stride=2, rngs=r)),
    "dense": lambda r: Maps(
        DenseBlock(1, 1, layers=2, rngs=r), Transition(3, 2, rngs=r), DenseBlock(2, 1, layers=1, rngs=r)
    ),
}


@pytest.mark.parametrize("name", STACKS)
def test_receptive_fields_are_the_pixels_with_a_gradient(name):
    build, size = STACKS[name], 32
    layer = max(layers_of(lambda: build(nnx.Rngs(0)), size, 1), key=lambda layer: layer.field.size)
    graph, state = nnx.split(nnx.eval_shape(lambda: build(nnx.Rngs(0))))
    ones = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), state)  # so that no path cancels another

    def output(x, row):
        return nnx.merge(graph, ones)(x)[0, row, row].sum()

    for row in (0, layer.shape[0] // 2):
        gradient = np.asarray(jax.jit(jax.grad(output), static_argnums=1)(jnp.ones((1, size, size, 1)), row))
        rows = np.flatnonzero(gradient[0].any(axis=(1, 2)))
        first = layer.field.start[0] + row * layer.field.stride[0]
        last = first + layer.field.size[0] - 1
        assert (rows.min(), rows.max()) == (max(first, 0), min(last, size - 1))


def test_depth_by_scan_counts_every_layer():
    class Flat(nnx.Module):
        def __init__(self):
            self.mlp = MLP(12, 8, 3, depth=4, rngs=nnx.Rngs(0))

        def __call__(self, x):
            return self.mlp(x.reshape(len(x), -1))

    layers = layers_of(Flat, 2)
    assert sum(layer.flops for layer in layers) == 2 * (12 * 8 + 3 * 8 * 8 + 8 * 3) + 4 * 8 + 3
    assert sum(layer.parameters for layer in layers) == 12 * 8 + 3 * 8 * 8 + 8 * 3 + 4 * 8 + 3
    assert {layer.field for layer in layers} == {WHOLE}
