"""Normalisation against the definition, torch (golden), Flax and ONNX; masks, shards, precision, laws."""

import functools
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from jaxml.ops import norm
from jaxml.ops.norm import moments
from tests.ops import contract

TORCH = np.load(Path(__file__).parent / "golden" / "norm_torch.npz")
CONVENTIONS = ("flax", "torch", "onnx")
# Compiled once per shape: called eagerly, each of their operations would be compiled alone.
batch_norm = jax.jit(norm.batch_norm, static_argnames=("training", "axis", "axis_name", "convention"))
layer_norm = jax.jit(norm.layer_norm, static_argnames="axis")
init_batch_norm = functools.cache(norm.init_batch_norm)


def reference(x, scale, bias, *, channel, eps=1e-5):
    """Batch norm channel by channel in float64; also each channel's mean and biased variance."""
    moved = np.moveaxis(np.asarray(x, np.float64), channel, 0)
    out, means, variances = np.empty_like(moved), [], []
    for c, values in enumerate(moved):
        mean = sum(values.ravel()) / values.size
        var = sum((v - mean) ** 2 for v in values.ravel()) / values.size
        out[c] = (values - mean) / (var + eps) ** 0.5 * scale[c] + bias[c]
        means.append(mean)
        variances.append(var)
    return np.moveaxis(out, 0, channel), np.array(means), np.array(variances)


def nchw(values):
    return jnp.asarray(values).reshape(1, -1, 1, 1)


def batch(shape, *, mean=0.0, std=1.0, seed=0, dtype=jnp.float32):
    return np.random.default_rng(seed).normal(mean, std, size=shape).astype(dtype)


@functools.partial(jax.jit, static_argnames="axis")
def every_convention(x, params, state, *, axis):
    """In training, and evaluated afterwards."""
    out = {}
    for convention in CONVENTIONS:
        settings = {"axis": axis, "convention": convention}
        y, new = batch_norm(x, params, state, training=True, momentum=0.3, **settings)
        evaluated, kept = batch_norm(x, params, new, training=False, **settings)
        out[convention] = y, new, evaluated, norm.frozen_batch_norm(x, params, new, axis=axis), kept
    return out


@pytest.mark.parametrize(("shape", "axis"), [((4, 3, 2, 2), 1), ((4, 2, 2, 3), -1), ((5, 3), -1)])
def test_batch_norm_equals_its_definition(shape, axis):
    x = batch(shape, mean=2.0)
    params, state = init_batch_norm(shape, axis=axis)
    params = jax.tree.map(lambda p: np.asarray(p) + np.arange(p.size, dtype=p.dtype).reshape(p.shape), params)
    expected, mean, var = reference(x, np.ravel(params.scale), np.ravel(params.bias), channel=axis % len(shape))
    n = x.size / 3
    for convention, (y, new, evaluated, frozen, kept) in every_convention(x, params, state, axis=axis).items():
        weight = 0.3 if convention == "torch" else 0.7
        running = weight * var * (n / (n - 1) if convention == "torch" else 1) + (1 - weight)
        contract.assert_close(y, expected)
        contract.assert_close(np.ravel(new.mean), weight * mean)
        contract.assert_close(np.ravel(new.var), running)
        assert new.mean.shape == params.scale.shape
        contract.assert_close(evaluated, frozen)
        contract.assert_close(kept, new, rtol=0, atol=0)


def test_default_momentum_of_each_convention():
    x = jnp.array([[1.0], [3.0]])
    for convention, weight in {"flax": 0.01, "torch": 0.1, "onnx": 0.1}.items():
        _, new = norm.batch_norm(x, *init_batch_norm(x.shape), training=True, convention=convention)
        contract.assert_close(new.mean, np.full((1, 1), 2 * weight))


def test_equal_to_torch(x64):
    params = norm.NormParams(nchw(TORCH["scale"]), nchw(TORCH["bias"]))
    state = norm.BatchNormState(nchw(TORCH["mean"]), nchw(TORCH["var"]))
    x = jnp.asarray(TORCH["x"])

    @jax.jit
    def everything(x):
        def train(x):
            return norm.batch_norm(x, params, state, training=True, axis=1, convention="torch")

        group = jax.vmap(lambda x: norm.group_norm(x, jax.tree.map(lambda p: p[0], params), num_groups=2, axis=0))
        gradient = jax.grad(lambda x: jnp.sum(train(x)[0] ** 3))(x)
        frozen = norm.frozen_batch_norm(x, params, state, axis=1)
        return *train(x), gradient, frozen, group(x), norm.layer_norm(x, None, axis=(2, 3))

    y, new, gradient, frozen, group, layer = everything(x)
    exact = {"rtol": 1e-11, "atol": 1e-12}
    contract.assert_close(y, TORCH["train"], **exact)
    contract.assert_close(np.ravel(new.mean), TORCH["new_mean"], **exact)
    contract.assert_close(np.ravel(new.var), TORCH["new_var"], **exact)
    contract.assert_close(gradient, TORCH["x_gradient"], **exact)
    contract.assert_close(frozen, TORCH["eval"], **exact)
    contract.assert_close(group, TORCH["group"], **exact)
    contract.assert_close(layer, TORCH["layer"], **exact)


