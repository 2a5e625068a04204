"""Real problems load as promised; synthetic ones have the distributions their docstrings state."""

import sys
import urllib.error

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.datasets

from jaxml import data


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [("breast_cancer", (569, 30), 2), ("digits", (1797, 64), 10), ("wine", (178, 13), 3)],
)
def test_bundled_classification(name, shape, classes):
    problem = data.load_problem(name)
    assert problem.X.shape == shape
    assert problem.X.dtype == np.float64
    assert problem.y.dtype == np.int32
    assert np.unique(problem.y).tolist() == list(range(classes))
    assert (len(problem.feature_names), len(problem.class_names)) == (shape[1], classes)


def test_bundled_regression():
    problem = data.load_problem("diabetes")
    assert problem.X.shape == (442, 10)
    assert problem.y.dtype == np.float64
    assert problem.class_names == ()


def test_standardize_leaves_constant_features_at_zero():
    raw, scaled = data.load_problem("digits").X, data.load_problem("digits", standardize=True).X
    constant = raw.std(axis=0) == 0
    assert constant.sum() == 3
    assert (scaled[:, constant] == 0).all()
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled[:, ~constant].std(axis=0), 1, rtol=1e-12)


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'digits'"):
        data.load_problem("digit")
    with pytest.raises(ValueError, match=r"Bundled: breast_cancer.*'openml:adult'"):
        data.load_problem("adult")


class _Bunch:
    def __init__(self, columns, categories, target):
        self.data, self.categories, self.target = columns, categories, target
        self.feature_names = [f"f{i}" for i in range(columns.shape[1])]


def test_openml_keeps_numeric_columns_and_whole_rows(monkeypatch):
    columns = np.array([[1.0, 0.0, 3.0], [np.nan, 1.0, 4.0], [2.0, 1.0, 5.0]])
    bunch = _Bunch(columns, {"f1": ["a", "b"]}, np.array(["no", "yes", "yes"], dtype=object))
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda name, **_: bunch)
    problem = data.load_problem("openml:toy")
    assert problem.X.tolist() == [[1.0, 3.0], [2.0, 5.0]]
    assert (problem.y.tolist(), problem.class_names) == ([0, 1], ("no", "yes"))
    assert problem.feature_names == ("f0", "f2")
    bunch.target = np.array([0.5, 1.5, 2.5])
    assert data.load_problem("openml:toy").y.tolist() == [0.5, 2.5]
    bunch.categories = {"f0": [], "f1": [], "f2": []}
    with pytest.raises(ValueError, match="no numeric column"):
        data.load_problem("openml:toy")


def test_openml_offline_is_a_clear_error(monkeypatch):
    def unreachable(name, **_):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", unreachable)
    with pytest.raises(ConnectionError, match=r"'adult' is not in scikit-learn's cache .* Go online once"):
        data.load_problem("openml:adult")


def test_importing_the_package_does_not_import_scikit_learn():
    import subprocess

    code = "import sys, jaxml.data; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_ar_design_correlations_and_extremes():
    lags = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    draw = jax.jit(jax.vmap(lambda rho: data.ar_design(jax.random.key(0), n=20_000, d=5, rho=rho)))
    X = np.asarray(draw(jnp.array([0.0, 0.7, -0.5, 1.0])))
    for lane, rho in zip(X[:3], [0.0, 0.7, -0.5], strict=True):
        # A correlation's standard error is at most 1/sqrt(20,000) = 0.007: five of them.
        np.testing.assert_allclose(np.corrcoef(lane.T), np.power(rho, lags), atol=0.035)
    assert (X[3] == X[3][:, :1]).all()


def test_planted_linear_signal_to_noise_and_support():
    X = data.orthogonal_design(jax.random.key(1), n=4000, d=12)
    y, weights = data.planted_linear(jax.random.key(2), X, nonzero=4, snr=2.0)
    assert sorted(np.abs(weights).tolist()) == [0.0] * 8 + [1.0] * 4
    noise = y - X @ weights
    assert np.var(X @ weights) / np.var(noise) == pytest.approx(2.0, rel=0.1)
    exact = data.planted_linear(jax.random.key(2), X, nonzero=4, snr=jnp.inf)
    np.testing.assert_allclose(exact.y, X @ exact.weights, atol=1e-5)
    assert np.std(data.planted_linear(jax.random.key(2), X, nonzero=0).y) == pytest.approx(1.0, rel=0.05)


