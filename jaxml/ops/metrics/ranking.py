"""Metrics of a ranking by scores: how far positives stand above negatives.

Scores and labels are vectors of one data set; many score vectors are compared by `jax.vmap`. Shapes are static: a
curve has one point per example and one more, ties repeat a point. Weights may be zero, which is how an example is
masked out, and all metrics are differentiable in them. In the scores every ranking metric is piecewise constant,
with derivative 0: train on `pairwise_auc_loss`. Labels are true or non-zero for a positive.
"""

import math
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxml.ops.checks import Scalar, check_choice, check_floating, check_shapes
from jaxml.ops.metrics.order import changes, falling_order, in_pieces, monotone_bits

__all__ = [
    "PrecisionRecallCurve",
    "RocCurve",
    "average_precision",
    "multiclass_roc_auc",
    "pairwise_auc_loss",
    "precision_recall_curve",
    "roc_auc",
    "roc_curve",
]

Labels = Bool[Array, "m"] | Int[Array, "m"]
Weights = Float[Array, "k"] | None


class RocCurve(NamedTuple):
    """Points of the receiver operating characteristic, thresholds falling from +inf.

    See also: `roc_curve`.
    """

    false_positive_rate: Float[Array, "..."]
    true_positive_rate: Float[Array, "..."]
    thresholds: Float[Array, "..."]


class PrecisionRecallCurve(NamedTuple):
    """Points of precision over recall, thresholds falling from +inf.

    See also: `precision_recall_curve`.
    """

    precision: Float[Array, "..."]
    recall: Float[Array, "..."]
    thresholds: Float[Array, "..."]


def roc_curve(scores: Float[Array, "n"], labels: Labels, *, weights: Weights = None) -> RocCurve:
    """True against false positive rate at every threshold.

    ``tpr(t) = weight of positives with score >= t / weight of positives``, and so for the negatives.

    Args:
        scores: higher is more likely positive, shape (n,); infinite scores are allowed, NaN is not.
        labels: true or non-zero for positives, shape (n,).
        weights: of the examples, >= 0, shape (n,); None for all 1.

    Returns:
        n + 1 points from (0, 0) to (1, 1). Tied scores repeat the point that all of them reach together. The rates of
        a class without weight are NaN.

    Raises:
        ValueError: for shapes that differ or scores that are not floating.

    Not thinned: scikit-learn's ``drop_intermediate`` would make the shape depend on the values.

    Reference: Fawcett (2006), An introduction to ROC analysis, Pattern Recognition Letters 27, algorithm 1.

    >>> curve = roc_curve(jnp.array([0.9, 0.4, 0.4, 0.1]), jnp.array([1, 1, 0, 0]))
    >>> print(curve.true_positive_rate, curve.false_positive_rate)
    [0.  0.5 1.  1.  1. ] [0.  0.  0.5 0.5 1. ]
    """
    positive, negative, ordered, tp, fp = _cumulated("roc_curve", scores, labels, weights)
    return RocCurve(
        _from_zero(fp) / jnp.sum(negative),
        _from_zero(tp) / jnp.sum(positive),
        jnp.concatenate([jnp.full(1, jnp.inf, ordered.dtype), ordered]),
    )


