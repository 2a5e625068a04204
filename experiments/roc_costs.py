"""Which of two classifiers is better, by sensitivity, specificity and costs, exactly."""

from typing import Any

import jax
import numpy as np

from experiments.shared.scores import both_classes, curve_of, labelled
from jaxml import Experiment, Suite
from jaxml.ops import confusion_counts, precision_recall_curve

Case = dict[str, Any]


@jax.jit
def sensitivity_and_specificity(predictions: Any, labels: Any) -> tuple[Any, Any]:
    """Of one classifier."""
    (tn, fp), (fn, tp) = confusion_counts(predictions, labels, num_classes=2)
    return tp / (tp + fn), tn / (tn + fp)


def cheaper() -> Suite:
    """Does a classifier with larger sensitivity and specificity than another cost less, whatever mistakes cost?"""

    def cost(c: Case, who: str) -> float:
        prices = [c["miss"] if a else c["alarm"] for p, a in zip(c[who], c["labels"], strict=True) if p != a]
        return sum(prices) / len(c["labels"])

    def both_larger(f: Any, c: Case) -> bool:
        one, two = (np.asarray(f(c[who], c["labels"])) for who in ("one", "two"))
        return not np.all(one > two) or cost(c, "one") < cost(c, "two")

    def neither_smaller(f: Any, c: Case) -> bool:
        one, two = (np.asarray(f(c[who], c["labels"])) for who in ("one", "two"))
        return not np.all(one >= two) or cost(c, "one") <= cost(c, "two") + 1e-9

    mean = lambda hits, chosen: np.sum(hits & chosen) / max(np.sum(chosen), 1)  # noqa: E731
    return Suite(
        subject=sensitivity_and_specificity,
        draw=lambda generator, size: {
            "labels": labelled(generator, size)["labels"],
            "one": generator.random(size + 1) < 0.5,
            "two": generator.random(size + 1) < 0.5,
            "miss": float(10.0 ** generator.uniform(-2, 2)),
            "alarm": float(10.0 ** generator.uniform(-2, 2)),
        },
        valid=lambda c: (
            both_classes(c | {"scores": c["one"]})
            and len(c["one"]) == len(c["two"])
            and c["miss"] > 0
            and c["alarm"] > 0
        ),
        sizes=(3, 8, 17),
        properties={"both larger cost less": both_larger, "neither smaller costs no more": neither_smaller},
        mutants={
            "sensitivity alone": lambda predictions, labels: mean(predictions, labels),
            "specificity alone": lambda predictions, labels: mean(~predictions, ~labels),
            "sensitivity and precision": lambda predictions, labels: (
                mean(predictions, labels),
                mean(labels, predictions),
            ),
            "sensitivity and accuracy": lambda predictions, labels: (
                mean(predictions, labels),
                np.mean(predictions == labels),
            ),
        },
    )


def trade() -> Suite:
    """Along one ROC curve, does the one of sensitivity and specificity rise only where the other does not?"""
    roc = lambda scores, labels: (curve_of(scores, labels).true_positive_rate, curve_of(scores, labels)[0])  # noqa: E731
    precision = jax.jit(precision_recall_curve)

    def never_both(f: Any, c: Case) -> bool:
        one, two = (np.asarray(side, float) for side in f(**c))
        return not np.any((one[:, None] > one + 1e-12) & (two[:, None] > two + 1e-12))

    def exactly_at(scores: Any, labels: Any) -> tuple[Any, Any]:
        at = scores[:, None] == scores[None]
        return (at & labels).sum(1) / labels.sum(), 1 - (at & ~labels).sum(1) / (~labels).sum()

    return Suite(
        subject=lambda scores, labels: (roc(scores, labels)[0], 1 - roc(scores, labels)[1]),
        draw=labelled,
        valid=both_classes,
        sizes=(3, 8, 17),
        properties={"no point has both larger than another": never_both},
        mutants={
            "sensitivity and precision": lambda scores, labels: tuple(precision(scores, labels)[:2]),
            "sensitivity and false positive rate": roc,
            "cases exactly at the threshold": exactly_at,
        },
    )


experiment = Experiment(suites={"cheaper": cheaper, "trade": trade})