def test_planted_logistic_class_rates_follow_the_model():
    X = data.ar_design(jax.random.key(1), n=40_000, d=4, rho=0.3)
    y, weights = data.planted_logistic(jax.random.key(2), X, nonzero=3, scale=1.5)
    probability = jax.nn.sigmoid(X @ weights)
    order = np.argsort(np.asarray(probability)).reshape(10, -1)
    expected, observed = np.asarray(probability)[order].mean(1), np.asarray(y)[order].mean(1)
    # Standard error of a rate over 4,000 rows is at most 0.008: five of them.
    np.testing.assert_allclose(observed, expected, atol=0.04)


def test_gaussian_classes_moments_and_t_tails():
    means = jnp.array([[0.0, 0.0], [3.0, -1.0]])
    covariances = jnp.array([[[1.0, 0.5], [0.5, 1.0]], [[2.0, 0.0], [0.0, 0.5]]])
    X, y = data.gaussian_classes(jax.random.key(0), n=40_000, means=means, covariances=covariances)
    X, y = np.asarray(X), np.asarray(y)
    for k in range(2):
        np.testing.assert_allclose(X[y == k].mean(axis=0), means[k], atol=0.05)
        np.testing.assert_allclose(np.cov(X[y == k].T), covariances[k], atol=0.08)
    heavy, _ = data.gaussian_classes(
        jax.random.key(0), n=40_000, means=jnp.zeros((1, 2)), covariances=jnp.eye(2), degrees=5.0
    )
    # The variance of a t with 5 degrees of freedom is 5/3 of its scale.
    np.testing.assert_allclose(np.cov(np.asarray(heavy).T), 5 / 3 * np.eye(2), atol=0.15)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_friedman_formulas_match_scikit_learn_moments(number):
    ours = getattr(data, f"friedman{number}")(jax.random.key(0), n=20_000, noise=0.0)
    _, theirs = getattr(sklearn.datasets, f"make_friedman{number}")(20_000, noise=0.0, random_state=0)
    quantiles = np.linspace(0.05, 0.95, 10)
    spread = theirs.std()
    np.testing.assert_allclose(
        np.quantile(np.asarray(ours.y), quantiles), np.quantile(theirs, quantiles), atol=0.06 * spread
    )


def test_friedman_formulas_on_one_row():
    X, y = data.friedman1(jax.random.key(0), n=1, noise=0.0)
    a, b, c, d, e = (float(value) for value in X[0, :5])
    expected = 10 * np.sin(np.pi * a * b) + 20 * (c - 0.5) ** 2 + 10 * d + 5 * e
    assert float(y[0]) == pytest.approx(expected, rel=1e-5)


def test_two_moons_lie_on_half_circles():
    X, y = data.two_moons(jax.random.key(0), n=500, noise=0.0)
    X, y = np.asarray(X), np.asarray(y)
    np.testing.assert_allclose(np.hypot(*X[y == 0].T), 1, atol=1e-5)
    np.testing.assert_allclose(np.hypot(X[y == 1, 0] - 1, X[y == 1, 1] - 0.5), 1, atol=1e-5)
    assert (X[y == 0, 1] >= -1e-6).all()
    assert (X[y == 1, 1] <= 0.5 + 1e-6).all()


def test_parity_needs_every_relevant_feature():
    X, y = data.parity(jax.random.key(0), n=8000, d=4, order=3)
    X, y = np.asarray(X), np.asarray(y)
    assert ((np.prod(X[:, :3], axis=1) < 0) == y).all()
    pairs = X[:, 0] * X[:, 1] < 0
    assert abs((pairs == y).mean() - 0.5) < 0.03
    flipped = np.asarray(data.parity(jax.random.key(0), n=8000, d=4, order=3, noise=0.25).y)
    assert (flipped != y).mean() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda k: data.orthogonal_design(k, n=3, d=4), "'d' must be at most n"),
        (lambda k: data.planted_linear(k, jnp.zeros((3, 2)), nonzero=3), "'nonzero' must lie in 0..d=2"),
        (lambda k: data.planted_logistic(k, jnp.zeros((3, 2)), nonzero=-1), "'nonzero' must lie in 0..d=2"),
        (lambda k: data.planted_linear(k, jnp.zeros(3), nonzero=1), "'X' must have shape"),
        (lambda k: data.friedman1(k, n=3, d=4), "'d' must be at least 5"),
        (lambda k: data.parity(k, n=3, d=2, order=3), "'order' must lie in 1..d=2"),
        (
            lambda k: data.gaussian_classes(k, n=3, means=jnp.zeros((2, 3)), covariances=jnp.eye(2)),
            "'covariances' must have shape",
        ),
    ],
)
def test_wrong_sizes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(jax.random.key(0))
