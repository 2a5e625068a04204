"""Two classes with a gap between them, and the maximal margin there."""

from functools import lru_cache
from typing import Any

import jax
import numpy as np

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
