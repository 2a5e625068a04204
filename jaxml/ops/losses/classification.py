"""Classification losses: any leading axes, one value per element or per example, never reduced."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num, Shaped

from jaxml.ops.checks import Scalar, accumulator_dtype, check_equal_shapes, check_floating
from jaxml.ops.finite import narrowed, saturated, squared, total
from jaxml.ops.losses.rows import best_of_others, class_indices, cross_entropy, is_class, own_score

__all__ = [
    "hinge",
    "multiclass_hinge",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "squared_hinge",
]


def sigmoid_cross_entropy(
    logits: Float[Array, "*shape"], labels: Shaped[Array, "*other_shape"]
) -> Float[Array, "*shape"]:
    """Cross-entropy of independent yes/no outcomes, from logits.

    ``-labels log sigmoid(logits) - (1 - labels) log(1 - sigmoid(logits))``, as
    ``labels max(-logits, 0) + (1 - labels) max(logits, 0) + log1p(exp(-|logits|))``, which neither overflows nor
    loses the small loss of a confident, correct prediction. Its derivative costs one exponential.

    Args:
        logits: log-odds of the outcome, any shape.
        labels: outcomes in [0, 1] of the same shape; bool, integer or floating (soft labels).

    Returns:
        The loss of each element, in the dtype of `logits`; >= 0.

    Raises:
        ValueError: when the shapes differ or `logits` is not floating.

    Not for exclusive classes: that is `softmax_cross_entropy`. Values equal ``optax.sigmoid_binary_cross_entropy``,
    which broadcasts where this raises.

    Reference: Bishop (2006), Pattern Recognition and Machine Learning, eq. 4.90.

    >>> sigmoid_cross_entropy(jnp.array([0.0, 1e4, -1e4]), jnp.array([1, 1, 1]))
    Array([6.931472e-01, 0.000000e+00, 1.000000e+04], dtype=float32)
    """
    check_floating("sigmoid_cross_entropy", logits=logits)
    check_equal_shapes("sigmoid_cross_entropy", logits=logits, labels=labels)
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    return _binary_cross_entropy(logits, labels.astype(logits.dtype))


@jax.custom_jvp
def _binary_cross_entropy(logits: Array, labels: Array) -> Array:
    wrong_side = labels * jnp.maximum(-logits, 0) + (1 - labels) * jnp.maximum(logits, 0)
    return wrong_side + jnp.log1p(jnp.exp(-jnp.abs(logits)))


@jax.custom_jvp
def _binary_slope(logits: Array, labels: Array) -> Array:
    """(1 - labels) sigmoid(logits) - labels sigmoid(-logits): keeps the tiny slopes that sigmoid - labels loses."""
    tail = jnp.exp(-jnp.abs(logits))
    larger, smaller = 1 / (1 + tail), tail / (1 + tail)
    return jnp.where(logits >= 0, (1 - labels) * larger - labels * smaller, (1 - labels) * smaller - labels * larger)


@_binary_cross_entropy.defjvp
def _binary_cross_entropy_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (logits, labels), (logits_dot, labels_dot) = primals, tangents
    return _binary_cross_entropy(logits, labels), _binary_slope(logits, labels) * logits_dot - logits * labels_dot


@_binary_slope.defjvp
def _binary_slope_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (logits, labels), (logits_dot, labels_dot) = primals, tangents
    curvature = jax.nn.sigmoid(logits) * jax.nn.sigmoid(-logits)
    return _binary_slope(logits, labels), curvature * logits_dot - labels_dot


def softmax_cross_entropy(
    logits: Float[Array, "*batch classes"],
    labels: Int[Array, "..."] | Float[Array, "..."],
    *,
    label_smoothing: Scalar = 0.0,
) -> Float[Array, "*batch"]:
    """Cross-entropy of exclusive classes, from logits.

    ``-sum_k p_k log softmax(logits)_k`` with ``p = (1 - label_smoothing) onehot(labels) + label_smoothing / classes``.

    Args:
        logits: unnormalised log-probabilities, classes last; ``-inf`` bars a class.
        labels: class indices of shape ``batch`` (integers), or probabilities of the shape of `logits` (floating).
            An index outside ``0..classes-1``, such as -1 for padding, costs 0 and has no gradient.
        label_smoothing: share of each label that is spread evenly over all classes, in [0, 1].

    Returns:
        The loss of each example, in the dtype of `logits`; sums run in at least float32.

    Raises:
        ValueError: when the shapes do not fit or `logits` is not floating.

    Not for outcomes that may hold together: that is `sigmoid_cross_entropy`.

    Reference: Szegedy et al. (2016), Rethinking the Inception Architecture, section 7 (label smoothing).

    >>> softmax_cross_entropy(jnp.array([[2.0, 0.0, 0.0], [1e4, 0.0, 0.0]]), jnp.array([0, 1]))
    Array([2.3954484e-01, 1.0000000e+04], dtype=float32)
    """
    where = "softmax_cross_entropy"
    check_floating(where, logits=logits)
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    wide = accumulator_dtype(logits.dtype)
    z, smoothing = logits.astype(wide), jnp.asarray(label_smoothing, wide)
    if not _are_indices(where, logits, labels):
        return narrowed(_cross_entropy_of_shares(z, labels.astype(wide), smoothing), logits)
    labels = class_indices(labels)
    loss = cross_entropy(z, labels)
    if not (isinstance(label_smoothing, int | float) and label_smoothing == 0):  # which costs no passes over the logits
        loss = loss + smoothing * _lead_over_mean(z, labels, smoothing)
    return narrowed(jnp.where(is_class(labels, z.shape[-1]), loss, 0), logits)


def _lead_over_mean(z: Array, labels: Array, smoothing: Array) -> Array:
    """The label's logit less the mean of all; infinite where a class is barred and has to have its share."""
    largest, lowest = (
        jax.lax.stop_gradient(f(z, axis=-1, initial=e)) for f, e in ((jnp.max, -jnp.inf), (jnp.min, jnp.inf))
    )
    own = own_score(z, labels)
    mean = saturated(jnp.sum((z - largest[..., None]) / max(z.shape[-1], 1), axis=-1), lowest)
    # A barred class (-inf) that no label asks for costs nothing: 0 * inf must not become NaN.
    barred = jnp.isneginf(mean)
    return jnp.where(barred, jnp.where(smoothing == 0, 0, jnp.inf), saturated(own - largest, own, largest) - mean)


