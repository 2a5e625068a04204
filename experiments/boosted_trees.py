"""What each tree of gradient boosting fits, exactly: residuals, medians of them, gradients over curvatures.

Trees have one split on one feature. Rows whose scores a round moves alike lie in one leaf, so that leaves and their
values are read from the scores after each round.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit

from experiments.shared.boosted import MEANS, ROWS, Scores, rows, scores, squared
from jaxml import Experiment, Suite

Case = dict[str, Any]


def labelled(generator: np.random.Generator) -> Case:
    """The same with labels of two classes."""
    return rows(generator) | {"y": generator.permutation([0.0, 1.0, *generator.integers(0, 2, ROWS - 2)])}


def leaves(before: np.ndarray, after: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """The rows of each leaf, and how far their scores moved."""
    moved = after - before
    values = moved[np.argsort(moved)][np.r_[True, np.diff(np.sort(moved)) > 1e-9 * (1 + np.abs(moved).max())]]
    nearest = np.argmin(np.abs(moved[:, None] - values), axis=1)
    return [(nearest == i, float(moved[nearest == i].mean())) for i in range(len(values))]


def moves(value: Callable[[Case, np.ndarray, np.ndarray], float]) -> Callable[[Scores, Case], Any]:
    """Whether each round moves each leaf by the rate times a value, given the leaf's rows and the scores before."""

    def check(f: Scores, c: Case) -> tuple[Any, Any, float]:
        stages = f(**c)
        found = [(leaf, stages[t], step) for t in range(len(stages) - 1) for leaf, step in leaves(*stages[t : t + 2])]
        expected = [c["rate"] * value(c, leaf, before) for leaf, before, _ in found]
        return np.array([step for *_, step in found]), np.array(expected), 100 * (1 + np.abs(stages).max())

    return check


def residual(how: Callable[[np.ndarray], Any]) -> Callable[[Case, np.ndarray, np.ndarray], float]:
    """Some mean of the residuals of a leaf."""
    return lambda c, leaf, before: float(how((c["y"] - before)[leaf]))


def newton(l2: float) -> Callable[[Case, np.ndarray, np.ndarray], float]:
    """Minus the sum of the gradients of the logistic loss over that of its second derivatives and the penalty."""

    def value(c: Case, leaf: np.ndarray, before: np.ndarray) -> float:
        p = expit(before[leaf])
        return float((c["y"][leaf] - p).sum() / ((p * (1 - p)).sum() + l2))

    return value


def fitted(
    subject: Scores, value: Any, mutants: dict[str, Scores], *, reference: Any = None, draw: Any = rows
) -> Suite:
    """Does each round move each leaf by the rate times a value?"""
    return Suite(
        subject=subject,
        reference=reference,
        draw=draw,
        valid=lambda rate, y: 0.01 <= rate <= 1 and (draw is rows or set(y.tolist()) == {0.0, 1.0}),
        properties={"each leaf moves by its value": moves(value)},
        mutants=mutants,
    )


logistic, absolute = scores(loss="logistic", l2=1.0), scores(loss="absolute")


def same_orders() -> Suite:
    """Is boosting by curvature the same as boosting by gradients alone, for the squared error?"""
    first = scores(l2=1.0, order="gradient")
    return Suite(
        subject=scores(l2=1.0),
        draw=rows,
        valid=lambda rate: 0.01 <= rate <= 1,
        properties={"the same scores": lambda f, c: (f(**c), first(**c), 1 + np.abs(c["y"]).max())},
        mutants={"twice the rate": MEANS["twice the rate"], "no penalty": squared, "the absolute error": absolute},
    )


ORDERS = {
    "first order": scores(loss="logistic", l2=1.0, order="gradient"),
    "no penalty": scores(loss="logistic"),
    "squared error": scores(l2=1.0),
}


experiment = Experiment(
    suites={
        "residuals": lambda: fitted(squared, residual(np.mean), MEANS),
        "residuals_of_any_loss": lambda: fitted(absolute, residual(np.mean), MEANS, reference=squared),
        "medians": lambda: fitted(absolute, residual(np.median), MEANS | {"means": squared}),
        "second_order": lambda: fitted(logistic, newton(1.0), ORDERS, draw=labelled),
        "same_orders": same_orders,
    }
)
