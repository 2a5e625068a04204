"""The published networks: their sizes, their convolutions, and torchvision's outputs from the same weights."""

import json
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxml.nn import (
    MODELS,
    VGG,
    BasicBlock,
    Bottleneck,
    DenseNet,
    PlainBlock,
    PreActivationBlock,
    ResNet,
    count_parameters,
    functional,
    load_torch_weights,
    torch_weights,
    vgg11,
    write_safetensors,
)
from jaxml.nn.weights import _torch_leaves
from tests.nn.build import published
from tests.nn.golden.models_torchvision import fingerprint, numbers
from tests.ops.contract import lowers_everywhere

GOLDEN = json.loads((Path(__file__).parent / "golden" / "models_torchvision.json").read_text())
PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "densenet121": 7_978_856,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
}
"""As published by torchvision."""
SMALL = {
    "basic": lambda: ResNet(BasicBlock, (1, 1, 1, 1), classes=5, rngs=nnx.Rngs(0)),
    "bottleneck": lambda: ResNet(Bottleneck, (2, 1, 1, 1), classes=5, rngs=nnx.Rngs(0)),
    "dense": lambda: DenseNet((2, 3), growth=8, width=16, classes=5, rngs=nnx.Rngs(0)),
    "vgg": lambda: VGG((1,) * 5, width=8, hidden=24, classes=5, batch_norm=True, rngs=nnx.Rngs(0)),
}
IMAGES = jnp.asarray(numbers("images", (2, 3, 64, 64)) * 20).transpose(0, 2, 3, 1)


def abstract(build):
    return nnx.eval_shape(build)


def torch_shapes(model):
    order = (3, 2, 0, 1)
    leaves = {name: leaf.shape for name, (_, leaf) in _torch_leaves(model).items()}
    return {n: tuple(s[i] for i in order) if len(s) == 4 else tuple(reversed(s)) for n, s in leaves.items()}


def filled(name, tmp_path):
    """A small network with the weights of the golden file, through a file with torchvision's names."""
    model = abstract(SMALL[name])
    path = tmp_path / f"{name}.safetensors"
    write_safetensors(path, {key: numbers(key, shape) for key, shape in torch_shapes(model).items()})
    return load_torch_weights(model, path), path


@pytest.mark.parametrize("name", MODELS)
def test_parameters_and_weight_names_are_the_published_ones(name):
    model = published(name)
    assert count_parameters(model) == PARAMETERS[name]
    assert fingerprint(torch_shapes(model)) == GOLDEN["names"][name]


def test_weight_names_with_batch_norm():
    model = abstract(lambda: vgg11(batch_norm=True, rngs=nnx.Rngs(0)))
    assert fingerprint(torch_shapes(model)) == GOLDEN["names"]["vgg11_bn"]


@pytest.mark.parametrize("name", SMALL)
def test_outputs_equal_torchvision_with_the_same_weights(name, tmp_path):
    model, _ = filled(name, tmp_path)
    apply, params, state = functional(model)
    logits, _ = jax.jit(apply)(params, state, IMAGES)
    np.testing.assert_allclose(logits, GOLDEN["logits"][name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_weights_survive_the_round_trip(name, tmp_path):
    model, path = filled(name, tmp_path)
    again = tmp_path / "again.safetensors"
    write_safetensors(again, torch_weights(model))
    assert again.read_bytes() == path.read_bytes()


def test_a_plain_network_is_a_residual_one_without_its_shortcuts():
    residual, plain = (
        abstract(lambda block=block: ResNet(block, (2, 2), width=8, small=True, rngs=nnx.Rngs(0)))
        for block in (BasicBlock, PlainBlock)
    )
    shortcut = count_parameters(residual.stages[1][0].downsample)
    assert shortcut == 8 * 16 + 2 * 16
    assert count_parameters(residual) - count_parameters(plain) == shortcut


@pytest.mark.parametrize(
    "build",
    [
        lambda: ResNet(PreActivationBlock, (1, 1), width=4, small=True, classes=3, channels=1, rngs=nnx.Rngs(0)),
        lambda: DenseNet((1, 1), growth=4, width=4, small=True, classes=3, channels=1, rngs=nnx.Rngs(0)),
        lambda: VGG((1, 1, 1, 1), width=4, small=True, classes=3, channels=1, dropout=0.0, rngs=nnx.Rngs(0)),
    ],
    ids=["preactivation", "dense", "vgg"],
)
def test_small_variants_take_images_of_eight_pixels_and_lower_everywhere(build):
    model = abstract(build)
    apply, params, state = functional(model)
    images = jax.ShapeDtypeStruct((2, 8, 8, 1), jnp.float32)
    logits, after = jax.eval_shape(lambda *a: apply(*a, training=True), params, state, images)
    assert logits.shape == (2, 3)
    chex.assert_trees_all_equal_shapes_and_dtypes(after, state)
    lowers_everywhere(apply, params, state, images)


def test_convolutions_of_the_built_resnet50_and_vgg16():
    modules = nnx.iter_modules(published("resnet50"))
    convolutions = [path for path, module in modules if type(module) is nnx.Conv]
    assert len(convolutions) == 53
    assert sum("downsample" not in path for path in convolutions) == 49
    model = published("vgg16")
    assert sum(type(m) is nnx.Conv for _, m in nnx.iter_modules(model)) == 13
    assert sum(type(m) is nnx.Linear for _, m in nnx.iter_modules(model)) == 3