def roc_auc(
    scores: Float[Array, "n"], labels: Labels, *, weights: Weights = None, max_fpr: Scalar | None = None
) -> Float[Array, ""]:
    """Area under the ROC curve: the chance that a positive outscores a negative, ties counting half.

    ``sum_{i pos, j neg} w_i w_j ([s_i > s_j] + [s_i = s_j] / 2) / sum_{i pos, j neg} w_i w_j``, or, up to a false
    positive rate `m`, McClish's ``(1 + (A - m^2/2) / (m - m^2/2)) / 2`` of the partial area `A`.

    Args:
        scores: higher is more likely positive, shape (n,); infinite scores are allowed.
        labels: true or non-zero for positives, shape (n,).
        weights: of the examples, >= 0, shape (n,); None for all 1.
        max_fpr: m, in (0, 1]; None, like 1, for the whole area.

    Returns:
        The area, 1/2 for constant scores; NaN if a class has no weight or a score is NaN.

    Raises:
        ValueError: for shapes that differ or scores that are not floating.

    Not a measure of calibration: any increasing function of the scores has the same area.

    Reference: Hanley and McNeil (1982), Radiology 143; McClish (1989), Analyzing a portion of the ROC curve, Medical
    Decision Making 9.

    >>> print(roc_auc(jnp.array([0.9, 0.4, 0.4, 0.1]), jnp.array([1, 1, 0, 0])))
    0.875
    """
    check_floating("roc_auc", scores=scores)
    if max_fpr is not None:
        fpr, tpr, _ = roc_curve(scores, labels, weights=weights)
        area = _partial_area(fpr, tpr, jnp.asarray(max_fpr, fpr.dtype))
    elif weights is None and scores.dtype != jnp.float64:
        check_shapes("roc_auc", scores=(scores, "n"), labels=(labels, "n"))
        area = _unweighted_area(monotone_bits(jax.lax.stop_gradient(scores)), labels.astype(bool))
    else:
        positive, negative, starts, _ = _sorted("roc_auc", scores, labels, weights)
        area = _area(positive, negative, starts)
    return jnp.where(jnp.any(jnp.isnan(scores)), jnp.nan, area)


def multiclass_roc_auc(
    scores: Float[Array, "n c"],
    labels: Int[Array, "m"],
    *,
    weights: Weights = None,
    scheme: Literal["ovr", "ovo"] = "ovr",
    average: Literal["macro", "weighted"] = "macro",
) -> Float[Array, ""]:
    """Mean area under the ROC curve over classes, or over pairs of classes.

    ``"ovr"``: each class against the rest, by its own column of scores. ``"ovo"``: each pair of classes on their own
    examples, the mean of the area by either column.

    Args:
        scores: one column per class, shape (n, c).
        labels: class indices, shape (n,).
        weights: of the examples, >= 0, shape (n,); None for all 1.
        scheme: against whom a class is ranked.
        average: "macro" weighs classes (or pairs) alike, "weighted" by the weight of their examples.

    Returns:
        The mean area; NaN if a class has no weight.

    Raises:
        ValueError: for shapes that differ, or an unknown scheme or average.

    Not sensitive to prevalence with "ovo" and "macro", unlike one-vs-rest. The memory of "ovo" grows as c^2 n.

    Reference: Hand and Till (2001), A simple generalisation of the area under the ROC curve, Machine Learning 45,
    eq. 7; Provost and Domingos (2000), Well-trained PETs, CeDER working paper 00-04 (one against rest).

    >>> scores = jnp.array([[0.8, 0.1, 0.1], [0.3, 0.4, 0.3], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    >>> print(multiclass_roc_auc(scores, jnp.array([0, 1, 1, 2]), scheme="ovo"))
    1.0
    """
    check_choice("multiclass_roc_auc", "scheme", scheme, ("ovr", "ovo"))
    check_choice("multiclass_roc_auc", "average", average, ("macro", "weighted"))
    check_floating("multiclass_roc_auc", scores=scores)
    weights = jnp.ones(labels.shape, scores.dtype) if weights is None else weights
    check_shapes("multiclass_roc_auc", scores=(scores, "n c"), labels=(labels, "n"), weights=(weights, "n"))
    classes = scores.shape[1]
    member = jax.nn.one_hot(labels, classes, dtype=weights.dtype, axis=0)
    prevalence = member @ weights
    if scheme == "ovr":
        areas = jax.vmap(lambda s, m: roc_auc(s, m > 0, weights=weights))(scores.T, member)
    else:
        first, second = jnp.triu_indices(classes, k=1)

        def either_way(a: Array, b: Array) -> Array:
            pair = weights * (member[a] + member[b])
            by_a = roc_auc(scores[:, a], member[a] > 0, weights=pair)
            by_b = roc_auc(scores[:, b], member[b] > 0, weights=pair)
            return (by_a + by_b) / 2

        areas = jax.vmap(either_way)(first, second)
        prevalence = prevalence[first] + prevalence[second]
    shares = jnp.ones_like(prevalence) if average == "macro" else prevalence
    return jnp.sum(areas * shares) / jnp.sum(shares)


