"""The optimum of a support vector machine: its factor 1/2 and its conditions, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.shared.machines import SLACK, C, has_gap, multipliers, separable, solution
from jaxml import Experiment, Suite

Case = dict[str, Any]


def factor(rescale: float, reference: float | None = None) -> Suite:
    """Has the maximum of a dual margins of 1? Rows times the root of 2 c have c before the double sum."""

    def margin(f: Any, X: Any, y: Any) -> tuple[Any, ...]:
        along = X @ np.asarray(f(X, y))
        return along[y == 1].min() - along[y == 0].max(), 2.0, SLACK

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


experiment = Experiment(
    suites={
        "without_half": lambda: factor(2**0.5, 1.0),
        "with_half": lambda: factor(1.0),
        "strict": lambda: conditions(True, True),
        "conditions": lambda: conditions(False, False),
    }
)