def _cross_entropy_of_shares(z: Array, shares: Array, smoothing: Array) -> Array:
    spread = jnp.sum(shares, axis=-1, keepdims=True) / z.shape[-1]
    shares = (1 - smoothing) * shares + smoothing * spread
    largest = jax.lax.stop_gradient(jnp.max(z, axis=-1, keepdims=True, initial=-jnp.inf))
    log_probabilities = jax.nn.log_softmax(saturated(z - jnp.where(jnp.isfinite(largest), largest, 0), z), axis=-1)
    barred = jnp.isneginf(log_probabilities) & (shares == 0)
    return -total(shares * jnp.where(barred, 0, log_probabilities), axis=-1)


def hinge(
    scores: Float[Array, "*shape"], labels: Num[Array, "*other_shape"], *, margin: Scalar = 1.0
) -> Float[Array, "*shape"]:
    """Hinge loss, linear in the violated margin.

    ``max(0, margin - labels * scores)``.

    Args:
        scores: signed distances from the decision boundary, any shape.
        labels: -1 or +1, the same shape. Labels in {0, 1} become these by ``2 * labels - 1``.
        margin: the score asked of a correct prediction, > 0.

    Returns:
        The loss of each element; at the kink the derivative is halfway, so forward and reverse mode agree.

    Raises:
        ValueError: when the shapes differ or `scores` is not floating.

    Not smooth, and no estimate of a probability. Values equal ``optax.hinge_loss``, which has no margin.

    Reference: Cortes and Vapnik (1995), Support-vector networks, Machine Learning 20.

    >>> hinge(jnp.array([2.0, 0.5, -1.0]), jnp.array([1, 1, 1]))
    Array([0. , 0.5, 2. ], dtype=float32)
    """
    return jnp.maximum(0, _violated_margin("hinge", scores, labels, margin))


