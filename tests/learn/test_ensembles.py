"""Bagging, forests, AdaBoost and boosting: identities from theory, scalar references, scikit-learn's accuracy."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine, make_friedman1
from sklearn.ensemble import (
    AdaBoostClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from jaxml.learn import (
    Fit,
    adaboost,
    bagging,
    bin_features,
    bootstrap_weights,
    decision_tree,
    extra_trees,
    gradient_boosting,
    predict_adaboost,
    predict_boosted,
    predict_forest,
    predict_tree,
    random_forest,
    staged_adaboost,
    staged_boosted,
)
from jaxml.learn.losses import leaf_medians
from tests.ops import contract

KEY = jax.random.key(0)
raw_scores, values_of = jax.jit(predict_boosted), jax.jit(predict_tree)


def linear_problem(n=60, d=4, classes=2):
    X = np.asarray(jax.random.normal(jax.random.key(1), (n, d)))
    signal = X[:, 0] + X[:, 1] * X[:, 2]
    return (
        X,
        signal,
        np.digitize(signal, np.linspace(-0.5, 0.5, classes - 1) if classes > 2 else [0.0]).astype(np.int32),
    )


def test_bagging_is_the_loop_over_its_members_whatever_the_batch():
    X, y, _ = map(jnp.asarray, linear_problem())
    fit = partial(decision_tree, max_depth=1, bins=16)
    bag = partial(bagging, KEY, X, y, fit=fit, members=5, predict=predict_tree)
    together, batches = jax.jit(bag)(), jax.jit(partial(bag, batch_size=2))()
    together, batches = jax.tree.map(np.asarray, (together, batches))
    contract.assert_close(together, batches)
    total, count = np.zeros(60), np.zeros(60)
    alone_of = jax.jit(lambda weights: fit(None, X, y, sample_weight=weights).params)
    for i, key in enumerate(jax.random.split(KEY, 5)):
        weights = bootstrap_weights(jax.random.split(key)[0], 60)
        alone = alone_of(weights)
        contract.assert_close(jax.tree.map(lambda leaf, i=i: leaf[i], together.params), alone)
        out = np.asarray(weights) == 0
        total, count = total + out * np.asarray(values_of(alone, X)), count + out
    np.testing.assert_array_equal(together.diagnostics.oob_count, count)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(together.diagnostics.oob_prediction, total / count, rtol=1e-5)


class Total(NamedTuple):
    """Diagnostics of a learner made by hand."""

    weight: jax.Array
    converged: jax.Array


def test_bagging_takes_any_learner():
    def ridge(X, y, w):
        params = jnp.linalg.solve((X.T * w[None]) @ X + 0.1 * jnp.eye(X.shape[1]), X.T @ (w * y))
        return Fit(params, Total(jnp.sum(w), jnp.isfinite(params).all()))

    X, y, _ = map(jnp.asarray, linear_problem())
    fit = lambda key, X, y, sample_weight: ridge(X, y, sample_weight)  # noqa: E731
    predict = lambda params, X: X @ params  # noqa: E731
    bag = jax.jit(lambda: bagging(KEY, X, y, fit=fit, members=7, predict=predict))()
    assert bag.params.shape == (7, 4)
    assert bag.diagnostics.converged
    np.testing.assert_allclose(bag.diagnostics.members.weight, 60.0)
    plain = jax.jit(lambda: bagging(KEY, X, y, fit=fit, members=2, bootstrap=False))()
    np.testing.assert_allclose(plain.params[0], ridge(X, y, jnp.ones(60)).params, rtol=1e-5)
    assert plain.diagnostics.oob_prediction is None
    assert int(plain.diagnostics.oob_count.sum()) == 0


def test_a_forest_with_all_features_is_bagging_of_trees():
    X, _, y = map(jnp.asarray, linear_problem())
    shape = {"classes": 2, "max_depth": 1, "bins": 16}
    fit = jax.jit(lambda m: random_forest(KEY, X, y, members=6, features_per_split=m, width=None, **shape))
    forest = fit(4)
    bag = jax.jit(partial(bagging, KEY, X, y, fit=partial(decision_tree, **shape), members=6, predict=predict_tree))()
    contract.assert_close(forest.params, bag.params)
    np.testing.assert_allclose(forest.diagnostics.oob_prediction, bag.diagnostics.oob_prediction, rtol=1e-5)
    seen = ~np.isnan(np.asarray(bag.diagnostics.oob_prediction)[:, 0])
    right = np.asarray(bag.diagnostics.oob_prediction).argmax(1) == np.asarray(y)
    np.testing.assert_allclose(forest.diagnostics.oob_score, right[seen].mean(), rtol=1e-6)
    fewer = fit(1)
    assert (np.asarray(fewer.params.feature) != np.asarray(forest.params.feature)).any()


def test_forests_reach_scikit_learn():
    """Five paired splits each: the mean difference lies within 3 standard errors (or 1 point) of zero."""
    ours = jax.jit(
        lambda key, X, y, T: predict_forest(
            random_forest(key, X, y, classes=3, members=50, max_depth=3, width=8, missing=False).params, T
        )
    )
    X, y = load_wine(return_X_y=True)
    gaps = []
    for seed in range(5):
        X1, X2, y1, y2 = train_test_split(X.astype(np.float32), y, test_size=60, random_state=seed, stratify=y)
        theirs = RandomForestClassifier(50, max_depth=3, random_state=seed).fit(X1, y1).score(X2, y2)
        gaps.append((np.asarray(ours(jax.random.key(seed), X1, y1, X2)).argmax(1) == y2).mean() - theirs)
    assert np.mean(gaps) > -max(0.01, 3 * np.std(gaps, ddof=1) / np.sqrt(5))


def test_regression_forest_reaches_scikit_learn():
    ours = jax.jit(
        lambda key, X, y, T: predict_forest(
            random_forest(key, X, y, members=50, max_depth=3, width=8, features_per_split=10, missing=False).params,
            T,
        )
    )
    gaps = []
    for seed in range(4):
        X, y = make_friedman1(400, random_state=seed)
        X, y = X.astype(np.float32), y.astype(np.float32)
        X1, X2, y1, y2 = X[:200], X[200:], y[:200], y[200:]
        theirs = RandomForestRegressor(50, max_depth=3, random_state=seed).fit(X1, y1).score(X2, y2)
        residual = np.asarray(ours(jax.random.key(seed), X1, y1, X2)) - y2
        gaps.append(1 - (residual**2).mean() / y2.var() - theirs)
    assert abs(np.mean(gaps)) < max(0.02, 3 * np.std(gaps, ddof=1) / 2)


def test_extra_trees_learn_and_have_no_rows_left_out():
    X, signal, _ = map(jnp.asarray, linear_problem(200))
    fit = extra_trees(KEY, X, signal, members=30, max_depth=3, width=4, bins=16, features_per_split=4)
    assert np.isnan(fit.diagnostics.oob_score)
    residual = np.subtract(jax.jit(predict_forest)(fit.params, X), signal)
    assert np.var(residual) < 0.5 * np.var(signal)


STUMP = partial(decision_tree, max_depth=1, bins=32, missing=False)


def test_a_row_that_no_bag_holds_is_not_overlooked():
    X, y, _ = linear_problem(n=12)
    counts = sum(np.asarray(bootstrap_weights(jax.random.split(key)[0], 12)) for key in jax.random.split(KEY, 2))
    out = np.arange(12) == np.argmin(counts)
    assert counts.min() == 0
    tree = {"max_depth": 1, "bins": 4}

    @jax.jit
    def fits(y, s):
        bag = bagging(KEY, X, y, fit=partial(decision_tree, **tree), sample_weight=s, members=2)
        return bag.params.value, random_forest(KEY, X, y, sample_weight=s, members=2, **tree).params.value

    assert all(np.isfinite(value).all() for value in fits(y, np.ones(12, np.float32)))
    assert all(np.isnan(value).all() for value in fits(y, np.where(out, -1.0, 1.0).astype(np.float32)))
    assert np.isnan(fits(np.where(out, np.nan, y).astype(np.float32), np.ones(12, np.float32))[1]).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_adaboost_identities(classes):
    """After reweighting, the last learner errs exactly as chance would; for two classes the bound holds."""
    X, _, labels = linear_problem(200, classes=classes)
    X, y = jnp.asarray(X), jnp.asarray(labels)
    stump = partial(STUMP, classes=classes)
    fit = jax.jit(lambda: adaboost(KEY, X, y, fit=stump, predict=predict_tree, classes=classes, rounds=15))()
    assert fit.diagnostics.active.all()
    last = jax.tree.map(lambda leaf: np.asarray(leaf)[-1], fit.params.members)
    wrong = np.asarray(values_of(last, X)).argmax(1) != labels
    np.testing.assert_allclose(np.sum(np.asarray(fit.diagnostics.weights) * wrong), 1 - 1 / classes, atol=1e-5)
    if classes == 2:
        staged = jax.jit(lambda params: staged_adaboost(params, X, predict=predict_tree, classes=2))(fit.params)
        errors = (np.asarray(staged).argmax(2) != labels[None]).mean(1)
        assert (errors <= np.asarray(fit.diagnostics.bound) + 1e-6).all()
        final = jax.jit(partial(predict_adaboost, predict=predict_tree, classes=2))(fit.params, X)
        np.testing.assert_allclose(np.asarray(staged)[-1], final, rtol=1e-6)


def test_adaboost_equals_scikit_learn_round_by_round():
    X, y = load_breast_cancer(return_X_y=True)
    X, y = X[:150].astype(np.float32), y[:150].astype(np.int32)
    stump = partial(decision_tree, max_depth=1, bins=256, missing=False, classes=2)
    ours = jax.jit(partial(adaboost, fit=stump, predict=predict_tree, classes=2, rounds=8))(KEY, X, y)
    theirs = AdaBoostClassifier(DecisionTreeClassifier(max_depth=1), n_estimators=8, random_state=0).fit(X, y)
    np.testing.assert_allclose(ours.diagnostics.error, theirs.estimator_errors_, rtol=1e-3)
    np.testing.assert_allclose(ours.params.votes, theirs.estimator_weights_, rtol=1e-3)


def test_adaboost_stops_at_chance_and_survives_perfection():
    X, y = jnp.zeros((4, 1)), jnp.array([0, 1, 0, 1])
    stump = partial(decision_tree, max_depth=1, bins=4, classes=2)
    boost = jax.jit(lambda X: adaboost(KEY, X, y, fit=stump, predict=predict_tree, classes=2, rounds=3))
    hopeless = boost(X)
    np.testing.assert_array_equal(hopeless.params.votes, 0.0)
    perfect = boost(y[:, None].astype(float))
    np.testing.assert_array_equal(perfect.diagnostics.error, 0.0)
    assert np.isfinite(perfect.params.votes).all()


def slow_boosting(X, y, *, rounds, rate, l2, loss):
    """Boosting of stumps from the definition, every threshold tried, in float64."""
    X, y = np.asarray(X, np.float64), np.asarray(y, np.float64)
    f = np.full(len(y), np.log(y.mean() / (1 - y.mean())) if loss == "logistic" else y.mean())
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-f))
        g, h = (y - p, p * (1 - p)) if loss == "logistic" else (y - f, np.ones(len(y)))
        best = (-np.inf, None)
        for j in range(X.shape[1]):
            values = np.unique(X[:, j])
            for t in (values[:-1] + values[1:]) / 2:
                left = X[:, j] <= t
                gain = sum(g[side].sum() ** 2 / (h[side].sum() + l2) for side in (left, ~left))
                best = max(best, (gain, (j, t)), key=lambda pair: pair[0])
        left = X[:, best[1][0]] <= best[1][1]
        for side in (left, ~left):
            f[side] += rate * g[side].sum() / (h[side].sum() + l2)
    return f


@pytest.mark.parametrize("loss", ["half_squared", "logistic"])
def test_boosting_equals_the_reference(loss):
    X, signal, label = linear_problem(40, 3)
    y = label.astype(np.float32) if loss == "logistic" else signal
    fit = gradient_boosting(None, X, y, loss=loss, rounds=12, max_depth=1, bins=64, learning_rate=0.3, l2=0.7)
    expected = slow_boosting(X, y, rounds=12, rate=0.3, l2=0.7, loss=loss)
    np.testing.assert_allclose(raw_scores(fit.params, X), expected, atol=1e-4)


def test_newton_is_gradient_for_squared_loss_and_not_for_logistic():
    X, signal, label = linear_problem()
    for loss, y, same in (("half_squared", signal, True), ("logistic", label, False)):
        by = [
            gradient_boosting(None, X, y, loss=loss, order=order, rounds=5, max_depth=1, bins=8)
            for order in ("newton", "gradient")
        ]
        assert same == np.allclose(by[0].diagnostics.train_loss, by[1].diagnostics.train_loss, rtol=1e-6)


def test_every_loss_falls_and_stages_end_at_the_prediction():
    X, signal, label = linear_problem(classes=3)
    stages = jax.jit(staged_boosted)
    for loss, y in (("absolute", signal), ("huber", signal), ("softmax", label)):
        fit = gradient_boosting(None, X, y, loss=loss, classes=3, rounds=15, max_depth=1, delta=0.5)
        curve = np.asarray(fit.diagnostics.train_loss)
        assert (np.diff(curve) < 1e-6).all(), loss
        staged, raw = (np.asarray(f(fit.params, X)) for f in (stages, raw_scores))
        np.testing.assert_allclose(staged[-1], raw, atol=1e-5)
        if loss == "softmax":
            np.testing.assert_allclose(log_loss(label, softmax(raw, axis=1)), curve[-1], rtol=1e-4, atol=1e-5)
        if loss == "absolute":
            np.testing.assert_allclose(np.abs(staged - signal[None]).mean(1), curve, rtol=1e-4)


def test_huber_is_squared_when_wide():
    X, signal, _ = linear_problem()
    wide = gradient_boosting(None, X, signal, loss="huber", rounds=5, max_depth=1, delta=1e4, l2=0.0)
    squared = gradient_boosting(None, X, signal, loss="half_squared", rounds=5, max_depth=1, l2=0.0)
    # The starts differ (median, mean); what is learnt on top closes the gap geometrically.
    gap = np.subtract(*(raw_scores(fit.params, X) for fit in (wide, squared)))
    start = np.subtract(wide.params.start, squared.params.start)
    np.testing.assert_allclose(gap, start * 0.9**5, atol=1e-4)


def test_leaf_medians_equal_numpy():
    rng = np.random.default_rng(0)
    residual, leaf = rng.normal(size=41).astype(np.float32), rng.integers(0, 4, 41)
    weights = rng.integers(0, 3, 41).astype(np.float32)
    ours = np.asarray(jax.jit(leaf_medians, static_argnums=3)(residual, weights, leaf, 5))
    for i in range(4):
        repeated = np.repeat(residual[leaf == i], weights[leaf == i].astype(int))
        np.testing.assert_allclose(ours[i], np.median(repeated), rtol=1e-6)
    assert ours[4] == 0


def test_early_stopping_takes_back_the_rounds_after_the_best():
    X, signal, _ = linear_problem(100)
    y = signal + 2 * np.asarray(jax.random.normal(jax.random.key(2), (100,)))
    fit = jax.jit(
        lambda patience: gradient_boosting(
            None, X, y, validation=np.arange(100) >= 50, rounds=30, max_depth=2, patience=patience
        )
    )
    for patience in (1, 3):
        got = fit(patience)
        curve = np.asarray(got.diagnostics.validation_loss)
        best = 0
        for t, value in enumerate(curve):
            if value < curve[best]:
                best = t
            if t - best >= patience:
                break
        assert int(got.diagnostics.rounds) == best + 1 < 30
        raw = np.asarray(raw_scores(got.params, X))[50:]
        np.testing.assert_allclose(0.5 * np.mean((raw - y[50:]) ** 2), curve[best], rtol=1e-5)


def test_rows_held_out_or_of_weight_zero_are_not_looked_at():
    X, signal, _ = linear_problem()
    out, ones = np.arange(60) >= 40, np.ones(60, np.float32)
    fit = jax.jit(
        lambda y, w, v: gradient_boosting(None, X, y, sample_weight=w, validation=v, rounds=4, max_depth=1).params
    )
    nonsense = np.where(out, np.float32(1e3), signal)
    clean = fit(signal, ones, out)
    contract.assert_close(fit(nonsense, ones, out), clean)
    contract.assert_close(fit(nonsense, np.where(out, 0, ones), np.zeros(60, bool)), clean)


def test_boosting_learns_far_from_zero():
    """Targets 1e6 away, eighths: a raw score about 0 itself would not move by a round's share of a residual."""
    X, signal, _ = linear_problem()
    y = np.round(8 * signal) / 8
    fit = jax.jit(lambda y: gradient_boosting(None, X, y, rounds=40, max_depth=1, bins=8).diagnostics.train_loss[-1])
    np.testing.assert_allclose(fit(y + np.float32(2**20)), fit(y), rtol=1e-2)


