"""Metrics against scikit-learn, ties and zero weights included, and against their definitions as double loops."""

import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics as sk

from jaxml import ops
from tests.ops import contract

N = 24
jitted_auc = jax.jit(ops.roc_auc)
jitted_partial = jax.jit(lambda s, y, w, m: ops.roc_auc(s, y, weights=w, max_fpr=m))


def problem(seed, *, levels):
    """Scores on few levels (heavy ties), infinities and both zeros among them; weights with zeros."""
    rng = np.random.default_rng(seed)
    scores = rng.choice(rng.normal(size=levels), size=N).astype(np.float32)
    labels = rng.integers(0, 2, size=N)
    labels[:2] = 0, 1
    weights = (rng.integers(0, 3, size=N) * rng.uniform(0.5, 2, size=N)).astype(np.float32)
    weights[:2] = 1
    return jnp.asarray(scores), jnp.asarray(labels), jnp.asarray(weights)


PROBLEMS = [(seed, levels) for seed in range(4) for levels in (1, 3, 1000)]


@pytest.mark.parametrize(("seed", "levels"), PROBLEMS)
def test_ranking_equals_scikit_learn(seed, levels):
    s, y, w = problem(seed, levels=levels)
    given = {"sample_weight": np.asarray(w)}
    contract.assert_close(jitted_auc(s, y), sk.roc_auc_score(y, s))
    contract.assert_close(jitted_auc(s, y, weights=w), sk.roc_auc_score(y, s, **given))
    for limit in (0.1, 0.5, 1.0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = sk.roc_auc_score(y, s, max_fpr=limit, **given)
        contract.assert_close(jitted_partial(s, y, w, limit), expected, rtol=1e-4)
    contract.assert_close(ops.average_precision(s, y, weights=w), sk.average_precision_score(y, s, **given))
    fpr, tpr, thresholds = sk.roc_curve(y, s, drop_intermediate=False, **given)
    ours = ops.roc_curve(s, y, weights=w)
    mine = {(round(float(f), 5), round(float(t), 5)) for f, t in zip(ours[0], ours[1], strict=True)}
    assert mine == {(round(float(f), 5), round(float(t), 5)) for f, t in zip(fpr, tpr, strict=True)}
    assert set(thresholds.astype(np.float32)) <= set(np.asarray(ours.thresholds))
    precision, recall, _ = sk.precision_recall_curve(y, s, **given)
    curve = ops.precision_recall_curve(s, y, weights=w)
    mine = {(round(float(p), 4), round(float(r), 4)) for p, r in zip(curve.precision, curve.recall, strict=True)}
    theirs = {(round(float(p), 4), round(float(r), 4)) for p, r in zip(precision, recall, strict=True)}
    assert mine - {(1.0, 0.0)} == theirs - {(1.0, 0.0)}


def test_auc_is_mann_whitney_with_half_ties():
    s, y, w = problem(9, levels=4)
    wins = total = 0.0
    for i in range(N):
        for j in range(N):
            if y[i] == 1 and y[j] == 0:
                pair = float(w[i] * w[j])
                wins += pair * (float(s[i] > s[j]) + float(s[i] == s[j]) / 2)
                total += pair
    contract.assert_close(jitted_auc(s, y, weights=w), wins / total)


def test_order_survives_every_kind_of_float(x64):
    s = jnp.array([0.0, -0.0, jnp.inf, -jnp.inf, 1e-37, -1e-37, 3e38, -3e38, 1.0, 1.0 + 2**-23], jnp.float32)
    y = jnp.array([1, 0, 1, 0, 1, 0, 1, 0, 0, 1])
    finite = np.clip(np.asarray(s, np.float64), -1e39, 1e39)
    expected = sk.roc_auc_score(y, finite)
    contract.assert_close(ops.roc_auc(s, y), expected)
    contract.assert_close(ops.roc_auc(s.astype(jnp.float64), y), expected)
    assert not np.isclose(float(ops.roc_auc(s.astype(jnp.bfloat16), y)), expected)  # 1 and 1 + 2^-23 tie there
    assert np.isnan(ops.roc_auc(s.at[0].set(jnp.nan), y))


def test_degenerate_sets_are_documented_values():
    one, zero = jnp.ones(3, int), jnp.zeros(3, int)
    s = jnp.array([1.0, 2.0, 3.0])
    assert ops.roc_auc(jnp.zeros(4), jnp.array([0, 1, 0, 1])) == 0.5
    for labels in (one, zero):
        assert np.isnan(ops.roc_auc(s, labels))
    assert np.isnan(ops.roc_auc(jnp.zeros(0), jnp.zeros(0, int)))
    assert np.isnan(ops.roc_auc(s, jnp.array([0, 0, 1]), weights=jnp.array([1.0, 1.0, 0.0])))
    assert np.isnan(ops.average_precision(s, zero))
    assert ops.average_precision(s, one) == 1
    assert np.isnan(ops.accuracy(one, one, weights=jnp.zeros(3)))
    assert np.isnan(ops.brier_loss(s / 3, one, weights=jnp.zeros(3)))
    for norm in ("l1", "l2", "max"):
        assert np.isnan(ops.calibration_error(s / 3, one, weights=jnp.zeros(3), norm=norm))
    assert ops.pairwise_auc_loss(s, one) == 0


@pytest.mark.parametrize("scheme", ["ovr", "ovo"])
@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_multiclass_auc_equals_scikit_learn(scheme, average):
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(4), size=40).round(1) + 1e-3
    scores = (scores / scores.sum(1, keepdims=True)).astype(np.float32)
    labels, weights = rng.integers(0, 4, size=40), rng.integers(0, 3, size=40).astype(np.float32)
    fn = functools.partial(ops.multiclass_roc_auc, scheme=scheme, average=average)
    settings = {"multi_class": scheme, "average": average}
    contract.assert_close(fn(jnp.asarray(scores), jnp.asarray(labels)), sk.roc_auc_score(labels, scores, **settings))
    weighted = fn(jnp.asarray(scores), jnp.asarray(labels), weights=jnp.asarray(weights))
    if scheme == "ovr":
        expected = sk.roc_auc_score(labels, scores, sample_weight=weights, **settings)
    else:  # scikit-learn refuses weights here; whole weights are repeated examples
        repeated = np.repeat(np.arange(40), weights.astype(int))
        expected = sk.roc_auc_score(labels[repeated], scores[repeated], **settings)
    contract.assert_close(weighted, expected)


