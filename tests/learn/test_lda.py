"""Linear discriminants: scikit-learn's lsqr and eigen solvers, Fisher's criterion, singular scatter, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from jaxml.learn import fit_fisher, fit_lda, lda_decision, lda_transform
from tests.learn import reference


@pytest.mark.parametrize("shrinkage", [0.0, 0.3, 1.0, "ledoit_wolf"])
@pytest.mark.parametrize("name", ["wine", "digits"])
def test_equals_scikit_learn(x64, name, shrinkage):
    X, y = reference.multiclass(name, None if name == "wine" else 200)
    X = X[:, X.std(axis=0) > 0][:, :13]
    theirs = LinearDiscriminantAnalysis(
        solver="eigen", shrinkage={"ledoit_wolf": "auto", 0.0: None}.get(shrinkage, shrinkage)
    ).fit(X, y)
    fit = fit_lda(X, y, shrinkage=shrinkage)
    assert fit.diagnostics.converged
    centred = lambda values: np.asarray(values) - (np.asarray(values) @ theirs.priors_)[:, None]  # noqa: E731
    assert reference.relative(centred(fit.params.coef), centred(theirs.coef_.T)) < 1e-5
    assert reference.relative(centred(lda_decision(fit.params, X)), centred(theirs.decision_function(X))) < 1e-6
    np.testing.assert_allclose(softmax(lda_decision(fit.params, X), axis=1), theirs.predict_proba(X), atol=1e-7)
    if shrinkage == 0.0:  # scikit-learn shrinks the total scatter too, and with it the directions it returns
        ours, other = np.asarray(lda_transform(fit.params, X)), theirs.transform(X)
        # Directions are defined up to sign; scikit-learn scales them by the total instead of the within variance.
        for k in range(ours.shape[1]):
            assert abs(np.corrcoef(ours[:, k], other[:, k])[0, 1]) == pytest.approx(1.0, abs=1e-8)
        share = np.asarray(fit.diagnostics.between) / np.asarray(fit.diagnostics.between).sum()
        np.testing.assert_allclose(share, theirs.explained_variance_ratio_[: len(share)], atol=1e-8)


def test_projection_whitens_within_and_has_rank_below_the_number_of_classes(x64):
    X, y = reference.multiclass("wine")
    params = fit_lda(X, y).params
    assert params.projection.shape == (13, 2)
    np.testing.assert_allclose(params.projection.T @ params.within @ params.projection, np.eye(2), atol=1e-10)


def test_fisher_direction_maximises_the_criterion(x64):
    X, y = reference.binary()
    X = X[:, :10]
    params = fit_fisher(X, y).params
    within = np.mean([np.cov(X[y == k].T, bias=True) for k in (0, 1)], axis=0)
    gap = X[y == 1].mean(axis=0) - X[y == 0].mean(axis=0)
    criterion = lambda w: (w @ gap) ** 2 / (w @ within @ w)  # noqa: E731
    best = criterion(np.asarray(params.coef))
    assert best == pytest.approx(gap @ np.linalg.solve(within, gap), rel=1e-9)
    rng = np.random.default_rng(0)
    assert all(criterion(np.asarray(params.coef) + 0.1 * rng.normal(size=10)) <= best for _ in range(20))
    middle = (X[y == 1].mean(axis=0) + X[y == 0].mean(axis=0)) / 2
    assert float(middle @ params.coef + params.intercept) == pytest.approx(0.0, abs=1e-9)


def test_singular_scatter_is_solved_on_its_range(x64):
    X, y = reference.multiclass("wine")
    same = np.c_[X, np.full(len(y), 2.0), X[:, :1]]
    fit, plain = fit_lda(same, y), fit_lda(X, y)
    assert int(fit.diagnostics.rank) == 13
    assert fit.diagnostics.converged
    np.testing.assert_allclose(lda_decision(fit.params, same), lda_decision(plain.params, X), atol=1e-6)
    wide = fit_lda(np.tile(X[::20], (1, 2)), y[::20], classes=3)
    assert np.isfinite(wide.params.coef).all()
    single = fit_lda(X[[0, 177]], np.array([0, 1]))
    assert int(single.diagnostics.rank) == 0
    assert (np.asarray(single.params.coef) == 0).all()


def test_weights_act_as_repeats_and_derivatives_are_exact(x64):
    X, y = reference.multiclass("wine")
    X = X[:, :5]
    counts = np.random.default_rng(0).integers(0, 3, size=len(y))
    weighted = fit_lda(X, y, sample_weight=counts.astype(float), shrinkage=0.2).params
    repeated = fit_lda(np.repeat(X, counts, axis=0), np.repeat(y, counts), shrinkage=0.2).params
    np.testing.assert_allclose(weighted.coef, repeated.coef, rtol=1e-9)
    coef = jax.jit(lambda v: fit_lda(X * (1 + v * X), y, classes=3, shrinkage=v, sample_weight=1 + v * X[:, 0] ** 2).params.coef)  # fmt: skip  # noqa: E501
    np.testing.assert_allclose(jax.jacfwd(coef)(0.1), reference.central_difference(coef, 0.1), rtol=1e-6, atol=1e-7)
    lanes = jax.jit(jax.vmap(lambda v: fit_lda(X, y, classes=3, shrinkage=v).params.coef))(jnp.array([0.0, 0.5]))
    np.testing.assert_allclose(lanes[1], fit_lda(X, y, shrinkage=0.5).params.coef, rtol=1e-9)


def test_bad_input_is_named(unchecked_types):
    X, y = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32), np.array([0, 1, 0, 1, 0, 1])
    with pytest.raises(ValueError, match="'shrinkage' must be a number"):
        fit_lda(X, y, shrinkage="oas")
    with pytest.raises(ValueError, match="one class only"):
        fit_lda(X, 0 * y)
    with pytest.raises(ValueError, match=r"'y' must hold classes 0\.\.1, got -1"):
        fit_lda(X, y - 1, classes=2)
    with pytest.raises(ValueError, match="'y' must hold 0 or 1, got 2"):
        fit_fisher(X, y * 2)
    with pytest.raises(ValueError, match="'X' must be finite"):
        fit_fisher(X * np.nan, y)
    with pytest.raises(ValueError, match="'classes' must be given"):
        jax.jit(lambda y: fit_lda(X, y))(y)


def test_priors_are_probabilities():
    X, y = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32), np.arange(20) % 2
    fit = lambda priors: fit_lda(X, y, classes=2, priors=priors)  # noqa: E731
    lanes = np.array([[0.3, 0.7], [0.3, 0.6], [-0.2, 1.2], [np.nan, 1]], np.float32)
    found = jax.jit(jax.vmap(fit))(lanes)
    np.testing.assert_array_equal(found.diagnostics.converged, [True, False, False, False])
    assert np.isnan(found.params.coef[1:]).all()
    for bad in lanes[1:]:
        with pytest.raises(ValueError, match="'priors' must be 0 or positive and sum to 1"):
            fit(bad)
