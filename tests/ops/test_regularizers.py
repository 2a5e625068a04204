"""Penalties by hand; every proximal operator and projection as the argmin of its definition; derivatives; laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from jaxml import ops
from tests.ops import contract

TREE = {"w": jnp.array([[3.0, -4.0], [0.0, 0.0]]), "b": jnp.array([0.5])}


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [
        (ops.l0_count, 3.0),
        (lambda t: ops.l0_count(t, tolerance=0.5), 2.0),
        (ops.l1, 7.5),
        (ops.l2_squared, 25.25),
        (ops.l2_norm, 25.25**0.5),
        (lambda t: ops.elastic_net(t, l1_ratio=0.2), 0.2 * 7.5 + 0.4 * 25.25),
        (ops.group_lasso, 5 * 2**0.5 + 0.5),
        (lambda t: ops.group_lasso({"w": t["w"]}, axis=0), 7 * 2**0.5),
        (lambda t: ops.group_lasso({"w": t["w"]}, axis=(0, 1)), 10.0),
        (lambda t: ops.total_variation({"w": t["w"]}), 7.0 + 7.0),
        (lambda t: ops.total_variation({"w": t["w"]}, axes=(1,)), 7.0),
        (lambda t: ops.total_variation({"w": t["w"]}, isotropic=True), (9 + 49) ** 0.5 + 4.0),
    ],
)
def test_penalties_are_one_number_for_the_whole_tree(penalty, expected):
    assert penalty(TREE).shape == ()
    contract.assert_close(penalty(TREE), expected)
    contract.vmap_equals_loop(penalty, jax.tree.map(lambda x: jnp.stack([x, x + 1]), TREE))
    contract.lowers_everywhere(penalty, TREE)
    contract.finite_everywhere(penalty, TREE)
    contract.finite_everywhere(penalty, jax.tree.map(jnp.zeros_like, TREE))


def test_total_variation_counts_neighbours_by_hand():
    x = np.random.default_rng(0).normal(size=(3, 4, 2)).astype(np.float32)
    steps = [(i, j, c) for i in range(3) for j in range(4) for c in range(2)]
    down = {s: x[s[0] + 1, s[1], s[2]] - x[s] if s[0] < 2 else 0.0 for s in steps}
    right = {s: x[s[0], s[1] + 1, s[2]] - x[s] if s[1] < 3 else 0.0 for s in steps}
    anisotropic = sum(abs(down[s]) + abs(right[s]) for s in steps)
    isotropic = sum((down[s] ** 2 + right[s] ** 2) ** 0.5 for s in steps)
    contract.assert_close(ops.total_variation(jnp.asarray(x), axes=(0, 1)), anisotropic, rtol=1e-5)
    contract.assert_close(ops.total_variation(jnp.asarray(x), axes=(0, 1), isotropic=True), isotropic, rtol=1e-5)
    assert ops.total_variation(jnp.zeros((0, 3))) == 0


def test_half_precision_adds_up_in_float32():
    ones = jnp.ones(4096, jnp.bfloat16)
    for penalty in (ops.l1, ops.l2_squared, ops.l0_count):
        value = penalty(ones)
        assert value.dtype == jnp.float32
        assert value == 4096
    assert ops.prox_l1(ones, strength=0.5).dtype == jnp.bfloat16
    assert ops.l1({}) == 0


PROXES = {
    "l1": (ops.prox_l1, ops.l1, {}),
    "l2_squared": (ops.prox_l2_squared, ops.l2_squared, {}),
    "l2_norm": (ops.prox_l2_norm, ops.l2_norm, {}),
    "elastic_net": (ops.prox_elastic_net, ops.elastic_net, {"l1_ratio": 0.3}),
    "group_lasso": (ops.prox_group_lasso, ops.group_lasso, {"axis": -1}),
    "l0": (ops.prox_l0, ops.l0_count, {}),
}
X = np.array([[2.0, -1.1, 0.3], [0.2, -0.1, 0.25]])


@pytest.mark.parametrize("name", PROXES)
@pytest.mark.parametrize("strength", [0.0, 0.4, 3.0])
def test_prox_is_the_argmin_of_its_definition(name, strength, x64):
    prox, penalty, settings = PROXES[name]
    x = jnp.asarray(X)

    @jax.jit
    def objective(u):
        return jnp.sum((u - x) ** 2) / 2 + strength * penalty(u, **settings)

    u = prox(x, strength=strength, **settings)
    best = float(objective(u))
    rng = np.random.default_rng(0)
    rivals = [np.asarray(u) + scale * rng.normal(size=X.shape) for scale in (1e-6, 1e-3, 0.1, 1) for _ in range(100)]
    # Any subset of entries, or of rows, set to zero or back to x is a rival too: the kinks are there.
    rivals += [np.where(rng.random(X.shape) < 0.5, v, u) for v in (np.zeros(X.shape), X) for _ in range(100)]
    values = jax.vmap(objective)(jnp.asarray(np.stack(rivals)))
    assert best <= float(values.min()) + 1e-12
    if name != "l0":  # convex: a general minimiser agrees
        solution = scipy.optimize.minimize(
            lambda v: float(objective(jnp.asarray(v.reshape(X.shape)))), np.asarray(u).ravel() + 0.01, method="Powell",
            options={"xtol": 1e-9, "ftol": 1e-14},
        )  # fmt: skip
        assert best <= solution.fun + 1e-9


@pytest.mark.parametrize("name", PROXES)
def test_prox_derivatives_and_laws(name, x64):
    prox, _, settings = PROXES[name]

    def fn(x, strength):
        return prox(x, strength=strength, **settings)

    contract.derivatives_match(fn, jnp.asarray(X), jnp.asarray(0.15))
    contract.vmap_equals_loop(fn, jnp.asarray(np.stack([X, -2 * X])), jnp.array([0.1, 0.5]))
    contract.lowers_everywhere(fn, jnp.asarray(X), jnp.asarray(0.15))
    for x in (jnp.asarray(X), jnp.zeros((2, 3)), jnp.full((2, 3), 1e4)):
        for strength in (0.0, 0.15, 1e4):
            contract.finite_everywhere(fn, x, jnp.asarray(strength), argnums=(0, 1))
    if name != "l0":
        identity = jax.jacobian(fn)(jnp.zeros((2, 3)), jnp.asarray(0.0)).reshape(6, 6)
        contract.assert_close(identity, np.eye(6))


def test_prox_keeps_structure_and_l2_norm_joins_the_leaves():
    out = ops.prox_l2_norm(TREE, strength=1.0)
    scale = 1 - 1 / 25.25**0.5
    contract.assert_close(out, jax.tree.map(lambda x: x * scale, TREE))
    assert jax.tree.structure(ops.prox_group_lasso(TREE, strength=1.0)) == jax.tree.structure(TREE)


def test_projections_are_nearest_points(x64):
    rng = np.random.default_rng(0)
    cases = [rng.normal(size=4) * s for s in (0.1, 1, 10)] + [np.zeros(4), np.full(4, 1e4), np.array([1.0, 1, 0, 0])]
    for x in cases:
        x = jnp.asarray(x)
        for total in (0.5, 1.0):
            u = ops.project_simplex(x, total=total)
            assert (np.asarray(u) >= 0).all()
            contract.assert_close(jnp.sum(u), total, rtol=1e-12)
            rivals = rng.dirichlet(np.ones(4), size=500) * total
            # Nearest point of a convex set: no rival lies beyond it as seen from x.
            assert ((rivals - np.asarray(u)) @ np.asarray(x - u) <= 1e-8).all()
            contract.assert_close(ops.project_simplex(u, total=total), u, rtol=1e-12, atol=1e-14)
            v = ops.project_l1_ball(x, radius=total)
            assert jnp.sum(jnp.abs(v)) <= total * (1 + 1e-12)
            signed = rivals * rng.choice([-1, 1], size=rivals.shape)
            assert ((signed - np.asarray(v)) @ np.asarray(x - v) <= 1e-8).all()
            if jnp.sum(jnp.abs(x)) <= total:
                contract.assert_close(v, x, rtol=0, atol=0)


@pytest.mark.parametrize("project", [ops.project_simplex, ops.project_l1_ball])
def test_projection_derivatives_and_laws(project, x64):
    x = jnp.array([0.9, -0.7, 0.4, 2.1])
    name = "total" if project is ops.project_simplex else "radius"

    def fn(x, size):
        return project(x, **{name: size})

    contract.derivatives_match(fn, x, jnp.asarray(1.3))
    contract.vmap_equals_loop(fn, jnp.stack([x, 2 * x]), jnp.array([0.5, 1.5]))
    contract.lowers_everywhere(fn, x, jnp.asarray(1.3))
    contract.finite_everywhere(fn, jnp.zeros(4), jnp.asarray(1.0), argnums=(0, 1))
    tree = {"a": x[:2], "b": x[2:]}
    joined = fn(tree, 1.0)
    contract.assert_close(jnp.concatenate([joined["a"], joined["b"]]), fn(x, 1.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.l1({"w": jnp.arange(3)}), "l1: 'leaf' must be floating, got int32"),
        (lambda: ops.prox_l1(jnp.arange(3), strength=1.0), "prox_l1: 'leaf' must be floating"),
        (lambda: ops.group_lasso(jnp.array(1.0)), "axis -1 needs more than the 0 axes"),
        (lambda: ops.prox_group_lasso(jnp.ones(2), strength=1.0, axis=1), "axis 1 needs more than the 1 axes"),
        (lambda: ops.total_variation(jnp.ones(2), axes=(0, 1)), "total_variation: axis 1 needs"),
        (lambda: ops.project_simplex(jnp.zeros(0)), "'tree' must hold at least one entry"),
        (lambda: ops.project_l1_ball(jnp.arange(3)), "project_l1_ball: 'leaf' must be floating"),
    ],
)
def test_errors_say_what_to_change(call, message):
    with pytest.raises(ValueError, match=message):
        call()
