"""How logistic regression is trained: its loss, the gradient of that, and the updates that follow, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.ops import sigmoid_cross_entropy

Case = dict[str, Any]


@jax.jit
def mean_loss(w: Any, X: Any, y: Any) -> Any:
    """The mean cross-entropy of a linear model."""
    return stable(X @ w, y)


automatic = jax.jit(jax.grad(mean_loss))


def rows(generator: np.random.Generator, size: int) -> Case:
    """Weights, features and classes."""
    y = generator.integers(0, 2, size).astype(float)
    return {"w": 2 * generator.normal(size=2), "X": generator.normal(size=(size, 2)), "y": y}


def proper(c: Case) -> bool:
    """Whether there are rows, and each has its class."""
    return 0 < len(c["X"]) == len(c["y"]) and all(label in (0, 1) for label in c["y"])


def stable(z: Any, y: Any) -> Any:
    """The loss from the scores."""
    return jnp.mean(sigmoid_cross_entropy(z, y))


def written_out(z: Any, y: Any) -> Any:
    """The loss from the rounded probability, as it is written."""
    p = jax.nn.sigmoid(z)
    return -jnp.mean(y * jnp.log(p) + (1 - y) * jnp.log(1 - p))


def loss(subject: Callable[..., Any], reference: Callable[..., Any] | None = None, *, least: float = 1e-290) -> Suite:
    """Is the loss -1/n of the sum of y log p + (1 - y) log(1 - p): as exact as for a loss of `least`?"""

    def plain(c: Case) -> float:
        signed = [z if label else -z for z, label in zip(c["z"], c["y"], strict=True)]
        return -sum(min(s, 0.0) - np.log1p(np.exp(-abs(s))) for s in signed) / len(signed)

    far = [{"z": np.asarray([z, -z, 0.0]), "y": np.asarray([1.0, 0.0, y])} for z in (40.0, -1e4, 1e4) for y in (0, 1)]
    return Suite(
        subject=jax.jit(subject),
        reference=jax.jit(reference) if reference else None,
        draw=lambda generator, size: {
            "z": generator.normal(scale=10.0 ** generator.uniform(-1, 4), size=size),
            "y": generator.integers(0, 2, size).astype(float),
        },
        valid=lambda c: 0 < len(c["z"]) == len(c["y"]) and all(label in (0, 1) for label in c["y"]),
        sizes=(1, 3, 8),
        adversarial=far,
        properties={
            "is the mean negative log-likelihood": lambda f, c: (
                float(f(**c)),
                plain(c),
                max(plain(c), least),
            )
        },
        mutants={
            "the sum": jax.jit(lambda z, y: jnp.sum(sigmoid_cross_entropy(z, y))),
            "the sign turned": jax.jit(lambda z, y: -stable(z, y)),
            "the logarithm of a rounded probability": jax.jit(written_out),
            "classes exchanged": jax.jit(lambda z, y: stable(z, 1 - y)),
        },
    )


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
        properties={
            "is what jax.grad gives": lambda f, c: (np.asarray(f(**c)), np.asarray(automatic(*c.values())), _size(c))
        },
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
                np.asarray(f(**c)),
                c["w"] - c["alpha"] * np.asarray(automatic(c["w"], c["X"], c["y"])),
                (1 + c["alpha"]) * _size(c) + np.max(np.abs(c["w"])),
            )
        },
        mutants={name: update(wrong) for name, wrong in EXCESSES.items() if name != "formula"},
    )


ascent = jax.jit(lambda w, X, y, alpha: w + alpha * X.T @ (y - jax.nn.sigmoid(X @ w)) / len(y))


experiment = Experiment(
    suites={
        "loss": lambda: loss(stable),
        "written_out": lambda: loss(written_out, stable, least=1e8),
        "gradient": gradient,
        "ascent": lambda: updates(ascent),
        "update": lambda: updates(update(EXCESSES["formula"])),
    }
)