def precision_recall_curve(
    scores: Float[Array, "n"], labels: Labels, *, weights: Weights = None
) -> PrecisionRecallCurve:
    """Precision and recall at every threshold.

    ``precision(t) = TP(t) / (TP(t) + FP(t))``, ``recall(t) = TP(t) / P``, counting the weight of scores >= t.

    Args:
        scores: higher is more likely positive, shape (n,).
        labels: true or non-zero for positives, shape (n,).
        weights: of the examples, >= 0, shape (n,); None for all 1.

    Returns:
        n + 1 points from (precision 1, recall 0), the threshold falling: scikit-learn's arrays in reverse. Ties repeat
        a point. Precision is 1 where nothing is predicted; recall is NaN without positives.

    Raises:
        ValueError: for shapes that differ or scores that are not floating.

    Not to be interpolated linearly: see `average_precision` for the area.

    Reference: Davis and Goadrich (2006), The relationship between precision-recall and ROC curves, ICML.

    >>> curve = precision_recall_curve(jnp.array([0.9, 0.5, 0.4, 0.1]), jnp.array([1, 0, 0, 1]))
    >>> print(curve.precision[:3], curve.recall)
    [1.  1.  0.5] [0.  0.5 0.5 0.5 1. ]
    """
    positive, _, ordered, tp, fp = _cumulated("precision_recall_curve", scores, labels, weights)
    precision = _precision(tp, fp)
    return PrecisionRecallCurve(
        jnp.concatenate([jnp.ones(1, precision.dtype), precision]),
        _from_zero(tp) / jnp.sum(positive),
        jnp.concatenate([jnp.full(1, jnp.inf, ordered.dtype), ordered]),
    )


def average_precision(scores: Float[Array, "n"], labels: Labels, *, weights: Weights = None) -> Float[Array, ""]:
    """Mean over the positives of the precision at which each is retrieved.

    ``sum_k (recall_k - recall_{k-1}) precision_k`` over the distinct thresholds.

    Args:
        scores: higher is more likely positive, shape (n,).
        labels: true or non-zero for positives, shape (n,).
        weights: of the examples, >= 0, shape (n,); None for all 1.

    Returns:
        In (0, 1]; constant scores give the share of positives. NaN without positives, where scikit-learn warns and
        gives 0.

    Raises:
        ValueError: for shapes that differ or scores that are not floating.

    Not the interpolated average precision of the PASCAL VOC or COCO detection benchmarks.

    Reference: Su, Yuan and Zhu (2015), A relationship between the average precision and the area under the ROC curve,
    ICTIR, eq. 2.

    >>> print(f"{average_precision(jnp.array([0.9, 0.5, 0.4, 0.1]), jnp.array([1, 0, 1, 0])):.4f}")
    0.8333
    """
    positive, _, _, tp, fp = _cumulated("average_precision", scores, labels, weights)
    return jnp.sum(positive * _precision(tp, fp)) / jnp.sum(positive)


