"""The optimum of a support vector machine: its factor 1/2, its conditions and its solvers, exactly."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize
from sklearn.svm import SVC

from jaxml import Experiment, Suite
from jaxml.learn import fit_kernel_svm, fit_linear_svm

Case = dict[str, Any]
C = 1e3
"""More than any multiplier can be where the classes are a quarter apart, so that the margin is a hard one."""
SLACK = 1e9
"""Scale of what an iterative solver gives: its last digits are not asked for."""


def separable(generator: np.random.Generator, size: int) -> Case:
    """Rows of two classes with a gap between them along the first feature."""
    y = np.arange(size) % 2
    X = generator.normal(size=(size, 2))
    X[:, 0] = np.where(y == 1, 1, -1) * (0.25 + np.abs(X[:, 0]))
    return {"X": X, "y": y}


def has_gap(c: Case) -> bool:
    """Whether both classes are there, a gap of a quarter between them, nothing far away."""
    if set(c["y"].tolist()) != {0, 1} or np.max(np.abs(c["X"])) > 10:
        return False
    return bool(c["X"][c["y"] == 1, 0].min() - c["X"][c["y"] == 0, 0].max() >= 0.25)


@jax.jit
def solved(X: Any, y: Any) -> Any:
    """Weights, intercept and multipliers of the maximal margin, the multipliers from a solver of their own."""
    primal = fit_linear_svm(X, y, C=C).params
    return primal.coef, primal.intercept, multipliers(X, y)


def multipliers(X: Any, y: Any, cost: float = C) -> Any:
    """Where the dual is largest, with the factor 1/2 before its double sum."""
    return fit_kernel_svm(X, y, C=cost, kernel="linear", tolerance=1e-13).params.dual_coef * (2 * y - 1)


@lru_cache(maxsize=10_000)
def _solution(X: bytes, y: bytes) -> tuple[np.ndarray, float, np.ndarray]:
    w, b, a = solved(np.frombuffer(X).reshape(-1, 2), np.frombuffer(y, int))
    return np.asarray(w), float(b), np.asarray(a)


def solution(c: Case) -> tuple[np.ndarray, float, np.ndarray]:
    """The same, computed once for each set of rows."""
    return _solution(c["X"].tobytes(), c["y"].astype(int).tobytes())


def factor(rescale: float, reference: float | None = None) -> Suite:
    """Has the maximum of a dual margins of 1? Rows times the root of 2 c have c before the double sum."""

    def margin(f: Any, c: Case) -> tuple[Any, ...]:
        along = c["X"] @ np.asarray(f(c["X"], c["y"]))
        return along[c["y"] == 1].min() - along[c["y"] == 0].max(), 2.0, SLACK

    def recovered(scale: float, cost: float = C, label: Callable[[Any], Any] = lambda y: 2 * y - 1) -> Any:
        return jax.jit(lambda X, y: (multipliers(scale * X, y, cost) * label(y)) @ X)

    return Suite(
        subject=recovered(rescale),
        reference=recovered(reference) if reference else None,
        draw=separable,
        valid=has_gap,
        sizes=(2, 5),
        adversarial=[{"X": np.array([[-1.0, 0.0], [1.0, 0.0]]), "y": np.array([0, 1])}],
        properties={"support vectors have a margin of 1 on both sides": margin},
        mutants={
            "a quarter before the double sum": recovered(0.5**0.5),
            "multipliers capped": recovered(1.0, cost=0.05),
            "labels left out": recovered(1.0, label=jnp.ones_like),
        },
    )


def conditions(strict: bool, reference: bool) -> Suite:
    """Does the maximal margin meet the conditions, and do other points not?"""
    tol = 1e-5

    def at(change: Callable[[Any, Any], Any]) -> Callable[[Any, Case], Any]:
        def met(f: Any, c: Case) -> bool:
            w, b, a = solution(c)
            return f(*change(a, (2 * c["y"] - 1) * (c["X"] @ w + b)))

        return met

    def kkt(strict: bool, signs: bool = True, margins: bool = True, slack: bool = True) -> Callable[[Any, Any], bool]:
        above = (lambda x: np.all(x > tol)) if strict else (lambda x: np.all(x >= -tol))
        return lambda a, m: bool(
            (above(a) or not signs) and (above(m - 1) or not margins) and (np.all(abs(a * (m - 1)) <= tol) or not slack)
        )

    never = lambda change: lambda f, c: not at(change)(f, c)  # noqa: E731
    return Suite(
        subject=kkt(strict),
        reference=kkt(False) if reference else None,
        draw=separable,
        valid=has_gap,
        sizes=(2, 5),
        properties={
            "are met at the maximal margin": at(lambda a, m: (a, m)),
            "are not by larger weights": never(lambda a, m: (a, 2 * m)),
            "nor by smaller ones": never(lambda a, m: (0 * a, m / 2)),
            "nor by negative multipliers": never(lambda a, m: (-a, m)),
        },
        mutants={
            "without complementary slackness": kkt(False, slack=False),
            "without the margins": kkt(False, margins=False),
            "without the signs of multipliers": kkt(False, signs=False),
        },
    )


def overlapping(generator: np.random.Generator, size: int) -> Case:
    """Rows of two classes that overlap, most of the time."""
    y = np.arange(size) % 2
    return {"X": generator.normal(size=(size, 2)) + 0.8 * y[:, None], "y": y}


def both_classes(c: Case) -> bool:
    """Whether both classes are there, and nothing far away."""
    return set(c["y"].tolist()) == {0, 1} and bool(np.max(np.abs(c["X"])) < 10)


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

    def machine(f: Any, c: Case) -> tuple[Any, ...]:
        a, z = np.asarray(f(c["X"], c["y"])), 2 * c["y"] - 1
        exact = SVC(C=1.0, kernel="linear", tol=1e-9).fit(c["X"], c["y"]).coef_[0]
        outside = np.maximum(np.maximum(-a, a - 1), 0).max()
        return np.append((a * z) @ c["X"], [a @ z, outside]), np.append(exact, [0.0, 0.0]), SLACK

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
        "without_half": lambda: factor(2**0.5, 1.0),
        "with_half": lambda: factor(1.0),
        "strict": lambda: conditions(True, True),
        "conditions": lambda: conditions(False, False),
        "quadratic_program": lambda: solver(programmed),
        "pairs": lambda: solver(jax.jit(lambda X, y: multipliers(X, y, 1.0))),
    }
)