def test_sampling_is_of_the_asked_share_and_all_of_it_is_no_sampling():
    X, signal, _ = linear_problem(200)
    fit = jax.jit(
        lambda rows, columns: (
            gradient_boosting(KEY, X, signal, rounds=40, max_depth=1, subsample=rows, column_sample=columns).params
        )
    )
    plain = gradient_boosting(None, X, signal, rounds=40, max_depth=1).params
    contract.assert_close(fit(1.0, 1.0), plain)
    some = fit(0.5, 1.0).trees
    assert abs(some.value[0, 0]) > 1e-3  # all rows' residuals about their mean sum to 0, those of half do not
    half = np.asarray(some.weight)[:, 0]
    assert abs(half.mean() - 100) < 5  # 40 draws of a binomial with s.d. 7: 4.5 standard errors
    roots = np.asarray(fit(1.0, 0.25).trees.feature)[:, 0]
    assert set(roots) == {0, 1, 2, 3}  # one feature a round: even the useless ones get their turn


def test_options_take_single_precision_among_double(x64):
    """Sampling, early stopping, levels of full width: nothing relies on a promotion, which is strict here."""

    def everything(X, y, s):
        forest = random_forest(KEY, X, (y > 0).astype(int), classes=2, members=3, max_depth=4, width=4, batch_size=2)
        extra = extra_trees(KEY, X, y, sample_weight=s, members=2, max_depth=3, width=2, method="segment")
        options = {"rounds": 2, "max_depth": 3, "width": 4, "subsample": 0.5, "column_sample": 0.5}
        boosted = gradient_boosting(KEY, X, y, sample_weight=s, validation=y > 0, patience=1, **options)
        return [fit.params for fit in (forest, extra)], boosted.params, staged_boosted(boosted.params, X)

    # In single precision, which is not what a literal has here.
    X, y = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((40, 3), (40,)))
    found = {leaf.dtype for leaf in jax.tree.leaves(jax.eval_shape(everything, X, y, y))}
    assert found == {jnp.dtype(jnp.float32), jnp.dtype(jnp.int32), jnp.dtype(bool)}