def squared_hinge(
    scores: Float[Array, "*shape"], labels: Num[Array, "*other_shape"], *, margin: Scalar = 1.0
) -> Float[Array, "*shape"]:
    """Square of the hinge loss: differentiable everywhere, harsher on large violations.

    ``max(0, margin - labels * scores)^2``.

    Args:
        scores: signed distances from the decision boundary, any shape.
        labels: -1 or +1, the same shape.
        margin: the score asked of a correct prediction, > 0.

    Returns:
        The loss of each element; no factor 1/2, as in LIBLINEAR and scikit-learn.

    Raises:
        ValueError: when the shapes differ or `scores` is not floating.

    See also: `hinge`, whose loss grows linearly and so resists outliers better.

    Reference: Fan et al. (2008), LIBLINEAR, JMLR 9, eq. 1 (L2-loss SVM).

    >>> squared_hinge(jnp.array([2.0, 0.5, -1.0]), jnp.array([1, 1, 1]))
    Array([0.  , 0.25, 4.  ], dtype=float32)
    """
    return squared(jnp.maximum(0, _violated_margin("squared_hinge", scores, labels, margin)))


def multiclass_hinge(
    scores: Float[Array, "*batch classes"], labels: Int[Array, "*other_batch"], *, margin: Scalar = 1.0
) -> Float[Array, "*batch"]:
    """Multi-class hinge loss of Crammer and Singer: the true class against its strongest rival.

    ``max_k (scores_k + margin [k != label]) - scores_label``.

    Args:
        scores: one score per class, classes last.
        labels: class indices of shape ``batch``; an index outside ``0..classes-1`` costs 0 and has no gradient.
        margin: the lead asked of the true class, > 0.

    Returns:
        The loss of each example; 0 once the true class leads every other by the margin.

    Raises:
        ValueError: when the shapes do not fit or `scores` is not floating.

    Not the sum over rivals of Weston and Watkins, and not one-vs-rest (`hinge` on each class).

    Reference: Crammer and Singer (2001), JMLR 2, eq. 6.

    >>> multiclass_hinge(jnp.array([[3.0, 1.0, 0.0], [1.0, 1.5, 0.0]]), jnp.array([0, 0]))
    Array([0. , 1.5], dtype=float32)
    """
    check_floating("multiclass_hinge", scores=scores)
    scores, labels = jnp.asarray(scores), jnp.asarray(labels)
    check_indices("multiclass_hinge", scores, labels)
    labels = class_indices(labels)
    best, own = best_of_others(scores, labels), own_score(scores, labels)
    lag = saturated(best - own, best, own) + jnp.asarray(margin, scores.dtype)
    return jnp.where(is_class(labels, scores.shape[-1]), jnp.maximum(0, lag), 0)


def _violated_margin(where: str, scores: Array, labels: Array, margin: Scalar) -> Array:
    check_floating(where, scores=scores)
    check_equal_shapes(where, scores=scores, labels=labels)
    scores, labels = jnp.asarray(scores), jnp.asarray(labels)
    return jnp.asarray(margin, scores.dtype) - labels.astype(scores.dtype) * scores


def _are_indices(where: str, logits: Array, labels: Array) -> bool:
    """Whether labels are class indices, as opposed to probabilities; refuse those of another shape."""
    if jnp.issubdtype(labels.dtype, jnp.integer):
        check_indices(where, logits, labels)
        return True
    if logits.ndim == 0 or labels.shape != logits.shape:
        raise ValueError(
            f"{where}: floating 'labels' must have the logits' shape {logits.shape}, got {labels.shape}. "
            "For class indices pass integers: labels.astype(jnp.int32)."
        )
    return False


def check_indices(where: str, logits: Array, labels: Array) -> None:
    """Refuse class indices that are not one per row of scores."""
    if logits.ndim == 0:
        raise ValueError(f"{where}: the scores must have a last axis of classes, got shape ().")
    if labels.shape != logits.shape[:-1]:
        raise ValueError(
            f"{where}: integer 'labels' must have shape {logits.shape[:-1]}, got {labels.shape}. "
            "Pass one class index per example, or floating probabilities of the logits' shape."
        )
