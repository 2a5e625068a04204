"""Areas under the ROC curve."""

import math
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxml.ops.checks import Scalar, check_choice, check_floating, check_shapes
from jaxml.ops.finite import divided, moderate
from jaxml.ops.metrics.order import changes, in_pieces, monotone_bits
from jaxml.ops.metrics.ranking.curves import roc_curve
from jaxml.ops.metrics.ranking.sums import Labels, Weights, by_falling_score, from_zero


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
        positive, negative, starts, _ = by_falling_score("roc_auc", scores, labels, weights)
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
    weights = jnp.ones(labels.shape, scores.dtype) if weights is None else moderate(weights)
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
    won, pairs = jnp.sum(positive * (total - (before + seen) / 2)), total * jnp.sum(positive)
    return jnp.where(pairs > 0, divided(won, pairs), jnp.nan)


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
    running = from_zero(jax.lax.cummax(jnp.where(started > 0, above + before, 0))[:-1])
    weight, total = jnp.sum(positive, axis=0), jnp.sum(seen)
    lost = lost + (weight + own) * above + (weight - own) * running
    return jnp.sum(weight * total - lost / 2) / (total * jnp.sum(weight))


def _partial_area(fpr: Array, tpr: Array, limit: Array) -> Array:
    """McClish's standardised area under the curve left of `limit`."""
    steps = jnp.diff(fpr)
    inside = jnp.clip(limit - fpr[:-1], 0, steps)
    slope = jnp.where(steps > 0, jnp.diff(tpr) / jnp.where(steps > 0, steps, 1), 0)
    area = jnp.sum(inside * (tpr[:-1] + slope * inside / 2))
    chance = jnp.square(limit) / 2
    return (1 + (area - chance) / (limit - chance)) / 2
