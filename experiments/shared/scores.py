"""Scores with labels of two classes, and what ROC curves make of them."""

from typing import Any

import jax
import numpy as np

from jaxml.ops import roc_auc, roc_curve

Case = dict[str, Any]
curve_of, area = jax.jit(roc_curve), jax.jit(roc_auc)


def labelled(generator: np.random.Generator, size: int) -> Case:
    """Scores on a coarse scale, so that ties are frequent, and labels of both classes."""
    labels = generator.permutation(np.arange(size + 1) < generator.integers(1, size + 1))
    return {"scores": generator.integers(-3, 4, size + 1).astype(float), "labels": labels}


def of_any_class(generator: np.random.Generator, size: int) -> Case:
    """Scores on a coarse scale, so that ties are frequent, and labels, maybe all of one class."""
    labels = generator.random(size) < generator.choice([0.2, 0.5, 0.8])
    return {"scores": generator.integers(-3, 4, size).astype(float), "labels": labels}


def both_classes(c: Case) -> bool:
    """Whether there are cases of both classes."""
    return len(c["scores"]) == len(c["labels"]) and bool(0 < c["labels"].sum() < len(c["labels"]))


def rates(c: Case) -> tuple[np.ndarray, np.ndarray]:
    """True and false positive rate at every threshold."""
    curve = curve_of(**c)
    return np.asarray(curve.true_positive_rate), np.asarray(curve.false_positive_rate)
