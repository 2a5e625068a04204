"""Machines that draw a line: which rows they rest on, whether they grow with them, and when the perceptron ends."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxml import Experiment, Suite
from jaxml.learn import (
    fit_fisher,
    fit_kernel_svm,
    fit_least_squares,
    fit_linear_svm,
    fit_logistic,
    kernel_decision,
    linear_predictor,
)

Case = dict[str, Any]
SLACK = 1e10
"""Scale of what an iterative solver gives: its last digits are not asked for."""


def few() -> Suite:
    """Does the machine stay as it is when the rows beyond its margin go away, or move farther away?"""

    def rest(f: Any, c: Case) -> tuple[Any, ...]:
        every = np.ones(len(c["y"]))
        w, b = f(c["X"], c["y"], every)
        beyond = (2 * c["y"] - 1) * (c["X"] @ np.asarray(w) + float(b)) > 1.001
        away = np.where(beyond, 2.0 * c["y"] - 1, 0.0)[:, None] * np.asarray(w)
        fewer, moved = f(c["X"], c["y"], np.where(beyond, 0.0, 1.0))[0], f(c["X"] + away, c["y"], every)[0]
        return np.stack([fewer, moved]), np.stack([w, w]), SLACK

    def fitted(fit: Callable[..., Any]) -> Callable[..., Any]:
        found = lambda params: (params.coef, params.intercept)  # noqa: E731
        return jax.jit(lambda X, y, s: found(fit(X, y, sample_weight=s).params))

    def draw(generator: np.random.Generator, size: int) -> Case:
        y = np.arange(size) % 2
        return {"X": generator.normal(size=(size, 2)) + 0.8 * y[:, None], "y": y}

    return Suite(
        subject=fitted(lambda X, y, **s: fit_linear_svm(X, y, C=1.0, **s)),
        draw=draw,
        valid=lambda c: set(c["y"].tolist()) == {0, 1} and bool(np.max(np.abs(c["X"])) < 10),
        sizes=(8,),
        properties={"the same without the rows beyond the margin, and with them farther away": rest},
        mutants={
            "logistic regression": fitted(lambda X, y, **s: fit_logistic(X, y, l2=0.01, **s)),
            "least squares": fitted(lambda X, y, **s: fit_least_squares(X, 2.0 * y - 1, **s)),
            "Fisher's discriminant": fitted(lambda X, y, **s: fit_fisher(X, y, shrinkage=0.1, **s)),
        },
    )


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


def ends(f: Any, c: Case) -> bool:
    """Whether the perceptron ends, with every row right."""
    margins, _, ended = f(c["X"], c["y"])
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

    def valid(c: Case) -> bool:
        labelled = set(np.abs(c["y"]).tolist()) == {1} and bool(np.all(c["X"][:, 2] == 1))
        return labelled and len(np.unique(c["X"], axis=0)) == len(c["X"])

    return Suite(
        subject=perceptron(STEP),
        reference=lambda X, y: perceptron(STEP)(np.eye(len(X)), y),  # a feature for each row
        draw=draw,
        valid=valid,
        sizes=(2, 3, 4),
        properties={"ends with every row right": ends},
        mutants=BROKEN,
    )


def program(fit: Callable[..., Any], decide: Callable[..., Any], size: int) -> Callable[[], Any]:
    """What a fit to some number of rows leaves, by its shapes, and how it decides."""
    X, y = jax.ShapeDtypeStruct((size, 2), float), jax.ShapeDtypeStruct((size,), int)
    return lambda: (decide, jax.eval_shape(lambda X, y: fit(X, y).params, X, y), X)


LEARNERS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "logistic_regression": (lambda X, y: fit_logistic(X, y, l2=0.1), linear_predictor),
    "linear_machine": (fit_linear_svm, linear_predictor),
    "kernel_machine": (fit_kernel_svm, kernel_decision),
}

experiment = Experiment(
    suites={
        "few": few,
        "separable": separable,
        "any_rows": any_rows,
    },
    programs={
        f"{name}_of_{size}_rows": program(fit, decide, size)
        for name, (fit, decide) in LEARNERS.items()
        for size in (40, 80)
    },
)
