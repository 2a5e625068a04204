"""What ROC curves are made of: the four counts of a confusion matrix and its two rates, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxml import Experiment, Suite
from jaxml.ops import confusion_counts, roc_curve

Case = dict[str, Any]
CELLS = {"true negative": (0, 0), "false positive": (0, 1), "false negative": (1, 0), "true positive": (1, 1)}
"""The actual class, then the predicted one."""

SHARES: dict[str, Callable[..., Any]] = {
    "false positive rate": lambda tn, fp, fn, tp: fp / (fp + tn),
    "true positive rate": lambda tn, fp, fn, tp: tp / (tp + fn),
    "specificity": lambda tn, fp, fn, tp: tn / (fp + tn),
    "precision": lambda tn, fp, fn, tp: tp / (tp + fp),
    "share of the predicted that are negative": lambda tn, fp, fn, tp: fp / (tp + fp),
    "false positives among all": lambda tn, fp, fn, tp: fp / (tn + fp + fn + tp),
    "true positives among all": lambda tn, fp, fn, tp: tp / (tn + fp + fn + tp),
}


def labelled(generator: np.random.Generator, size: int) -> Case:
    """Scores on a coarse scale, so that ties are frequent, and labels."""
    labels = generator.random(size) < generator.choice([0.2, 0.5, 0.8])
    return {"scores": generator.integers(-3, 4, size).astype(float), "labels": labels}


def cell(name: str) -> Callable[..., Any]:
    """One of the four counts."""
    place = CELLS[name]
    return jax.jit(lambda predictions, labels: confusion_counts(predictions, labels, num_classes=2)[place])


def count(name: str) -> Suite:
    """Is the count the number of cases that are of the one class and were predicted as the other?"""
    actual, predicted = (bool(side) for side in CELLS[name])
    right = cell(name)

    def counted(c: Case) -> int:
        return sum(p == predicted and a == actual for p, a in zip(c["predictions"], c["labels"], strict=True))

    empty, three = np.zeros(0, bool), np.ones(3, bool)
    pairs = [(empty, empty), (three, three), (three, ~three), (~three, three), (~three, ~three)]
    return Suite(
        subject=right,
        draw=lambda generator, size: {
            "predictions": generator.random(size) < 0.5,
            "labels": labelled(generator, size)["labels"],
        },
        valid=lambda c: len(c["predictions"]) == len(c["labels"]),
        sizes=(1, 3, 8),
        adversarial=[{"predictions": p, "labels": a} for p, a in pairs],
        properties={"is how many cases are both": lambda f, c: (float(f(**c)), counted(c))},
        mutants={
            **{other: cell(other) for other in CELLS if other != name},
            "all that are predicted so": lambda predictions, labels: np.sum(predictions == predicted),
            "all that are so": lambda predictions, labels: np.sum(labels == actual),
            "a share": lambda predictions, labels: right(predictions, labels) / max(len(labels), 1),
        },
    )


def share(name: str) -> Callable[..., Any]:
    """A share of the cases, from the counts of those whose score reaches the threshold."""
    return jax.jit(
        lambda scores, labels, threshold: SHARES[name](
            *confusion_counts(scores >= threshold, labels, num_classes=2).ravel()
        )
    )


curve_of = jax.jit(roc_curve)


def rate(name: str, *, positive: bool) -> Suite:
    """Is the quotient of counts the share of one class that is called positive, and the ROC curve's coordinate?"""

    def of_class(c: Case, called: Any) -> float:
        chosen = [bool(x) for x, label in zip(called, c["labels"], strict=True) if label == positive]
        return sum(chosen) / len(chosen) if chosen else np.nan

    def on_curve(c: Case) -> float:
        curve, reached = curve_of(c["scores"], c["labels"]), int(np.sum(c["scores"] >= c["threshold"]))
        return float((curve.true_positive_rate if positive else curve.false_positive_rate)[reached])

    two, both = np.asarray([0.5, 0.5]), [np.zeros(2, bool), np.ones(2, bool), np.asarray([True, False])]
    return Suite(
        subject=share(name),
        draw=lambda generator, size: {
            **labelled(generator, size),
            "threshold": float(generator.integers(-3, 4)),
        },
        valid=lambda c: len(c["scores"]) == len(c["labels"]),
        sizes=(1, 3, 8),
        adversarial=[{"scores": two, "labels": labels, "threshold": t} for labels in both for t in (0.5, 0.6, -np.inf)]
        + [{"scores": np.zeros(0), "labels": np.zeros(0, bool), "threshold": 0.0}],
        properties={
            "is the share of its class called positive": lambda f, c: (
                float(f(**c)),
                of_class(c, c["scores"] >= c["threshold"]),
                1.0,
            ),
            "is 1 less the share of its class called negative": lambda f, c: (
                float(f(**c)),
                1 - of_class(c, c["scores"] < c["threshold"]),
                1.0,
            ),
            "is the curve's": lambda f, c: (float(f(**c)), on_curve(c), 1.0),
        },
        mutants={other: share(other) for other in SHARES if other != name},
    )


experiment = Experiment(
    suites={
        "true_positive": lambda: count("true positive"),
        "false_positive": lambda: count("false positive"),
        "true_negative": lambda: count("true negative"),
        "false_negative": lambda: count("false negative"),
        "false_positive_rate": lambda: rate("false positive rate", positive=False),
        "true_positive_rate": lambda: rate("true positive rate", positive=True),
    }
)
