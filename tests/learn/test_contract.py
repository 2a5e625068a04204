"""The contract of `jaxml.learn.fit`, learner by learner: one signature, one program, values without a sensible answer.

One program per learner computes all lanes at once: the problem as it is, spoilt, and in other units.
"""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import discriminant_analysis, linear_model, svm

from tests.learn.learners import LEARNERS, ROWS, X, cast
from tests.ops import contract

every_learner = pytest.mark.parametrize("name", LEARNERS)
first_of_each = pytest.mark.parametrize(
    "name", {learner.of: name for name, learner in reversed(LEARNERS.items())}.values()
)
ONES, V = np.ones(ROWS), 0.3
MIXED = np.array([1e-6, 1.0, 1e6])
SCALES = {"small": 1e-6, "large": 1e6}
SHIFTS = {"far": 1e3, "farther": 1e4, "far away": 1e6}
BEYOND = (
    "small and far",
    "large and far",
    "mixed and far",
    "farther",
    "far away",
    "farther targets",
    "far away targets",
)
SKLEARN = {
    "least squares": linear_model.LinearRegression(),
    "ridge": linear_model.Ridge(alpha=V * ROWS),
    "lasso": linear_model.Lasso(alpha=V, tol=1e-10),
    "logistic": linear_model.LogisticRegression(C=1 / (V * ROWS), tol=1e-8),
    "LDA": discriminant_analysis.LinearDiscriminantAnalysis(solver="eigen", shrinkage=V),
    "kernel SVM": svm.SVC(C=V, tol=1e-8),
    "kernel SVM, linear": svm.SVC(C=V, kernel="linear", tol=1e-8),
    "linear SVM": svm.SVC(C=V, kernel="linear", tol=1e-8),
}


def changed(array, value):
    """One row's entry replaced."""
    return np.where(np.arange(ROWS) == 3, value, array)


def spoilt(name):
    """Lanes without a sensible answer: the argument that is named -> (X, y, weights, strength)."""
    learner = LEARNERS[name]
    y = learner.y
    bad = [("sample_weight", (X, y, changed(ONES, value), V)) for value in (-1.0, np.nan, np.inf)]
    if learner.strength is not None:
        bad += [(learner.strength, (X, y, ONES, value)) for value in (-0.3, np.nan)]
    if is_classes(y):
        bad += [("y", (X, changed(y, value), ONES, V)) for value in (-1, 3)]
    else:
        bad += [("y", (X, changed(y, value), ONES, V)) for value in (np.nan, np.inf)]
    if not takes_missing(name):
        bad += [("X", (np.where(X[3, 1] == X, value, X), y, ONES, V)) for value in (np.nan, np.inf)]
    return bad


def is_classes(y):
    return np.issubdtype(y.dtype, np.integer)


def takes_missing(name):
    return any(word in name for word in ("tree", "forest", "bagging", "Boost", "boosting"))


def in_other_units(name):
    """Lanes of the same problem: label -> (base lane, feature scale and shift, target scale and level, lane)."""
    learner = LEARNERS[name]
    lanes = {}

    def add(label, scale=1.0, shift=0.0, unit=1.0, level=0.0, base="plain", v=V):
        overall = scale if np.ndim(scale) == 0 else 1.0
        y = learner.y if is_classes(learner.y) else learner.y * unit + level
        lane = (X * scale + shift, y, ONES, v * learner.units(overall, unit))
        lanes[label] = (base, scale, unit, level, lane)

    for label, scale in SCALES.items():
        add(label, scale)
        add(f"{label} and far", scale, -1e4 * scale)
    for label, shift in SHIFTS.items():
        add(label, shift=shift)
    if learner.free is not None:
        add("mixed", MIXED, base="free", v=learner.free)
        add("mixed and far", MIXED, MIXED * [1e4, 1e3, -1e4], base="free", v=learner.free)
    if not is_classes(learner.y):
        for label, unit in SCALES.items():
            add(f"{label} targets", unit=unit)
        for label, level in SHIFTS.items():
            add(f"{label} targets", level=level)
    return lanes


@functools.cache
def computed(name):
    """Predictions, parameters and `converged` of all lanes of a learner, from one program."""
    learner = LEARNERS[name]
    lost = 7 if is_classes(learner.y) else np.nan
    lanes = {"plain": (X, learner.y, ONES, V), "dropped": (X, changed(learner.y, lost), changed(ONES, 0.0), V)}
    lanes["zeroed"] = (X, changed(learner.y, 0), changed(ONES, 0.0), V)
    lanes["free"] = (X, learner.y, ONES, V if learner.free is None else learner.free)
    lanes |= {f"bad {i}": lane for i, (_, lane) in enumerate(spoilt(name))}
    lanes |= {label: lane for label, (*_, lane) in in_other_units(name).items()}
    kinds = (np.float32, np.int32 if is_classes(learner.y) else np.float32, np.float32, np.float32)
    columns = zip(zip(*lanes.values(), strict=True), kinds, strict=True)
    stacked = [jnp.asarray(np.stack(values).astype(kind)) for values, kind in columns]

    def run(X, y, s, v):
        fit = learner.fit(X, y, s, v)
        return learner.predict(fit.params, X), fit.params, fit.diagnostics.converged

    found = jax.tree.map(np.asarray, jax.jit(jax.vmap(run))(*stacked))
    return {label: jax.tree.map(lambda leaf, i=i: leaf[i], found) for i, label in enumerate(lanes)}


