"""What an AUC of 1, above one half and below it says of the best threshold, exactly."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from experiments.shared.scores import area, both_classes, labelled, rates
from jaxml import Experiment, Suite
from jaxml.ops import average_precision

Case = dict[str, Any]


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
            "1 means a perfect threshold": lambda f, c: f(**c) != 1 or gap(**c) == 1,
            "a perfect threshold means 1": lambda f, c: gap(**c) != 1 or f(**c) == 1,
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
            "some threshold beats guessing": lambda f, c: not 0.5 < f(**c) < 1 or gap(**c) > 0,
            "by the excess over one half": lambda f, c: gap(**c) >= float(f(**c)) - 0.5 - 1e-12,
        },
        mutants=MISTAKES,
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
            "inverted, its AUC is the rest": lambda f, c: (f(**turned(c)), 1 - float(f(**c)), 1.0),
        },
        mutants=MISTAKES,
    )


experiment = Experiment(suites={"perfect": perfect, "useful": useful, "inverted": inverted})