def pairwise_auc_loss(
    scores: Float[Array, "n"],
    labels: Labels,
    *,
    weights: Weights = None,
    surrogate: Literal["logistic", "hinge", "squared_hinge"] = "logistic",
    margin: Scalar = 1.0,
) -> Float[Array, ""]:
    """Differentiable surrogate of ``1 - roc_auc``: each positive should outscore each negative.

    ``sum_{i pos, j neg} w_i w_j phi(s_i - s_j) / sum_{i pos, j neg} w_i w_j`` with ``phi(d) = log(1 + exp(-d))``,
    ``max(0, margin - d)`` or its square.

    Args:
        scores: higher is more likely positive, shape (n,).
        labels: true or non-zero for positives, shape (n,).
        weights: of the examples, >= 0, shape (n,); None for all 1.
        surrogate: phi; "logistic" is smooth, the hinges stop pulling at the margin.
        margin: of the hinges, > 0; 1 bounds ``1 - roc_auc`` from above.

    Returns:
        One value for the set, since pairs are what it adds up; 0 without a pair.

    Raises:
        ValueError: for shapes that differ, scores that are not floating, or an unknown surrogate.

    Not for large n in one call: time and memory grow as n^2.

    Reference: Gao and Zhou (2015), On the consistency of AUC pairwise optimization, IJCAI, eq. 3.

    >>> loss = lambda s: pairwise_auc_loss(s, jnp.array([1, 1, 0]), surrogate="hinge")
    >>> print(loss(jnp.array([2.0, 0.5, 0.0])), jax.grad(loss)(jnp.array([2.0, 0.5, 0.0])))
    0.25 [ 0.  -0.5  0.5]
    """
    check_choice("pairwise_auc_loss", "surrogate", surrogate, ("logistic", "hinge", "squared_hinge"))
    positive, negative = _class_weights("pairwise_auc_loss", scores, labels, weights)
    lead = scores[:, None] - scores[None, :]
    if surrogate == "logistic":
        losses = jax.nn.softplus(-lead)
    else:
        losses = jnp.maximum(0, jnp.asarray(margin, scores.dtype) - lead)
        losses = losses if surrogate == "hinge" else jnp.square(losses)
    pairs = jnp.sum(positive) * jnp.sum(negative)
    # Rows and columns that are no pair are selected away before they can spoil the sums with an infinity.
    paired = (positive > 0)[:, None] & (negative > 0)[None, :]
    total = positive @ jnp.where(paired, losses, 0).astype(positive.dtype) @ negative
    return jnp.where(pairs > 0, total / jnp.where(pairs > 0, pairs, 1), 0)


def _class_weights(where: str, scores: Array, labels: Array, weights: Array | None) -> tuple[Array, Array]:
    """Each example's weight as a positive and as a negative."""
    check_floating(where, scores=scores)
    dtype = jnp.float64 if scores.dtype == jnp.float64 else jnp.float32
    weights = jnp.ones(scores.shape, dtype) if weights is None else weights.astype(dtype)
    check_shapes(where, scores=(scores, "n"), labels=(labels, "n"), weights=(weights, "n"))
    is_positive = labels.astype(bool)
    return jnp.where(is_positive, weights, 0), jnp.where(is_positive, 0, weights)


def _sorted(where: str, scores: Array, labels: Array, weights: Array | None) -> tuple[Array, Array, Array, Array]:
    """By falling score: weights as positive and as negative, where groups of tied scores start, and the order."""
    positive, negative = _class_weights(where, scores, labels, weights)
    order, starts = falling_order(scores, labels.astype(bool))
    # One gather of the signed weight serves both classes.
    signed = (positive - negative).at[order].get(mode="promise_in_bounds")
    return jnp.maximum(signed, 0), jnp.maximum(-signed, 0), starts, order


def _cumulated(
    where: str, scores: Array, labels: Array, weights: Array | None
) -> tuple[Array, Array, Array, Array, Array]:
    """``(positive, negative, scores, TP, FP)`` by falling score; the sums run to the end of each group of ties."""
    positive, negative, starts, order = _sorted(where, scores, labels, weights)
    ends = jnp.concatenate([starts[1:], jnp.ones(min(1, starts.size), bool)])

    def to_end(rising: Array) -> Array:
        return jax.lax.cummin(jnp.where(ends, rising, jnp.inf), reverse=True)

    return positive, negative, scores[order], to_end(jnp.cumsum(positive)), to_end(jnp.cumsum(negative))