@pytest.mark.parametrize("seed", range(3))
def test_class_metrics_equal_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    predictions, labels = rng.integers(0, 3, size=(2, N))
    weights = (rng.integers(0, 3, size=N) * rng.uniform(0.5, 2, size=N)).astype(np.float32)
    p, y, w = jnp.asarray(predictions), jnp.asarray(labels), jnp.asarray(weights)
    expected = sk.confusion_matrix(labels, predictions, sample_weight=weights, labels=range(4))
    contract.assert_close(ops.confusion_counts(p, y, num_classes=4, weights=w), expected)
    contract.assert_close(ops.accuracy(p, y, weights=w), sk.accuracy_score(labels, predictions, sample_weight=weights))
    for average in ("macro", "micro", "weighted", "none"):
        expected = sk.f1_score(
            labels,
            predictions,
            labels=range(4),
            sample_weight=weights,
            average=None if average == "none" else average,
            zero_division=0,
        )
        contract.assert_close(ops.f1_score(p, y, num_classes=4, weights=w, average=average), expected)
    binary = sk.f1_score(labels > 0, predictions > 0, sample_weight=weights)
    contract.assert_close(ops.f1_score(p > 0, y > 0, weights=w), binary)


@pytest.mark.parametrize("seed", range(3))
def test_probability_metrics_equal_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.ones(3), size=N).astype(np.float32)
    labels = rng.integers(0, 3, size=N)
    labels[:3] = range(3)
    weights = rng.integers(0, 3, size=N).astype(np.float32)
    t, y, w = jnp.asarray(table), jnp.asarray(labels), jnp.asarray(weights)
    exact = (table / table.sum(1, keepdims=True)).astype(np.float64)
    exact /= exact.sum(1, keepdims=True)
    contract.assert_close(ops.log_loss(t, y, weights=w), sk.log_loss(labels, exact, sample_weight=weights))
    binary, positive = table[:, 0].astype(np.float64), labels == 0
    p, b = jnp.asarray(table[:, 0]), jnp.asarray(positive)
    contract.assert_close(ops.log_loss(p, b, weights=w), sk.log_loss(positive, binary, sample_weight=weights))
    contract.assert_close(ops.brier_loss(p, b, weights=w), sk.brier_score_loss(positive, binary, sample_weight=weights))
    squares = ((exact - np.eye(3)[labels]) ** 2).sum(1)
    contract.assert_close(ops.brier_loss(t, y, weights=w), (weights * squares).sum() / weights.sum())
    gaps = []
    for low in np.arange(5) / 5:
        inside = (binary > low) & (binary <= low + 0.2)
        mass = weights[inside].sum()
        if mass:
            gap = abs((weights * (positive - binary))[inside].sum()) / mass
            gaps.append((mass / weights.sum(), gap))
    expected = {
        "l1": sum(share * gap for share, gap in gaps),
        "l2": sum(share * gap**2 for share, gap in gaps) ** 0.5,
        "max": max(gap for _, gap in gaps),
    }
    for norm, value in expected.items():
        contract.assert_close(ops.calibration_error(p, b, weights=w, num_bins=5, norm=norm), value)


