"""Least squares with a price on each weight that is not zero (L0): where it is easy, and how it is solved."""

from collections.abc import Callable
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.learn.solvers import proximal_gradient
from jaxml.ops import prox_l0, prox_l1

Case = dict[str, Any]


def loss(w: Any, X: np.ndarray, y: np.ndarray, price: float) -> float:
    """Half the squared error and the price of each weight that is not zero."""
    with np.errstate(over="ignore"):  # of a mutant that diverges
        return float(0.5 * np.sum((X @ np.asarray(w) - y) ** 2) + price * np.count_nonzero(w))


def best(X: np.ndarray, y: np.ndarray, price: float, w: Any = None) -> np.ndarray:
    """The best of all 2^d subsets, each fitted by least squares."""
    found = []
    for kept in product([False, True], repeat=X.shape[1]):
        w = np.zeros(X.shape[1])
        w[list(kept)] = np.linalg.lstsq(X[:, kept], y, rcond=None)[0] if any(kept) else 0.0
        found.append(w)
    return min(found, key=lambda w: loss(w, X, y, price))


def task(generator: np.random.Generator, size: int, *, orthogonal: bool = False) -> Case:
    """Features, orthonormal or not, targets, a price and where to start."""
    X = generator.normal(size=(2 * size, size))
    X = np.linalg.qr(X)[0] if orthogonal else X
    y = X @ generator.normal(size=size) + 0.5 * generator.normal(size=2 * size)
    return {
        "X": X,
        "y": y,
        "price": 10.0 ** generator.uniform(-2, 1),
        "w": generator.normal(size=size) * generator.integers(2, size=size),
    }


def subsets() -> Suite:
    """With orthonormal features, is one hard threshold of X'y as good as the best of all 2^d subsets?"""
    return Suite(
        subject=lambda X, y, price: prox_l0(X.T @ y, strength=price),
        jit=True,
        draw=lambda generator, size: task(generator, size, orthogonal=True),
        valid=lambda price, X: price > 0 and np.allclose(X.T @ X, np.eye(X.shape[1]), atol=1e-12),
        sizes=(1, 2, 4, 6),
        adversarial=[{"X": np.eye(2), "y": np.array([2.0, 1.0]), "price": price} for price in (0.5, 2.0, 9.0)],
        properties={
            "no subset is better": lambda f, X, y, price: (
                loss(f(X, y, price), X, y, price) <= loss(best(X, y, price), X, y, price) * (1 + 1e-9)
            )
        },
        mutants={
            "soft threshold": lambda X, y, price: prox_l1(X.T @ y, strength=price),
            "price for its root": lambda X, y, p: jnp.where(jnp.abs(X.T @ y) > p, X.T @ y, 0.0),
            "all kept": lambda X, y, price: X.T @ y,
        },
    )


def hard_thresholding(prox: Callable[..., Any], *, steps: int, over: float = 1.0) -> Callable[..., Any]:
    """Proximal gradient steps of `over` / L from w."""

    def run(X: Any, y: Any, price: Any, w: Any) -> Any:
        step = over / jnp.linalg.norm(X, 2) ** 2
        gradient = lambda w: X.T @ (X @ w - y)  # noqa: E731
        shrink = lambda w, step: prox(w, strength=step * price)  # noqa: E731
        return proximal_gradient(gradient, shrink, w, step_size=step, steps=steps, accelerate=False).params

    return jax.jit(run)


def solver(*, finds_best: bool) -> Suite:
    """Does the proximal gradient method lower a loss with L0 in it, or even find its minimum?"""
    of = lambda w, c: loss(w, c["X"], c["y"], c["price"])  # noqa: E731
    never_up = lambda f, c: of(f(**c), c) <= of(c["w"], c) * (1 + 1e-12)  # noqa: E731
    as_low = lambda f, c: of(f(**c), c) <= of(best(**c), c) * (1 + 1e-6)  # noqa: E731
    steps = 1000 if finds_best else 1
    return Suite(
        subject=hard_thresholding(prox_l0, steps=steps),
        reference=best if finds_best else None,
        draw=task,
        valid=lambda price, X: price > 0 and np.linalg.matrix_rank(X) == X.shape[1],
        sizes=(1, 2),
        properties={"as low as the best subset": as_low} if finds_best else {"never up": never_up},
        mutants={
            "soft threshold": hard_thresholding(prox_l1, steps=steps),
            "no threshold": hard_thresholding(lambda w, strength: w, steps=steps),
            "three times the step": hard_thresholding(prox_l0, steps=steps, over=3.0),
        },
    )


experiment = Experiment(
    suites={
        "subsets": subsets,
        "descends": lambda: solver(finds_best=False),
        "finds_best": lambda: solver(finds_best=True),
    }
)