def test_equal_to_flax():
    x = batch((6, 2, 3), mean=1.0)
    module = nn.BatchNorm(use_running_average=False)
    key = jax.random.key(0)
    y, updates = jax.jit(lambda x: module.apply(module.init(key, x), x, mutable=["batch_stats"]))(x)
    ours, state = batch_norm(x, *init_batch_norm(x.shape), training=True)
    contract.assert_close(ours, y)
    contract.assert_close(np.ravel(state.mean), updates["batch_stats"]["mean"])
    contract.assert_close(np.ravel(state.var), updates["batch_stats"]["var"])
    layer = nn.LayerNorm(epsilon=1e-5)
    contract.assert_close(layer_norm(x, None), jax.jit(lambda x: layer.apply(layer.init(key, x), x))(x))


def test_equal_to_onnx():
    x = np.asarray(batch((4, 3, 2, 2), mean=1.0))
    names = ["x", "scale", "bias", "mean", "var"]
    node = onnx.helper.make_node("BatchNormalization", names, ["y", "m", "v"], training_mode=1, momentum=0.8)
    info = lambda name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)  # noqa: E731
    graph = onnx.helper.make_graph([node], "g", [info(n) for n in names], [info(n) for n in "ymv"])
    opset = [onnx.helper.make_opsetid("", 15)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=10)
    ones, zeros = np.ones(3, np.float32), np.zeros(3, np.float32)
    feeds = {"x": x, "scale": ones, "bias": zeros, "mean": zeros, "var": ones}
    y, mean, var = ReferenceEvaluator(model).run(None, feeds)
    params, state = init_batch_norm(x.shape, axis=1)
    ours, new = batch_norm(x, params, state, training=True, axis=1, momentum=0.8, convention="onnx")
    contract.assert_close((ours, np.ravel(new.mean), np.ravel(new.var)), (y, mean, var))


def test_mean_far_above_the_deviation_keeps_its_digits():
    x = batch((64, 1), mean=1e4, std=1e-2)  # what float32 can hold of it: steps of 1e-3
    exact, mean, var = reference(x, [1.0], [0.0], channel=1, eps=1e-8)
    for mask in (None, jnp.ones(64, bool)):
        y, state = batch_norm(x, *init_batch_norm(x.shape), training=True, momentum=0.0, eps=1e-8, mask=mask)
        contract.assert_close(y, exact, rtol=1e-4, atol=1e-4)
        contract.assert_close(np.ravel(state.var), var, rtol=1e-5)
        contract.assert_close(np.ravel(state.mean), mean, rtol=1e-7)
    contract.assert_close(layer_norm(x.T, None, eps=1e-8), exact.T, rtol=1e-4, atol=1e-4)


def test_outlying_first_example_costs_little_accuracy():
    x = batch((256, 1), seed=1)
    x[0] = 1e3
    y, _ = batch_norm(x, *init_batch_norm(x.shape), training=True)
    contract.assert_close(y, reference(x, [1.0], [0.0], channel=1)[0], rtol=1e-4, atol=1e-5)


def test_many_rows_are_added_in_tiles():
    """Not a whole number of tiles; also where squares overflow."""
    x = np.random.default_rng(0).normal(3, 2, size=(4109, 16)).astype(np.float32)
    run = jax.jit(lambda x: moments.normalize((0,), None, x, *jnp.ones((2, 1, 16)), jnp.float32(1e-5), None))
    for scale in (1.0, 2.0**100):
        _, mean, var, _ = run(jnp.asarray(x * np.float32(scale)))
        np.testing.assert_allclose(np.asarray(mean)[0] / scale, x.mean(0, np.float64), rtol=1e-6)
        held = np.minimum(x.var(0, np.float64) * scale**2, float(jnp.finfo(jnp.float32).max))
        np.testing.assert_allclose(np.float64(var)[0], held, rtol=1e-5)


