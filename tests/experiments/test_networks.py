"""Experiments on networks: sizes that are matched, blocks that add, statistics that agree."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from jaxml.nn import count_parameters, describe, functional
from jaxml.sweep.choice import Choice
from tests.experiments.test_experiments import module
from tests.ops.contract import assert_close


def test_dense_and_residual_networks_are_of_one_size():
    network, found = module("skip_connections").network, {}
    for kind in ("stack", "dense", "wide_dense"):
        model = nnx.eval_shape(lambda kind=kind: network(kind, nnx.Rngs(0)))
        found[kind] = count_parameters(model), sum(layer.flops for layer in describe(model, (8, 8, 1)))
    assert found["dense"][0] == found["stack"][0]
    assert found["wide_dense"][1] == pytest.approx(found["stack"][1], rel=0.02)


def test_a_stack_without_blocks_is_its_stem_and_skipping_adds_the_input():
    apply, params, state = functional(module("skip_connections").network("stack", nnx.Rngs(0)))
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 1))
    run = jax.jit(lambda p, skip, depth: apply(p, state, x, skip=skip, depth=depth)[0])
    silent = params | {"blocks": jax.tree.map(jnp.zeros_like, params["blocks"])}
    assert_close(run(silent, 1.0, 4), run(params, 0.0, 0))  # blocks that add nothing to a stem of ReLU
    assert_close(run(silent, 0.0, 4), jnp.broadcast_to(params["head"]["bias"], (2, 10)))


def test_running_averages_without_memory_of_one_batch_are_exact():
    given = {"rows": 20, "test_rows": 10, "batch": 20, "rounds": 2, "steps": 1, "width": 4, "used": 20}
    run = jax.jit(partial(module("batch_norm_regulariser").trial, jax.random.key(0), **given))
    level, none = (Choice(jnp.asarray(i), ("no norm", "batch norm", "batch norm, frozen")) for i in (1, 0))
    exact = run(norm=level, rate=0.0, momentum=0.0)
    assert float(exact["agreement"]) == 1
    assert float(exact["reached"]) == 0
    plain = run(norm=none, rate=0.0, momentum=1.0)
    assert float(plain["agreement"]) == 1  # without a norm there is nothing to agree on
    assert float(plain["train_loss"]) != float(exact["train_loss"])
