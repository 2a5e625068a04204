"""The training loop: a hand-written loop, epochs, early stopping, state, lanes, errors."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxml.learn import train
from tests.ops import contract

KEY = jax.random.key(0)
X = jnp.asarray(np.random.default_rng(0).normal(size=(12, 3)), jnp.float32)
Y = X @ jnp.array([1.0, -2.0, 0.5])


def mse(key, params, batch):
    x, y = batch
    return jnp.mean((x @ params["w"] + params["b"] - y) ** 2)


START = {"w": jnp.zeros(3), "b": jnp.zeros(())}


def test_full_batch_equals_a_loop_written_by_hand():
    optimizer = optax.adam(optax.exponential_decay(0.1, 5, 0.5))
    run = train(KEY, mse, START, (X, Y), optimizer=optimizer, steps=12)
    params, state, losses = START, optimizer.init(START), []
    for _ in range(12):
        value, gradient = jax.value_and_grad(lambda p: mse(None, p, (X, Y)))(params)
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
        losses.append(float(value))
    contract.assert_close(run.params, params)
    np.testing.assert_allclose(run.diagnostics.loss, losses, rtol=1e-5)
    assert int(run.diagnostics.stopped_at) == 12
    assert bool(run.diagnostics.finite)
    assert np.isnan(run.diagnostics.validation).all()


def test_an_epoch_visits_every_row_once_and_the_next_in_another_order():
    # The loss's gradient is the batch itself: with learning rate 1, parameters count the visits.
    visits = lambda key, w, batch: -jnp.sum(w * batch.sum(axis=0))  # noqa: E731
    rows = jnp.eye(12)
    sgd = optax.sgd(1.0)
    for steps, expected in ((3, 1), (6, 2)):
        run = train(KEY, visits, jnp.zeros(12), rows, optimizer=sgd, steps=steps, batch_size=4)
        assert (np.asarray(run.params) == expected).all()
    first = train(KEY, visits, jnp.zeros(12), rows, optimizer=sgd, steps=1, batch_size=4).params
    fourth = train(KEY, visits, jnp.zeros(12), rows, optimizer=sgd, steps=4, batch_size=4).params - 1
    assert not (first == fourth).all()
    other = train(jax.random.key(1), visits, jnp.zeros(12), rows, optimizer=sgd, steps=1, batch_size=4).params
    assert not (first == other).all()
    left_over = train(KEY, visits, jnp.zeros(12), rows, optimizer=sgd, steps=2, batch_size=5).params
    assert sorted(left_over.tolist()) == [0.0] * 2 + [1.0] * 10


def test_early_stopping_returns_the_best_and_stands_still():
    # Gradient 1: w = -1, -2, ...; validation (w + 3)^2 is least after 3 steps and rises from there.
    run = train(
        KEY, lambda key, w, batch: w, jnp.array(0.0), X, optimizer=optax.sgd(1.0), steps=10,
        validate=lambda w, _: (w + 3.0) ** 2, patience=2,
    )  # fmt: skip
    curves = run.diagnostics
    assert float(run.params) == -3.0
    assert (int(curves.best_step), int(curves.stopped_at)) == (3, 5)
    assert curves.validation.tolist() == [4.0, 1.0, 0.0, 1.0, 4.0] + [4.0] * 5
    assert curves.gradient_norm.tolist() == [1.0] * 5 + [0.0] * 5
    never = train(
        KEY, lambda key, w, batch: w, jnp.array(0.0), X, optimizer=optax.sgd(1.0), steps=10,
        validate=lambda w, _: (w + 3.0) ** 2, validate_every=4,
    )  # fmt: skip
    assert float(never.params) == -4.0
    assert int(never.diagnostics.stopped_at) == 10
    assert np.isnan(never.diagnostics.validation[:3]).all()
    lazy = train(
        KEY, lambda key, w, batch: w, jnp.array(0.0), X, optimizer=optax.sgd(1.0), steps=6,
        validate=lambda w, _: w / 10, patience=1, min_delta=0.2,
    )  # fmt: skip
    assert int(lazy.diagnostics.stopped_at) == 2


def test_state_and_keys_reach_the_loss():
    def loss(key, w, count, batch):
        return w * jax.random.normal(key), count + 1

    run = train(KEY, loss, jnp.array(0.0), X, optimizer=optax.sgd(1.0), steps=5, state=jnp.array(0))
    assert int(run.state) == 5
    assert len(set(run.diagnostics.gradient_norm.tolist())) == 5


@pytest.mark.parametrize(
    ("optimizer", "steps"),
    [
        (optax.lbfgs(), 15),
        (optax.polyak_sgd(), 60),
    ],
)
def test_optimizers_that_ask_for_the_loss_get_it(optimizer, steps):
    """The system is solvable: both end where the loss is 0, and with a state too."""
    run = train(KEY, mse, START, (X, Y), optimizer=optimizer, steps=steps)
    np.testing.assert_allclose(run.params["w"], [1.0, -2.0, 0.5], atol=1e-3)
    if steps == 15:
        loss = lambda key, params, count, batch: (mse(key, params, batch), count + 1)  # noqa: E731
        stateful = train(KEY, loss, START, (X, Y), optimizer=optimizer, steps=steps, state=jnp.array(0))
        contract.assert_close(stateful.params, run.params)
        assert int(stateful.state) == steps


def test_the_loss_that_an_optimizer_gets_is_a_function_of_any_parameters():
    """The loss is w squared: what one step up would add to it is 2 w + 1."""

    def climb(updates, state, params: Any = None, **extra):
        return extra["value_fn"](params + 1.0) - extra["value"], state

    optimizer = optax.GradientTransformationExtraArgs(lambda params: (), climb)
    run = train(KEY, lambda key, w, batch: w**2, jnp.array(3.0), X, optimizer=optimizer, steps=2)
    assert float(run.params) == 3 + 7 + 21


def test_a_plateau_shrinks_the_step_by_the_loss_that_it_is_given():
    # A constant loss never improves: after every two steps without, the next ones are half as long.
    flat = lambda key, w, batch: 0 * jnp.sum(batch) + jnp.sum(w - jax.lax.stop_gradient(w))  # noqa: E731
    halving = optax.chain(optax.sgd(1.0), optax.contrib.reduce_on_plateau(factor=0.5, patience=2))
    ends = [float(train(KEY, flat, jnp.array(0.0), X, optimizer=halving, steps=n).params) for n in range(1, 12)]
    lengths = -np.diff([0.0, *ends])
    assert lengths[0] == 1.0
    assert set(lengths[1:] / lengths[:-1]) == {1.0, 0.5}


def test_a_traced_peak_rate_with_a_warm_up():
    def run(rate):
        schedule = optax.warmup_cosine_decay_schedule(0.0, 1.0, 5, 20)
        optimizer = optax.chain(optax.scale_by_adam(), optax.scale_by_schedule(schedule), optax.scale(-rate))
        return train(KEY, mse, START, (X, Y), optimizer=optimizer, steps=20).params["w"]

    rates = jnp.array([0.01, 0.3])
    lanes = jax.jit(jax.vmap(run))(rates)
    alone = optax.adam(optax.warmup_cosine_decay_schedule(0.0, 0.3, 5, 20))
    np.testing.assert_allclose(
        lanes[1], train(KEY, mse, START, (X, Y), optimizer=alone, steps=20).params["w"], rtol=1e-4
    )


def test_divergence_is_reported_and_lanes_equal_single_runs():
    def run(rate, key):
        return train(key, mse, START, (X, Y), optimizer=optax.sgd(rate), steps=60, batch_size=4)

    keys = jax.random.split(KEY, 3)
    contract.vmap_equals_loop(
        lambda rate, key: run(rate, key).params, jnp.array([0.01, 0.05, 0.1]), keys, rtol=1e-4, atol=1e-5
    )
    finite = jax.jit(jax.vmap(lambda rate: run(rate, KEY).diagnostics.finite))(jnp.array([0.1, 1e12]))
    assert finite.tolist() == [True, False]


def test_bad_input_is_named(unchecked_types):
    options = {"optimizer": optax.sgd(0.1), "steps": 1}
    with pytest.raises(ValueError, match=r"'batch_size' must lie in 1..n=12, got 13"):
        train(KEY, mse, START, (X, Y), batch_size=13, **options)
    with pytest.raises(ValueError, match="same number of rows, got shapes"):
        train(KEY, mse, START, (X, Y[:3]), **options)
    with pytest.raises(ValueError, match="same number of rows"):
        train(KEY, mse, START, (X, jnp.zeros(())), **options)
    with pytest.raises(ValueError, match="'patience' watches the validation loss"):
        train(KEY, mse, START, (X, Y), patience=3, **options)
