"""The two rates that ROC curves are made of, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from experiments.shared.scores import curve_of, of_any_class
from jaxml import Experiment, Suite
from jaxml.ops import confusion_counts

Case = dict[str, Any]


SHARES: dict[str, Callable[..., Any]] = {
    "false positive rate": lambda tn, fp, fn, tp: fp / (fp + tn),
    "true positive rate": lambda tn, fp, fn, tp: tp / (tp + fn),
    "specificity": lambda tn, fp, fn, tp: tn / (fp + tn),
    "precision": lambda tn, fp, fn, tp: tp / (tp + fp),
    "share of the predicted that are negative": lambda tn, fp, fn, tp: fp / (tp + fp),
    "false positives among all": lambda tn, fp, fn, tp: fp / (tn + fp + fn + tp),
    "true positives among all": lambda tn, fp, fn, tp: tp / (tn + fp + fn + tp),
}


def share(name: str) -> Callable[..., Any]:
    """A share of the cases, from the counts of those whose score reaches the threshold."""
    return jax.jit(
        lambda scores, labels, threshold: SHARES[name](
            *confusion_counts(scores >= threshold, labels, num_classes=2).ravel()
        )
    )


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
        draw=lambda generator, size: {**of_any_class(generator, size), "threshold": float(generator.integers(-3, 4))},
        valid=lambda scores, labels: len(scores) == len(labels),
        sizes=(1, 3, 8),
        adversarial=[{"scores": two, "labels": labels, "threshold": t} for labels in both for t in (0.5, 0.6, -np.inf)]
        + [{"scores": np.zeros(0), "labels": np.zeros(0, bool), "threshold": 0.0}],
        properties={
            "is the share of its class called positive": lambda f, c: (
                f(**c),
                of_class(c, c["scores"] >= c["threshold"]),
                1.0,
            ),
            "is 1 less the share of its class called negative": lambda f, c: (
                f(**c),
                1 - of_class(c, c["scores"] < c["threshold"]),
                1.0,
            ),
            "is the curve's": lambda f, c: (f(**c), on_curve(c), 1.0),
        },
        mutants={other: share(other) for other in SHARES if other != name},
    )


experiment = Experiment(
    suites={
        "false_positive_rate": lambda: rate("false positive rate", positive=False),
        "true_positive_rate": lambda: rate("true positive rate", positive=True),
    }
)
