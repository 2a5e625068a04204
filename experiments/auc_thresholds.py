"""What an AUC of 1, above one half and below it says of the best threshold, exactly."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.scipy.special import ndtr
from scipy.stats import norm

from jaxml import Experiment, Suite
from jaxml.ops import average_precision, roc_auc, roc_curve

Case = dict[str, Any]
curve_of, area = jax.jit(roc_curve), jax.jit(roc_auc)


def labelled(generator: np.random.Generator, size: int) -> Case:
    """Scores on a coarse scale, so that ties are frequent, and labels of both classes."""
    labels = generator.permutation(np.arange(size + 1) < generator.integers(1, size + 1))
    return {"scores": generator.integers(-3, 4, size + 1).astype(float), "labels": labels}


def both_classes(c: Case) -> bool:
    """Whether there are cases of both classes."""
    return len(c["scores"]) == len(c["labels"]) and bool(0 < c["labels"].sum() < len(c["labels"]))


def rates(c: Case) -> tuple[np.ndarray, np.ndarray]:
    """True and false positive rate at every threshold."""
    curve = curve_of(**c)
    return np.asarray(curve.true_positive_rate), np.asarray(curve.false_positive_rate)


def gap(scores: Any, labels: Any) -> float:
    """The largest by which the true positive rate exceeds the false one, at any threshold."""
    true, false = rates({"scores": scores, "labels": labels})
    return float(np.max(true - false))


def pair_share(scores: Any, labels: Any, *, tie: float = 0.5) -> float:
    """The share of pairs, one of each class, in which the positive scores higher; a tie counts `tie`."""
    lead = scores[labels][:, None] - scores[~labels][None]
    return float(np.mean((lead > 0) + tie * (lead == 0)))


TIES_AND_CLASSES: dict[str, Callable[..., Any]] = {
    "a tie counts whole": partial(pair_share, tie=1.0),
    "classes exchanged": lambda scores, labels: pair_share(scores, ~labels),
}
MISTAKES = TIES_AND_CLASSES | {"average precision": jax.jit(average_precision)}
TIES: list[Case] = [
    {"scores": np.asarray(scores), "labels": np.asarray(labels)}
    for scores, labels in (
        ([0.0, 0.0], [True, False]),
        ([1.0, 1.0, 0.0], [True, False, False]),
        ([1.0, 0.0, 0.0], [True, True, False]),
        ([1e150, -1e150], [True, False]),
    )
]


def perfect() -> Suite:
    """Is the AUC 1 exactly where some threshold makes no mistake?"""
    return Suite(
        subject=area,
        draw=labelled,
        valid=both_classes,
        sizes=(1, 3, 8),
        adversarial=TIES,
        properties={
            "1 means a perfect threshold": lambda f, c: float(f(**c)) != 1 or gap(**c) == 1,
            "a perfect threshold means 1": lambda f, c: gap(**c) != 1 or float(f(**c)) == 1,
        },
        mutants=TIES_AND_CLASSES
        | {"pairs of equal class count too": lambda scores, labels: (pair_share(scores, labels) + 0.5) / 2},
    )


def useful() -> Suite:
    """Does some threshold tell the classes apart by the AUC's excess over one half, at least?"""
    return Suite(
        subject=area,
        draw=labelled,
        valid=both_classes,
        sizes=(1, 3, 8),
        adversarial=TIES,
        properties={
            "some threshold beats guessing": lambda f, c: not 0.5 < float(f(**c)) < 1 or gap(**c) > 0,
            "by the excess over one half": lambda f, c: gap(**c) >= float(f(**c)) - 0.5 - 1e-12,
        },
        mutants=MISTAKES,
    )


def rarely_right(true: Any, false: Any, prevalence: float = 0.01) -> Any:
    """By how much a threshold is right more often than calling all cases by the more frequent class."""
    return prevalence * true + (1 - prevalence) * (1 - false) - max(prevalence, 1 - prevalence)


def more_often_right() -> Suite:
    """Where one case in a hundred is positive, is some threshold right more often than 'never positive'?"""
    return Suite(
        subject=rarely_right,
        reference=partial(rarely_right, prevalence=0.5),
        draw=labelled,
        valid=lambda c: both_classes(c) and 0.5 < float(area(**c)) < 1,
        sizes=(3, 8),
        properties={"some threshold is": lambda f, c: np.max(f(*rates(c))) > 1e-12},
        mutants={
            "classes exchanged": lambda true, false: rarely_right(false, true),
            "hits alone": lambda true, false: 0.01 * (true - 1),
            "alarms alone": lambda true, false: -0.99 * false,
        },
    )


def inverted() -> Suite:
    """Does a score with an AUC below one half beat guessing on the same cases, once it is inverted?"""
    turned = lambda c: c | {"scores": -c["scores"]}  # noqa: E731

    def beats_guessing(f: Any, c: Case) -> bool:
        below = 0.5 - float(f(**c))
        return below <= 0 or (gap(**turned(c)) > 0 and gap(**turned(c)) >= below - 1e-12)

    return Suite(
        subject=area,
        draw=labelled,
        valid=both_classes,
        sizes=(1, 3, 8),
        adversarial=TIES,
        properties={
            "inverted, it beats guessing": beats_guessing,
            "inverted, its AUC is the rest": lambda f, c: (float(f(**turned(c))), 1 - float(f(**c)), 1.0),
        },
        mutants=MISTAKES,
    )


@jax.jit
def mistakes(threshold: Any, separation: Any, prevalence: Any) -> Any:
    """How often a threshold errs where negatives score as N(0, 1) and positives as N(separation, 1)."""
    return prevalence * ndtr(threshold - separation) + (1 - prevalence) * ndtr(-threshold)


def overlapping() -> Suite:
    """Does every threshold err where both classes' scores are Gaussian?"""
    uniform = lambda x: np.clip(x + 0.5, 0.0, 1.0)  # noqa: E731

    def least(c: Case) -> float:
        d, p = c["separation"], c["prevalence"]
        best = d / 2 + np.log((1 - p) / p) / d
        return float(p * norm.cdf(best - d) + (1 - p) * norm.sf(best))

    return Suite(
        subject=mistakes,
        draw=lambda generator, size: {
            "threshold": float(generator.normal(scale=4.0)),
            "separation": float(generator.uniform(0.1, 10.0)),
            "prevalence": float(generator.uniform(0.01, 0.99)),
        },
        valid=lambda c: 0.1 <= c["separation"] <= 10 and 0.01 <= c["prevalence"] <= 0.99,
        sizes=(1,),
        adversarial=[{"threshold": t, "separation": 10.0, "prevalence": 0.5} for t in (5.0, -1e3, 1e3, np.inf)],
        properties={
            "it errs": lambda f, c: float(f(**c)) > 0,
            "at least as often as the best one": lambda f, c: float(f(**c)) >= least(c) * (1 - 1e-9),
        },
        mutants={
            "misses alone": lambda threshold, separation, prevalence: prevalence * norm.cdf(threshold - separation),
            "false alarms alone": lambda threshold, separation, prevalence: (1 - prevalence) * norm.sf(threshold),
            "scores within one half of their mean": lambda threshold, separation, prevalence: (
                prevalence * uniform(threshold - separation) + (1 - prevalence) * uniform(-threshold)
            ),
        },
    )


experiment = Experiment(
    suites={
        "perfect": perfect,
        "useful": useful,
        "more_often_right": more_often_right,
        "inverted": inverted,
        "overlapping": overlapping,
    }
)
