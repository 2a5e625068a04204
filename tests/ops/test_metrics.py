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
LIMITS = (0.1, 0.5, 1.0)


@jax.jit
def ranking(s, y, w):
    """Every ranking metric, compiled once for all problems."""
    return {
        "plain": ops.roc_auc(s, y),
        "auc": ops.roc_auc(s, y, weights=w),
        "partial": jax.vmap(lambda limit: ops.roc_auc(s, y, weights=w, max_fpr=limit))(jnp.array(LIMITS)),
        "precision": ops.average_precision(s, y, weights=w),
        "roc": ops.roc_curve(s, y, weights=w),
        "pr": ops.precision_recall_curve(s, y, weights=w),
    }


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


def points(*columns, digits=4):
    return {tuple(round(float(v), digits) for v in row) for row in zip(*columns, strict=True)}


def test_ranking_equals_scikit_learn():
    for seed, levels in PROBLEMS:
        s, y, w = problem(seed, levels=levels)
        ours = jax.tree.map(np.asarray, ranking(s, y, w))
        s, y, given = np.asarray(s), np.asarray(y), {"sample_weight": np.asarray(w)}
        contract.assert_close(ours["plain"], sk.roc_auc_score(y, s))
        contract.assert_close(ours["auc"], sk.roc_auc_score(y, s, **given))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = np.array([sk.roc_auc_score(y, s, max_fpr=limit, **given) for limit in LIMITS])
        contract.assert_close(ours["partial"], expected, rtol=1e-4)
        contract.assert_close(ours["precision"], sk.average_precision_score(y, s, **given))
        fpr, tpr, thresholds = sk.roc_curve(y, s, drop_intermediate=False, **given)
        roc, pr = ours["roc"], ours["pr"]
        assert points(roc.false_positive_rate, roc.true_positive_rate) == points(fpr, tpr)
        assert set(thresholds.astype(np.float32)) <= set(roc.thresholds)
        assert (np.diff(roc.thresholds) <= 0).all()
        precision, recall, _ = sk.precision_recall_curve(y, s, **given)
        assert points(pr.precision, pr.recall) - {(1.0, 0.0)} == points(precision, recall) - {(1.0, 0.0)}
        contract.assert_close(pr.thresholds, roc.thresholds, rtol=0, atol=0)


def test_rows_in_pieces_equal_rows_alone():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(2, 11, 12)).round(1).astype(np.float32)  # 11 rows do not divide into pieces
    labels, weights = np.arange(12) % 2, rng.integers(1, 4, size=12).astype(np.float32)
    each = jax.jit(
        jax.vmap(jax.vmap(lambda s, y: (ops.roc_auc(s, y), ops.roc_auc(s, y, weights=jnp.asarray(weights))), (0, None)))
    )
    plain, weighted = jax.tree.map(np.asarray, each(jnp.asarray(scores), jnp.asarray(np.stack([labels, 1 - labels]))))
    for i, j in np.ndindex(2, 11):
        y = (labels, 1 - labels)[i]
        contract.assert_close(plain[i, j], sk.roc_auc_score(y, scores[i, j]))
        contract.assert_close(weighted[i, j], sk.roc_auc_score(y, scores[i, j], sample_weight=weights))
    assert jitted_auc(jnp.asarray(scores[0, 0]), jnp.asarray(labels)) == plain[0, 0]


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
    contract.assert_close(jitted_auc(s, y), expected)
    contract.assert_close(jitted_auc(s.astype(jnp.float64), y), expected)
    assert not np.isclose(float(jitted_auc(s.astype(jnp.bfloat16), y)), expected)  # 1 and 1 + 2^-23 tie there
    assert np.isnan(jitted_auc(s.at[0].set(jnp.nan), y))


@jax.jit
def degenerate(s):
    """What is documented to be NaN, and what is documented to be a number."""
    one, zero, nothing = jnp.ones(3, int), jnp.zeros(3, int), jnp.zeros(3)
    undefined = {
        "only positives": ops.roc_auc(s, one),
        "only negatives": ops.roc_auc(s, zero),
        "no examples": ops.roc_auc(s[:0], zero[:0]),
        "no weight on positives": ops.roc_auc(s, jnp.array([0, 0, 1]), weights=jnp.array([1.0, 1.0, 0.0])),
        "nothing to retrieve": ops.average_precision(s, zero),
        "accuracy": ops.accuracy(one, one, weights=nothing),
        "brier": ops.brier_loss(s / 3, one, weights=nothing),
        "calibration": [ops.calibration_error(s / 3, one, weights=nothing, norm=norm) for norm in ("l1", "l2", "max")],
    }
    known = {
        "constant scores": (ops.roc_auc(0 * s, jnp.array([0, 1, 0])), 0.5),
        "nothing but positives": (ops.average_precision(s, one), 1.0),
        "no pair": (ops.pairwise_auc_loss(s, one), 0.0),
    }
    return undefined, known


def test_degenerate_sets_are_documented_values():
    undefined, known = degenerate(jnp.array([1.0, 2.0, 3.0]))
    for value in jax.tree.leaves(undefined):
        assert np.isnan(value), undefined
    for value, expected in known.values():
        assert value == expected, known


