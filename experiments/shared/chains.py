"""Chains of three states: how they follow each other, what they make, and the weight of every path."""

from itertools import product
from typing import Any

import numpy as np

Case = dict[str, Any]


def quarters(generator: np.random.Generator, *shape: int) -> np.ndarray:
    """Probabilities in quarters, zeros and ties among them, along the last axis."""
    return generator.multinomial(4, [1 / shape[-1]] * shape[-1], size=shape[:-1]) / 4


def chain(generator: np.random.Generator, size: int) -> Case:
    """Three states, how likely each makes what was seen at each time, and how they follow each other."""
    return {
        "first": quarters(generator, 3),
        "follow": quarters(generator, 3, 3),
        "seen": generator.integers(0, 5, (size, 3)) / 4,
    }


def weights(c: Case) -> dict[tuple[int, ...], float]:
    """Every path of states, and the probability of it and of what was seen."""
    found = {}
    for path in product(range(3), repeat=len(c["seen"])):
        weight = c["first"][path[0]] * c["seen"][0][path[0]]
        for t in range(1, len(path)):
            weight = weight * c["follow"][path[t - 1]][path[t]] * c["seen"][t][path[t]]
        found[path] = float(weight)
    return found


def possible(c: Case) -> bool:
    """Whether probabilities sum to 1, and what was seen can be."""
    sums = np.append(c["follow"].sum(1), c["first"].sum())
    inside = all(np.all((c[k] >= 0) & (c[k] <= 1)) for k in c) and np.allclose(sums, 1, atol=1e-12)
    return bool(inside) and len(c["seen"]) > 0 and max(weights(c).values()) > 0


def normalised(rows: np.ndarray) -> np.ndarray:
    """Each row over its sum."""
    return rows / np.maximum(rows.sum(1, keepdims=True), 1e-300)