def test_one_value_per_channel_and_empty_batches():
    params, state = init_batch_norm((1, 3))
    for convention in CONVENTIONS:
        y, new = batch_norm(
            np.full((1, 3), 7, np.float32), params, state, training=True, momentum=0.5, convention=convention
        )
        contract.assert_close((y, new.mean, new.var), (np.zeros((1, 3)), np.full((1, 3), 3.5), np.full((1, 3), 0.5)))
    _, kept = batch_norm(np.zeros((0, 3), np.float32), params, state, training=True)
    contract.assert_close(kept, state)
    nothing = np.zeros(2, bool)
    y, kept = batch_norm(np.ones((2, 3), np.float32), params, state, training=True, mask=nothing)
    contract.assert_close((y, *kept), (np.zeros((2, 3)), *state))


def test_masked_equals_compacted_and_hides_what_it_masks():
    x = batch((5, 4, 3), mean=3.0)
    mask = np.random.default_rng(1).random((5, 4)) < 0.6
    poisoned = np.where(mask[..., None], x, np.float32(np.nan))

    @jax.jit
    def run(x, mask, params, state):
        def cubes(x):
            y, new = norm.batch_norm(x, params, state, training=True, mask=mask, convention="torch")
            return jnp.sum(y**3), (y, new)

        return jax.grad(cubes, has_aux=True)(x)

    gradient, (y, new) = jax.tree.map(np.asarray, run(poisoned, mask, *init_batch_norm(x.shape)))
    alone, (expected, compact) = run(x[mask], None, *init_batch_norm((1, 3)))
    contract.assert_close(y[mask], expected)
    contract.assert_close([np.ravel(s) for s in new], [np.ravel(s) for s in compact])
    assert (y[~mask] == 0).all()
    contract.assert_close(gradient[mask], alone, rtol=1e-4, atol=1e-5)
    assert (gradient[~mask] == 0).all()


def test_two_unequal_shards_equal_one_device():
    x = batch((2, 6, 3), mean=5.0)
    mask = jnp.asarray(np.arange(6)[None] < np.array([[6], [2]]))
    params, state = init_batch_norm((6, 3))

    def shards(x, mask):
        def run(x, mask):
            return norm.batch_norm(x, params, state, training=True, mask=mask, axis_name="d", convention="torch")

        return jax.vmap(run, axis_name="d")(x, mask)

    def together(x, mask):
        mask = None if mask is None else mask.reshape(12)
        y, new = norm.batch_norm(x.reshape(12, 3), params, state, training=True, mask=mask, convention="torch")
        return y.reshape(x.shape), new

    def with_gradient(run):
        cubes = lambda x: jnp.sum(run(x, mask)[0] ** 3)  # noqa: E731
        return jax.jit(lambda x: (run(x, mask), jax.grad(cubes)(x), run(x, None)[0]))(x)

    (y, new), gradient, unmasked = with_gradient(shards)
    (expected, one), slope, whole = with_gradient(together)
    contract.assert_close(y, expected)
    for lane in range(2):
        contract.assert_close([np.asarray(s)[lane] for s in new], list(one))
    contract.assert_close(gradient, slope, rtol=1e-4, atol=1e-5)
    contract.assert_close(unmasked, whole)


def test_shard_map_shares_the_statistics():
    """Its checks of what varies over devices are made while tracing, so that one device shows them."""
    x = jnp.asarray(batch((6, 3), mean=5.0))
    params, state = init_batch_norm((6, 3))
    split, whole = jax.sharding.PartitionSpec("d"), jax.sharding.PartitionSpec()
    mesh = jax.make_mesh((1,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))

    def loss(x, axis_name):
        y, new = norm.batch_norm(x, params, state, training=True, axis_name=axis_name, convention="torch")
        return y, new

    shards = jax.shard_map(lambda x: loss(x, "d"), mesh=mesh, in_specs=split, out_specs=(split, whole))
    (y, new), slope = jax.jit(lambda x: (shards(x), jax.grad(lambda x: jnp.sum(shards(x)[0] ** 3))(x)))(x)
    expected, one = loss(x, None)
    contract.assert_close(y, expected)
    contract.assert_close(list(new), list(one))
    contract.assert_close(slope, jax.grad(lambda x: jnp.sum(loss(x, None)[0] ** 3))(x), rtol=1e-4, atol=1e-5)


