"""Penalties by hand; every proximal operator and projection as the argmin of its definition; derivatives; laws."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from jaxml import ops
from tests.ops import contract

TREE = {"w": jnp.array([[3.0, -4.0], [0.0, 0.0]]), "b": jnp.array([0.5])}


PENALTIES = {
    "l0_count": (ops.l0_count, 3.0),
    "l0_count, tolerant": (lambda t: ops.l0_count(t, tolerance=0.5), 2.0),
    "l1": (ops.l1, 7.5),
    "l2_squared": (ops.l2_squared, 25.25),
    "l2_norm": (ops.l2_norm, 25.25**0.5),
    "elastic_net": (lambda t: ops.elastic_net(t, l1_ratio=0.2), 0.2 * 7.5 + 0.4 * 25.25),
    "group_lasso": (ops.group_lasso, 5 * 2**0.5 + 0.5),
    "group_lasso of columns": (lambda t: ops.group_lasso({"w": t["w"]}, axis=0), 7 * 2**0.5),
    "group_lasso of one group": (lambda t: ops.group_lasso({"w": t["w"]}, axis=(0, 1)), 10.0),
    "total_variation": (lambda t: ops.total_variation({"w": t["w"]}), 7.0 + 7.0),
    "total_variation along rows": (lambda t: ops.total_variation({"w": t["w"]}, axes=(1,)), 7.0),
    "total_variation, isotropic": (lambda t: ops.total_variation({"w": t["w"]}, isotropic=True), (9 + 49) ** 0.5 + 4.0),
}


@jax.jit
def penalties(tree):
    return {name: penalty(tree) for name, (penalty, _) in PENALTIES.items()}


def test_penalties_are_one_number_for_the_whole_tree():
    for name, value in penalties(TREE).items():
        assert value.shape == ()
        contract.assert_close({name: value}, {name: PENALTIES[name][1]})
    contract.vmap_equals_loop(penalties, jax.tree.map(lambda x: jnp.stack([x, x + 1]), TREE))
    contract.lowers_everywhere(penalties, TREE)
    for tree in (TREE, jax.tree.map(jnp.zeros_like, TREE)):
        contract.finite_everywhere(penalties, tree)


def test_penalty_derivatives(x64):
    rng = np.random.default_rng(0)
    contract.gradients_match(penalties, jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape)), TREE))


def test_total_variation_counts_neighbours_by_hand():
    x = np.random.default_rng(0).normal(size=(3, 4, 2)).astype(np.float32)
    steps = [(i, j, c) for i in range(3) for j in range(4) for c in range(2)]
    down = {s: x[s[0] + 1, s[1], s[2]] - x[s] if s[0] < 2 else 0.0 for s in steps}
    right = {s: x[s[0], s[1] + 1, s[2]] - x[s] if s[1] < 3 else 0.0 for s in steps}
    anisotropic = sum(abs(down[s]) + abs(right[s]) for s in steps)
    isotropic = sum((down[s] ** 2 + right[s] ** 2) ** 0.5 for s in steps)
    variation = jax.jit(ops.total_variation, static_argnames=("axes", "isotropic"))
    contract.assert_close(variation(jnp.asarray(x), axes=(0, 1)), anisotropic, rtol=1e-5)
    contract.assert_close(variation(jnp.asarray(x), axes=(0, 1), isotropic=True), isotropic, rtol=1e-5)
    assert variation(jnp.zeros((0, 3))) == 0


def test_half_precision_adds_up_in_float32():
    ones = jnp.ones(4096, jnp.bfloat16)
    for penalty in (ops.l1, ops.l2_squared, ops.l0_count):
        value = penalty(ones)
        assert value.dtype == jnp.float32
        assert value == 4096
    assert ops.prox_l1(ones, strength=0.5).dtype == jnp.bfloat16
    assert ops.l1({}) == 0


# Each proximal operator with its penalty, once more, of the last two axes.
PROXES = {
    "l1": (ops.prox_l1, lambda u: np.abs(u).sum((-2, -1))),
    "l2_squared": (ops.prox_l2_squared, lambda u: (u**2).sum((-2, -1))),
    "l2_norm": (ops.prox_l2_norm, lambda u: (u**2).sum((-2, -1)) ** 0.5),
    "elastic_net": (
        functools.partial(ops.prox_elastic_net, l1_ratio=0.3),
        lambda u: (0.3 * np.abs(u) + 0.35 * u**2).sum((-2, -1)),
    ),
    "group_lasso": (ops.prox_group_lasso, lambda u: ((3 * u**2).sum(-1) ** 0.5).sum(-1)),
    "l0": (ops.prox_l0, lambda u: (u != 0).sum((-2, -1))),
}
X = np.array([[2.0, -1.1, 0.3], [0.2, -0.1, 0.25]])


@jax.jit
def proxes(x, strength):
    return {name: prox(x, strength=strength) for name, (prox, _) in PROXES.items()}


@pytest.mark.parametrize("strength", [0.0, 0.4, 3.0])
def test_each_prox_is_the_argmin_of_its_definition(strength, x64):
    for name, u in proxes(jnp.asarray(X), strength).items():
        u = np.asarray(u)

        def objective(v, name=name):
            return ((v - X) ** 2).sum((-2, -1)) / 2 + strength * PROXES[name][1](v)

        rng = np.random.default_rng(0)
        rivals = [u + scale * rng.normal(size=X.shape) for scale in (1e-6, 1e-3, 0.1, 1) for _ in range(100)]
        # Any subset of entries, or of rows, set to zero or back to x is a rival too: the kinks are there.
        rivals += [np.where(rng.random(X.shape) < 0.5, v, u) for v in (0 * X, X) for _ in range(100)]
        assert objective(u) <= objective(np.stack(rivals)).min() + 1e-12, name
        if name != "l0":  # convex: a general minimiser agrees
            solution = scipy.optimize.minimize(
                lambda v, objective=objective: objective(v.reshape(X.shape)), u.ravel() + 0.01, method="Powell",
                options={"xtol": 1e-9, "ftol": 1e-14},
            )  # fmt: skip
            assert objective(u) <= solution.fun + 1e-9, name


def test_prox_derivatives_and_laws(x64):
    contract.gradients_match(proxes, jnp.asarray(X), jnp.asarray(0.15))
    contract.vmap_equals_loop(proxes, jnp.asarray(np.stack([X, -2 * X])), jnp.array([0.1, 0.5]))
    contract.lowers_everywhere(proxes, jnp.asarray(X), jnp.asarray(0.15))
    for x in (jnp.asarray(X), jnp.zeros((2, 3)), jnp.full((2, 3), 1e4)):
        for strength in (0.0, 0.15, 1e4):
            contract.finite_everywhere(proxes, x, jnp.asarray(strength), argnums=(0, 1))
    for name, identity in jax.jit(jax.jacfwd(proxes))(jnp.zeros((2, 3)), jnp.asarray(0.0)).items():
        if name != "l0":
            contract.assert_close(identity.reshape(6, 6), np.eye(6))


def test_prox_keeps_structure_and_l2_norm_joins_the_leaves():
    out = jax.jit(ops.prox_l2_norm)(TREE, strength=1.0)
    scale = 1 - 1 / 25.25**0.5
    contract.assert_close(out, jax.tree.map(lambda x: x * scale, TREE))
    assert jax.tree.structure(jax.eval_shape(ops.prox_group_lasso, TREE, strength=1.0)) == jax.tree.structure(TREE)


@jax.jit
def projections(x, size):
    return {"simplex": ops.project_simplex(x, total=size), "l1 ball": ops.project_l1_ball(x, radius=size)}


def test_projections_are_nearest_points(x64):
    rng = np.random.default_rng(0)
    cases = [rng.normal(size=4) * s for s in (0.1, 1, 10)] + [np.zeros(4), np.full(4, 1e4), np.array([1.0, 1, 0, 0])]
    for x in cases:
        for total in (0.5, 1.0):
            u, v = (np.asarray(projections(jnp.asarray(x), total)[name]) for name in ("simplex", "l1 ball"))
            assert (u >= 0).all()
            contract.assert_close(u.sum(), total, rtol=1e-12)
            rivals = rng.dirichlet(np.ones(4), size=500) * total
            # Nearest point of a convex set: no rival lies beyond it as seen from x.
            assert ((rivals - u) @ (x - u) <= 1e-8).all()
            contract.assert_close(projections(jnp.asarray(u), total)["simplex"], u, rtol=1e-12, atol=1e-14)
            assert np.abs(v).sum() <= total * (1 + 1e-12)
            signed = rivals * rng.choice([-1, 1], size=rivals.shape)
            assert ((signed - v) @ (x - v) <= 1e-8).all()
            if np.abs(x).sum() <= total:
                contract.assert_close(v, x, rtol=0, atol=0)


def test_projection_derivatives_and_laws(x64):
    x = jnp.array([0.9, -0.7, 0.4, 2.1])
    contract.gradients_match(projections, x, jnp.asarray(1.3))
    contract.vmap_equals_loop(projections, jnp.stack([x, 2 * x]), jnp.array([0.5, 1.5]))
    contract.lowers_everywhere(projections, x, jnp.asarray(1.3))
    contract.finite_everywhere(projections, jnp.zeros(4), jnp.asarray(1.0), argnums=(0, 1))
    tree = {"a": x[:2], "b": x[2:]}
    for project in (jax.jit(ops.project_simplex), jax.jit(ops.project_l1_ball)):
        joined = project(tree)
        contract.assert_close(jnp.concatenate([joined["a"], joined["b"]]), project(x))


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
