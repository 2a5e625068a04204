"""A linear model of two classes, and the mean cross-entropy of it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

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