def test_derivatives(x64):
    x = batch((4, 2), mean=1.0, dtype=jnp.float64)
    params = norm.NormParams(jnp.array([[1.5, 0.5]]), jnp.array([[0.1, -0.2]]))
    state = norm.BatchNormState(jnp.full((1, 2), 0.3), jnp.full((1, 2), 0.6))

    @jax.jit
    def fn(x, params, eps):
        return {
            "training": batch_norm(x, params, state, training=True, eps=eps),
            "masked": batch_norm(x, params, state, training=True, mask=jnp.array([True, True, False, True]), eps=eps),
            "inference": batch_norm(x, params, state, training=False, eps=eps),
            "layer": layer_norm(x, None, axis=0, eps=eps),
            "group": norm.group_norm(x, params, num_groups=2, eps=eps),
        }

    contract.gradients_match(fn, x, params, jnp.asarray(0.1))


@jax.jit
def every_norm(x):
    params, state = norm.init_batch_norm((4, 2))
    return {
        "training": batch_norm(x, params, state, training=True),
        "inference": batch_norm(x, params, state, training=False),
        "frozen": norm.frozen_batch_norm(x, params, state),
        "layer": layer_norm(x, params),
        "group": norm.group_norm(x, params, num_groups=2),
    }


def test_laws():
    x = batch((2, 4, 2))
    # Of a shape that `test_default_momentum_of_each_convention` calls eagerly too.
    start = init_batch_norm((2, 1))
    contract.jit_equals_eager(lambda x: norm.batch_norm(x, *start, training=True), jnp.array([[1.0], [3.0]]))
    contract.vmap_equals_loop(every_norm, x)
    contract.lowers_everywhere(every_norm, x[0])
    contract.finite_everywhere(every_norm, x[0])
    contract.finite_everywhere(every_norm, jnp.ones((4, 2)))


def test_half_precision_accumulates_in_float32():
    x = batch((4096, 1), mean=30.0).astype(jnp.bfloat16)
    y, state = batch_norm(x, *init_batch_norm(x.shape), training=True, momentum=0.0)
    exact, mean, _ = reference(x, [1.0], [0.0], channel=1)
    assert y.dtype == jnp.bfloat16
    assert state.mean.dtype == jnp.float32
    contract.assert_close(np.ravel(state.mean), mean)
    contract.assert_close(y, exact, rtol=2**-8, atol=1e-3)


def test_frozen_has_no_gradient_for_its_constants():
    params, state = init_batch_norm((2, 3))
    total = lambda p, s: jnp.sum(norm.frozen_batch_norm(jnp.ones((2, 3)), p, s))  # noqa: E731
    gradients = jax.jit(jax.grad(total, (0, 1)))(params, state)
    assert all((np.asarray(g) == 0).all() for g in jax.tree.leaves(gradients))


def test_state_and_momentum_convert_between_conventions():
    x, n = batch((8, 3)), 8
    states = {}
    for convention in CONVENTIONS:
        momentum = norm.convert_momentum(0.4, source="torch", target=convention)
        params, state = init_batch_norm(x.shape)
        state = norm.convert_batch_norm_state(state, source="flax", target=convention, count=n)
        for _ in range(3):
            _, state = batch_norm(x, params, state, training=True, momentum=momentum, convention=convention)
        states[convention] = state
    for source in CONVENTIONS:
        for target in CONVENTIONS:
            converted = norm.convert_batch_norm_state(states[source], source=source, target=target, count=n)
            contract.assert_close(converted, states[target])


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, s: norm.batch_norm(jnp.ones((2, 3), int), p, s, training=True), "'x' must be floating"),
        (lambda p, s: norm.batch_norm(jnp.ones((2, 4)), p, s, training=True), r"'scale' must have shape \(1, 4\)"),
        (lambda p, s: norm.batch_norm(jnp.ones((2, 3)), p, s, training=True, convention="x"), "'convention' must be"),
        (lambda p, s: norm.batch_norm(jnp.ones((2, 3)), p, s, training=True, axis=2), "'axis' must lie in -2..1"),
        (
            lambda p, s: norm.batch_norm(jnp.ones((2, 3)), p, s, training=True, mask=jnp.ones((2, 3), bool)),
            r"'mask' must have shape \(2,\)",
        ),
        (lambda p, s: norm.group_norm(jnp.ones((2, 3)), p, num_groups=2), "'num_groups' must divide the 3"),
        (lambda p, s: norm.convert_momentum(0.1, source="keras", target="flax"), "'source' must be one of"),
    ],
)
def test_errors_say_what_to_change(call, message):
    with pytest.raises(ValueError, match=message):
        call(*norm.init_batch_norm((2, 3)))
