"""The perceptron: when it ends, and after how many mistakes, exactly."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxml import Experiment, Suite

Case = dict[str, Any]
Rule = Callable[[np.ndarray, int, np.ndarray], np.ndarray]
STEP: Rule = lambda w, y, x: w + y * x  # noqa: E731


def perceptron(
    rule: Rule, right: Callable[[float], bool] = lambda margin: margin > 0, start: float = 0.0
) -> Callable[..., Any]:
    """Rows in turn, until a round makes no mistake, or begins with weights that a round has begun with before."""

    def learn(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, int, bool]:
        w, mistakes, seen = np.full(X.shape[1], start), 0, set()
        while w.tobytes() not in seen and len(seen) < 5_000:
            seen.add(w.tobytes())
            before = mistakes
            for x, z in zip(X, y, strict=True):
                if not right(z * float(w @ x)):
                    w, mistakes = rule(w, z, x), mistakes + 1
            if mistakes == before:
                return y * (X @ w), mistakes, True
        return y * (X @ w), mistakes, False

    return learn


def ends(f: Any, X: Any, y: Any) -> bool:
    """Whether the perceptron ends, with every row right."""
    margins, _, ended = f(X, y)
    return ended and bool(np.all(margins > 0))


BROKEN = {
    "label left out": perceptron(lambda w, y, x: w + x),
    "turned round": perceptron(lambda w, y, x: w - y * x),
    "weights forgotten": perceptron(lambda w, y, x: y * x),
    "no step for the intercept": perceptron(lambda w, y, x: w + y * x * np.array([1, 1, 0])),
    "a sum of 0 counts as right": perceptron(STEP, lambda margin: margin >= 0),
}


def separable() -> Suite:
    """Does the perceptron end, after at most (R / gamma)^2 mistakes, where a plane leaves a margin of gamma?"""

    def draw(generator: np.random.Generator, size: int) -> Case:
        X = np.append(generator.normal(size=(size, 2)), np.ones((size, 1)), axis=1)  # the last weight is the intercept
        u = generator.normal(size=3)
        return {"X": X, "u": u / np.linalg.norm(u), "y": np.where(X @ u > 0, 1, -1)}

    gamma = lambda c: float(np.min(c["y"] * (c["X"] @ c["u"])))  # noqa: E731
    R = lambda c: float(np.max(np.linalg.norm(c["X"], axis=1)))  # noqa: E731
    return Suite(
        subject=perceptron(STEP),
        draw=draw,
        valid=lambda c: len(c["X"]) > 0 and bool(abs(np.linalg.norm(c["u"]) - 1) < 1e-9) and gamma(c) >= 0.1,
        sizes=(2, 5, 8),
        properties={
            "ends with every row right": ends,
            "at most (R / gamma)^2 mistakes": lambda f, c: f(c["X"], c["y"])[1] <= (R(c) / gamma(c)) ** 2 * (1 + 1e-9),
        },
        mutants=BROKEN | {"starts far away": perceptron(STEP, start=30.0)},
    )


def any_rows() -> Suite:
    """Does the perceptron end with every row right, whatever the labels of different rows?"""

    def draw(generator: np.random.Generator, size: int) -> Case:
        corners = np.array([[a, b, 1] for a in (0, 1) for b in (0, 1)])
        return {"X": generator.permutation(corners)[:size], "y": generator.choice([-1, 1], size)}

    def valid(X: Any, y: Any) -> bool:
        labelled = set(np.abs(y).tolist()) == {1} and bool(np.all(X[:, 2] == 1))
        return labelled and len(np.unique(X, axis=0)) == len(X)

    return Suite(
        subject=perceptron(STEP),
        reference=lambda X, y: perceptron(STEP)(np.eye(len(X)), y),  # a feature for each row
        draw=draw,
        valid=valid,
        sizes=(2, 3, 4),
        properties={"ends with every row right": ends},
        mutants=BROKEN,
    )


experiment = Experiment(suites={"separable": separable, "any_rows": any_rows})
