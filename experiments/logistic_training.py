"""How logistic regression is trained: the gradient of its loss, and the updates that follow, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from experiments.shared.logistic import automatic, proper, rows
from jaxml import Experiment, Suite

Case = dict[str, Any]


EXCESSES: dict[str, Callable[..., Any]] = {
    "formula": lambda w, X, y: X.T @ (jax.nn.sigmoid(X @ w) - y) / len(y),
    "the sum": lambda w, X, y: X.T @ (jax.nn.sigmoid(X @ w) - y),
    "the sign turned": lambda w, X, y: X.T @ (y - jax.nn.sigmoid(X @ w)) / len(y),
    "of the squared error": lambda w, X, y: X.T @ ((p := jax.nn.sigmoid(X @ w)) * (1 - p) * (p - y)) / len(y),
    "the class instead of the probability": lambda w, X, y: X.T @ ((X @ w > 0) - y) / len(y),
}


def gradient() -> Suite:
    """Is the gradient of the loss the mean of (p - y) x?"""
    return Suite(
        subject=jax.jit(EXCESSES["formula"]),
        draw=rows,
        valid=proper,
        sizes=(1, 3, 8),
        adversarial=[{"w": np.zeros(2), "X": np.zeros((1, 2)), "y": np.zeros(1)}],
        properties={"is what jax.grad gives": lambda f, c: (f(**c), np.asarray(automatic(*c.values())), _size(c))},
        mutants={name: jax.jit(wrong) for name, wrong in EXCESSES.items() if name != "formula"},
    )


def _size(c: Case) -> float:
    return float(1 + np.max(np.abs(c["X"])))


def update(excess: Callable[..., Any]) -> Callable[..., Any]:
    """The weights less alpha times what should be the gradient."""
    return jax.jit(lambda w, X, y, alpha: w - alpha * excess(w, X, y))


def updates(subject: Callable[..., Any]) -> Suite:
    """Is the update w - alpha times the gradient of the cost?"""
    return Suite(
        subject=subject,
        draw=lambda generator, size: rows(generator, size) | {"alpha": float(10.0 ** generator.uniform(-3, 1))},
        valid=lambda c: proper(c) and c["alpha"] > 0,
        sizes=(1, 3, 8),
        properties={
            "is w - alpha grad of the loss": lambda f, c: (
                f(**c),
                c["w"] - c["alpha"] * np.asarray(automatic(c["w"], c["X"], c["y"])),
                (1 + c["alpha"]) * _size(c) + np.max(np.abs(c["w"])),
            )
        },
        mutants={name: update(wrong) for name, wrong in EXCESSES.items() if name != "formula"},
    )


ascent = jax.jit(lambda w, X, y, alpha: w + alpha * X.T @ (y - jax.nn.sigmoid(X @ w)) / len(y))


experiment = Experiment(
    suites={
        "gradient": gradient,
        "ascent": lambda: updates(ascent),
        "update": lambda: updates(update(EXCESSES["formula"])),
    }
)
