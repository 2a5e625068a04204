"""Values that have no sensible answer: refused where they are known, NaN and never converged where they are not."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import learn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3)).astype(np.float32)
TARGETS = (X[:, 0] + RNG.normal(size=20)).astype(np.float32)
TWO = (TARGETS > 0).astype(np.int32)
FITS = {
    "least squares": (TARGETS, lambda X, y, s, v: learn.fit_least_squares(X, y, sample_weight=s)),
    "lasso": (TARGETS, lambda X, y, s, v: learn.fit_lasso(X, y, l1=v, sample_weight=s)),
    "elastic net": (TARGETS, lambda X, y, s, v: learn.fit_elastic_net(X, y, l1=0.1, l2=v, sample_weight=s)),
    "huber": (TARGETS, lambda X, y, s, v: learn.fit_huber(X, y, delta=v, sample_weight=s)),
    "logistic": (TWO, lambda X, y, s, v: learn.fit_logistic(X, y, l2=v, sample_weight=s)),
    "softmax": (TWO, lambda X, y, s, v: learn.fit_softmax(X, y, classes=2, l2=v, sample_weight=s)),
    "linear SVM": (TWO, lambda X, y, s, v: learn.fit_linear_svm(X, y, C=v, sample_weight=s)),
    "squared hinge": (TWO, lambda X, y, s, v: learn.fit_linear_svm(X, y, C=v, sample_weight=s, loss="squared_hinge")),
    "kernel SVM": (TWO, lambda X, y, s, v: learn.fit_kernel_svm(X, y, C=v, gamma=0.3, sample_weight=s)),
    "LDA": (TWO, lambda X, y, s, v: learn.fit_lda(X, y, classes=2, shrinkage=v, sample_weight=s)),
}


@pytest.mark.parametrize("name", FITS)
def test_a_lane_without_an_answer_is_not_converged_and_leaves_the_others_alone(name):
    y, fit = FITS[name]
    ones, changed = np.ones(20, np.float32), lambda array, value: np.where(np.arange(20) == 3, value, array)
    lanes = {"good": (X, y, ones, 0.3)}
    lanes["negative weight"] = (X, y, changed(ones, -1.0), 0.3)
    lanes["missing weight"] = (X, y, changed(ones, np.nan), 0.3)
    lanes["missing feature"] = (np.where(X[3, 1] == X, np.nan, X), y, ones, 0.3)
    if name != "least squares":
        lanes["negative strength"] = (X, y, ones, -0.3)
    if y is TWO:
        lanes["labels of -1 and 1"] = (X, 2 * y - 1, ones, 0.3)
        lanes["label 2"] = (X, changed(y, 2), ones, 0.3)
    else:
        lanes["missing target"] = (X, changed(y, np.nan), ones, 0.3)
    # A row of weight 0 may hold any label: it does not count.
    dropped = changed(ones, 0.0)
    lanes["label of no weight"] = (X, changed(y, 7), dropped, 0.3)
    kinds = (np.float32, y.dtype, np.float32, np.float32)
    columns = zip(zip(*lanes.values(), strict=True), kinds, strict=True)
    stacked = [jnp.asarray(np.stack(values).astype(kind)) for values, kind in columns]
    fits = jax.jit(jax.vmap(fit))(*stacked)
    for i, lane in enumerate(lanes):
        fine = lane in ("good", "label of no weight")
        assert bool(fits.diagnostics.converged[i]) is fine, lane
        assert all(np.isfinite(leaf[i]).all() for leaf in fits.params[:2]) is fine, lane


@pytest.mark.parametrize("name", [name for name in FITS if name != "least squares"])
def test_a_known_negative_strength_is_named(name, unchecked_types):
    y, fit = FITS[name]
    with pytest.raises(ValueError, match=r"'(l1|l2|delta|C|shrinkage)' must be .*, got -0.3"):
        fit(X, y, None, -0.3)
    with pytest.raises(ValueError, match=r"'gamma' must be positive, got 0"):
        learn.fit_kernel_svm(X, TWO, gamma=0)


def adaboosted(X, y, s, v):
    stump = partial(learn.decision_tree, n_classes=2, max_depth=1, bins=4)
    fit = learn.adaboost(KEY, stump, learn.predict_tree, X, y, n_classes=2, rounds=2, sample_weight=s, learning_rate=v)
    return learn.predict_adaboost(fit.params, learn.predict_tree, X, n_classes=2)


def boosted(X, y, s, v, **options):
    options = {"rounds": 2, "max_depth": 1, "bins": 4, "learning_rate": v, "sample_weight": s} | options
    return learn.predict_boosted(learn.gradient_boosting(KEY, X, y, **options).params, X)


def bagged(X, y, s, v):
    fit = partial(learn.decision_tree, max_depth=1, bins=4, l2=v)
    return learn.predict_forest(learn.bagging(KEY, fit, X, y, members=2, sample_weight=s).params, X)


def grown(X, y, s, v, **options):
    fit = learn.decision_tree(KEY, X, y, sample_weight=s, max_depth=1, bins=4, **options)
    return learn.predict_tree(fit.params, X)


def forest(X, y, s, v):
    fit = learn.random_forest(KEY, X, y, sample_weight=s, n_classes=2, members=2, max_depth=1, bins=4, l2=v)
    return learn.predict_forest(fit.params, X)


KEY = jax.random.key(0)
TREES = {
    "tree": (TARGETS, lambda X, y, s, v: grown(X, y, s, v, min_gain=v)),
    "tree of classes": (TWO, lambda X, y, s, v: grown(X, y, s, v, min_leaf_weight=v, n_classes=2)),
    "forest": (TWO, forest),
    "bagging": (TARGETS, bagged),
    "AdaBoost": (TWO, adaboosted),
    "boosting": (TARGETS, boosted),
    "boosting, absolute": (TARGETS, lambda X, y, s, v: boosted(X, y, s, 0.1, loss="absolute", l2=v)),
    "boosting, Huber": (TARGETS, lambda X, y, s, v: boosted(X, y, s, 0.1, loss="huber", delta=v)),
    "boosting, logistic": (TWO, lambda X, y, s, v: boosted(X, y, s, 0.1, loss="logistic", subsample=v)),
    "boosting, softmax": (TWO, lambda X, y, s, v: boosted(X, y, s, v, loss="softmax", n_classes=2)),
}


@pytest.mark.parametrize("name", TREES)
def test_bad_values_for_trees_are_named_where_known_and_nan_where_not(name, unchecked_types):
    y, run = TREES[name]
    ones, changed = np.ones(20, np.float32), lambda array, value: np.where(np.arange(20) == 3, value, array)
    lanes = {"sample_weight": [(y, changed(ones, value), 0.3) for value in (-1.0, np.nan, np.inf)]}
    strength = "learning_rate|delta|subsample|l2|min_gain|min_leaf_weight"
    lanes[strength] = [(y, ones, -0.3), (y, ones, np.nan)]
    lanes["y"] = [(changed(y, value), ones, 0.3) for value in ((-1, 2) if y is TWO else (np.nan, np.inf))]
    for argument, bad in lanes.items():
        if name == "bagging" and argument == "y":
            continue  # the fit's own matter, whose weights are unknown under bagging's vmap
        for lane in bad:
            with pytest.raises(ValueError, match=f"'({argument})' must .*got "):
                run(X, *lane)
    # A row of weight 0 may lack its target; a missing feature is one more value to a tree.
    dropped = changed(y, 7 if y is TWO else np.nan), changed(ones, 0.0), 0.3
    good = [(X, y, ones, 0.3), (X, *dropped), (np.where(X[3, 1] == X, np.nan, X), y, ones, 0.3)]
    stacked = zip(*good, *((X, *lane) for bad in lanes.values() for lane in bad), strict=True)
    kinds = (np.float32, y.dtype, np.float32, np.float32)
    stacked = [jnp.asarray(np.stack(column).astype(kind)) for column, kind in zip(stacked, kinds, strict=True)]
    found = np.asarray(jax.jit(jax.vmap(run))(*stacked))
    assert np.isfinite(found[:3]).all()
    # Targets are the fit's own matter under bagging: a member that did not see the row may answer.
    bad = found[3:-2] if name == "bagging" else found[3:]
    assert np.isnan(bad).all()
    if name != "AdaBoost":  # its label 7 is ever wrong, at weight 0: same votes
        zeroed = run(X, changed(y, 0).astype(y.dtype), *dropped[1:])
        np.testing.assert_allclose(found[1], zeroed, rtol=1e-5, atol=1e-6)


def test_priors_are_probabilities():
    fit = lambda priors: learn.fit_lda(X, TWO, classes=2, priors=priors)  # noqa: E731
    lanes = np.array([[0.3, 0.7], [0.3, 0.6], [-0.2, 1.2], [np.nan, 1]], np.float32)
    found = jax.jit(jax.vmap(fit))(lanes)
    np.testing.assert_array_equal(found.diagnostics.converged, [True, False, False, False])
    assert np.isnan(found.params.coef[1:]).all()
    assert fit(lanes[0]).diagnostics.converged
    for bad in lanes[1:]:
        with pytest.raises(ValueError, match="'priors' must be 0 or positive and sum to 1"):
            fit(bad)
