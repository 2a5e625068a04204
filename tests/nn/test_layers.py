"""Layers against Flax, against slow references, and with their hyperparameters traced."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxml.nn import (
    ACTIVATIONS,
    INITIALIZERS,
    BatchNorm,
    DenseBlock,
    Dropout,
    LocallyConnected,
    PreActivationBlock,
    adaptive_average_pool,
    functional,
    patches,
    scaled,
)
from jaxml.nn.layers import he_conv
from tests.nn.build import build
from tests.ops.contract import assert_close

KEY = jax.random.key(0)
IMAGES = jax.random.normal(jax.random.key(1), (2, 5, 4, 3))


def test_batch_norm_trains_and_evaluates_as_flax_does():
    ours = build(lambda _: BatchNorm(3, momentum=0.7))
    theirs = build(lambda rngs: nnx.BatchNorm(3, momentum=0.7, rngs=rngs))  # of the same shapes: the same numbers
    nnx.update(theirs, nnx.state(ours, (nnx.Param, nnx.BatchStat)))

    @jax.jit
    def run(mine, flax):
        mine, flax = nnx.merge(*mine, copy=True), nnx.merge(*flax, copy=True)
        for batch in (IMAGES, 2 * IMAGES + 1):
            a, b = mine(batch, training=True), flax(batch, use_running_average=False)
        c, d = mine(IMAGES), flax(IMAGES, use_running_average=True)
        return (a, c, mine.mean[...], mine.var[...]), (b, d, flax.mean[...], flax.var[...])

    assert_close(*run(nnx.split(ours), nnx.split(theirs)), rtol=1e-5, atol=1e-5)


def test_a_traced_momentum_is_state_and_a_lane():
    def run(momentum):
        apply, params, state = functional(BatchNorm(3, momentum=momentum))
        return apply(params, state, IMAGES, training=True)[1]

    lanes = jax.jit(jax.vmap(run))(jnp.array([0.0, 0.25, 1.0]))
    assert lanes["momentum"].tolist() == [0.0, 0.25, 1.0]
    assert_close(lanes["mean"][1], 0.75 * IMAGES.mean((0, 1, 2)))
    assert_close(lanes["var"][2], jnp.ones(3))
    assert "momentum" not in functional(BatchNorm(3, momentum=0.5)).state


def test_functional_leaves_the_model_and_its_arguments_alone():
    model = BatchNorm(3)
    apply, params, state = functional(model)

    @jax.jit
    def run(params, state):
        loss = lambda p: apply(p, state, IMAGES, training=True)[0][0, 0].sum()  # noqa: E731
        return apply(params, state, IMAGES, training=True)[1], jax.grad(loss)(params)

    after, gradient = run(params, state)
    assert not np.asarray(model.mean[...]).any()
    assert not np.asarray(state["mean"]).any()
    assert np.asarray(after["mean"]).all()
    assert set(gradient) == {"scale", "bias"}


def test_dropout_keeps_the_mean_and_needs_a_key():
    ones = jnp.ones((100, 100))
    lanes = jax.jit(jax.vmap(lambda rate: Dropout(rate)(ones, training=True, key=KEY)))(jnp.array([0.0, 0.3, 1.0]))
    assert (lanes[0] == 1).all()
    assert not np.asarray(lanes[2]).any()
    assert float((lanes[1] == 0).mean()) == pytest.approx(0.3, abs=0.02)  # 4 standard errors
    assert float(lanes[1].mean()) == pytest.approx(1, abs=0.03)
    assert (Dropout(0.5)(ones) == 1).all()
    assert (Dropout(0.0)(ones, training=True) == 1).all()
    with pytest.raises(ValueError, match=r"'key' must be given, got None. Call the model with key=..."):
        Dropout(0.5)(ones, training=True)


def test_tied_kernels_make_an_unshared_convolution_a_convolution():
    shared = build(lambda rngs: nnx.Conv(3, 2, (3, 2), strides=2, padding=((1, 1), (1, 1)), rngs=rngs))
    sizes = {"input_size": (5, 4), "kernel_size": (3, 2), "stride": 2, "padding": 1}
    local = build(lambda rngs: LocallyConnected(3, 2, rngs=rngs, **sizes))
    local.kernel[...] = jnp.broadcast_to(shared.kernel[...].reshape(-1, 2), local.kernel.shape)
    local.bias[...] = jnp.broadcast_to(shared.bias[...], local.bias.shape)
    run = jax.jit(lambda model, x: nnx.merge(*model)(x))
    assert_close(run(nnx.split(local), IMAGES), run(nnx.split(shared), IMAGES), rtol=1e-5, atol=1e-5)


def test_an_unshared_convolution_by_its_definition():
    sizes = {"input_size": (5, 4), "kernel_size": (2, 3), "padding": 1}
    local = build(lambda rngs: LocallyConnected(3, 2, rngs=rngs, **sizes))
    kernel, bias = np.asarray(local.kernel[...]), np.asarray(local.bias[...])
    padded = np.pad(np.asarray(IMAGES), ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = np.zeros((2, *bias.shape))
    for n, i, j in np.ndindex(2, *bias.shape[:2]):
        expected[n, i, j] = padded[n, i : i + 2, j : j + 3].ravel() @ kernel[i, j] + bias[i, j]
    apply, params, state = functional(local)
    assert_close(jax.jit(apply)(params, state, IMAGES)[0], expected, rtol=1e-5, atol=1e-5)
    assert local.kernel.shape == (6, 4, 18, 2)


def test_an_unshared_convolution_names_the_size_it_fits(unchecked_types):
    local = build(lambda rngs: LocallyConnected(3, 2, input_size=(5, 4), kernel_size=(2, 2), rngs=rngs))
    with pytest.raises(ValueError, match=r"'x' must have shape \(n, 5, 4, 3\).*fit one size of image only"):
        local(IMAGES[:, :4])


def test_patches_times_a_kernel_are_a_convolution():
    kernel = jax.random.normal(KEY, (3, 3, 3, 4))

    @jax.jit
    def both():
        dims = ("NHWC", "HWIO", "NHWC")
        expected = jax.lax.conv_general_dilated(IMAGES, kernel, (2, 2), ((1, 1),) * 2, dimension_numbers=dims)
        return patches(IMAGES, kernel_size=(3, 3), stride=2, padding=1) @ kernel.reshape(-1, 4), expected

    assert_close(*both(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("size", "stride"), [(1, 2), (3, 1), (3, 2)])
def test_small_convolutions_by_patches_are_the_same(size, stride):
    apply, params, state = functional(build(lambda rngs: he_conv(3, 4, size, stride=stride, use_bias=True, rngs=rngs)))
    theirs = build(
        lambda rngs: nnx.Conv(3, 4, (size, size), strides=stride, padding=((size // 2,) * 2,) * 2, rngs=rngs)
    )
    expected, *_ = functional(theirs)
    results = jax.jit(lambda: [f(params, state, IMAGES)[0] for f in (apply, expected)])()
    assert_close(*results, rtol=1e-5, atol=1e-5)
    program = str(jax.make_jaxpr(apply)(params, state, IMAGES))
    assert "conv_general_dilated" not in program


@pytest.mark.parametrize("output_size", [(1, 1), (2, 3), (5, 4), (7, 7)])
def test_adaptive_average_by_its_definition(output_size):
    x, (oh, ow) = np.asarray(IMAGES), output_size
    expected = np.zeros((2, oh, ow, 3))
    for i, j in np.ndindex(oh, ow):
        rows = slice(i * 5 // oh, int(np.ceil((i + 1) * 5 / oh)))
        columns = slice(j * 4 // ow, int(np.ceil((j + 1) * 4 / ow)))
        expected[:, i, j] = x[:, rows, columns].mean((1, 2))
    assert_close(adaptive_average_pool(IMAGES, output_size=output_size), expected, atol=1e-6)


def test_each_layer_of_a_dense_block_sees_all_before_it():
    apply, params, state = functional(build(lambda rngs: DenseBlock(3, 2, layers=3, rngs=rngs)))
    run = jax.jit(lambda params: apply(params, state, IMAGES)[0])
    clean = run(params)
    assert_close(clean[..., :3], IMAGES)
    for number in range(3):
        spoilt = jax.tree.map(lambda leaf: leaf, params)
        spoilt["layers"][number]["norm2"]["bias"] = jnp.full(8, jnp.nan)
        reached = np.isnan(run(spoilt)).any(axis=(0, 1, 2))
        assert reached.tolist() == [False] * (3 + 2 * number) + [True] * (6 - 2 * number)


def test_a_preactivation_block_by_its_definition():
    apply, params, state = functional(build(lambda rngs: PreActivationBlock(3, 4, stride=2, rngs=rngs)))

    def norm(x, name):
        (scale, bias), (mean, var) = (
            (tree[name][a].reshape(1, 1, 1, -1), tree[name][b].reshape(1, 1, 1, -1))
            for tree, a, b in ((params, "scale", "bias"), (state, "mean", "var"))
        )
        return (x - mean) / jnp.sqrt(var + 1e-5) * scale + bias

    def conv(x, name, stride, padding):
        dims = ("NHWC", "HWIO", "NHWC")
        kernel = params[name]["kernel"]
        return jax.lax.conv_general_dilated(x, kernel, (stride,) * 2, ((padding,) * 2,) * 2, dimension_numbers=dims)

    @jax.jit
    def expected(x):
        activated = jax.nn.relu(norm(x, "bn1"))
        inner = jax.nn.relu(norm(conv(activated, "conv1", 2, 1), "bn2"))
        return conv(inner, "conv2", 1, 1) + conv(activated, "downsample", 2, 0)

    assert_close(jax.jit(apply)(params, state, IMAGES)[0], expected(IMAGES), rtol=1e-4, atol=1e-4)


VARIANCES = {"lecun_normal": 1 / 60, "glorot_normal": 2 / 160, "glorot_uniform": 2 / 160, "he_normal": 2 / 60}
VARIANCES |= {"he_fan_out": 2 / 100, "zeros": 0.0}


@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32, jnp.float16, jnp.bfloat16])
def test_orthogonal_weights_of_every_precision(x64, dtype):
    drawn = INITIALIZERS["orthogonal"](KEY, (9, 9), dtype)
    assert drawn.dtype == dtype
    wide = np.asarray(drawn, np.float64)
    np.testing.assert_allclose(wide.T @ wide, np.eye(9), atol=8 * float(jnp.finfo(dtype).eps))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_initial_weights_have_their_moments(name):
    drawn, twice = jax.jit(
        lambda gain: (INITIALIZERS[name](KEY, (60, 100)), scaled(INITIALIZERS[name], gain=gain)(KEY, (60, 100)))
    )(2.0)
    if name == "orthogonal":
        assert_close(drawn @ drawn.T, np.eye(60), atol=1e-5)
    else:
        assert float(drawn.var()) == pytest.approx(VARIANCES[name], rel=0.08)  # 4 sqrt(2 / 6000) is 7 %
    assert_close(twice, 2 * drawn, atol=1e-6)


def test_activations_are_finite_and_monotone_but_for_two():
    z = jnp.linspace(-30, 30, 121)
    for name, activation in ACTIVATIONS.items():
        y = np.asarray(activation(z))
        assert np.isfinite(y).all()
        assert (np.diff(y) >= 0).all() == (name not in ("gelu", "silu")), name
