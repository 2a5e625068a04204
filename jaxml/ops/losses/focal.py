"""Focal losses: cross-entropy that pays less attention to what is already predicted well."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from jaxml.ops.checks import Scalar, accumulator_dtype, check_equal_shapes, check_floating, check_shapes
from jaxml.ops.finite import narrowed, saturated, widened
from jaxml.ops.losses.classification import sigmoid_cross_entropy
from jaxml.ops.losses.rows import class_indices, is_class, log_odds_of_others

__all__ = ["sigmoid_focal_loss", "softmax_focal_loss"]


def sigmoid_focal_loss(
    logits: Float[Array, "*shape"],
    labels: Shaped[Array, "*other_shape"],
    *,
    alpha: Scalar = 0.25,
    gamma: Scalar = 2.0,
) -> Float[Array, "*shape"]:
    """Focal loss of independent yes/no outcomes, from logits.

    ``alpha_t (1 - p_t)^gamma (-log p_t)`` with ``p = sigmoid(logits)``, ``p_t = p labels + (1 - p)(1 - labels)`` and
    ``alpha_t = alpha labels + (1 - alpha)(1 - labels)``.

    Args:
        logits: log-odds of the outcome, any shape.
        labels: outcomes in [0, 1] of the same shape; bool, integer or floating.
        alpha: weight of the positives, in [0, 1]; negative, such as -1, for no weighting.
        gamma: how much easy elements are discounted, >= 0; 0 is weighted `sigmoid_cross_entropy`.

    Returns:
        The loss of each element, in the dtype of `logits`; finite for any logit and gamma, as its derivatives are.

    Raises:
        ValueError: when the shapes differ or `logits` is not floating.

    Not normalised by the number of positives, as RetinaNet does. Defaults are torchvision's; optax
    weighs only where `alpha` is given.

    Reference: Lin et al. (2017), Focal Loss for Dense Object Detection, ICCV, eq. 5.

    >>> sigmoid_focal_loss(jnp.array([0.0, 3.0, -3.0]), jnp.array([1, 1, 1]))
    Array([4.3321...e-02, 2.73...e-05, 6.9...e-01], dtype=float32)
    """
    check_floating("sigmoid_focal_loss", logits=logits)
    check_equal_shapes("sigmoid_focal_loss", logits=logits, labels=labels)
    wide = accumulator_dtype(jnp.result_type(logits))
    z, labels = (
        widened(x, wide) if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(wide)
        for x in (jnp.asarray(logits), jnp.asarray(labels))
    )
    cross_entropy = sigmoid_cross_entropy(z, labels)
    alpha, gamma = jnp.asarray(alpha, wide), jnp.asarray(gamma, wide)
    # Farther out the power stays as it is, or the loss is 0. Not `jnp.clip`, whose derivative there is a product with 0
    # of what may overflow, the loss times gamma.
    end = 2 * math.log(float(jnp.finfo(wide).max))
    log_miss = _log_miss(jnp.where(z < -end, -end, jnp.where(z > end, end, z)), labels)
    weights = jnp.where(alpha >= 0, alpha * labels + (1 - alpha) * (1 - labels), 1)
    return narrowed(weights * jnp.exp(gamma * log_miss) * cross_entropy, jnp.asarray(logits))


def softmax_focal_loss(
    logits: Float[Array, "*batch classes"],
    labels: Int[Array, "*other_batch"],
    *,
    alpha: Float[Array, "classes"] | None = None,
    gamma: Scalar = 2.0,
) -> Float[Array, "*batch"]:
    """Focal loss of exclusive classes, from logits.

    ``alpha_y (1 - p_y)^gamma (-log p_y)`` with ``p = softmax(logits)`` and `y` the label.

    Args:
        logits: unnormalised log-probabilities, two classes or more, last.
        labels: class indices of shape ``batch``; an index outside ``0..classes-1`` costs 0 and has no gradient.
        alpha: weight of each class, >= 0; None for no weighting.
        gamma: how much easy examples are discounted, >= 0; 0 is weighted `softmax_cross_entropy`.

    Returns:
        The loss of each example, in the dtype of `logits`; sums run in at least float32.

    Raises:
        ValueError: when the shapes do not fit, there are fewer than two classes, or `logits` is not floating.

    See also: `sigmoid_focal_loss`, the form that detectors train with, one yes/no outcome per class.

    Reference: Lin et al. (2017), Focal Loss for Dense Object Detection, ICCV, eq. 4 and section 3.

    >>> softmax_focal_loss(jnp.array([[0.0, 0.0], [4.0, 0.0]]), jnp.array([0, 0]))
    Array([1.7328...e-01, 5.8...e-06], dtype=float32)
    """
    check_floating("softmax_focal_loss", logits=logits)
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    if logits.ndim == 0 or logits.shape[-1] < 2:
        raise ValueError(
            f"softmax_focal_loss: 'logits' must have at least 2 classes on its last axis, got {logits.shape}. "
            "For one yes/no outcome use sigmoid_focal_loss."
        )
    if labels.shape != logits.shape[:-1]:
        raise ValueError(
            f"softmax_focal_loss: 'labels' must have shape {logits.shape[:-1]}, got {labels.shape}. "
            "Pass one class index per example."
        )
    labels, classes = class_indices(labels), logits.shape[-1]
    wide = accumulator_dtype(logits.dtype)
    weights = jnp.ones(classes, wide) if alpha is None else jnp.asarray(alpha).astype(wide)
    check_shapes("softmax_focal_loss", logits=(logits, "... k"), alpha=(weights, "k"))
    # From the log-odds of a miss log p_y and log(1 - p_y) follow without cancellation.
    odds = log_odds_of_others(logits.astype(wide), labels)
    # Beyond 100 the power is 1, and the loss times gamma could overflow before a slope of 0 makes it vanish.
    log_miss = -jax.nn.softplus(-jnp.where(odds < 100, odds, 100))
    weight = weights.at[labels].get(mode="clip")
    loss = weight * jnp.exp(jnp.asarray(gamma, wide) * log_miss) * jax.nn.softplus(odds)
    return narrowed(jnp.where(is_class(labels, classes), saturated(loss, odds, weight), 0), logits)


@jax.custom_jvp
def _log_miss(z: Array, labels: Array) -> Array:
    """``log(1 - p_t)``: the power of focal losses itself has no derivative where ``1 - p_t`` is 0."""
    return jnp.logaddexp(
        jax.nn.log_sigmoid(z) + _log_or_barred(1 - labels), jax.nn.log_sigmoid(-z) + _log_or_barred(labels)
    )


@_log_miss.defjvp
def _log_miss_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    # Not through the logarithms of labels, of which one is barred for a label of 0 or 1 and its slope is not.
    z, labels = primals
    log_miss, log_p, log_rest = _log_miss(z, labels), jax.nn.log_sigmoid(z), jax.nn.log_sigmoid(-z)
    most = math.log(float(jnp.finfo(z.dtype).max)) - 8
    by_logit = (1 - 2 * labels) * jnp.exp(log_p + log_rest - log_miss)
    by_label = jnp.exp(jnp.minimum(log_rest - log_miss, most)) - jnp.exp(jnp.minimum(log_p - log_miss, most))
    return log_miss, by_logit * tangents[0] + by_label * tangents[1]


def _log_or_barred(x: Array) -> Array:
    """``log x``, and -inf at 0 and below."""
    return jnp.log(jnp.where(x > 0, x, 0))
