"""Which point of the ROC plane, and which classifier, is better: dominance, two distances and costs, exactly."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from jaxml import Experiment, Suite
from jaxml.ops import confusion_counts, precision_recall_curve, roc_curve

Case = dict[str, Any]
curve_of = jax.jit(roc_curve)


def labelled(generator: np.random.Generator, size: int) -> Case:
    """Scores on a coarse scale, so that ties are frequent, and labels of both classes."""
    labels = generator.permutation(np.arange(size + 1) < generator.integers(1, size + 1))
    return {"scores": generator.integers(-3, 4, size + 1).astype(float), "labels": labels}


def both_classes(c: Case) -> bool:
    """Whether there are cases of both classes."""
    return len(c["scores"]) == len(c["labels"]) and bool(0 < c["labels"].sum() < len(c["labels"]))


def corner(point: Any) -> float:
    """Minus the distance from (0, 1)."""
    return -float(np.hypot(point[0], 1 - point[1]))


above = lambda point: float(point[1] - point[0])  # noqa: E731
MERITS: Mapping[str, Callable[[Any], float]] = {
    "farther from the diagonal on either side": lambda point: abs(above(point)),
    "farther below the diagonal": lambda point: -above(point),
    "true positive rate alone": lambda point: float(point[1]),
    "farther from (0, 0)": lambda point: float(np.hypot(*point)),
}


def better_point(diagonal: Callable[[Any], float]) -> Suite:
    """Is of two points, one of them better in one rate and not worse in the other, the better one the preferred?"""

    def draw(generator: np.random.Generator, size: int) -> Case:
        (low, high), (left, right) = np.sort(np.round(generator.random((2, 2)), 2), axis=1)
        return {"better": np.asarray([left, high]), "worse": np.asarray([right, low])}

    def valid(c: Case) -> bool:
        gap = (c["worse"] - c["better"]) * np.asarray([1.0, -1.0])
        inside = all(0 <= x <= 1 for x in (*c["better"], *c["worse"]))
        return inside and bool(gap.min() >= 0 and gap.max() > 1e-6)

    return Suite(
        subject=(corner, diagonal),
        reference=(corner, above),
        draw=draw,
        valid=valid,
        sizes=(1,),
        properties={
            "the closer to (0, 1)": lambda f, c: f[0](c["better"]) > f[0](c["worse"]),
            "the farther from the diagonal": lambda f, c: f[1](c["better"]) > f[1](c["worse"]),
        },
        mutants={name: (corner, merit) for name, merit in MERITS.items()}
        | {"closer to (1, 1)": (lambda point: -float(np.hypot(1 - point[0], 1 - point[1])), above)},
    )


def nearest(false: Any, true: Any) -> int:
    """The point of a curve nearest to (0, 1); of several, that farthest above the diagonal."""
    return int(np.lexsort((false - true, np.round(np.hypot(false, 1 - true), 12)))[0])


def one_choice() -> Suite:
    """On a curve that is nowhere below the diagonal, is the point nearest to (0, 1) that farthest above, too?"""

    def never_below(c: Case) -> bool:
        return both_classes(c) and bool(np.all(curve_of(**c)[1] >= curve_of(**c)[0]))

    def loses_nothing(f: Any, c: Case) -> bool:
        curve = curve_of(**c)
        false, true = np.asarray(curve.false_positive_rate), np.asarray(curve.true_positive_rate)
        chosen = f(false, true)
        return bool(true[chosen] - false[chosen] >= np.max(true - false) - 1e-12)

    return Suite(
        subject=nearest,
        reference=lambda false, true: int(np.argmax(true - false)),
        draw=labelled,
        valid=never_below,
        sizes=(3, 8, 17),
        properties={"is the farthest above the diagonal": loses_nothing},
        mutants={
            "smallest false positive rate": lambda false, true: int(np.argmin(false)),
            "nearest to (1, 1)": lambda false, true: int(np.argmin(np.hypot(1 - false, 1 - true))),
            "largest true positive rate": lambda false, true: int(np.argmax(true)),
        },
    )


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


experiment = Experiment(
    suites={
        "either_side": lambda: better_point(MERITS["farther from the diagonal on either side"]),
        "above_the_diagonal": lambda: better_point(above),
        "one_choice": one_choice,
        "cheaper": cheaper,
        "trade": trade,
    }
)
