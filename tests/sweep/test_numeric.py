"""NumPy's second opinion on a trace: every primitive that it has, against JAX."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxml.sweep import numeric
from jaxml.sweep.numeric import Numeric, TooLong

RNG = np.random.default_rng(0)
X = np.asarray(RNG.normal(size=(4, 5)), np.float32)
WHOLE = np.asarray(RNG.integers(-9, 9, (4, 5)), np.int32)
SPECIAL = np.array([0.5, -0.5, 1.5, -2.5, 0.0, -0.0, np.inf, -np.inf, np.nan, 3e9, -3e9], np.float32)
KEY = jax.random.key(3)


def agree(function, *arguments):
    """Run both; the NumPy path may not ask JAX for anything."""
    closed = jax.make_jaxpr(function)(*arguments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numeric, "_by_jax", lambda eqn, inputs: pytest.fail(f"{eqn.primitive} is not there"))
        found = Numeric(closed, closed.consts)(jax.tree.leaves(arguments), np.inf)
    wanted = jax.tree.leaves(jax.jit(function)(*arguments))
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        if jnp.issubdtype(theirs.dtype, jax.dtypes.prng_key):
            theirs = np.asarray(jax.random.key_data(theirs), np.uint64) @ np.array([2**32, 1], np.uint64)
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


def test_arithmetic_of_floats():
    def many(x, y):
        positive, small = abs(x) + 0.1, x / 4
        yield from (x + y, x - y, x * y, x / y, -x, x**3, x**-2, positive**y, jnp.maximum(x, y), jnp.minimum(x, y))
        yield from (jnp.exp(x), jnp.exp2(x), jnp.log(positive), jnp.log1p(positive), jnp.expm1(x), jnp.sqrt(positive))
        yield from (jnp.sin(x), jnp.cos(x), jnp.tan(small), jnp.tanh(x), jnp.sinh(x), jnp.cosh(x), jnp.arctan2(x, y))
        yield from (jnp.arcsin(small), jnp.arccos(small), jnp.arctan(x), lax.rsqrt(positive), jnp.cbrt(x), jnp.abs(x))
        yield from (lax.erf(x), lax.erfc(x), lax.erf_inv(small), lax.lgamma(positive), lax.digamma(positive))
        yield from (jax.nn.sigmoid(x), jnp.square(x), jnp.nextafter(x, y), jnp.clip(x, -0.5, 0.5), lax.rem(x, y))
        yield from (x < y, x <= y, x > y, x >= y, x == y, x != y, jnp.where(x < y, x, y), jnp.isfinite(x))
        yield from (jax.nn.log_softmax(x), lax.stop_gradient(x), lax.select_n(jnp.int32(1), x, y))

    agree(lambda x, y: list(many(x, y)), X, np.flip(X))


def test_numbers_that_are_special():
    def many(x):
        yield from (
            jnp.floor(x),
            jnp.ceil(x),
            jnp.round(x),
            lax.round(x),
            jnp.sign(x),
            jnp.flip(x),
            jnp.trunc(x),
            jnp.isfinite(x),
        )
        yield from (x.astype(jnp.int32), x.astype(jnp.uint8), x.astype(jnp.int8), x.astype(bool), x.astype(jnp.float16))
        yield from (jnp.maximum(x, 0), jnp.minimum(x, 0), jnp.argmax(x), jnp.argmin(x), jnp.sort(x), jnp.argsort(x))
        yield from (jnp.max(x), jnp.min(x), lax.bitcast_convert_type(x, jnp.uint32))

    with jax.numpy_dtype_promotion("standard"):
        agree(lambda x: list(many(x)), SPECIAL)


def test_arithmetic_of_whole_numbers():
    def many(x, y):
        bits = x.astype(jnp.uint32)
        yield from (x + y, x * y, lax.div(x, y), lax.rem(x, y), x // y, x % y, x & y, x | y, x ^ y, ~x, abs(x))
        yield from (x << 3, x >> 2, bits >> 5, bits << 31, lax.shift_right_logical(x, jnp.full_like(x, 40)))
        yield from (jnp.sum(x, 0), jnp.prod(x, 1), jnp.any(x > 8, 0), jnp.all(x < 8, 1), jnp.max(x), x.astype(float))
        yield from (lax.reduce_xor(x, (0,)), jnp.cumsum(x, 1))

    agree(lambda x, y: list(many(x, y)), WHOLE, WHOLE * 2 + 1)


def test_shapes_and_places():
    def many(x, i):
        yield from (x.T, x[::-1, 1:4:2], x.reshape(2, 10), jnp.stack([x, x], 1), jnp.concatenate([x, 2 * x], 1))
        yield from (jnp.unstack(x, axis=1), jnp.split(x, [1, 3]))
        yield from (jnp.tile(x, (2, 1)), jnp.pad(x, 2), lax.pad(x, 1.0, ((1, 0, 2), (0, 2, 1))), jnp.eye(3), x[None])
        yield from (lax.dynamic_slice(x, (i, 9), (2, 3)), lax.dynamic_update_slice(x, x[:2, :2], (i, i)))
        yield from (x[0].at[i].get(), x[0].at[i].add(1.0))
        yield from (x[i], x[:, i], x[jnp.array([0, 3, 9, -1])], jnp.take(x, jnp.array([[1, 7], [0, 2]]), axis=1))
        yield from (jnp.take_along_axis(x, jnp.argsort(x, 1), 1), x.at[i, 1:3].set(7.0), x.at[:, i].multiply(2.0))
        yield from (x.at[jnp.array([1, 1, 9])].add(1.0), x.at[jnp.array([0, 0]), jnp.array([1, 1])].max(9.0))
        yield from (jnp.zeros(5).at[jnp.array([0, 2, 2])].min(-1.0), jnp.cumsum(x, 1), jnp.cumprod(x[::-1], 0))
        yield from (lax.cummax(x, 1), lax.cummin(x, 0, reverse=True), jnp.sum(x, (0, 1)), jnp.mean(x, 1))
        yield jax.vmap(lambda row, j: row[j])(x, jnp.array([0, 1, 4, 2]))
        yield jax.grad(lambda v: (v[jnp.array([1, 1, 0])] ** 2).sum())(x)

    agree(lambda x, i: list(many(x, i)), X, np.int32(2))


@pytest.mark.parametrize("spec", ["ij,kj->ik", "bij,bjk->bik", "abij,bjk->abik", "ij,ij->", "i,j->ij", "bi,bi->b"])
def test_products(spec):
    sizes = {"a": 2, "b": 3}
    left, right = (RNG.normal(size=[sizes.get(c, 4) for c in part]) for part in spec.split("->")[0].split(","))
    agree(lambda x, y: jnp.einsum(spec, x, y), np.asarray(left, "f"), np.asarray(right, "f"))


def test_draws_are_those_of_jax():
    def many(key):
        first, second, third = jax.random.split(jax.random.fold_in(key, 7), 3)
        yield from (first, jax.random.split(second, (2, 2))[1, 0], jax.random.bits(third, (3,), "uint8"))
        yield from (
            jax.random.normal(first, (7,)),
            jax.random.uniform(second, (3, 2)),
            jax.random.permutation(third, 9),
        )
        yield from (jax.random.choice(first, 9, (3,)), jax.random.bernoulli(second, 0.3, (5,)))
        keys = jax.random.split(first, 3)
        yield jax.vmap(lambda k: (jax.random.fold_in(k, 1), jax.random.split(k), jax.random.normal(k, (2, 2))))(keys)

    agree(lambda key: list(many(key)), KEY)


def test_loops_and_branches():
    def many(x):
        yield lax.scan(lambda s, v: (s * 0.5 + v, s.sum()), x[0], x)
        yield lax.scan(lambda s, v: (s + v, s), jnp.zeros(5), x, reverse=True)
        yield lax.while_loop(lambda s: s[0] < 50, lambda s: (s[0] * 1.5, s[1] + 1), (jnp.float32(1), 0))
        start = (jnp.array([1.0, 40.0, 60.0]), jnp.zeros(3, int))
        yield jax.vmap(lambda a, b: lax.while_loop(lambda s: s[0] < 50, lambda s: (s[0] * 1.5, s[1] + 1), (a, b)))(
            *start
        )
        yield lax.cond(x[0, 0] > 0, lambda: x * 2, lambda: x - 1)
        yield lax.switch(7, [lambda: x, lambda: -x])
        yield jax.grad(lambda v: jax.nn.logsumexp(jax.nn.relu(v)))(x)
        yield jax.checkpoint(lambda v: v * 2)(x)

    agree(lambda x: list(many(x)), X)


def test_what_numpy_has_not_is_asked_of_jax():
    symmetric = X[:, :4] @ X[:, :4].T + 4 * np.eye(4, dtype="f")
    closed = jax.make_jaxpr(lambda a, key: (jnp.linalg.cholesky(a), jax.random.key_data(jax.random.clone(key))))(
        symmetric, KEY
    )
    factor, words = Numeric(closed, closed.consts)([symmetric, KEY], np.inf)
    np.testing.assert_allclose(factor, np.linalg.cholesky(symmetric), rtol=1e-5)
    np.testing.assert_array_equal(words, jax.random.key_data(KEY))


def test_jax_is_not_asked_when_time_is_short():
    closed = jax.make_jaxpr(jnp.linalg.cholesky)(np.eye(3, dtype="f"))
    with pytest.raises(TooLong):
        Numeric(closed, closed.consts)([np.eye(3, dtype="f")], time.perf_counter() + 0.5)


def test_moves_go_into_loops_and_grow_with_their_size():
    closed = jax.make_jaxpr(lambda x: lax.fori_loop(0, 9, lambda _, v: jnp.sin(v) * 1.1, x))(X)
    moving = Numeric(closed, closed.consts)
    (still,), (small,), (large,) = (moving([X], np.inf, move) for move in (None, (1, 1.0), (1, 64.0)))
    by_little, by_much = np.abs(small - still).max(), np.abs(large - still).max()
    assert 0 < by_little < 1e-5
    assert 10 * by_little < by_much < 1e-3


def test_time_is_up_inside_a_loop_too():
    closed = jax.make_jaxpr(lambda x: lax.while_loop(lambda v: v > -1, lambda v: v, x))(1.0)
    with pytest.raises(TooLong):
        Numeric(closed, closed.consts)([1.0], time.perf_counter() + 0.05)
