"""What a learner says of rows does not depend on the units and the origin of features and targets, in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import discriminant_analysis, linear_model, svm

from jaxml import learn
from jaxml.learn import linear_predictor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0], [0, 0, 1.0]])
TARGETS = X @ [1.0, -0.5, 0.2] + 0.3 * RNG.normal(size=60)
TWO = (TARGETS + 0.5 * RNG.normal(size=60) > 0).astype(np.int32)
THREE = np.digitize(TARGETS + 0.5 * RNG.normal(size=60), [-0.6, 0.6]).astype(np.int32)


def linear(fit):
    return lambda X, *rest: (linear_predictor((found := fit(X, *rest)).params, X), found.diagnostics.converged)


def kernel(name, **options):
    def run(X, y, s, t):
        found = learn.fit_kernel_svm(X, y, kernel=name, **options, C=1 / s**2 if name == "linear" else 1.0)
        return learn.kernel_decision(found.params, X, kernel=name), found.diagnostics.converged

    return run


def lda(X, y, s, t):
    found = learn.fit_lda(X, y, classes=3, shrinkage=0.0)
    return learn.lda_decision(found.params, X), found.diagnostics.converged


def tree(X, y, s, t):
    return learn.predict_tree(learn.decision_tree(None, X, y, max_depth=2, bins=16).params, X), jnp.array(True)


# Penalties keep their meaning: weights change with targets / features, their cost must not.
FITS = {
    "least squares": (TARGETS, linear(lambda X, y, s, t: learn.fit_least_squares(X, y))),
    "ridge": (TARGETS, linear(lambda X, y, s, t: learn.fit_ridge(X, y, l2=0.1 * s**2))),
    "lasso": (TARGETS, linear(lambda X, y, s, t: learn.fit_lasso(X, y, l1=0.1 * s * t))),
    "huber": (TARGETS, linear(lambda X, y, s, t: learn.fit_huber(X, y, delta=0.3 * t))),
    "logistic": (TWO, linear(lambda X, y, s, t: learn.fit_logistic(X, y))),
    "logistic, L1": (TWO, linear(lambda X, y, s, t: learn.fit_logistic(X, y, l1=0.03 * s))),
    "softmax": (THREE, linear(lambda X, y, s, t: learn.fit_softmax(X, y, classes=3, l2=0.1 * s**2))),
    "linear SVM": (TWO, linear(lambda X, y, s, t: learn.fit_linear_svm(X, y, C=1 / s**2))),
    "Fisher": (TWO, linear(lambda X, y, s, t: learn.fit_fisher(X, y))),
    "LDA": (THREE, lda),
    "linear kernel": (TWO, kernel("linear")),
    "Gaussian kernel": (TWO, kernel("rbf")),
    "tree": (TARGETS, tree),
}
SKLEARN = {
    "least squares": linear_model.LinearRegression(),
    "ridge": linear_model.Ridge(alpha=6.0),
    "lasso": linear_model.Lasso(alpha=0.1, tol=1e-10),
    "LDA": discriminant_analysis.LinearDiscriminantAnalysis(solver="eigen"),
    "linear kernel": svm.SVC(kernel="linear", tol=1e-8),
    "Gaussian kernel": svm.SVC(tol=1e-8),
}
FREE = ("least squares", "huber", "logistic", "Fisher", "LDA", "tree")  # no penalty or margin refers to units
MIXED = np.array([1e-6, 1.0, 1e6])
FEATURES = {"small": (1e-6, 0), "large": (1e6, 0), "far": (1, 1e4), "far and large": (1e6, -1e10)}
MIXTURES = {"mixed": (MIXED, np.zeros(3)), "mixed and far": (MIXED, MIXED * [1e4, 1e3, -1e4])}
UNITS = {"small": (1e-6, 0), "large": (1e6, 0), "far": (1, 1e4)}


@pytest.mark.parametrize("name", FITS)
def test_units_and_origin_change_nothing(name):
    y, run = FITS[name]
    run, real = jax.jit(run), y is TARGETS

    def predicted(scale, shift, unit, level):
        """Predictions in the first units, each row's largest score about the mean of its scores."""
        own = np.float32(scale if np.ndim(scale) == 0 else 1)
        targets = jnp.asarray(y * unit + level, jnp.float32) if real else jnp.asarray(y)
        found, converged = run(jnp.asarray(X * scale + shift, jnp.float32), targets, own, np.float32(unit))
        # An intercept of 1e4 is rounded by more than a hinge may be off; smooth losses feel only its square.
        assert converged != (name == "linear SVM" and shift != 0)
        found = (np.asarray(found, np.float64) - (level if real else 0)) / (unit if real else 1)
        return found - found.mean(axis=1, keepdims=True) if found.ndim == 2 else found

    base = predicted(1, 0, 1, 0)
    if name in SKLEARN:
        theirs = SKLEARN[name].fit(X, y)
        expected = theirs.predict(X) if real else theirs.decision_function(X)
        expected = expected - expected.mean(axis=1, keepdims=True) if expected.ndim == 2 else expected
        np.testing.assert_allclose(base, expected, atol=1e-2)
    # Features and targets 1e4 deviations away are rounded to 1e-3 of one; weights are at most 7.
    for scale, shift in [*FEATURES.values(), *(MIXTURES.values() if name in FREE else ())]:
        np.testing.assert_allclose(predicted(scale, shift, 1, 0), base, atol=1e-2)
    for unit, level in UNITS.values() if real else ():
        np.testing.assert_allclose(predicted(1, 0, unit, level), base, atol=3e-3)


def test_a_kernel_that_shifts_spoil_is_never_certified():
    """(gamma x.x' + coef0)^3 at 1e4 deviations is constant to all of float32's digits."""
    run = jax.jit(kernel("poly", coef0=1.0))
    assert run(jnp.asarray(X, jnp.float32), jnp.asarray(TWO), 1.0, 1.0)[1]
    for shift in (1e3, 1e4):
        assert not run(jnp.asarray(X + shift, jnp.float32), jnp.asarray(TWO), 1.0, 1.0)[1]


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
        params, found = jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i], np.float64), fits)
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
    assert fit.diagnostics.gap < 1e-3 * fit.diagnostics.objective
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
