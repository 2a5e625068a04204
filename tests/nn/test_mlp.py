"""The scanned MLP is the loop over its layers, at any depth, with norm and dropout; recurrent cells are theirs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxml.nn import MLP, LSTMCell, LSTMState, RNNCell, functional, unroll
from jaxml.ops import BatchNormState, NormParams, batch_norm
from tests.nn.build import build
from tests.ops.contract import assert_close

X = jax.random.normal(jax.random.key(1), (6, 3))
DEPTH = 3


def reference(params, state, x, depth):
    """The hidden layers one by one; returns outputs and running means."""
    means = []
    for layer in range(depth):
        first = params["first"]
        z = (
            x @ first["kernel"] + first["bias"][None]
            if layer == 0
            else (x @ params["kernel"][layer - 1] + params["bias"][layer - 1][None])
        )
        if "scale" in params:
            norm = NormParams(params["scale"][layer][None], params["shift"][layer][None])
            running = BatchNormState(state["mean"][layer][None], state["var"][layer][None])
            z, running = batch_norm(z, norm, running, training=True, momentum=0.9)
            means.append(running.mean[0])
        x = jnp.tanh(z)
    return x @ params["head"]["kernel"] + params["head"]["bias"][None], means


@pytest.mark.parametrize("norm", [False, True])
def test_scan_is_the_loop_and_depth_a_lane(norm):
    model = build(lambda rngs: MLP(3, 4, 2, depth=DEPTH, batch_norm=norm, activation=jnp.tanh, rngs=rngs))
    apply, params, state = functional(model)

    def both(depth):
        return apply(params, state, X, training=True, depth=depth)

    outputs, after = jax.jit(jax.vmap(both))(jnp.arange(1, DEPTH + 1))
    whole, by_hand = jax.jit(
        lambda: (apply(params, state, X, training=True)[0], [reference(params, state, X, d) for d in (1, 2, DEPTH)])
    )()
    assert_close(outputs[-1], whole, rtol=1e-5, atol=1e-5)
    for lane, (depth, (expected, means)) in enumerate(zip((1, 2, DEPTH), by_hand, strict=True)):
        assert_close(outputs[lane], expected, rtol=1e-4, atol=1e-5)
        if norm:
            assert_close(after["mean"][lane, :depth], jnp.stack(means), atol=1e-6)
            assert (after["mean"][lane, depth:] == state["mean"][depth:]).all()


def test_dropout_draws_anew_in_every_layer():
    model = build(lambda rngs: MLP(3, 50, 50, depth=DEPTH, dropout=0.5, rngs=rngs))
    model.first.kernel[...], model.first.bias[...] = jnp.zeros((3, 50)), jnp.ones(50)
    model.kernel[...] = jnp.broadcast_to(jnp.eye(50), model.kernel.shape)
    model.bias[...], model.head.kernel[...], model.head.bias[...] = jnp.zeros((2, 50)), jnp.eye(50), jnp.zeros(50)
    apply, params, state = functional(model)
    out = jax.jit(lambda: apply(params, state, X, training=True, key=jax.random.key(0))[0])()
    assert set(np.unique(out).tolist()) == {0.0, 8.0}  # kept by all three layers, or dropped by one
    assert float((out > 0).mean()) == pytest.approx(1 / 8, abs=0.08)


def test_a_network_needs_a_hidden_layer():
    with pytest.raises(ValueError, match=r"'depth' must be at least 1, got 0. Use nnx.Linear"):
        MLP(3, 4, 2, depth=0, rngs=nnx.Rngs(0))


def test_cells_are_flax_cells_with_the_same_weights():
    xs, start = jax.random.normal(jax.random.key(2), (5, 2, 3)), jax.random.normal(jax.random.key(3), (2, 2, 4))
    vanilla, lstm = (build(lambda rngs, cell=cell: cell(3, 4, rngs=rngs)) for cell in (RNNCell, LSTMCell))
    simple = build(lambda rngs: nnx.SimpleCell(3, 4, rngs=rngs))
    gated = build(lambda rngs: nnx.OptimizedLSTMCell(3, 4, rngs=rngs))
    simple.dense_i.bias[...] = vanilla.bias[...]
    gated.dense_h.bias[...] = lstm.bias[...]
    for ours, theirs in ((vanilla, simple), (lstm, gated)):
        theirs.dense_i.kernel[...], theirs.dense_h.kernel[...] = ours.kernel[...], ours.recurrent[...]

    @jax.jit
    def ours():
        plain = unroll(vanilla, xs, carry=start[0])
        last, outputs = unroll(lstm, xs, carry=LSTMState(h=start[0], c=start[1]))
        return *plain, (last.c, last.h), outputs

    @jax.jit
    def theirs():
        plain = jax.lax.scan(lambda carry, x: simple(carry, x), start[0], xs)
        return *plain, *jax.lax.scan(lambda carry, x: gated(carry, x), (start[1], start[0]), xs)

    assert_close(ours(), theirs(), atol=1e-5)


def test_forget_bias_is_a_lane_and_lets_gradients_through():
    def gradient(bias):
        cell = LSTMCell(1, 4, forget_bias=bias, rngs=nnx.Rngs(0))
        start = LSTMState(jnp.zeros(4), jnp.ones(4))
        slope = jax.jacobian(lambda c: unroll(cell, jnp.zeros((20, 1)), carry=start._replace(c=c))[0].c)(start.c)
        return jnp.linalg.norm(slope)

    norms = jax.jit(jax.vmap(gradient))(jnp.array([-2.0, 0.0, 2.0, 5.0]))
    assert (np.diff(norms) > 0).all()


def test_parameters_do_not_depend_on_the_length():
    cell = build(lambda rngs: RNNCell(3, 4, rngs=rngs))
    short, long = (unroll(cell, jnp.ones((t, 3)))[1] for t in (2, 5))
    assert_close(short, long[:2])


def test_a_sequence_needs_a_time_axis(unchecked_types):
    with pytest.raises(ValueError, match=r"'xs' must have shape .* Put time first"):
        unroll(build(lambda rngs: RNNCell(3, 4, rngs=rngs)), jnp.ones(3))
