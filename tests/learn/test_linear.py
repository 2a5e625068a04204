"""Linear regression: scikit-learn's solutions, certificates, derivatives, lanes, degenerate data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from sklearn import linear_model

from jaxml.learn import (
    LinearParams,
    fit_elastic_net,
    fit_huber,
    fit_lasso,
    fit_least_squares,
    fit_ridge,
    linear_predictor,
    regularization_path,
)
from tests.learn import reference

FITS = {
    "least squares": lambda X, y, lam, **o: fit_least_squares(X, y, **o),
    "ridge": lambda X, y, lam, **o: fit_ridge(X, y, l2=lam, **o),
    "lasso": lambda X, y, lam, **o: fit_lasso(X, y, l1=lam, **o),
    "elastic net": lambda X, y, lam, **o: fit_elastic_net(X, y, l1=lam / 2, l2=lam / 2, **o),
}
SKLEARN = {
    "least squares": lambda lam, total, **o: linear_model.LinearRegression(**o),
    "ridge": lambda lam, total, **o: linear_model.Ridge(alpha=lam * total, **o),
    "lasso": lambda lam, total, **o: linear_model.Lasso(alpha=lam, tol=1e-13, max_iter=10**6, **o),
    "elastic net": lambda lam, total, **o: linear_model.ElasticNet(
        alpha=lam, l1_ratio=0.5, tol=1e-13, max_iter=10**6, **o
    ),
}


def _objective(X, y, s, coef, intercept, l1, l2):
    residual = X @ coef + intercept - y
    return (s * residual**2).sum() / s.sum() / 2 + l1 * np.abs(coef).sum() + l2 * (coef**2).sum() / 2


@pytest.mark.parametrize(
    ("name", "problem"),
    [(name, reference.regression) for name in FITS] + [("lasso", reference.binary), ("ridge", reference.binary)],
)
def test_equals_scikit_learn(x64, name, problem):
    X, y = problem()
    y = y.astype(float)
    for lam in (1e-3, 0.03, 0.3):
        for s in (None, reference.weights(len(y))):
            for intercept in (True, False):
                fit = FITS[name](X, y, lam, sample_weight=s, intercept=intercept)
                total = len(y) if s is None else s.sum()
                theirs = SKLEARN[name](lam, total, fit_intercept=intercept).fit(X, y, sample_weight=s)
                assert fit.diagnostics.converged
                assert reference.relative(fit.params.coef, theirs.coef_) < 1e-5
                assert float(fit.params.intercept) == pytest.approx(theirs.intercept_, rel=1e-5, abs=1e-9)
                l1 = {"lasso": lam, "elastic net": lam / 2}.get(name, 0.0)
                l2 = {"ridge": lam, "elastic net": lam / 2}.get(name, 0.0)
                ones = np.ones(len(y)) if s is None else s
                assert fit.diagnostics.objective <= (1 + 1e-6) * _objective(
                    X, y, ones, theirs.coef_, theirs.intercept_, l1, l2
                )


def test_huber_equals_scikit_learn_at_its_scale(x64, monkeypatch):
    # Its `tol` is L-BFGS's bound on the gradient, but SciPy stops earlier, where the objective falls by less than 2e-9
    # of itself (`ftol`, which scikit-learn leaves alone): 1e-4 away in the weights. Here it may go on.
    minimize = scipy.optimize.minimize
    on = lambda *problem, options, **how: minimize(*problem, options=options | {"ftol": 0.0}, **how)  # noqa: E731
    monkeypatch.setattr(scipy.optimize, "minimize", on)
    X, y = reference.regression()
    y = y.copy()
    y[::9] += 15.0
    for alpha, s in ((1e-4, None), (1.0, reference.weights(len(y)))):
        theirs = linear_model.HuberRegressor(epsilon=1.35, alpha=alpha, tol=1e-9, max_iter=10_000)
        theirs.fit(X, y, sample_weight=s)
        weights = np.ones(len(y)) if s is None else s
        delta, l2 = 1.35 * theirs.scale_, alpha * theirs.scale_ / weights.sum()
        fit = fit_huber(X, y, delta=delta, l2=l2, sample_weight=s)
        assert fit.diagnostics.converged
        assert reference.relative(fit.params.coef, theirs.coef_) < 1e-6
        assert float(fit.params.intercept) == pytest.approx(theirs.intercept_, abs=1e-7)
        residual = np.abs(theirs.predict(X) - y)
        loss = np.where(residual < delta, residual**2 / 2, delta * (residual - delta / 2))
        objective = weights @ loss / weights.sum() + l2 * (theirs.coef_**2).sum() / 2
        assert fit.diagnostics.objective <= (1 + 1e-9) * objective
    lad = fit_huber(X, y, delta=0.1, l1=1e-3)
    assert lad.diagnostics.converged
    assert (
        np.abs(X @ np.asarray(lad.params.coef) + float(lad.params.intercept) - y).mean()
        < np.abs(linear_model.LinearRegression().fit(X, y).predict(X) - y).mean()
    )


def test_orthogonal_design_has_its_closed_forms(x64):
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(40, 6)))[0] * np.sqrt(40)
    y = Q @ np.array([3.0, -2.0, 0.1, 0, 0, 0]) + np.random.default_rng(1).normal(size=40)
    ols = Q.T @ y / 40
    soft = np.sign(ols) * np.maximum(np.abs(ols) - 0.5, 0)
    np.testing.assert_allclose(fit_lasso(Q, y, l1=0.5, intercept=False).params.coef, soft, atol=1e-10)
    np.testing.assert_allclose(fit_ridge(Q, y, l2=0.5, intercept=False).params.coef, ols / 1.5, atol=1e-10)


def test_gap_bounds_the_excess_at_every_accuracy(x64):
    X, y = reference.regression()
    # Far from centred: a bound that forgot the intercept's condition would lie above the minimum.
    best = fit_lasso(X, y + 5.0, l1=0.01).diagnostics.objective
    rough = fit_huber(X, y, delta=1.0, l1=0.01, iterations=0).diagnostics
    exact = fit_huber(X, y, delta=1.0, l1=0.01).diagnostics
    assert -1e-12 <= rough.objective - exact.objective <= rough.gap + 1e-12
    start = fit_lasso(X, y + 5.0, l1=0.01, iterations=0).diagnostics
    assert not start.converged
    assert 0 < start.objective - best <= start.gap


def test_largest_useful_penalty_zeroes_everything(x64):
    X, y = reference.regression()
    edge = np.abs(X.T @ (y - y.mean())).max() / len(y)
    assert (np.asarray(fit_lasso(X, y, l1=edge * 1.0001).params.coef) == 0).all()
    assert (np.asarray(fit_lasso(X, y, l1=edge * 0.999).params.coef) != 0).sum() == 1


@pytest.mark.parametrize("name", ["least squares", "elastic net"])
def test_derivatives_of_the_solution(x64, name):
    X, y = reference.regression()
    X, y = X[:60, :5], y[:60]
    s = 0.5 + np.random.default_rng(1).random(60)
    direction = np.random.default_rng(2).normal(size=X.shape)

    def coef(lam, weight, shift, target):
        fit = FITS[name](X + shift * direction, y + target * y**2, lam, sample_weight=s + weight * s[::-1])
        return jnp.append(fit.params.coef, fit.params.intercept)

    at = (0.05, 0.1, 0.02, 0.1)
    run = jax.jit(coef)
    forward = jax.jit(jax.jacfwd(coef, argnums=(0, 1, 2, 3)))(*at)
    reverse = jax.jit(jax.jacrev(coef, argnums=(0, 1, 2, 3)))(*at)
    for i in range(4):
        expected = reference.central_difference(lambda v, i=i: run(*at[:i], v, *at[i + 1 :]), at[i])
        np.testing.assert_allclose(forward[i], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(reverse[i], expected, rtol=1e-5, atol=1e-6)


def test_second_derivative_of_a_validation_loss(x64):
    X, y = reference.regression()

    def validation(lam):
        fit = fit_ridge(X[:50], y[:50], l2=lam)
        return jnp.mean((linear_predictor(fit.params, jnp.asarray(X[50:])) - y[50:]) ** 2)

    slope = jax.jit(jax.grad(validation))
    expected = reference.central_difference(slope, 0.1)
    assert float(jax.jit(jax.grad(slope))(0.1)) == pytest.approx(float(expected), rel=1e-5)
    objective = lambda lam: fit_lasso(X, y, l1=lam).diagnostics.objective  # noqa: E731
    # Envelope theorem: the derivative of the optimal value is the norm itself.
    assert float(jax.grad(objective)(0.02)) == pytest.approx(
        float(np.abs(fit_lasso(X, y, l1=0.02).params.coef).sum()), rel=1e-8
    )


def test_path_saves_iterations_and_changes_nothing(x64):
    X, y = reference.regression()
    lams = jnp.logspace(0, -3, 12)
    zeros = LinearParams(jnp.zeros(X.shape[1]), jnp.zeros(()))
    path = jax.jit(lambda: regularization_path(lambda l1, start: fit_lasso(X, y, l1=l1, init=start), zeros, lams))()
    alone = jax.jit(jax.vmap(lambda l1: fit_lasso(X, y, l1=l1)))(lams)
    np.testing.assert_allclose(path.params.coef, alone.params.coef, atol=1e-6)
    assert path.diagnostics.converged.all()


def test_degenerate_data_have_documented_results(x64):
    X, y = reference.regression()
    wide = fit_least_squares(X[:8], y[:8]).params
    theirs = linear_model.LinearRegression().fit(X[:8], y[:8])
    np.testing.assert_allclose(wide.coef, theirs.coef_, atol=1e-9)
    constant = np.c_[X, np.full(len(y), 7.0)]
    for name in ("least squares", "elastic net"):
        fit = FITS[name](constant, y, 0.01)
        assert abs(float(fit.params.coef[-1])) < 1e-9, name
        assert np.isfinite(fit.params.coef).all()
        one = FITS[name](X[:1], y[:1], 0.01)
        np.testing.assert_allclose(one.params.coef, 0, atol=1e-12)
        assert float(one.params.intercept) == pytest.approx(y[0])
        twice = FITS[name](np.c_[X, X[:, :1]], y, 0.01)  # as many columns as above: compiled already
        assert np.isfinite(twice.params.coef).all()
        assert twice.diagnostics.converged, name
    shared = fit_ridge(np.c_[X, X[:, :1]], y, l2=0.01).params.coef
    assert float(shared[0]) == pytest.approx(float(shared[-1]), rel=1e-6)


def test_inside_jit_bad_lanes_stay_alone(x64):
    X, y = reference.regression()
    S = jnp.stack([jnp.ones(len(y)), jnp.zeros(len(y)), jnp.ones(len(y)).at[3].set(jnp.nan)])
    fits = jax.jit(jax.vmap(lambda s: fit_lasso(X, y, l1=0.05, sample_weight=s)))(S)
    np.testing.assert_allclose(fits.params.coef[0], fit_lasso(X, y, l1=0.05).params.coef, atol=1e-9)
    assert (np.asarray(fits.params.coef[1]) == 0).all()
    assert fits.diagnostics.converged.tolist() == [True, True, False]


@pytest.mark.parametrize("name", FITS)
def test_bad_input_is_named(unchecked_types, name):
    X, y = np.ones((4, 2), np.float32), np.arange(4.0, dtype=np.float32)
    fit = FITS[name]
    with pytest.raises(ValueError, match=r"'X' must be finite, got nan at \(1, 0\)\. Impute"):
        fit(np.where(np.arange(8).reshape(4, 2) == 2, np.nan, X), y, 0.1)
    with pytest.raises(ValueError, match=r"'y' must hold finite targets, got inf"):
        fit(X, np.array([np.inf, 1, 2, 3], np.float32), 0.1)
    with pytest.raises(ValueError, match=r"'y' must have shape \(n,\) with n=4, got \(3,\)"):
        fit(X, y[:3], 0.1)
    with pytest.raises(ValueError, match="at least one positive entry"):
        fit(X, y, 0.1, sample_weight=np.zeros(4, np.float32))
    with pytest.raises(ValueError, match="must be 0 or positive"):
        fit(X, y, 0.1, sample_weight=np.array([1, -1, 1, 1], np.float32))
    with pytest.raises(ValueError, match="'X' must be floating, got int"):
        fit(X.astype(np.int32), y, 0.1)
    with pytest.raises(ValueError, match="at least one row"):
        fit(X[:0], y[:0], 0.1)
