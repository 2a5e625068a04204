"""Which point of the ROC plane is better: dominance, and two distances, exactly."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from experiments.shared.scores import both_classes, curve_of, labelled
from jaxml import Experiment, Suite

Case = dict[str, Any]


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

    def draw(generator: np.random.Generator) -> Case:
        (low, high), (left, right) = np.sort(np.round(generator.random((2, 2)), 2), axis=1)
        return {"better": np.asarray([left, high]), "worse": np.asarray([right, low])}

    def valid(worse: Any, better: Any) -> bool:
        gap = (worse - better) * np.asarray([1.0, -1.0])
        inside = all(0 <= x <= 1 for x in (*better, *worse))
        return inside and bool(gap.min() >= 0 and gap.max() > 1e-6)

    return Suite(
        subject=(corner, diagonal),
        reference=(corner, above),
        draw=draw,
        valid=valid,
        properties={
            "the closer to (0, 1)": lambda f, better, worse: f[0](better) > f[0](worse),
            "the farther from the diagonal": lambda f, better, worse: f[1](better) > f[1](worse),
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


experiment = Experiment(
    suites={
        "either_side": lambda: better_point(MERITS["farther from the diagonal on either side"]),
        "above_the_diagonal": lambda: better_point(above),
        "one_choice": one_choice,
    }
)
