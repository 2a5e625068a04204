"""Metrics of predicted classes: counts of what was taken for what, and what follows from them.

Predictions and labels are vectors of class indices; an index outside ``0..num_classes-1`` in either takes the
example out. Weights may be zero. Metrics are differentiable in the weights, and constant in all else.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxml.ops.checks import check_choice, check_shapes
from jaxml.ops.finite import divided, moderate, saturated

__all__ = ["accuracy", "confusion_counts", "f1_score"]

Classes = Int[Array, "n"] | Bool[Array, "n"]
OtherClasses = Int[Array, "m"] | Bool[Array, "m"]
Weights = Float[Array, "k"] | None


def confusion_counts(
    predictions: Classes, labels: OtherClasses, *, num_classes: int, weights: Weights = None
) -> Float[Array, "{num_classes} {num_classes}"]:
    """How much of each class was predicted as which.

    ``C[i, j] = sum of weights with label i and prediction j``.

    Args:
        predictions: class indices, shape (n,).
        labels: class indices, shape (n,).
        num_classes: number of classes, >= 1.
        weights: of the examples, shape (n,); None for all 1.

    Returns:
        (num_classes, num_classes), floating: rows are labels, columns predictions. For two classes it reads
        ``[[TN, FP], [FN, TP]]``.

    Raises:
        ValueError: for shapes that differ or no class.

    Not normalised.

    Reference: Fawcett (2006), An introduction to ROC analysis, Pattern Recognition Letters 27, figure 1.

    >>> print(confusion_counts(jnp.array([0, 1, 1, 1]), jnp.array([0, 0, 1, 1]), num_classes=2))
    [[1. 1.]
     [0. 2.]]
    """
    if num_classes < 1:
        raise ValueError(f"confusion_counts: 'num_classes' must be at least 1, got {num_classes}.")
    weights = _weights("confusion_counts", predictions, labels, weights)
    encode = lambda x: jax.nn.one_hot(x.astype(jnp.int32), num_classes, dtype=weights.dtype)  # noqa: E731
    counts = jnp.matmul((encode(labels) * weights[:, None]).T, encode(predictions), precision="highest")
    return saturated(counts, jnp.max(weights, initial=0))


def accuracy(predictions: Classes, labels: OtherClasses, *, weights: Weights = None) -> Float[Array, ""]:
    """Share of examples whose class was predicted.

    ``sum_i w_i [prediction_i = label_i] / sum_i w_i``.

    Args:
        predictions: class indices, shape (n,).
        labels: class indices, shape (n,).
        weights: of the examples, >= 0, shape (n,); None for all 1.

    Returns:
        In [0, 1]; NaN for zero total weight.

    Raises:
        ValueError: for shapes that differ.

    Not telling when classes are unbalanced: see `f1_score` or `roc_auc`.

    Reference: Bishop (2006), Pattern Recognition and Machine Learning, section 1.5.1 (its complement).

    >>> print(accuracy(jnp.array([0, 1, 1, 1]), jnp.array([0, 0, 1, 1])))
    0.75
    """
    weights = _weights("accuracy", predictions, labels, None if weights is None else moderate(weights))
    return jnp.sum(jnp.where(predictions == labels, weights, 0)) / jnp.sum(weights)


def f1_score(
    predictions: Classes,
    labels: OtherClasses,
    *,
    num_classes: int = 2,
    weights: Weights = None,
    average: Literal["binary", "macro", "micro", "weighted", "none"] = "binary",
) -> Float[Array, "..."]:
    """Harmonic mean of precision and recall.

    ``F1 = 2 TP / (2 TP + FP + FN)`` per class.

    Args:
        predictions: class indices, shape (n,).
        labels: class indices, shape (n,).
        num_classes: number of classes.
        weights: of the examples, >= 0, shape (n,); None for all 1.
        average: "binary" is class 1 of two; "macro" the mean over classes; "weighted" that by weight of labels; "micro"
            from counts summed over classes, which is the accuracy; "none" one value per class.

    Returns:
        A scalar, or (num_classes,) for "none". A class neither present nor predicted has 0.

    Raises:
        ValueError: for shapes that differ, an unknown average, or "binary" with more than two classes.

    Not sensitive to true negatives.

    Reference: van Rijsbergen (1979), Information Retrieval, chapter 7, with beta = 1.

    >>> print(f1_score(jnp.array([0, 1, 1, 1]), jnp.array([0, 0, 1, 1])))
    0.8
    """
    check_choice("f1_score", "average", average, ("binary", "macro", "micro", "weighted", "none"))
    if average == "binary" and num_classes != 2:
        raise ValueError(
            f"f1_score: average='binary' needs num_classes=2, got {num_classes}. Use 'macro', 'micro' or 'weighted'."
        )
    weights = None if weights is None else moderate(weights)
    counts = confusion_counts(predictions, labels, num_classes=num_classes, weights=weights)
    hits, predicted, actual = jnp.diagonal(counts), jnp.sum(counts, axis=0), jnp.sum(counts, axis=1)
    if average == "micro":
        hits, predicted, actual = jnp.sum(hits), jnp.sum(predicted), jnp.sum(actual)
    involved = predicted + actual
    f1 = divided(2 * hits, involved)
    match average:
        case "binary":
            return f1[1]
        case "macro":
            return jnp.mean(f1)
        case "weighted":
            return jnp.sum(f1 * actual) / jnp.sum(actual)
        case _:
            return f1


def _weights(where: str, predictions: Array, labels: Array, weights: Array | None) -> Array:
    weights = jnp.ones(predictions.shape) if weights is None else weights
    check_shapes(where, predictions=(predictions, "n"), labels=(labels, "n"), weights=(weights, "n"))
    for name, array in {"predictions": predictions, "labels": labels}.items():
        if not (jnp.issubdtype(array.dtype, jnp.integer) or array.dtype == bool):
            raise ValueError(
                f"{where}: '{name}' must be class indices, integer or bool, got {array.dtype}. "
                f"Turn scores into classes first: jnp.argmax({name}, axis=-1) or {name} > 0.5."
            )
    return weights
