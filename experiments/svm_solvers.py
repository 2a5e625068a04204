"""What solves the dual of a support vector machine, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from scipy.optimize import minimize
from sklearn.svm import SVC

from experiments.shared.machines import SLACK, multipliers
from jaxml import Experiment, Suite

Case = dict[str, Any]


def overlapping(generator: np.random.Generator, size: int) -> Case:
    """Rows of two classes that overlap, most of the time."""
    y = np.arange(size) % 2
    return {"X": generator.normal(size=(size, 2)) + 0.8 * y[:, None], "y": y}


def both_classes(y: Any, X: Any) -> bool:
    """Whether both classes are there, and nothing far away."""
    return set(y.tolist()) == {0, 1} and bool(np.max(np.abs(X)) < 10)


def programmed(X: np.ndarray, y: np.ndarray, *, balanced: bool = True, cap: float = 1.0, half: float = 0.5) -> Any:
    """The multipliers by a general solver of quadratic programs, one that knows nothing of the problem."""
    V = (2 * y - 1)[:, None] * X
    found = minimize(
        lambda a: (half * np.sum((a @ V) ** 2) - np.sum(a), 2 * half * V @ (a @ V) - 1),
        np.full(len(y), 0.1),
        jac=True,
        method="SLSQP",
        bounds=[(0, cap)] * len(y),
        constraints=[{"type": "eq", "fun": lambda a: a @ (2 * y - 1), "jac": lambda a: 2.0 * y - 1}]
        if balanced
        else [],
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    return found.x


def solver(subject: Callable[..., Any]) -> Suite:
    """Is what a solver of the dual finds the soft margin machine, with C = 1?"""

    def machine(f: Any, X: Any, y: Any) -> tuple[Any, ...]:
        a, z = np.asarray(f(X, y)), 2 * y - 1
        exact = SVC(C=1.0, kernel="linear", tol=1e-9).fit(X, y).coef_[0]
        outside = np.maximum(np.maximum(-a, a - 1), 0).max()
        return np.append((a * z) @ X, [a @ z, outside]), np.append(exact, [0.0, 0.0]), SLACK

    return Suite(
        subject=subject,
        draw=overlapping,
        valid=both_classes,
        sizes=(2, 6),
        adversarial=[{"X": np.zeros((2, 2)), "y": np.array([0, 1])}, {"X": np.ones((4, 2)), "y": np.arange(4) % 2}],
        properties={"keeps the constraints, and is scikit-learn's machine": machine},
        mutants={
            "without the equality": lambda X, y: programmed(X, y, balanced=False),
            "without the cap C": lambda X, y: programmed(X, y, cap=9.0),
            "without the half": lambda X, y: programmed(X, y, half=1.0),
            "labels left out": lambda X, y: programmed(X, 0 * y),
        },
    )


experiment = Experiment(
    suites={
        "quadratic_program": lambda: solver(programmed),
        "pairs": lambda: solver(jax.jit(lambda X, y: multipliers(X, y, 1.0))),
    }
)