MULTICLASS = [(scheme, average) for scheme in ("ovr", "ovo") for average in ("macro", "weighted")]


@jax.jit
def multiclass(scores, labels, weights):
    areas = {}
    for scheme, average in MULTICLASS:
        fn = functools.partial(ops.multiclass_roc_auc, scheme=scheme, average=average)
        areas[scheme, average] = fn(scores, labels, weights=weights)
    return areas, ops.multiclass_roc_auc(scores, labels)


def test_multiclass_auc_equals_scikit_learn():
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(4), size=40).round(1) + 1e-3
    scores = (scores / scores.sum(1, keepdims=True)).astype(np.float32)
    labels, weights = rng.integers(0, 4, size=40), rng.integers(0, 3, size=40).astype(np.float32)
    areas, unweighted = multiclass(scores, labels, np.ones(40, np.float32))
    weighted, _ = multiclass(scores, labels, weights)
    contract.assert_close(unweighted, areas["ovr", "macro"], rtol=0, atol=0)
    repeated = np.repeat(np.arange(40), weights.astype(int))
    for scheme, average in MULTICLASS:
        settings = {"multi_class": scheme, "average": average}
        # scikit-learn refuses weights one against one; whole weights are repeated examples.
        contract.assert_close(areas[scheme, average], sk.roc_auc_score(labels, scores, **settings))
        expected = sk.roc_auc_score(labels[repeated], scores[repeated], **settings)
        contract.assert_close(weighted[scheme, average], expected)


AVERAGES = ("macro", "micro", "weighted", "none")


@jax.jit
def class_metrics(p, y, w):
    return {
        "confusion": ops.confusion_counts(p, y, num_classes=4, weights=w),
        "accuracy": ops.accuracy(p, y, weights=w),
        "f1": {a: ops.f1_score(p, y, num_classes=4, weights=w, average=a) for a in AVERAGES},
        "binary": ops.f1_score(p > 0, y > 0, weights=w),
    }


@pytest.mark.parametrize("seed", range(3))
def test_class_metrics_equal_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    predictions, labels = rng.integers(0, 3, size=(2, N))
    weights = (rng.integers(0, 3, size=N) * rng.uniform(0.5, 2, size=N)).astype(np.float32)
    ours = class_metrics(*map(jnp.asarray, (predictions, labels, weights)))
    given = {"sample_weight": weights}
    expected = sk.confusion_matrix(labels, predictions, labels=range(4), **given)
    contract.assert_close(ours["confusion"], expected)
    contract.assert_close(ours["accuracy"], sk.accuracy_score(labels, predictions, **given))
    for average in AVERAGES:
        settings = {"average": None if average == "none" else average, "zero_division": 0}
        expected = sk.f1_score(labels, predictions, labels=range(4), **settings, **given)
        contract.assert_close(ours["f1"][average], expected)
    contract.assert_close(ours["binary"], sk.f1_score(labels > 0, predictions > 0, **given))


@jax.jit
def probability_metrics(t, y, p, b, w):
    return {
        "log": ops.log_loss(t, y, weights=w),
        "binary log": ops.log_loss(p, b, weights=w),
        "brier": ops.brier_loss(t, y, weights=w),
        "binary brier": ops.brier_loss(p, b, weights=w),
        "calibration": {
            norm: ops.calibration_error(p, b, weights=w, num_bins=5, norm=norm) for norm in ("l1", "l2", "max")
        },
    }


@pytest.mark.parametrize("seed", range(3))
def test_probability_metrics_equal_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.ones(3), size=N).astype(np.float32)
    labels = rng.integers(0, 3, size=N)
    labels[:3] = range(3)
    weights = rng.integers(0, 3, size=N).astype(np.float32)
    exact = (table / table.sum(1, keepdims=True)).astype(np.float64)
    exact /= exact.sum(1, keepdims=True)
    binary, positive = table[:, 0].astype(np.float64), labels == 0
    ours = probability_metrics(*map(jnp.asarray, (table, labels, table[:, 0], positive, weights)))
    given = {"sample_weight": weights}
    contract.assert_close(ours["log"], sk.log_loss(labels, exact, **given))
    contract.assert_close(ours["binary log"], sk.log_loss(positive, binary, **given))
    contract.assert_close(ours["binary brier"], sk.brier_score_loss(positive, binary, **given))
    squares = ((exact - np.eye(3)[labels]) ** 2).sum(1)
    contract.assert_close(ours["brier"], (weights * squares).sum() / weights.sum())
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
    contract.assert_close(ours["calibration"], expected)