@every_learner
def test_the_signature_is_the_one_of_all_learners(name):
    of = LEARNERS[name].of
    signature = inspect.signature(of)
    positional = [p for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    names = [p.name for p in positional]
    assert names in (["X", "y"], ["key", "X", "y"])
    assert all(p.default is p.empty for p in positional)
    rest = {p.name: p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}
    if not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        assert rest["sample_weight"].default is None
    assert "Fit" in str(signature.return_annotation)
    for word in ("Args:", "Returns:", "Raises:", *(f"        {p.name}: " for p in [*positional, *rest.values()])):
        assert word in of.__doc__, word


@first_of_each
def test_lanes_are_the_fit_alone_and_lowering_needs_no_device(name):
    learner = LEARNERS[name]
    rows, y = X.astype(np.float32), cast(learner.y)

    @jax.jit
    def run(X, y, v):
        fit = learner.fit(X, y, None, v)
        return learner.predict(fit.params, X), fit.params, fit.diagnostics.converged

    traced = run.trace(rows, y, np.float32(V))
    found, params, converged = traced.lower().compile()(rows, y, np.float32(V))
    prediction, laned, _ = computed(name)["plain"]
    assert converged
    np.testing.assert_allclose(found, prediction, rtol=1e-4, atol=1e-4)
    assert jax.tree.structure(params) == jax.tree.structure(laned)
    contract.lowers_everywhere(traced)


def about_their_mean(scores):
    """Scores of classes are defined up to a number that all of a row share."""
    scores = np.asarray(scores, np.float64)
    return scores - scores.mean(axis=1, keepdims=True) if scores.ndim == 2 else scores


@first_of_each
def test_parameters_have_the_dtype_of_the_features(name, x64):
    learner = LEARNERS[name]
    for dtype in (np.float32, np.float64):
        y = learner.y if is_classes(learner.y) else learner.y.astype(dtype)
        shapes = [jax.ShapeDtypeStruct(np.shape(a), np.result_type(a)) for a in (X.astype(dtype), y, dtype(V))]
        params = jax.eval_shape(lambda X, y, v: learner.fit(X, y, None, v).params, *shapes)
        leaves = {leaf.dtype for leaf in jax.tree.leaves(params)}
        assert {leaf for leaf in leaves if jnp.issubdtype(leaf, jnp.floating)} == {np.dtype(dtype)}
        assert np.dtype(np.int64) not in leaves  # numbers of rows, nodes and features have 32 bits


@every_learner
def test_without_a_sensible_answer_a_lane_is_nan_and_a_call_refused(name, unchecked_types):
    learner, found = LEARNERS[name], computed(name)
    for label in ("plain", "dropped"):
        assert found[label][2], label
        assert np.isfinite(found[label][0]).all(), label
    np.testing.assert_allclose(found["dropped"][0], found["zeroed"][0], rtol=1e-4, atol=1e-5)  # any target will do
    for i, (argument, (rows, y, s, v)) in enumerate(spoilt(name)):
        own = name == "bagging" and argument == "y"  # the targets of a bag are its fit's own matter
        prediction, _, converged = found[f"bad {i}"]
        assert not converged, argument
        assert own or np.isnan(prediction).all(), argument
        if not own:
            with pytest.raises(ValueError, match=rf"'{argument}' must .*got "):
                learner.fit(rows.astype(np.float32), cast(y), s.astype(np.float32), v)


@every_learner
def test_empty_axes_are_refused(name, unchecked_types):
    learner = LEARNERS[name]
    for shape in ((0, 3), (ROWS, 0)):
        with pytest.raises(ValueError, match=r"'X' must hold at least one row and one feature, got shape"):
            learner.fit(jnp.zeros(shape), jnp.asarray(cast(learner.y[: shape[0]])), None, V)


@pytest.mark.parametrize("name", SKLEARN)
def test_single_precision_is_scikit_learn(name):
    y = LEARNERS[name].y
    theirs = SKLEARN[name].fit(X, y)
    expected = theirs.decision_function(X) if is_classes(y) else theirs.predict(X)
    np.testing.assert_allclose(about_their_mean(computed(name)["plain"][0]), about_their_mean(expected), atol=5e-3)


@every_learner
def test_units_and_origin_change_nothing(name):
    """At 1e3 deviations from the origin a fit is certified; beyond, it is right or says that it is not."""
    found = computed(name)
    for label, (base, scale, unit, level, _) in in_other_units(name).items():
        prediction, params, converged = found[label]
        assert converged or label in BEYOND, label
        if not converged:
            continue
        atol = (1e-2 if "far" in label else 2e-3) + np.finfo(np.float32).eps * level
        expected = about_their_mean(found[base][0])
        np.testing.assert_allclose((about_their_mean(prediction) - level) / unit, expected, atol=atol, err_msg=label)
        if hasattr(params, "coef"):
            factor = np.reshape(np.broadcast_to(scale, 3), (3,) + (1,) * (params.coef.ndim - 1)) / unit
            coef, expected = about_their_mean(params.coef * factor), about_their_mean(found[base][1].coef)
            np.testing.assert_allclose(coef, expected, rtol=1e-2, atol=2e-3, err_msg=label)
