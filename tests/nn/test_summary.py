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
    count_parameters,
    describe,
)
from jaxml.nn.fields import WHOLE
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
    "transposed": lambda r: Maps(
        nnx.Conv(1, 2, strides=2, rngs=r, **KERNEL),
        nnx.ConvTranspose(2, 2, (3, 3), strides=(2, 2), padding="SAME", rngs=r),
        nnx.Conv(2, 1, rngs=r, **KERNEL),
    ),
    "thrice": lambda r: Maps(nnx.ConvTranspose(1, 1, (4, 4), strides=(3, 3), padding="VALID", rngs=r)),
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

    seen = jax.jit(jax.grad(output), static_argnums=1)
    if name in ("transposed", "thrice"):  # neighbours see fields of different sizes
        middle = layer.shape[0] // 2
        sides = [np.asarray(seen(jnp.ones((1, size, size, 1)), middle + i)) for i in range(6)]
        assert max(int(each[0].any(axis=(1, 2)).sum()) for each in sides) == layer.field.size[0]
        return
    for row in (0, layer.shape[0] // 2):
        gradient = np.asarray(seen(jnp.ones((1, size, size, 1)), row))
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


def random_network(seed):
    """Layers drawn at random, without activations, so that XLA counts nothing but products and biases."""
    rng, rngs = np.random.default_rng(seed), nnx.Rngs(0)
    layers, channels = [], 4
    for _ in range(4):
        out, side, stride = (int(rng.choice(each)) for each in ([2, 4, 8], [1, 2, 3, 5], [1, 2, 3]))
        window = {"kernel_size": (side, int(rng.integers(1, 4))), "strides": (stride, 1), "rngs": rngs}
        window |= {"padding": str(rng.choice(["SAME", "VALID"])), "use_bias": bool(rng.integers(2))}
        kind = rng.integers(5)
        if kind == 0:
            layers.append(nnx.Conv(channels, out, feature_group_count=int(rng.integers(1, 3)), **window))
        elif kind == 1:
            layers.append(nnx.ConvTranspose(channels, out, **window))
        elif kind == 2:
            layers.append(nnx.Linear(channels, out, use_bias=window["use_bias"], rngs=rngs))
        elif kind == 3:
            layers += [nnx.Linear(channels, channels, use_bias=window["use_bias"], rngs=rngs)] * 2
            out = channels
        else:
            layers.append(nnx.Conv(channels, out, (3, 3), padding=2, kernel_dilation=(2, 1), rngs=rngs))
        channels = out
    return Maps(*layers)


class Tokens(nnx.Module):
    """Attention between patches, with a token and positions of its own, and without softmax, which XLA counts."""

    def __init__(self, rngs, bias=True):
        self.patches = nnx.Conv(4, 8, (4, 4), strides=4, rngs=rngs)
        self.token = nnx.Param(jnp.ones((1, 1, 8)))
        self.attend = nnx.MultiHeadAttention(2, 8, rngs=rngs, decode=False, use_bias=bias, attention_fn=self.products)
        self.head = nnx.Linear(8, 3, rngs=rngs)

    @staticmethod
    def products(query, key, value, **_):
        return jnp.einsum("nhqk,nkhd->nqhd", jnp.einsum("nqhd,nkhd->nhqk", query, key), value)

    def __call__(self, x):
        x = self.patches(x).reshape(len(x), -1, 8)
        x = jnp.concatenate([jnp.broadcast_to(self.token[...], (len(x), 1, 8)), x], axis=1)
        return self.head(self.attend(x)[:, 0])


class Tied(nnx.Module):
    """One layer called twice, one under two names, and one whose kernel another has."""

    def __init__(self, rngs):
        self.a, self.b = nnx.Linear(4, 4, rngs=rngs), nnx.Linear(4, 4, rngs=rngs)
        self.other, self.b.kernel = self.a, self.a.kernel
        self.unused = nnx.Linear(2, 3, rngs=rngs)

    def __call__(self, x):
        return self.b(self.other(self.a(x)))


WHOLE_NETWORKS = {f"random {seed}": lambda seed=seed: random_network(seed) for seed in range(8)} | {
    "attention": lambda: Tokens(nnx.Rngs(0)),
    "attention without biases": lambda: Tokens(nnx.Rngs(0), bias=False),
    "tied": lambda: Tied(nnx.Rngs(0)),
    "bare convolution": lambda: nnx.Conv(4, 5, (3, 3), padding=1, rngs=nnx.Rngs(0)),
    "bare linear": lambda: nnx.Linear(4, 5, rngs=nnx.Rngs(0)),
}


@pytest.mark.parametrize("name", WHOLE_NETWORKS)
def test_operations_of_whole_networks_are_xlas_own(name):
    model = nnx.eval_shape(WHOLE_NETWORKS[name])
    layers = describe(model, (12, 12, 4))
    graph, state = nnx.split(model)
    leaves, tree = jax.tree.flatten(state)

    def forward(x, *leaves):
        return nnx.merge(graph, jax.tree.unflatten(tree, leaves))(x)

    expected = xla_flops(forward, (1, 12, 12, 4), *(leaf.shape for leaf in leaves))
    assert sum(layer.flops_inside for layer in layers) == expected
    assert sum(layer.parameters for layer in layers) == count_parameters(model)
    assert all(layer.flops >= layer.flops_inside for layer in layers)


def test_rows_are_calls_and_parameters_count_once():
    rows = [(row.path, row.kind, row.parameters) for row in layers_of(WHOLE_NETWORKS["tied"], 4, 4)]
    assert rows == [("a", "Linear", 20), ("other", "Linear", 0), ("b", "Linear", 4), ("unused", "Linear", 9)]
    rows = [(row.path, row.kind, row.parameters) for row in layers_of(WHOLE_NETWORKS["attention"], 12, 4)]
    heads = [("attend.query", "LinearGeneral", 72), ("attend.key", "LinearGeneral", 72)]
    heads += [("attend.value", "LinearGeneral", 72), ("", "product", 0), ("", "product", 0)]
    heads += [("attend.out", "LinearGeneral", 72)]
    assert rows == [("patches", "Conv", 520), ("token", "Param", 8), *heads, ("head", "Linear", 27)]
    (bare,) = layers_of(WHOLE_NETWORKS["bare convolution"], 12, 4)
    assert (bare.path, bare.kind, bare.shape, bare.field.size) == ("", "Conv", (12, 12, 5), (3, 3))
