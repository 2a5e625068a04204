"""Support vector machines: libsvm's solutions, optimality conditions, margins, lanes, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.svm import SVC, LinearSVC

from jaxml.learn import fit_kernel_svm, fit_linear_svm, kernel_decision, linear_predictor
from tests.learn import reference


def _primal(norm, margins, cost):
    return norm / 2 + (cost * np.maximum(1 - margins, 0)).sum()


@pytest.mark.parametrize("C", [0.01, 1.0])
def test_linear_hinge_equals_libsvm(x64, C):
    X, y = reference.binary()
    X, y = X[::3], y[::3]
    for s in (np.ones(len(y)), reference.weights(len(y))):
        fit = fit_linear_svm(X, y, C=C, sample_weight=s, tolerance=1e-9)
        theirs = SVC(kernel="linear", C=C, tol=1e-10).fit(X, y, sample_weight=s)
        found = fit.diagnostics
        assert found.converged
        assert reference.relative(fit.params.coef, theirs.coef_[0]) < 1e-5
        assert float(fit.params.intercept) == pytest.approx(theirs.intercept_[0], abs=1e-5)
        best = _primal((theirs.coef_**2).sum(), (2 * y - 1) * theirs.decision_function(X), C * s)
        assert found.objective <= best * (1 + 1e-6)
        assert int(found.support.sum()) == theirs.n_support_.sum()
        assert found.residual < 1e-6
        assert float(found.margin) == pytest.approx(1 / np.linalg.norm(theirs.coef_), rel=1e-5)


@pytest.mark.parametrize(("kernel", "options"), [("linear", {}), ("rbf", {"gamma": 0.05}), ("poly", {"coef0": 1.0})])
def test_kernel_machines_equal_libsvm(x64, kernel, options):
    X, y = reference.binary()
    X, y = X[::4], y[::4]
    theirs = SVC(kernel=kernel, C=2.0, tol=1e-10, **options).fit(X, y)
    fit = fit_kernel_svm(X, y, C=2.0, kernel=kernel, tolerance=1e-11, **options)
    assert fit.diagnostics.converged
    np.testing.assert_allclose(kernel_decision(fit.params, X), theirs.decision_function(X), rtol=1e-5, atol=1e-5)
    dual = np.zeros(len(y))
    dual[theirs.support_] = theirs.dual_coef_[0]
    np.testing.assert_allclose(fit.params.dual_coef, dual, atol=2e-5)
    assert np.flatnonzero(fit.diagnostics.support).tolist() == sorted(theirs.support_.tolist())
    if kernel == "linear":
        primal = fit_linear_svm(X, y, C=2.0)
        assert float(primal.diagnostics.objective) == pytest.approx(float(fit.diagnostics.objective), rel=1e-8)


def test_squared_hinge_equals_liblinear_without_an_intercept(x64):
    X, y = reference.binary()
    X = X[:, :8]
    theirs = LinearSVC(C=0.1, fit_intercept=False, tol=1e-12, max_iter=100_000, dual=False).fit(X, y)
    fit = fit_linear_svm(X, y, C=0.1, loss="squared_hinge", intercept=False)
    assert fit.diagnostics.converged
    assert reference.relative(fit.params.coef, theirs.coef_[0]) < 1e-5
    coef = lambda C: fit_linear_svm(X, y, C=C, loss="squared_hinge").params.coef  # noqa: E731
    np.testing.assert_allclose(
        jax.jacfwd(coef)(0.1), reference.central_difference(jax.jit(coef), 0.1), rtol=1e-4, atol=1e-6
    )


def test_margin_grows_to_the_hard_margin_and_only_support_vectors_matter(x64):
    X = np.array([[-3.0, 0.0], [-1.0, 0.3], [1.0, -0.2], [2.0, 5.0], [1.5, 1.0]])
    y = np.array([0, 0, 1, 1, 1])
    fits = jax.jit(jax.vmap(lambda C: fit_linear_svm(X, jnp.asarray(y), C=C)))(jnp.array([0.05, 0.5, 50.0, 500.0]))
    margins = np.asarray(fits.diagnostics.margin)
    assert (np.diff(margins) <= 1e-9).all()
    assert margins[2] == pytest.approx(margins[3], rel=1e-6)
    gaps = (2 * y - 1) * (X @ np.asarray(fits.params.coef[3]) + float(fits.params.intercept[3]))
    assert gaps.min() == pytest.approx(1.0, abs=1e-6)
    keep = np.asarray(fits.diagnostics.support[3])
    assert 2 <= keep.sum() < 5
    alone = fit_linear_svm(X[keep], y[keep], C=500.0).params
    np.testing.assert_allclose(alone.coef, fits.params.coef[3], atol=1e-6)


def test_weight_zero_drops_a_row_and_lanes_stay_alone(x64):
    X, y = reference.binary()
    X, y = X[::8, :6], y[::8]
    s = reference.weights(len(y))
    dropped = fit_kernel_svm(X[s > 0], y[s > 0], sample_weight=s[s > 0], gamma=0.1)
    kept = fit_kernel_svm(X, y, sample_weight=s, gamma=0.1)
    np.testing.assert_allclose(kernel_decision(kept.params, X), kernel_decision(dropped.params, X), atol=1e-6)
    assert (np.asarray(kept.params.dual_coef)[s == 0] == 0).all()
    S = jnp.stack([jnp.asarray(s), jnp.zeros(len(y)), jnp.asarray(s * y)])
    lanes = jax.jit(jax.vmap(lambda s: fit_linear_svm(X, jnp.asarray(y), sample_weight=s).params))(S)
    np.testing.assert_allclose(
        linear_predictor(jax.tree.map(lambda leaf: leaf[0], lanes), jnp.asarray(X)),
        linear_predictor(fit_linear_svm(X, y, sample_weight=s).params, jnp.asarray(X)),
        atol=1e-7,
    )
    np.testing.assert_allclose(lanes.coef[1:], 0, atol=1e-6)
    assert np.isfinite(lanes.intercept).all()


def test_single_precision_and_scaled_kernels():
    X, y = (value[::4].astype(np.float32) for value in reference.binary())
    fit = fit_kernel_svm(X, y)
    theirs = SVC().fit(X, y)
    agree = (np.asarray(kernel_decision(fit.params, X)) > 0) == (theirs.decision_function(X) > 0)
    assert agree.all()
    assert fit.diagnostics.gap / fit.diagnostics.objective < 1e-3


@pytest.mark.parametrize("fit", [fit_linear_svm, fit_kernel_svm])
def test_bad_input_is_named(unchecked_types, fit):
    X, y = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32), np.array([0, 1, 0, 1])
    with pytest.raises(ValueError, match="'y' must hold 0 or 1, got -1"):
        fit(X, 2 * y - 1)
    with pytest.raises(ValueError, match="one class only"):
        fit(X, 0 * y)
    with pytest.raises(ValueError, match="'X' must be finite"):
        fit(X * np.nan, y)
    with pytest.raises(ValueError, match="at least one positive entry"):
        fit(X, y, sample_weight=np.zeros(4, np.float32))
    with pytest.raises(ValueError, match=r"'loss' must be one of 'hinge'|'kernel' must be one of 'linear'"):
        fit(X, y, **{"loss" if fit is fit_linear_svm else "kernel": "cubic"})


def test_a_large_box_is_not_given_up_and_its_bound_holds(x64):
    """Also in single precision, where the dual's numbers are as large as the box, and the weights what sums leave."""
    X, y = reference.binary()
    strengths, single = jnp.asarray([1.0, 10.0, 100.0, 1e5]), X.astype(np.float32)
    run = jax.jit(jax.vmap(lambda X, C: fit_linear_svm(X, y, C=C, tolerance=None), in_axes=(None, 0)))
    exact, rough = run(single.astype(np.float64), strengths), run(single, strengths.astype(np.float32))
    assert exact.diagnostics.converged.all()
    assert rough.diagnostics.converged.tolist() == [True, True, True, False]
    best = SVC(kernel="linear", C=100.0).fit(single, y)  # stops at violations of 1e-3
    decision = _primal((best.coef_**2).sum(), (2 * y - 1) * best.decision_function(single), 100.0)
    assert 0.99 * decision < exact.diagnostics.objective[2] <= decision
    for i, C in enumerate(np.asarray(strengths)):
        coef, level = np.asarray(rough.params.coef[i], np.float64), float(rough.params.intercept[i])
        objective = _primal((coef**2).sum(), (2 * y - 1) * (single.astype(np.float64) @ coef + level), C)
        excess = objective - float(exact.diagnostics.objective[i])
        assert excess <= float(rough.diagnostics.gap[i])
        assert excess < 2e-5 * objective or i == 3
