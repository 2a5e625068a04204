"""Rows of some classes, and the scatter between and within them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Case = dict[str, Any]


def classes(count: int, features: int) -> Callable[[np.random.Generator, int], Case]:
    """Rows of some classes, of one shape that is no sphere."""

    def draw(generator: np.random.Generator, size: int) -> Case:
        y = np.minimum(np.arange(size) % (count + 1), count - 1)  # the last class has twice the rows
        means, shape = generator.normal(size=(count, features)), generator.normal(size=(features, features))
        return {"X": generator.normal(size=(size, features)) @ shape + 2 * means[y], "y": y}

    return draw


def scatter(X: Any, y: Any, count: int) -> tuple[Any, Any, Any]:
    """The scatter between the classes and within them, and the classes' means."""
    share = jax.nn.one_hot(y, count, dtype=float)
    means = (share.T @ X) / jnp.sum(share, 0)[:, None]
    inner, outer = X - means[y], means - jnp.mean(X, 0)
    return (outer * jnp.sum(share, 0)[:, None]).T @ outer, inner.T @ inner, means


scatters = jax.jit(scatter, static_argnums=2)


def regular(count: int) -> Callable[[Case], bool]:
    """Whether every class has rows, and the scatter within has an inverse, a good one."""

    def valid(c: Case) -> bool:
        present = set(c["y"].tolist()) == set(range(count)) and np.max(np.abs(c["X"])) < 100
        return bool(present and np.linalg.cond(np.asarray(scatters(c["X"], c["y"], count)[1])) < 1e4)

    return valid
