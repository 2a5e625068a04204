"""What scaling the features does: to gradient descent, and to a tree, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxml import Experiment, Suite
from jaxml.learn import decision_tree, fit_least_squares, fit_ridge, linear_predictor, predict_tree

Case = dict[str, Any]


def diagonal(power: float, roll: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    """The covariance of features divided by a power of their deviations, or of others'."""

    def scaled(C: np.ndarray) -> np.ndarray:
        factor = np.roll(np.diagonal(C) ** (-power / 2), roll)
        return factor[:, None] * C * factor[None, :]

    return scaled


def condition(factor: float, reference: Callable[[np.ndarray], np.ndarray] | None = None) -> Suite:
    """Is the condition number, on which gradient descent's rate rests, at most so many times as large as unscaled?"""

    def draw(generator: np.random.Generator) -> np.ndarray:
        A = generator.normal(size=(3, 3)) * 10.0 ** generator.uniform(-1, 1, 3)
        return A.T @ A

    def valid(C: np.ndarray) -> bool:
        return bool(np.array_equal(C, C.T) and np.linalg.cond(C) < 1e6 and np.linalg.eigvalsh(C)[0] > 0)

    return Suite(
        subject=diagonal(1),
        reference=reference,
        draw=draw,
        valid=valid,
        adversarial=[np.diag([1.0, 1e3, 1e5]), np.eye(3)],
        properties={
            "condition number": lambda f, C: (
                float(np.linalg.cond(f(C))) <= factor * float(np.linalg.cond(C)) * (1 + 1e-8)
            )
        },
        mutants={
            "multiplied": diagonal(-1),
            "by another feature's deviation": diagonal(1, roll=1),
            "by the fourth power": diagonal(4),
        },
    )


def tree() -> Suite:
    """Does a tree answer alike however its features are scaled, or bent as long as they rise?"""
    grow = jax.jit(lambda X, y, at: predict_tree(decision_tree(None, X, y, max_depth=3, missing=False).params, at))
    line = lambda fit: jax.jit(lambda X, y, at: linear_predictor(fit(X, y).params, at))  # noqa: E731

    def draw(generator: np.random.Generator) -> Case:
        X, at = generator.normal(size=(2, 8, 2))
        return {"X": X, "y": generator.normal(size=8), "at": at, "power": generator.integers(-9, 10, 2)}

    def scaled(f: Any, power: Any, y: Any, X: Any, at: Any) -> tuple[Any, ...]:
        factor = 2.0**power
        return f(factor * X, y, factor * at), f(X, y, at), 1e3

    def bent(f: Any, c: Case) -> tuple[Any, ...]:
        X = c["X"] ** 3 + c["X"]
        return f(X, c["y"], X), f(c["X"], c["y"], c["X"]), 1e3

    nearest = lambda X, y, at: y[np.argmin(np.sum((X[None] - at[:, None]) ** 2, 2), 1)]  # noqa: E731
    return Suite(
        subject=grow,
        draw=draw,
        properties={"scaled": scaled, "bent": bent},
        mutants={
            "ridge regression": line(lambda X, y: fit_ridge(X, y, l2=0.1)),
            "least squares": line(fit_least_squares),
            "nearest neighbour": nearest,
            "tree on the sum of the features": lambda X, y, at: grow(
                X.sum(1, keepdims=True) * np.ones(2), y, at.sum(1, keepdims=True) * np.ones(2)
            ),
        },
    )


experiment = Experiment(
    suites={"condition": lambda: condition(1, lambda C: C), "condition_bound": lambda: condition(3), "tree": tree}
)