def test_what_weighs_nothing_may_be_anything():
    y, w = jnp.array([1, 0, 1]), jnp.array([1.0, 1.0, 0.0])

    @jax.jit
    def values(s, p, t, y, w):
        losses = [
            (ops.pairwise_auc_loss(s, y, weights=w, surrogate=x), ops.pairwise_auc_loss(s[:2], y[:2], surrogate=x))
            for x in SURROGATES
        ]
        return losses, ops.brier_loss(p, y, weights=w), ops.precision_recall_curve(t, y, weights=w)

    scores = jnp.array([[1.0, 0.0, jnp.inf], [0.5, 0.5, jnp.nan], [1.0, 2.0, 3.0]])
    losses, brier, curve = jax.tree.map(np.asarray, values(*scores, y, w))
    for with_infinity, without in losses:
        contract.assert_close(with_infinity, without)
    contract.assert_close(brier, 0.25)
    assert curve.precision[1] == 1  # above the second score nothing is predicted


@pytest.mark.parametrize(("bins", "dtype"), [(13, jnp.float32), (25, jnp.float32), (23, jnp.float16)])
def test_a_probability_that_is_an_edge_belongs_to_the_bin_below(bins, dtype):
    p, y = (
        jnp.array(np.arange(1, bins + 1) / bins, dtype),
        np.arange(bins) % 2,
    )  # one in each bin, above and below in turn
    expected = np.abs(y - np.asarray(p, np.float64)).mean()
    contract.assert_close(
        ops.calibration_error(p, jnp.array(y), num_bins=bins), expected, rtol=2e-3 if dtype == jnp.float16 else 1e-5
    )


def test_bins_hold_their_upper_border():
    ours = jax.jit(functools.partial(ops.calibration_error, num_bins=4))(jnp.array([0.25, 0.3]), jnp.array([1, 0]))
    contract.assert_close(ours, (0.75 + 0.3) / 2)


def test_double_scores_are_ranked_as_such(x64):
    assert jitted_auc(jnp.array([1.0, 1.0 + 1e-12]), jnp.array([0, 1])) == 1


def test_certain_mistakes_are_finite():
    p, y = jnp.array([0.0, 1.0]), jnp.array([1, 0])
    contract.finite_everywhere(
        jax.jit(lambda p: (ops.log_loss(p, y), ops.brier_loss(p, y), ops.calibration_error(p, y))), p
    )


SURROGATES = {
    "logistic": lambda d: np.log1p(np.exp(-d)),
    "hinge": lambda d: max(0, 1.5 - d),
    "squared_hinge": lambda d: max(0, 1.5 - d) ** 2,
}


def test_pairwise_auc_loss(x64):
    s, y, w = problem(3, levels=1000)
    s, w = s.astype(jnp.float64), w.astype(jnp.float64)

    @jax.jit
    def fn(s, w, margin):
        settings = {"weights": w, "margin": margin}
        return {name: ops.pairwise_auc_loss(s, y, surrogate=name, **settings) for name in SURROGATES}

    ours = fn(s, w, 1.5)
    pairs = [(i, j) for i in range(N) for j in range(N) if y[i] == 1 and y[j] == 0]
    weigh = [float(w[i] * w[j]) for i, j in pairs]
    for name, phi in SURROGATES.items():
        expected = np.dot(weigh, [phi(float(s[i] - s[j])) for i, j in pairs]) / sum(weigh)
        contract.assert_close(ours[name], expected, rtol=1e-12)
    contract.gradients_match(lambda s: fn(s, w, 1.5), s)
    contract.finite_everywhere(lambda s: fn(s, w, 1.5), 1e4 * s)
    for name, bound in fn(s, w, 1.0).items():
        scale = np.log(2) if name == "logistic" else 1
        assert bound >= scale * (1 - jitted_auc(s, y, weights=w))


def test_auc_is_differentiable_in_weights_and_flat_in_scores(x64):
    s, y, w = problem(5, levels=4)
    s, w = s.astype(jnp.float64), w.astype(jnp.float64) + 0.1

    @jax.jit
    def metrics(w):
        partial = ops.roc_auc(s, y, weights=w, max_fpr=0.43)
        return ops.roc_auc(s, y, weights=w), ops.average_precision(s, y, weights=w), partial

    contract.derivatives_match(metrics, w, order=1)
    slope = jax.jit(jax.grad(ops.roc_auc))
    for dtype in (jnp.float32, jnp.float64):
        assert (np.asarray(slope(s.astype(dtype), y)) == 0).all()


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


def test_laws():
    @jax.jit
    def fn(s, w):
        return {name: law(s, w) for name, law in LAWS.items()}

    (s, _, w), (t, _, v) = problem(0, levels=5), problem(1, levels=1000)
    contract.vmap_equals_loop(fn, jnp.stack([s, t]), jnp.stack([w, v]))
    contract.lowers_everywhere(fn, s, w)


def test_examples_of_zero_weight_and_their_order_change_nothing():
    both = [jax.jit(lambda s, y, w, m=m: m(s, y, weights=w)) for m in (ops.roc_auc, ops.average_precision)]
    s, y, w = problem(2, levels=5)
    keep = np.asarray(w) > 0
    shuffled = np.random.default_rng(0).permutation(N)
    s, y, w = (np.asarray(x) for x in (s, y, w))
    few, all_, mixed = ([metric(s[i], y[i], w[i]) for metric in both] for i in (keep, slice(None), shuffled))
    contract.assert_close(all_, few)
    contract.assert_close(mixed, few)


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