@in_pieces
def _unweighted_area(rising: Array, labels: Array) -> Array:
    """`_area` without a gather: all that it needs is in the sorted integers."""
    with jax.enable_x64(True):
        packed = jax.lax.sort(~rising.astype(jnp.int64) << 1 | labels.astype(jnp.int64), is_stable=True)
        positive, starts = (packed & 1).astype(jnp.float32), changes((packed >> 1).astype(jnp.int32))
        return _walked_area(positive, 1 - positive, starts)


@jax.custom_jvp
def _area(positive: Array, negative: Array, starts: Array) -> Array:
    """The area from weights by falling score, with the negatives first within each tie."""
    return in_pieces(_walked_area)(positive, negative, starts)


@_area.defjvp
def _area_jvp(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
    positive, negative, starts = primals
    return jax.jvp(lambda p, n: _cumulated_area(p, n, starts), (positive, negative), tangents[:2])


def _cumulated_area(positive: Array, negative: Array, starts: Array) -> Array:
    seen, total = jnp.cumsum(negative), jnp.sum(negative)
    before = jax.lax.cummax(jnp.where(starts, seen - negative, 0))
    # Within a tie the negatives come first: at a positive, `seen` holds all of its tie and those above it, `before`
    # those above alone.
    return jnp.sum(positive * (total - (before + seen) / 2)) / (total * jnp.sum(positive))


def _walked_area(positive: Array, negative: Array, starts: Array) -> Array:
    """`_cumulated_area` by segments that are walked side by side; only what they hand on is cumulated.

    XLA's CPU backend makes many passes over memory for a cumulative sum or maximum.
    """
    segment = 1 << (max(math.isqrt(positive.size), 1).bit_length() - 1)
    padding = (0, -positive.size % segment)
    positive, negative, starts = (jnp.pad(x, padding).reshape(-1, segment).T for x in (positive, negative, starts))
    zero = jnp.zeros_like(positive[0])

    def step(carry: tuple[Array, ...], column: tuple[Array, ...]) -> tuple[tuple[Array, ...], None]:
        seen, before, started, lost, own = carry
        positive, negative, start = column
        before = jnp.where(start, seen, before)
        started = jnp.maximum(started, start.astype(seen.dtype))
        seen = seen + negative
        return (seen, before, started, lost + positive * (before + seen), own + positive * started), None

    (seen, before, started, lost, own), _ = jax.lax.scan(step, (zero,) * 5, (positive, negative, starts))
    above = jnp.cumsum(seen) - seen
    # Where the tie of the segments above began: it runs on into this one, up to the first start here.
    running = _from_zero(jax.lax.cummax(jnp.where(started > 0, above + before, 0))[:-1])
    weight, total = jnp.sum(positive, axis=0), jnp.sum(seen)
    lost = lost + (weight + own) * above + (weight - own) * running
    return jnp.sum(weight * total - lost / 2) / (total * jnp.sum(weight))


def _from_zero(x: Array) -> Array:
    return jnp.concatenate([jnp.zeros(1, x.dtype), x])


def _precision(tp: Array, fp: Array) -> Array:
    predicted = tp + fp
    return jnp.where(predicted > 0, tp / jnp.where(predicted > 0, predicted, 1), 1)


def _partial_area(fpr: Array, tpr: Array, limit: Array) -> Array:
    """McClish's standardised area under the curve left of `limit`."""
    steps = jnp.diff(fpr)
    inside = jnp.clip(limit - fpr[:-1], 0, steps)
    slope = jnp.where(steps > 0, jnp.diff(tpr) / jnp.where(steps > 0, steps, 1), 0)
    area = jnp.sum(inside * (tpr[:-1] + slope * inside / 2))
    chance = jnp.square(limit) / 2
    return (1 + (area - chance) / (limit - chance)) / 2
