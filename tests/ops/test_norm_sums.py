"""The single passes of large batches against the sums as they are written, in values and derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml.ops import batch_norm, init_batch_norm
from jaxml.ops.norm import sums
from tests.ops import contract

ROWS, CHANNELS = 35, 3  # three rows are left over from the pieces


@pytest.fixture(autouse=True)
def every_batch_is_large(monkeypatch):
    monkeypatch.setattr(sums, "_MANY", 1)


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return tuple(rng.normal(3, 2, size=(ROWS, CHANNELS)) for _ in range(3))


def normalised(x, params, weight):
    start = jax.tree.map(lambda s: s.astype(x.dtype), init_batch_norm(x.shape)[1])
    y, state = batch_norm(x, params, start, training=True, momentum=0.3)
    return (weight * jnp.tanh(y)).sum() + (state.mean * state.var).sum()


def as_written(monkeypatch, call):
    with monkeypatch.context() as patch:
        patch.setattr(sums, "_MANY", 10**9)
        return call()


def test_sums_equal_their_definition(batch, x64):
    x, weight, _ = map(jnp.asarray, batch)
    pivot, d = x[:1], np.asarray(x - x[:1])
    assert "complex" in jax.jit(lambda x, p: sums.moment_sums(x, p, (0,), None)).lower(x, pivot).as_text()
    first, second = sums.moment_sums(x, pivot, (0,), None)
    contract.assert_close((first[0], second[0]), (d.sum(0), (d**2).sum(0)), rtol=1e-12)
    first, second = sums.weighted_sums(weight, x, pivot, (0,), None)
    contract.assert_close((first[0], second[0]), (weight.sum(0), (weight * d).sum(0)), rtol=1e-12)


def test_value_and_derivatives_equal_those_of_the_sums_as_written(batch, x64, monkeypatch):
    x, weight, direction = map(jnp.asarray, batch)
    params, _ = init_batch_norm(x.shape)
    params = jax.tree.map(lambda p: p.astype(x.dtype), params)

    def everything():
        first = jax.value_and_grad(normalised, (0, 1))
        second = jax.jvp(lambda x: first(x, params, weight), (x,), (direction,))
        back = jax.grad(lambda x: (first(x, params, weight)[1][0] * direction).sum())(x)
        ahead = jax.jvp(lambda x, p: normalised(x, p, weight), (x, params), (direction, params))
        lanes = jax.vmap(lambda x: first(x, params, weight))(jnp.stack([x, 2 * x + direction]))
        return jax.jit(lambda: (second, back, ahead, lanes))()

    contract.assert_close(everything(), as_written(monkeypatch, everything), rtol=1e-10, atol=1e-10)


def test_statistics_shared_between_shards(batch, monkeypatch):
    x = jnp.asarray(batch[0], jnp.float32)[:34].reshape(2, 17, CHANNELS)

    def shared():
        one = lambda x: batch_norm(x, *init_batch_norm(x.shape), training=True, axis_name="d")  # noqa: E731
        return jax.vmap(one, axis_name="d")(x)

    contract.assert_close(shared(), as_written(monkeypatch, shared))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_laws(batch, dtype):
    x, weight, _ = (jnp.asarray(a, dtype) for a in batch)
    params, state = init_batch_norm(x.shape)
    call = lambda x: batch_norm(x, params, state, training=True)  # noqa: E731
    contract.jit_equals_eager(call, x)
    contract.vmap_equals_loop(call, jnp.stack([x, -x]))
    contract.finite_everywhere(lambda x: (weight * call(x)[0]).astype(jnp.float32).sum(), jnp.full_like(x, 1e15))
    contract.lowers_everywhere(jax.grad(lambda x: (weight * call(x)[0]).astype(jnp.float32).sum()), x)


def test_an_overflowing_square_spoils_no_mean(batch, monkeypatch):
    x = jnp.asarray(batch[0] * 1e25, jnp.float32)
    call = lambda: batch_norm(x, *init_batch_norm(x.shape), training=True)  # noqa: E731
    contract.assert_close(call(), as_written(monkeypatch, call))


def test_four_axes_are_rows(batch):
    x = jnp.asarray(batch[0], jnp.float32)[:30].reshape(5, 3, 2, CHANNELS)
    flat = batch_norm(x.reshape(30, CHANNELS), *init_batch_norm((30, CHANNELS)), training=True)
    contract.assert_close(batch_norm(x, *init_batch_norm(x.shape), training=True)[0].reshape(30, CHANNELS), flat[0])


def test_channels_first_of_two_axes_are_not_rows(batch):
    x = jnp.asarray(batch[0], jnp.float32)
    call = lambda x, axis: batch_norm(x, *init_batch_norm(x.shape, axis=axis), training=True, axis=axis)  # noqa: E731
    slopes = (
        jax.grad(lambda x: jnp.tanh(call(x, 0)[0]).sum())(x.T),
        jax.grad(lambda x: jnp.tanh(call(x, 1)[0]).sum())(x),
    )
    contract.assert_close((call(x.T, 0)[0].T, slopes[0].T), (call(x, 1)[0], slopes[1]))