def test_lanes_of_boosting_equal_single_fits():
    X, _, y = linear_problem()
    binned = bin_features(X, bins=16)

    def fit(key, rate, l2, w):
        return gradient_boosting(
            key,
            binned,
            y,
            loss="logistic",
            sample_weight=w,
            rounds=4,
            max_depth=1,
            learning_rate=rate,
            l2=l2,
            subsample=0.8,
        ).params

    keys, rates = jax.random.split(KEY, 3), jnp.array([0.1, 0.3, 1.0])
    contract.vmap_equals_loop(fit, keys, rates, rates * 5, jax.random.uniform(KEY, (3, 60)), atol=1e-5)


@threadpool_limits.wrap(limits=1)  # waiting threads of OpenMP would burn the cores of other tests
def test_boosting_reaches_scikit_learn():
    """Four paired splits each of two problems: within 3 standard errors, or 0.02."""
    shape = {"rounds": 50, "max_depth": 2, "bins": 32, "missing": False}
    given = {"max_iter": 50, "max_depth": 2, "max_bins": 32, "early_stopping": False}
    fit = lambda loss: lambda X, y, T: predict_boosted(gradient_boosting(None, X, y, loss=loss, **shape).params, T)  # noqa: E731
    classify, regress = jax.jit(fit("logistic")), jax.jit(fit("half_squared"))
    gaps = []
    X, y = load_breast_cancer(return_X_y=True)
    for seed in range(4):
        X1, X2, y1, y2 = train_test_split(X.astype(np.float32), y, test_size=171, random_state=seed)
        theirs = HistGradientBoostingClassifier(**given).fit(X1, y1)
        p = jax.nn.sigmoid(classify(X1, y1, X2))
        gaps.append(log_loss(y2, p) - log_loss(y2, theirs.predict_proba(X2)))
    assert np.mean(gaps) < max(0.02, 3 * np.std(gaps, ddof=1) / 2)
    gaps = []
    X, y = load_diabetes(return_X_y=True)
    for seed in range(4):
        X1, X2, y1, y2 = train_test_split(X.astype(np.float32), y.astype(np.float32), test_size=142, random_state=seed)
        theirs = HistGradientBoostingRegressor(**given).fit(X1, y1).score(X2, y2)
        residual = np.asarray(regress(X1, y1, X2)) - y2
        gaps.append(1 - (residual**2).mean() / y2.var() - theirs)
    assert np.mean(gaps) > -max(0.02, 3 * np.std(gaps, ddof=1) / 2)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X, y: bootstrap_weights(KEY, 0), "'n' must be at least 1"),
        (lambda X, y: bagging(KEY, X, y, fit=STUMP, members=0), "'members' must be at least 1"),
        (lambda X, y: bagging(KEY, X, y, fit=STUMP, sample_weight=y[:2]), "'sample_weight' must have shape"),
        (lambda X, y: random_forest(KEY, X, y[:2]), "'y' must have shape"),
        (lambda X, y: adaboost(KEY, X, y, fit=STUMP, predict=predict_tree, classes=2), "'y' must hold integer classes"),
        (
            lambda X, y: adaboost(KEY, X, y.astype(int), fit=STUMP, predict=predict_tree, classes=1),
            "'classes' must be at least 2",
        ),
        (lambda X, y: gradient_boosting(None, X, y, loss="hinge"), "'loss' must be one of"),
        (lambda X, y: gradient_boosting(None, X, y, order="third"), "'order' must be one of"),
        (lambda X, y: gradient_boosting(None, X, y, subsample=0.5), "'key' must be a PRNG key"),
        (lambda X, y: gradient_boosting(None, X, y, patience=3), "'validation' must mark rows"),
        (lambda X, y: gradient_boosting(None, X, y[:2]), "'y' must have shape"),
        (lambda X, y: gradient_boosting(None, X, y.astype(int)), "'y' must be floating"),
        (lambda X, y: gradient_boosting(None, X, y, loss="softmax", classes=2), "'y' must hold integer classes"),
        (lambda X, y: gradient_boosting(None, X, y.astype(int), loss="softmax"), "'classes' must be given"),
    ],
)
def test_errors_say_what_to_mend(call, message):
    with pytest.raises(ValueError, match=message):
        call(jnp.ones((4, 2)), jnp.arange(4.0))
