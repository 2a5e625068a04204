"""How AdaBoost weighs rows, exactly: the textbook's rule, and jaxml's on the same learners."""

from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.shared.adaboost import RULES, boosted, doubled, reweighted, scaled
from jaxml import Experiment, Suite

Case = dict[str, Any]


def error_of(c: Case) -> float:
    """The weighted error of the learner of a case."""
    return float(c["weights"] @ c["wrong"] / c["weights"].sum())


def learner(generator: np.random.Generator, size: int) -> Case:
    """Weights of rows, and where a learner errs."""
    return {"weights": generator.uniform(0.1, 1.0, size), "wrong": generator.integers(0, 2, size)}


def is_learner(c: Case, most: float) -> bool:
    """Whether it errs somewhere but not everywhere, and its error is less than that."""
    fine = len(c["weights"]) == len(c["wrong"]) and min(c["weights"]) > 1e-3 and set(map(int, c["wrong"])) == {0, 1}
    return fine and error_of(c) < most


def of_jaxml(weights: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """The weights of the second round of jaxml's AdaBoost."""
    return np.asarray(boosted(wrong, weights, rounds=2)[0])[1]


def on(check: Callable[..., Any]) -> Callable[..., Any]:
    """A property of weights before, weights after and where the learner errs."""
    return lambda rule, weights, wrong: check(w := scaled(weights), rule(w, wrong), wrong)


MOVES: dict[str, Any] = {
    "up where it errs": on(lambda before, after, wrong: (after > before)[wrong == 1]),
    "down where it is right": on(lambda before, after, wrong: (after < before)[wrong == 0]),
}


def weights(*, most: float, half: bool) -> Suite:
    """Do weights rise where a learner errs and fall where it is right; is its error one half after that?"""
    halved = {"its error is one half": on(lambda before, after, wrong: (float(after @ wrong), 0.5))}
    weak = most <= 0.5
    same = {"is what jaxml does": on(lambda before, after, wrong: (after, of_jaxml(before, wrong)))}
    return Suite(
        subject=reweighted,
        reference=None if weak or half else doubled,
        draw=learner,
        valid=lambda c: is_learner(c, most) and (half or abs(error_of(c) - 0.5) > 1e-3),
        sizes=(2, 3, 5),
        adversarial=[{"weights": np.ones(3), "wrong": np.array(wrong)} for wrong in ([1, 0, 0], [1, 1, 0])],
        properties=halved if half else MOVES | (same if weak else {}),
        mutants=RULES | ({"twice where it errs": doubled} if half or weak else {}),
    )


experiment = Experiment(
    suites={
        "any_learner": lambda: weights(most=1.0, half=False),
        "weak_learner": lambda: weights(most=0.5, half=False),
        "half": lambda: weights(most=1.0, half=True),
    }
)