def test_certain_mistakes_are_finite():
    p, y = jnp.array([0.0, 1.0]), jnp.array([1, 0])
    contract.finite_everywhere(lambda p: ops.log_loss(p, y), p)
    contract.finite_everywhere(lambda p: ops.brier_loss(p, y), p)
    contract.finite_everywhere(lambda p: ops.calibration_error(p, y), p)


@pytest.mark.parametrize("surrogate", ["logistic", "hinge", "squared_hinge"])
def test_pairwise_auc_loss(surrogate, x64):
    s, y, w = problem(3, levels=1000)
    s, w = s.astype(jnp.float64), w.astype(jnp.float64)
    phi = {
        "logistic": lambda d: np.log1p(np.exp(-d)),
        "hinge": lambda d: max(0, 1.5 - d),
        "squared_hinge": lambda d: max(0, 1.5 - d) ** 2,
    }[surrogate]
    pairs = [(i, j) for i in range(N) for j in range(N) if y[i] == 1 and y[j] == 0]
    weigh = [float(w[i] * w[j]) for i, j in pairs]
    expected = np.dot(weigh, [phi(float(s[i] - s[j])) for i, j in pairs]) / sum(weigh)

    def fn(s, w):
        return ops.pairwise_auc_loss(s, y, weights=w, surrogate=surrogate, margin=1.5)

    contract.assert_close(fn(s, w), expected, rtol=1e-12)
    contract.derivatives_match(lambda s: fn(s, w), s)
    contract.finite_everywhere(lambda s: fn(s, w), 1e4 * s)
    bound = ops.pairwise_auc_loss(s, y, weights=w, surrogate=surrogate)
    scale = np.log(2) if surrogate == "logistic" else 1
    assert bound >= scale * (1 - ops.roc_auc(s, y, weights=w))


def test_auc_is_differentiable_in_weights_and_flat_in_scores(x64):
    s, y, w = problem(5, levels=4)
    s, w = s.astype(jnp.float64), w.astype(jnp.float64) + 0.1
    for metric in (ops.roc_auc, ops.average_precision, functools.partial(ops.roc_auc, max_fpr=0.43)):
        contract.derivatives_match(lambda w, metric=metric: metric(s, y, weights=w), w, order=1)
    for dtype in (jnp.float32, jnp.float64):
        assert (jax.grad(lambda s: ops.roc_auc(s, y))(s.astype(dtype)) == 0).all()


