"""Trees against a scalar reference, against scikit-learn, and against the laws they obey."""

from functools import cache, partial
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from jaxml.learn import (
    Rules,
    apply_tree,
    bin_features,
    decision_tree,
    feature_importances,
    grow_tree,
    predict_tree,
    tree_svg,
    tree_text,
)
from jaxml.learn.trees import sums
from tests.learn import tree_reference as reference
from tests.ops import contract

N, D = 24, 3


def problem(seed, *, missing=True, classes=3):
    """Whole numbers, so that every sum is exact and ties are ties."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 7, (N, D)).astype(np.float32)
    if missing:
        X[rng.random((N, D)) < 0.15] = np.nan
    return X, rng.integers(0, classes, N), rng.integers(0, 3, N).astype(np.float32)


def expected(X, targets, weights, **rules):
    leaf, gains = reference.grow(X, targets, weights, **rules)
    importance = np.zeros(D)
    for feature, gain in gains:
        importance[feature] += gain
    return np.array([leaf[i] for i in range(len(X))]), importance


@cache
def grown(criterion="gini", method="matmul"):
    """One program for all trees of three classes, whatever their depth and rules."""

    def fit(X, y, w, depth, least, l2):
        return decision_tree(
            None, X, y, sample_weight=w, classes=3, criterion=criterion, max_depth=3, bins=8, method=method,
            depth=depth, min_leaf_weight=least, l2=l2,
        )  # fmt: skip

    compiled = jax.jit(fit)
    ones = np.ones(N, np.float32)
    return lambda X, y, w=ones, depth=3, least=0.0, l2=0.0: compiled(X, y, w, depth, least, l2)


@pytest.mark.parametrize(("criterion", "method"), [("gini", "matmul"), ("entropy", "segment")])
def test_classification_equals_the_reference(criterion, method):
    for seed in range(6):
        X, y, w = problem(seed)
        least = float(seed % 3)
        found = grown(criterion, method)(X, y, w, least=least)
        tree, diagnostics = found.params, found.diagnostics
        rules = {"depth": 3, "min_leaf_weight": least, "entropy": criterion == "entropy"}
        value, importance = expected(X, np.eye(3)[y], w, **rules)
        np.testing.assert_allclose(tree.value[diagnostics.leaf], value, atol=1e-5)
        np.testing.assert_allclose(diagnostics.gain, importance.sum(), rtol=1e-4)
        np.testing.assert_array_equal(apply_tree(tree, X), diagnostics.leaf)
        np.testing.assert_allclose(feature_importances(tree, n_features=D), importance / importance.sum(), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.int32, jnp.bfloat16])
def test_what_is_chosen_from_known_features_changes_no_tree(dtype):
    """Fewer bins than asked for and no search among missing entries, where the features need neither."""
    for X in [problem(0, missing=False)[0].astype(dtype)] + ([problem(1)[0]] if dtype is np.float32 else []):
        X, y = np.where(np.arange(D) == D - 1, X > 3, X).astype(X.dtype), problem(0)[1]  # the last has two values
        y = np.where(X[:, 0].astype(np.float32) >= 3, y % 2, 2)  # what is missing goes with the low values
        fit = partial(decision_tree, None, y=y, classes=3, max_depth=2)
        chosen, general = fit(X), jax.jit(lambda X: fit(X))(X)  # noqa: B023
        for a, b in zip(chosen.params, general.params, strict=True):
            np.testing.assert_allclose(np.asarray(a, np.float64), np.asarray(b, np.float64), atol=1e-6)


def test_second_order_gain_equals_the_reference():
    grow = jax.jit(lambda X, g, h, rules: grow_tree(None, bin_features(X, bins=8), g, h, max_depth=2, rules=rules))
    for seed in range(6):
        X, y, h = problem(seed)
        h = h + 1
        g = (y - 1.0).astype(np.float32) * h
        rules = {"l2": float(seed), "min_gain": 0.3 * seed, "min_leaf_weight": 1.0 + seed}
        tree, leaf = grow(X, g[:, None], h, Rules(2, **rules))
        value, _ = expected(X, (y - 1.0)[:, None], h, depth=2, **rules)
        np.testing.assert_allclose(tree.value[leaf], value, atol=1e-5)


def test_traced_depth_equals_the_static_one():
    X, y, _ = problem(0)
    for depth in (0, 1, 2):
        value, _ = expected(X, np.eye(3)[y], np.ones(N), depth=depth)
        found = grown()(X, y, depth=depth)
        np.testing.assert_allclose(found.params.value[found.diagnostics.leaf], value, atol=1e-5)


def test_a_width_that_does_not_bind_changes_nothing_and_one_that_does_keeps_the_best():
    X, y, _ = problem(1)
    fit = lambda width: decision_tree(None, X, y, classes=3, max_depth=3, bins=8, width=width)  # noqa: E731
    full, wide, narrow = grown()(X, y), fit(8), fit(2)
    np.testing.assert_allclose(predict_tree(full.params, X), predict_tree(wide.params, X), atol=1e-6)
    assert narrow.diagnostics.leaves < full.diagnostics.leaves
    assert 0 < narrow.diagnostics.gain < full.diagnostics.gain
    np.testing.assert_array_equal(apply_tree(narrow.params, X), narrow.diagnostics.leaf)


def test_regression_equals_scikit_learn_when_every_threshold_is_a_bin():
    X, y = load_diabetes(return_X_y=True)
    X, y = X[:200].astype(np.float32), y[:200].astype(np.float32)
    fit = decision_tree(None, X, y, max_depth=2, bins=256, missing=False)
    theirs = DecisionTreeRegressor(max_depth=2, random_state=0).fit(X, y)
    np.testing.assert_allclose(predict_tree(fit.params, X), theirs.predict(X), rtol=1e-5)
    np.testing.assert_allclose(feature_importances(fit.params, n_features=10), theirs.feature_importances_, atol=1e-4)


def test_classification_equals_scikit_learn_when_every_threshold_is_a_bin():
    X, y = load_wine(return_X_y=True)
    X = X.astype(np.float32)
    fit = decision_tree(None, X, y, classes=3, max_depth=2, bins=256, missing=False)
    theirs = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y)
    np.testing.assert_allclose(predict_tree(fit.params, X), theirs.predict_proba(X), atol=1e-6)


def test_l2_pulls_leaves_to_the_mean_and_keeps_probabilities_whole():
    X, y, _ = problem(2)
    target = y.astype(np.float32)
    fit = decision_tree(None, X, target, max_depth=1, bins=8, l2=1e6)
    np.testing.assert_allclose(predict_tree(fit.params, X), target.mean(), atol=1e-4)
    shares = grown()(X, y, depth=1, l2=2.0)
    np.testing.assert_allclose(predict_tree(shares.params, X).sum(1), 1.0, atol=1e-6)


def test_permuting_rows_and_padding_with_weight_zero_change_nothing():
    X, y, w = problem(3)
    value = lambda X, y, w: (lambda f: f.params.value[f.diagnostics.leaf])(grown()(X, y, w))  # noqa: E731
    order = np.random.default_rng(0).permutation(N)
    np.testing.assert_allclose(value(X, y, w)[order], value(X[order], y[order], w[order]), atol=1e-6)
    flipped = np.where(w == 0, (y + 1) % 3, y)
    np.testing.assert_array_equal(value(X, y, w), value(X, flipped, w))


def test_random_features_are_as_many_as_asked_and_one_key_gives_one_tree():
    X, y, _ = problem(5)
    fit = jax.jit(
        lambda key, m: (
            decision_tree(key, X, y, classes=3, max_depth=1, bins=8, features_per_split=m, splitter="best").params
        )
    )
    keys = jax.random.split(jax.random.key(0), 60)
    roots = np.array(jax.jit(jax.vmap(fit, (0, None)))(keys, 1).feature[:, 0])
    assert set(roots) >= {0, 1, 2}  # each feature is the only candidate in a third of the draws
    everything = grown()(X, y, depth=1).params
    np.testing.assert_array_equal(fit(keys[0], 3).feature, everything.feature[:3])


def test_random_thresholds_spread_over_the_allowed_ones():
    X, y = np.arange(6, dtype=np.float32)[:, None], np.arange(6, dtype=np.float32)
    fit = partial(decision_tree, max_depth=1, bins=8, splitter="random", min_leaf_weight=2.0)
    cuts = jax.vmap(lambda key: fit(key, X, y).params.threshold[0])(jax.random.split(jax.random.key(0), 300))
    values, counts = np.unique(np.asarray(cuts), return_counts=True)
    np.testing.assert_array_equal(values, [1.5, 2.5, 3.5])
    assert counts.min() > 65  # 100 each on average; 65 is 4.3 standard deviations below


def test_drawing_features_goes_on_until_one_can_split():
    X = np.array([[7.0, 7.0, 7.0, 0.0], [7.0, 7.0, 7.0, 1.0]], np.float32)
    fit = lambda key: decision_tree(key, X, X[:, 3], max_depth=1, bins=4, features_per_split=1)  # noqa: E731
    roots = jax.vmap(fit)(jax.random.split(jax.random.key(0), 20)).params.feature[:, 0]
    np.testing.assert_array_equal(roots, 3)


def test_a_threshold_lies_midway_between_the_rows_that_it_parts():
    X = np.array([0, 1, 2, 4, 9, 10], np.float32)[:, None]
    weight = np.array([1, 1, 0, 0, 1, 1], np.float32)
    fit = partial(decision_tree, None, max_depth=1, bins=8, sample_weight=weight)
    high = (X[:, 0] > 4).astype(np.float32)
    for missing in (True, False):
        assert fit(X, high, missing=missing).params.threshold[0] == 3.0  # of 1.5, 3 and 6.5
    # Missing against present, whatever the present entries are.
    for bins in (8, 4):  # with four no threshold is spare: the middle one of those that part alike is 3
        assert fit(np.where(X > 4, np.nan, X), high, bins=bins).params.threshold[0] == np.inf


def test_degenerate_data_give_one_finite_leaf():
    fit = jax.jit(lambda X, y, w: decision_tree(None, X, y, sample_weight=w, max_depth=2, bins=4))
    X, y = np.ones((5, 2), np.float32), np.arange(5, dtype=np.float32)
    alone = decision_tree(None, X[:1], y[1:2], max_depth=1)
    np.testing.assert_array_equal(predict_tree(alone.params, X), 1.0)
    for X_, w in ((X, np.ones(5)), (X * np.nan, np.ones(5)), (X, np.zeros(5)), (X * np.inf, np.ones(5))):
        found = fit(X_, y, w)
        tree, diagnostics = found.params, found.diagnostics
        assert np.isfinite(tree.value).all()
        assert (diagnostics.leaf == 0).all()


def test_infinite_entries_and_missing_against_present_split():
    X = np.array([[-np.inf], [0.0], [np.inf], [np.nan], [np.nan]], np.float32)
    y = np.array([0.0, 0.0, 0.0, 1.0, 1.0], np.float32)
    fit = decision_tree(None, X, y, max_depth=1, bins=4)
    np.testing.assert_allclose(predict_tree(fit.params, X), y)
    assert "is present" in tree_text(fit.params)


def test_bins_are_quantiles_and_route_as_prediction_does():
    X = np.random.default_rng(0).exponential(size=(500, 1)).astype(np.float32)
    binned = bin_features(X, bins=10, missing=False)
    counts = np.bincount(np.asarray(binned.codes)[0], minlength=10)
    np.testing.assert_array_equal(counts, 50)
    left = X[:, 0, None] <= np.asarray(binned.edges)[0]
    np.testing.assert_array_equal(left, np.arange(9) >= np.asarray(binned.codes).T)
    np.testing.assert_array_equal(left, binned.below)


def test_negative_features_rank_by_size_in_double_precision_too(x64):
    X = np.array([[-3.0], [2.0], [-0.5], [-2.0]])
    binned = bin_features(X, bins=4, missing=False)
    assert binned.edges.tolist() == [[-2.5, -1.25, 0.75]]
    assert binned.codes.tolist() == [[0, 3, 2, 1]]


def test_neighbouring_floats_are_parted():
    x = np.float32(1.0)
    X = np.array([[x], [np.nextafter(x, np.float32(2))]])
    np.testing.assert_array_equal(bin_features(X, bins=4).codes[0], [0, 1])


def test_text_and_picture_name_every_node():
    X, y, _ = problem(6)
    tree = grown()(X, y, depth=2).params
    text = tree_text(tree, feature_names=["a<b", "c", "d"], class_names=["u", "v", "w"])
    used = int(((tree.feature >= 0) | (tree.weight > 0)).sum())
    assert len(text.splitlines()) == used
    root = ElementTree.fromstring(tree_svg(tree, feature_names=["a<b", "c", "d"]))
    names = [node.tag.split("}")[1] for node in root]
    assert names.count("rect") == used
    assert names.count("line") == used - 1


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X, y: bin_features(X[:, 0]), "'X' must have shape"),
        (lambda X, y: bin_features(X, bins=1), "'bins' must be from 2 to 256"),
        (lambda X, y: decision_tree(None, X, y[:3]), "'y' must have shape"),
        (lambda X, y: decision_tree(None, X, y, sample_weight=y[:3]), "'sample_weight' must have shape"),
        (lambda X, y: decision_tree(None, X, y.astype(int)), "'y' must be floating"),
        (lambda X, y: decision_tree(None, X, y, classes=2), "'y' must hold integer classes"),
        (lambda X, y: decision_tree(None, X, y, criterion="gini"), "'criterion' must be one of 'squared'"),
        (lambda X, y: decision_tree(None, X, y, width=3), "'width' must be even"),
        (lambda X, y: decision_tree(None, X, y, max_depth=0), "'max_depth' must be at least 1"),
        (lambda X, y: decision_tree(None, X, y, splitter="random"), "'key' must be a PRNG key"),
        (lambda X, y: decision_tree(None, X, y, splitter="worst"), "'splitter' must be one of"),
        (lambda X, y: decision_tree(None, X, y, method="guess"), "'method' must be one of"),
        (lambda X, y: apply_tree(decision_tree(None, X, y, max_depth=1).params, X[0]), "'X' must have shape"),
        (
            lambda X, y: feature_importances(decision_tree(None, X, y, max_depth=1).params, n_features=0),
            "'n_features' must be at least 1",
        ),
        (
            lambda X, y: tree_text(jax.tree.map(lambda a: a[None], decision_tree(None, X, y, max_depth=1).params)),
            "Draw one tree of a stack",
        ),
    ],
)
def test_errors_say_what_to_mend(call, message):
    X = jnp.ones((4, 2))
    with pytest.raises(ValueError, match=message):
        call(X, jnp.arange(4.0))


def test_sums_scattered_feature_after_feature_equal_the_product():
    random = np.random.default_rng(0)
    binned = bin_features(jnp.asarray(random.normal(size=(sums.ROWS_PER_PASS + 200, 3)), jnp.float32), bins=8)
    n = binned.codes.shape[1]
    stats = jnp.asarray(random.normal(size=(2, n)), jnp.float32)
    slot = jnp.asarray(random.integers(-1, 2, n), jnp.int32)  # -1: the row went elsewhere
    product, scattered = (sums.left_sums(binned, stats, slot, 2, method) for method in ("matmul", "segment"))
    contract.assert_close(scattered, product, atol=1e-4)
