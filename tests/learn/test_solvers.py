"""First-order solvers: closed forms, a foreign solver, restarts, schedules, purity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Lasso

from jaxml import data
from jaxml.learn import proximal_gradient, subgradient_descent
from tests.ops import contract


def _shrink(v, size):
    return jnp.maximum(v - size, 0.0) + jnp.minimum(v + size, 0.0)


def _lasso(X, y, lam, **options):
    n = X.shape[0]
    step = 1 / (jnp.linalg.norm(X, 2) ** 2 / n)
    return proximal_gradient(
        lambda w: X.T @ (X @ w - y) / n, lambda v, s: _shrink(v, s * lam), jnp.zeros(X.shape[1], X.dtype),
        step_size=step, **options,
    )  # fmt: skip


@pytest.fixture
def problem(x64):
    design, plant = jax.random.split(jax.random.key(3))
    X = data.ar_design(design, n=80, d=20, rho=0.8)
    return X, data.planted_linear(plant, X, nonzero=4, snr=3.0).y


def test_orthogonal_design_gives_the_soft_threshold(x64):
    X = data.orthogonal_design(jax.random.key(0), n=60, d=8)
    y = data.planted_linear(jax.random.key(1), X, nonzero=3).y
    for lam in (0.05, 0.5, 3.0):
        np.testing.assert_allclose(_lasso(X, y, lam, steps=5).params, _shrink(X.T @ y / 60, lam), rtol=0, atol=1e-12)


@pytest.mark.parametrize("lam", [0.01, 0.2])
def test_equals_scikit_learn_and_certifies_itself(problem, lam):
    X, y = problem
    ours = _lasso(X, y, lam, steps=5000, tolerance=1e-11)
    theirs = Lasso(alpha=lam, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(X, y)
    assert ours.diagnostics.converged
    assert ours.diagnostics.iterations < 2000
    np.testing.assert_allclose(ours.params, theirs.coef_, rtol=1e-7, atol=1e-9)
    assert ((np.asarray(ours.params) == 0) == (theirs.coef_ == 0)).all()


def test_acceleration_saves_iterations_and_plain_steps_descend(problem):
    X, y = problem
    fast = _lasso(X, y, 0.02, steps=20_000, tolerance=1e-9)
    slow = _lasso(X, y, 0.02, steps=20_000, tolerance=1e-9, accelerate=False)
    assert slow.diagnostics.converged
    assert fast.diagnostics.iterations * 3 < slow.diagnostics.iterations
    np.testing.assert_allclose(fast.params, slow.params, atol=1e-7)


def test_unfinished_runs_say_so(problem):
    X, y = problem
    ended = _lasso(X, y, 0.02, steps=3, tolerance=1e-9).diagnostics
    assert (int(ended.iterations), bool(ended.converged)) == (3, False)
    hopeless = proximal_gradient(
        lambda w: w * 10.0, lambda v, _: v, jnp.ones(2), step_size=1.0, steps=5000, tolerance=1e-3
    )
    assert not hopeless.diagnostics.converged


def test_pytrees_schedules_and_lanes(problem):
    X, y = problem
    tree = proximal_gradient(
        lambda p: {"a": p["a"] - 3.0, "b": p["b"] + 1.0}, lambda p, _: p, {"a": jnp.zeros(2), "b": jnp.ones(())},
        step_size=lambda t: 0.5 / jnp.sqrt(1.0 + t), steps=200,
    )  # fmt: skip
    np.testing.assert_allclose(tree.params["a"], 3.0, atol=1e-6)
    np.testing.assert_allclose(tree.params["b"], -1.0, atol=1e-6)
    fit = lambda lam: _lasso(X, y, lam, steps=300, tolerance=1e-6).params  # noqa: E731
    contract.vmap_equals_loop(fit, jnp.array([0.01, 0.1, 1.0]), rtol=1e-7, atol=1e-9)
    contract.derivatives_match(lambda lam: _lasso(X, y, lam, steps=400).params, jnp.array(0.1), order=1)


def test_subgradient_floor_shrinks_with_the_step_and_vanishes_under_decay():
    def error(step_size, steps):
        return abs(float(subgradient_descent(jax.grad(jnp.abs), jnp.array(0.7312), step_size=step_size, steps=steps).params))  # fmt: skip  # noqa: E501

    assert 0.005 < max(error(0.1, 100), error(0.1, 101)) <= 0.1
    assert max(error(0.01, 400), error(0.01, 401)) <= 0.01
    assert error(lambda t: 0.3 / jnp.sqrt(1.0 + t), 5000) < 0.005


def test_subgradient_leaves_no_exact_zero_where_prox_does(problem):
    X, y = problem
    objective = lambda w: jnp.mean((X @ w - y) ** 2) / 2 + 0.2 * jnp.abs(w).sum()  # noqa: E731
    rough = subgradient_descent(jax.grad(objective), jnp.full(20, 0.1), step_size=0.01, steps=2000).params
    exact = _lasso(X, y, 0.2, steps=2000).params
    assert (np.asarray(rough) == 0).sum() == 0
    assert (np.asarray(exact) == 0).sum() >= 10
    assert objective(rough) < objective(exact) + 0.01
