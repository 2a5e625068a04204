"""Plans in numbers, and the hazards of vmap found before anything runs."""

import json

import jax
import jax.numpy as jnp
import pytest

from jaxml import sweep
from jaxml.errors import TrialError
from jaxml.sweep.cost import describe_plan, hazards, measure_lanes
from jaxml.sweep.jaxprs import peak_bytes, work
from jaxml.sweep.plan import make_plan
from jaxml.sweep.signature import schema_of
from jaxml.sweep.trace import master_key, trace


def described(trial, seeds=4, probe=False, **axes):
    return describe_plan(trial, make_plan(schema_of(trial), axes, seeds), probe=probe)


def hazards_of(trial, **axes):
    plan = make_plan(schema_of(trial), axes, 4)
    return hazards(trace(trial, plan, plan.programs()[0], master_key("jaxml")), plan)


def smooth(key, *, lam: float, n: int = 1):
    x = jax.random.normal(key, (32,))
    return {"x": jnp.sum(jnp.where(x > lam, x, 0.0)) * n}


def branching(key, *, lam: float):
    x = jax.random.normal(key, (8, 8))
    return {"x": jnp.sum(jax.lax.cond(lam > 1, lambda x: x @ x @ x, lambda x: x @ x, x))}


def waiting(key, *, lam: float):
    return {"x": jax.lax.while_loop(lambda v: v < 100, lambda v: v * (1 + lam), 1.0 + lam)}


def counting(key, *, lam: float):
    return {"x": jax.lax.fori_loop(0, 5, lambda i, v: v * lam, lam)}


def scattering(key, *, lam: float):
    place = jax.random.randint(key, (3,), 0, 9)
    return {"x": jnp.zeros(9).at[place].add(lam).max()}


@pytest.mark.parametrize(
    ("trial", "kinds"),
    [(smooth, []), (branching, ["cond"]), (waiting, ["while"]), (counting, []), (scattering, ["scatter"])],
)
def test_hazards(trial, kinds):
    assert [hazard.kind for hazard in hazards_of(trial, lam=[0.5, 2.0])] == kinds


def test_a_branch_costs_what_both_branches_do():
    (hazard,) = hazards_of(branching, lam=[0.5, 2.0])
    assert 1.3 < hazard.cost < 1.7
    assert "every lane pays all branches" in hazard.message


def test_a_branch_on_what_all_lanes_share_is_no_hazard():
    def trial(key, *, lam: float, n: int = 2):
        shared = jnp.asarray(n) > 1
        return {"x": jax.lax.cond(shared, lambda v: v * 2, lambda v: v, lam)}

    assert not hazards_of(trial, lam=[0.5, 2.0])


def test_many_static_points_are_named():
    (hazard,) = described(smooth, lam=[0.5], n=list(range(20)))["hazards"]
    assert "20 static points" in hazard
    assert "`n: Traced[int]`" in hazard


def test_the_plan_in_numbers():
    plan = described(smooth, seeds=100, lam=[0.1 * i for i in range(50)], n=[1, 2], probe=True)
    assert (plan["programs"], plan["trials"]) == (2, 10_000)
    assert plan["chunks"] * plan["lanes"] >= plan["trials"]
    assert plan["seconds"] >= plan["compile_seconds"] > plan["chunk_seconds"] > 0
    json.dumps(plan)


def test_throughput_is_measured_for_each_chunk_size():
    plan = make_plan(schema_of(smooth), {"lam": [0.1, 0.2, 0.3, 0.4]}, 4)
    measured = measure_lanes(smooth, plan, [2, 16])
    assert list(measured) == [2, 16]
    assert min(measured.values()) > 0


def test_memory_and_work_of_a_known_program():
    jaxpr = jax.make_jaxpr(lambda a, b: jnp.sum(a @ b))(jnp.zeros((8, 4)), jnp.zeros((4, 16))).jaxpr
    assert work(jaxpr) == 2 * 8 * 4 * 16 + 1
    assert peak_bytes(jaxpr) == 4 * (8 * 4 + 4 * 16 + 8 * 16 + 1)


def test_rbg_keys_are_refused():
    def trial(key, *, lam: float):
        return {"x": lam * jax.random.normal(jax.random.key(1, impl="rbg"))}

    with pytest.raises(TrialError, match="rbg"):
        sweep(trial, seeds=1, lam=[1.0])
