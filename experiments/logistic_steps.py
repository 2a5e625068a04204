"""Whether a step of gradient descent lowers the loss of logistic regression, and where it ends, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from experiments.shared.logistic import mean_loss, proper, rows
from jaxml import Experiment, Suite

Case = dict[str, Any]


SLOPES: dict[str, Callable[..., Any]] = {
    "formula": jax.grad(mean_loss),
    "the sum": lambda w, X, y: len(y) * jax.grad(mean_loss)(w, X, y),
    "the sign turned": lambda w, X, y: -jax.grad(mean_loss)(w, X, y),
    "the class instead of the probability": lambda w, X, y: X.T @ ((X @ w > 0) - y) / len(y),
}


def smoothness(c: Case) -> float:
    """A bound on the curvature of the loss: a quarter of the largest eigenvalue of X'X / n."""
    return float(np.linalg.eigvalsh(c["X"].T @ c["X"])[-1] / (4 * len(c["y"])))


def step(factor: float, excess: str = "formula") -> Callable[[Case], np.ndarray]:
    """One step of gradient descent, `factor` times a case's rate over the smoothness."""
    slope = jax.jit(SLOPES[excess])

    def stepped(c: Case) -> np.ndarray:
        rate = factor * c["rate"] / smoothness(c)
        return c["w"] - rate * np.asarray(slope(c["w"], c["X"], c["y"]))

    return stepped


def descent(*, bounded: bool) -> Suite:
    """Does a step of gradient descent lower the loss: of any length, or one shorter than two over the smoothness?"""

    def no_higher(f: Any, c: Case) -> bool:
        before, after = (float(mean_loss(w, c["X"], c["y"])) for w in (c["w"], f(c)))
        return after <= before + 1e-12 * (1 + before)

    return Suite(
        subject=step(1.0),
        reference=None if bounded else step(0.9),
        draw=lambda generator, size: (
            rows(generator, size)
            | {"w": generator.normal(size=2), "rate": float(generator.uniform(0, 2 if bounded else 2.1))}
        ),
        valid=lambda c: proper(c) and smoothness(c) > 1e-6 and 0 < c["rate"] < (2 if bounded else 2.1 + 1e-9),
        sizes=(2, 8),
        adversarial=[
            {"w": np.asarray([0.1, 0.0]), "X": np.eye(2)[[0, 0]], "y": np.asarray([1.0, 0.0]), "rate": rate}
            for rate in (1.99, *([] if bounded else [2.1]))
        ],
        properties={"the loss is no larger": no_higher},
        mutants={
            "ascent": step(1.0, "the sign turned"),
            "the gradient of the sum": step(1.0, "the sum"),
            "half as long again": step(1.5),
        },
    )


def separable() -> Suite:
    """On rows that a direction separates, does every step go farther along that direction, from wherever it begins?"""

    def labelled(c: Case) -> Case:
        return c | {"y": (c["X"] @ c["u"] > 0).astype(float)}

    return Suite(
        subject=step(1.0),
        draw=lambda generator, size: (
            rows(generator, size) | {"u": generator.normal(size=2), "rate": float(generator.uniform(0.1, 2))}
        ),
        valid=lambda c: proper(c) and np.min(np.abs(c["X"] @ c["u"])) > 1e-3 and smoothness(c) > 1e-6 and c["rate"] > 0,
        sizes=(1, 3, 8),
        properties={"goes farther": lambda f, c: float((f(labelled(c)) - c["w"]) @ c["u"]) > 0},
        mutants={
            "ascent": step(1.0, "the sign turned"),
            "the perceptron's step": step(1.0, "the class instead of the probability"),
            "steps back to the origin": lambda c: 0.9 * step(1.0)(c),
        },
    )


experiment = Experiment(
    suites={
        "descent": lambda: descent(bounded=False),
        "short_steps": lambda: descent(bounded=True),
        "separable": separable,
    }
)
