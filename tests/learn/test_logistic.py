"""Logistic regression: scikit-learn's solutions, certificates, derivatives, groups, separable and bad data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from jaxml.learn import fit_logistic, fit_softmax, linear_predictor
from tests.learn import reference

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def _objective(X, y, s, coef, intercept, l1, l2):
    """The objective from its definition; coef is (d, K), or (d,) for two classes."""
    z = X @ coef + intercept
    z = np.stack([np.zeros_like(z), z], axis=1) if coef.ndim == 1 else z
    loss = -log_softmax(z, axis=1)[np.arange(len(y)), y]
    return (s * loss).sum() / s.sum() + l1 * np.abs(coef).sum() + l2 * (coef**2).sum() / 2


@pytest.mark.parametrize("strengths", [(None, 0.3), (None, 1e-3), (0.1, None), (0.01, None), (0.01, 0.01)])
def test_binary_equals_scikit_learn(x64, strengths):
    l1, l2 = strengths
    X, y = reference.binary()
    for s in (np.ones(len(y)), reference.weights(len(y))):
        fit = fit_logistic(X, y, l1=l1, l2=l2, sample_weight=s)
        total = (l1 or 0.0) + (l2 or 0.0)
        if l1 is None:
            solver = {"solver": "newton-cholesky", "tol": 1e-10}
        else:
            solver = {"solver": "saga", "tol": 1e-9, "l1_ratio": l1 / total, "max_iter": 20_000}
        theirs = LogisticRegression(C=1 / (total * s.sum()), **solver).fit(X, y, sample_weight=s)
        assert fit.diagnostics.converged
        assert reference.relative(fit.params.coef, theirs.coef_[0]) < 1e-5
        ours = _objective(X, y, s, np.asarray(fit.params.coef), fit.params.intercept, l1 or 0, l2 or 0)
        best = _objective(X, y, s, theirs.coef_[0], theirs.intercept_[0], l1 or 0, l2 or 0)
        assert float(fit.diagnostics.objective) == pytest.approx(ours, rel=1e-12)
        assert ours <= best * (1 + 1e-6)
        assert ours - best <= fit.diagnostics.gap + 1e-14


@pytest.mark.parametrize(("name", "rows"), [("wine", None), ("digits", 150)])
def test_multinomial_equals_scikit_learn(x64, name, rows):
    X, y = reference.multiclass(name, rows)
    X = X[:, X.std(axis=0) > 0][:, :16]
    K = y.max() + 1
    for l2, s in ((0.3, None), (0.01, reference.weights(len(y)))):
        ones = np.ones(len(y)) if s is None else s
        theirs = LogisticRegression(C=1 / (l2 * ones.sum()), solver="newton-cg", tol=1e-11, max_iter=1000)
        theirs.fit(X, y, sample_weight=s)
        fit = fit_softmax(X, y, l2=l2, sample_weight=s)
        assert fit.diagnostics.converged
        assert reference.relative(fit.params.coef, theirs.coef_.T) < 1e-5
        np.testing.assert_allclose(fit.params.intercept, theirs.intercept_, atol=1e-5)
        assert fit.params.coef.shape == (X.shape[1], K)
        best = _objective(X, y, ones, theirs.coef_.T, theirs.intercept_, 0, l2)
        assert fit.diagnostics.objective <= best * (1 + 1e-6)


def test_multinomial_l1_against_saga(x64):
    X, y = reference.multiclass("wine")
    l1 = 0.02
    theirs = LogisticRegression(C=1 / (l1 * len(y)), l1_ratio=1.0, solver="saga", tol=1e-9, max_iter=20_000)
    theirs.fit(X, y)
    fit = fit_softmax(X, y, l1=l1)
    assert fit.diagnostics.converged
    assert reference.relative(fit.params.coef, theirs.coef_.T) < 1e-5
    assert ((np.asarray(fit.params.coef) == 0) == (np.abs(theirs.coef_.T) < 1e-8)).all()


def test_two_class_softmax_is_the_binary_fit_at_half_the_penalty(x64):
    X, y = reference.binary()
    X = X[:, :8]
    binary = fit_logistic(X, y, l2=0.05).params
    both = fit_softmax(X, y, l2=0.1).params
    np.testing.assert_allclose(both.coef[:, 1] - both.coef[:, 0], binary.coef, rtol=1e-7, atol=1e-9)
    assert float(both.intercept[1] - both.intercept[0]) == pytest.approx(float(binary.intercept), rel=1e-7)


def test_class_weights_are_example_weights(x64):
    X, y = reference.binary()
    X = X[:, :8]
    balanced = fit_logistic(X, y, l2=0.01, class_weight="balanced").params.coef
    counts = np.bincount(y)
    by_hand = fit_logistic(X, y, l2=0.01, sample_weight=(1 / counts)[y]).params.coef
    np.testing.assert_allclose(balanced, by_hand, rtol=1e-8)
    given = fit_logistic(X, y, l2=0.01, class_weight=np.array([2.0, 1.0]), sample_weight=np.ones(len(y)))
    theirs = LogisticRegression(
        C=1 / (0.01 * (2 * counts[0] + counts[1])), class_weight={0: 2.0, 1: 1.0}, solver="newton-cholesky", tol=1e-10
    ).fit(X, y)
    assert reference.relative(given.params.coef, theirs.coef_[0]) < 1e-5


def test_groups_vanish_whole_and_meet_their_optimality_conditions(x64):
    X, y = reference.binary()
    X, groups = X[:, :12], np.arange(12) % 4
    for l1 in (0.01, 0.15):
        fit = fit_logistic(X, y, l1=l1, groups=groups.tolist())
        assert fit.diagnostics.converged
        w, b = np.asarray(fit.params.coef), float(fit.params.intercept)
        slope = X.T @ (1 / (1 + np.exp(-(X @ w + b))) - y) / len(y)
        zero = 0
        for g in range(4):
            mine, strength = groups == g, l1 * np.sqrt(3)
            norm = np.linalg.norm(w[mine])
            if norm == 0:
                zero += 1
                assert np.linalg.norm(slope[mine]) <= strength + 1e-9
            else:
                np.testing.assert_allclose(slope[mine], -strength * w[mine] / norm, atol=1e-6)
        assert 0 < zero < 4 or l1 == 0.01
    singletons = fit_logistic(X, y, l1=0.01, groups=range(12)).params.coef
    np.testing.assert_allclose(singletons, fit_logistic(X, y, l1=0.01).params.coef, atol=1e-6)
    rows = fit_softmax(*reference.multiclass("wine"), l1=0.05, groups=range(13)).params.coef
    dead = (np.asarray(rows) == 0).all(axis=1)
    assert 0 < dead.sum() < 13
    assert (np.asarray(rows)[~dead] != 0).all()


@pytest.mark.parametrize("kind", ["l1", "group", "softmax"])  # l2: see the validation loss below
def test_derivatives_of_the_solution(x64, kind):
    X, y = (value[:120:2] for value in reference.binary())
    X = X[:, ::5]
    s = 0.5 + np.random.default_rng(1).random(60)
    direction = np.random.default_rng(2).normal(size=X.shape)

    def coef(strength, weight, shift):
        data, counts = X + shift * direction, s + weight * s[::-1]
        if kind == "softmax":
            return fit_softmax(data, y, classes=2, l1=strength, l2=0.1, sample_weight=counts).params.coef.ravel()
        groups = (0, 0, 1, 1, 2, 2) if kind == "group" else None
        fit = fit_logistic(data, y, l1=strength, groups=groups, sample_weight=counts)
        return jnp.append(fit.params.coef, fit.params.intercept)

    at = (0.04, 0.1, 0.02)
    run = jax.jit(coef)
    forward, reverse = (jax.jit(jac(coef, argnums=(0, 1, 2)))(*at) for jac in (jax.jacfwd, jax.jacrev))
    for i in range(3):
        expected = reference.central_difference(lambda v, i=i: run(*at[:i], v, *at[i + 1 :]), at[i])
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(forward[i], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(reverse[i], expected, rtol=1e-4, atol=1e-5)


def test_gap_bounds_the_excess_before_convergence(x64):
    X, y = reference.binary()
    s = np.where(y == 1, 1.0, 0.1)
    # At l1 = 1 only the intercept moves: a bound that forgot its condition would call the start optimal.
    for l1 in (0.005, 1.0):
        best = fit_logistic(X, y, l1=l1, sample_weight=s).diagnostics.objective
        rough = fit_logistic(X, y, l1=l1, sample_weight=s, iterations=0).diagnostics
        assert not rough.converged
        assert 0 < rough.objective - best <= rough.gap


def test_penalty_found_by_gradient_minimises_the_validation_loss(x64):
    X, y = (jnp.asarray(value, jnp.float64) for value in reference.binary())
    train, valid = slice(0, None, 2), slice(1, None, 2)

    @jax.jit
    @jax.value_and_grad
    def validation(log_l2):
        params = fit_logistic(X[train], y[train], l2=jnp.exp(log_l2)).params
        z = linear_predictor(params, X[valid])
        return jnp.mean(jax.nn.softplus(z) - y[valid] * z)

    low, high = -12.0, 0.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if validation(middle)[1] < 0 else (low, middle)
    grid = [float(validation(v)[0]) for v in np.linspace(-12, 0, 49)]
    assert float(validation(low)[0]) <= min(grid) + 1e-9


def test_separable_classes_say_so(x64):
    X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    y = np.array([0, 0, 1, 1])
    free = fit_logistic(X, y)
    assert bool(free.diagnostics.separated)
    assert not bool(free.diagnostics.converged)
    assert np.isfinite(free.params.coef).all()
    held = fit_logistic(X, y, l2=0.1)
    assert bool(held.diagnostics.separated)
    assert bool(held.diagnostics.converged)
    overlapping = fit_logistic(X, np.array([0, 1, 0, 1]))
    assert not bool(overlapping.diagnostics.separated)
    assert bool(overlapping.diagnostics.converged)
    assert not bool(fit_softmax(X, y).diagnostics.converged)


def test_unpenalised_fit_equals_scikit_learn(x64):
    X, y = reference.binary()
    X = X[:, :2]
    theirs = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(X, y)  # a warning is an error
    fit = fit_logistic(X, y)
    assert fit.diagnostics.converged
    assert fit.diagnostics.gap == np.inf
    assert fit.diagnostics.residual < 1e-8
    assert reference.relative(fit.params.coef, theirs.coef_[0]) < 1e-5


def test_inside_jit_bad_lanes_stay_alone(x64):
    X, y = reference.binary()
    X = X[:, :8]
    y = jnp.asarray(y)
    labels = jnp.stack([y, jnp.ones_like(y), y])
    S = jnp.stack([jnp.ones(len(y)), jnp.ones(len(y)), jnp.zeros(len(y))])
    fits = jax.jit(jax.vmap(lambda y, s: fit_logistic(X, y, l1=0.05, sample_weight=s)))(labels, S)
    np.testing.assert_allclose(fits.params.coef[0], fit_logistic(X, y, l1=0.05).params.coef, atol=1e-9)
    assert (np.asarray(fits.params.coef[1:]) == 0).all()
    assert np.isfinite(fits.params.intercept).all()


def test_degenerate_data_have_documented_results():
    X, y = (value.astype(np.float32) for value in reference.binary())
    X = X[:, :8]
    fit = fit_logistic(np.c_[X, np.full(len(y), 3.0, np.float32), X[:, :1]], y, l2=0.01)
    assert abs(float(fit.params.coef[8])) < 1e-6
    assert float(fit.params.coef[0]) == pytest.approx(float(fit.params.coef[9]), rel=1e-3)
    wide = fit_logistic(np.tile(X[::60], (1, 3)), y[::60], l1=0.02)
    assert wide.diagnostics.converged
    huge = fit_logistic(X * 1e4, y, l1=1.0)
    assert np.isfinite(huge.params.coef).all()


@pytest.mark.parametrize("fit", [fit_logistic, fit_softmax])
def test_bad_input_is_named(unchecked_types, fit):
    X, y = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32), np.array([0, 1, 0, 1, 0, 1])
    with pytest.raises(ValueError, match="'X' must be finite"):
        fit(X * np.inf, y, l2=0.1)
    with pytest.raises(ValueError, match="'y' holds one class only, 1"):
        fit(X, np.ones(6, int), l2=0.1)
    with pytest.raises(ValueError, match=r"'y' holds one class only, 0, among the rows of positive weight"):
        fit(X, y, l2=0.1, sample_weight=(y == 0).astype(np.float32))
    with pytest.raises(ValueError, match="one class only"):
        fit(X[:1], y[:1], l2=0.1)
    with pytest.raises(ValueError, match="'groups' must name a group for each of the d=2 features, got 3"):
        fit(X, y, l1=0.1, groups=(0, 1, 2))
    with pytest.raises(ValueError, match="'groups' needs the strength 'l1'"):
        fit(X, y, groups=(0, 1))
    with pytest.raises(ValueError, match="'class_weight' must be an array of 2 weights"):
        fit(X, y, l2=0.1, class_weight="even")
    with pytest.raises(ValueError, match="'class_weight' must have shape"):
        fit(X, y, l2=0.1, class_weight=np.ones(3, np.float32))
    with pytest.raises(ValueError, match="'y' must have shape"):
        fit(X, y[:, None], l2=0.1)


def test_bad_labels_are_named(unchecked_types):
    X = np.ones((3, 2), np.float32)
    with pytest.raises(ValueError, match=r"'y' must hold 0 or 1, got -1.* become \(y \+ 1\) / 2.* np.unique"):
        fit_logistic(X, np.array([-1, 1, 1]), l2=0.1)
    with pytest.raises(ValueError, match=r"'y' must hold 0 or 1, got 2.* np.unique"):
        fit_logistic(X, np.array([0, 1, 2]), l2=0.1)
    with pytest.raises(ValueError, match=r"'y' must hold classes 0..1, got 2"):
        fit_softmax(X, np.array([0, 1, 2]), classes=2, l2=0.1)
    with pytest.raises(ValueError, match="'y' must hold class indices, got dtype float32"):
        fit_softmax(X, np.array([0, 1, 2], np.float32), classes=3, l2=0.1)
    with pytest.raises(ValueError, match="'classes' must be given"):
        jax.jit(lambda y: fit_softmax(X, y, l2=0.1))(np.array([0, 1, 1]))
