"""Certificates in float32: large boxes and shifts, features that almost depend on each other, many rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import svm

from jaxml import learn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0], [0, 0, 1.0]])
TARGETS = X @ [1.0, -0.5, 0.2] + 0.3 * RNG.normal(size=60)
TWO = (TARGETS + 0.5 * RNG.normal(size=60) > 0).astype(np.int32)


def test_a_kernel_that_shifts_spoil_is_never_certified():
    """(gamma x.x' + coef0)^3 at 1e4 deviations is constant to all of float32's digits."""
    run = jax.jit(lambda X: learn.fit_kernel_svm(X, TWO, kernel="poly", coef0=1.0).diagnostics.converged)
    assert run(jnp.asarray(X, jnp.float32))
    for shift in (1e3, 1e4):
        assert not run(jnp.asarray(X + shift, jnp.float32))


def test_close_rows_far_from_each_other_keep_their_distance():
    """Two groups 1e4 apart, rows 1e-2 apart within each: no common origin saves an expansion of the square."""
    A = np.array([[0.0, 0.0], [0.01, 0.0], [1e4, 0.0], [1e4, 0.0078125]], np.float32)
    exact = np.exp(-1e4 * ((A[:, None].astype(float) - A[None]) ** 2).sum(axis=2))
    np.testing.assert_allclose(learn.kernel_matrix(jnp.asarray(A), jnp.asarray(A), gamma=1e4), exact, atol=1e-5)
    f = lambda A: jnp.sum(jnp.sin(learn.kernel_matrix(A, A[:2], gamma=0.3)))  # noqa: E731
    plain = lambda A: jnp.sum(jnp.sin(jnp.exp(-0.3 * jnp.sum((A[:, None] - A[None, :2]) ** 2, axis=2))))  # noqa: E731
    rows, way = jnp.asarray(X[:5], jnp.float32), jnp.asarray(X[5:10], jnp.float32)
    slopes = [jax.jit(lambda A, f=f: jax.jvp(jax.grad(f), (A,), (way,)))(rows) for f in (f, plain)]
    np.testing.assert_allclose(*(first for first, _ in slopes), atol=1e-5)
    np.testing.assert_allclose(*(second for _, second in slopes), atol=1e-4)


def gap_of_a_machine(K, z, coef, level, norm, C):
    """Primal minus dual by their definitions: ||w||^2 of the machine, coefficients scaled back into the dual's box."""
    objective = norm / 2 + C * np.maximum(1 - z * (K @ coef + level), 0).sum()
    dual = coef * min(1, C / np.abs(coef).max())
    return objective, objective - np.abs(dual).sum() + dual @ K @ dual / 2 + np.abs(level * dual.sum())


def test_a_large_box_ends_at_the_hard_margin():
    """In float32, from C = 1 where rows touch the box to C = 1e6 where none does; the certificate holds in float64."""
    rows, z = jnp.asarray(X, jnp.float32), 2.0 * TWO - 1
    wide = np.asarray(rows, np.float64)
    K = np.exp(-2.0 * ((wide[:, None] - wide[None]) ** 2).sum(axis=2))
    strengths = np.array([1.0, 1e2, 1e4, 1e6])
    fits = jax.jit(jax.vmap(lambda C: learn.fit_kernel_svm(rows, jnp.asarray(TWO), C=C, gamma=2.0)))(
        jnp.asarray(strengths, jnp.float32)
    )
    for i, C in enumerate(strengths):
        fit = jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i], np.float64), fits)
        params, found = fit.params, fit.diagnostics
        objective, gap = gap_of_a_machine(
            K, z, params.dual_coef, params.intercept, params.dual_coef @ K @ params.dual_coef, C
        )
        assert found.objective == pytest.approx(objective, rel=1e-5)
        assert found.converged
        assert gap <= 1.01 * found.gap <= 3e-4 * objective
    theirs = svm.SVC(C=100.0, gamma=2.0, tol=1e-8).fit(X, TWO)
    decision = learn.kernel_decision(jax.tree.map(lambda leaf: leaf[1], fits.params), rows)
    np.testing.assert_allclose(decision, theirs.decision_function(X), atol=0.02)


def test_a_linear_machine_with_a_large_box_ends_near_the_hard_margin():
    apart = X + (2 * TWO - 1)[:, None]
    fit = learn.fit_linear_svm(jnp.asarray(apart, jnp.float32), TWO, C=1e4)
    theirs = svm.SVC(kernel="linear", C=1e4, tol=1e-8).fit(apart, TWO)
    np.testing.assert_allclose(fit.params.coef, theirs.coef_[0], rtol=1e-3)
    assert fit.diagnostics.converged
    assert learn.fit_linear_svm(jnp.asarray(apart, jnp.float32), TWO, C=100.0).diagnostics.converged
    assert fit.diagnostics.iterations <= 15  # from the middle of the box it takes 18
    assert fit.diagnostics.support.tolist() == np.isin(np.arange(60), theirs.support_).tolist()


@pytest.mark.parametrize("distance", [0.0, 1e-4, 1e-3, 1e-2])
def test_least_squares_of_features_that_almost_depend_on_each_other(distance):
    """Normal equations square the condition: from 1e-3 on they lose all of float32's digits."""
    rows = np.concatenate([X, X[:, :1] + X[:, 1:2] + distance * np.roll(X[:, 2:], 1)], axis=1).astype(np.float32)
    rows, y = rows - rows.mean(axis=0), (TARGETS - TARGETS.mean()).astype(np.float32)
    fit = learn.fit_least_squares(rows, y, intercept=False)
    expected = np.linalg.lstsq(rows.astype(float), y.astype(float), rcond=1e-6)[0]
    assert fit.diagnostics.converged
    np.testing.assert_allclose(rows @ np.asarray(fit.params.coef), rows @ expected, atol=5e-4)
    if distance == 0:
        np.testing.assert_allclose(fit.params.coef, expected, atol=1e-4)


def test_least_squares_of_many_rows_is_certified():
    rows = RNG.normal(size=(20_000, 20)).astype(np.float32)
    y = (rows.sum(axis=1) + RNG.normal(size=len(rows))).astype(np.float32)
    fit = learn.fit_least_squares(rows, y)
    assert fit.diagnostics.converged
    spoilt = jnp.asarray(fit.params.coef).at[0].add(1e-2)
    slope = rows.T @ (rows @ np.asarray(spoilt) + float(fit.params.intercept) - y) / len(rows)
    assert np.abs(slope).max() > 100 * float(fit.diagnostics.residual)