LAWS = {
    "roc_auc": lambda s, w: ops.roc_auc(s, jnp.arange(N) % 2, weights=w),
    "partial": lambda s, w: ops.roc_auc(s, jnp.arange(N) % 2, weights=w, max_fpr=0.3),
    "roc_curve": lambda s, w: ops.roc_curve(s, jnp.arange(N) % 2, weights=w),
    "average_precision": lambda s, w: ops.average_precision(s, jnp.arange(N) % 2, weights=w),
    "precision_recall_curve": lambda s, w: ops.precision_recall_curve(s, jnp.arange(N) % 2, weights=w),
    "pairwise_auc_loss": lambda s, w: ops.pairwise_auc_loss(s, jnp.arange(N) % 2, weights=w),
    "f1_score": lambda s, w: ops.f1_score(s > 0, jnp.arange(N) % 2, weights=w),
    "log_loss": lambda s, w: ops.log_loss(jax.nn.sigmoid(s), jnp.arange(N) % 2, weights=w),
    "calibration_error": lambda s, w: ops.calibration_error(jax.nn.sigmoid(s), jnp.arange(N) % 2, weights=w),
}


@pytest.mark.parametrize("name", LAWS)
def test_laws(name):
    fn = LAWS[name]
    (s, _, w), (t, _, v) = problem(0, levels=5), problem(1, levels=1000)
    contract.jit_equals_eager(fn, s, w)
    contract.vmap_equals_loop(fn, jnp.stack([s, t]), jnp.stack([w, v]))
    contract.lowers_everywhere(fn, s, w)


def test_examples_of_zero_weight_and_their_order_change_nothing():
    s, y, w = problem(2, levels=5)
    keep = np.asarray(w) > 0
    shuffled = np.random.default_rng(0).permutation(N)
    for metric in (ops.roc_auc, ops.average_precision):
        expected = metric(s[keep], y[keep], weights=w[keep])
        contract.assert_close(metric(s, y, weights=w), expected)
        contract.assert_close(metric(s[shuffled], y[shuffled], weights=w[shuffled]), expected)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.roc_auc(jnp.ones(3), jnp.ones(2, int)), r"roc_auc: 'labels' must have shape \(n,\) with n=3"),
        (lambda: ops.roc_curve(jnp.ones(3, int), jnp.ones(3, int)), "roc_curve: 'scores' must be floating"),
        (lambda: ops.multiclass_roc_auc(jnp.ones(3), jnp.ones(3, int)), r"'scores' must have shape \(n, c\)"),
        (lambda: ops.multiclass_roc_auc(jnp.ones((3, 2)), jnp.ones(3, int), scheme="x"), "'scheme' must be one of"),
        (lambda: ops.pairwise_auc_loss(jnp.ones(3), jnp.ones(3, int), surrogate="x"), "'surrogate' must be one of"),
        (lambda: ops.accuracy(jnp.ones(3), jnp.ones(3, int)), "'predictions' must be class indices"),
        (lambda: ops.accuracy(jnp.ones(3, int), jnp.ones(4, int)), "'labels' must have shape"),
        (lambda: ops.confusion_counts(jnp.ones(3, int), jnp.ones(3, int), num_classes=0), "must be at least 1, got 0"),
        (lambda: ops.f1_score(jnp.ones(3, int), jnp.ones(3, int), num_classes=3), "average='binary' needs"),
        (lambda: ops.log_loss(jnp.ones((3, 2)), jnp.ones(2, int)), "'labels' must have shape"),
        (lambda: ops.calibration_error(jnp.ones((3, 2)), jnp.ones(3, int)), r"'probabilities' must have shape \(n,\)"),
        (lambda: ops.calibration_error(jnp.ones(3), jnp.ones(3, int), num_bins=0), "'num_bins' must be at least 1"),
    ],
)
def test_errors_say_what_to_change(call, message):
    with pytest.raises(ValueError, match=message):
        call()
