"""The four counts of a confusion matrix, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from experiments.shared.scores import of_any_class
from jaxml import Experiment, Suite
from jaxml.ops import confusion_counts

Case = dict[str, Any]
CELLS = {"true negative": (0, 0), "false positive": (0, 1), "false negative": (1, 0), "true positive": (1, 1)}
"""The actual class, then the predicted one."""


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
            "labels": of_any_class(generator, size)["labels"],
        },
        valid=lambda predictions, labels: len(predictions) == len(labels),
        sizes=(1, 3, 8),
        adversarial=[{"predictions": p, "labels": a} for p, a in pairs],
        properties={"is how many cases are both": lambda f, c: (f(**c), counted(c))},
        mutants={
            **{other: cell(other) for other in CELLS if other != name},
            "all that are predicted so": lambda predictions, labels: np.sum(predictions == predicted),
            "all that are so": lambda predictions, labels: np.sum(labels == actual),
            "a share": lambda predictions, labels: right(predictions, labels) / max(len(labels), 1),
        },
    )


experiment = Experiment(
    suites={
        "true_positive": lambda: count("true positive"),
        "false_positive": lambda: count("false positive"),
        "true_negative": lambda: count("true negative"),
        "false_negative": lambda: count("false negative"),
    }
)
