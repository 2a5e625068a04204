"""Discriminants of many classes: their eigenproblem, and how many there are, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import eigh

from experiments.shared.scatter import classes, regular, scatter, scatters
from jaxml import Experiment, Suite
from jaxml.learn import fit_lda

Case = dict[str, Any]


def eigenproblem() -> Suite:
    """Do the discriminant directions solve S_b w = lambda S_w w, with the largest lambda?"""

    def parts(f: Any, c: Case) -> tuple[np.ndarray, ...]:
        between, within, _ = (np.asarray(s) for s in scatters(c["X"], c["y"], 3))
        W = np.asarray(f(c["X"], c["y"]))
        return W, between, within, np.sum(W * (between @ W), 0) / np.sum(W * (within @ W), 0)

    def residual(f: Any, c: Case) -> tuple[Any, ...]:
        W, between, within, value = parts(f, c)
        size = np.abs(between) @ np.abs(W) + value * (np.abs(within) @ np.abs(W))
        return between @ W, value * (within @ W), 1e5 * np.max(size, 0)

    def largest(f: Any, c: Case) -> tuple[Any, ...]:
        _, between, within, value = parts(f, c)
        expected = eigh(between, within, eigvals_only=True)[:0:-1]
        return value, expected, 1e5 * expected[0]

    def top(matrix: Callable[[Any, Any], Any]) -> Callable[..., Any]:
        return jax.jit(lambda X, y: jnp.linalg.eigh(matrix(*scatter(X, y, 3)[:2]))[1][:, :0:-1])

    return Suite(
        subject=jax.jit(lambda X, y: fit_lda(X, y, classes=3).params.projection),
        draw=classes(3, 3),
        valid=regular(3),
        sizes=(12,),
        properties={"solve the eigenproblem": residual, "with the largest eigenvalues": largest},
        mutants={
            "principal components": top(lambda between, within: between + within),
            "scatter between alone": top(lambda between, within: between),
            "the smaller lambda first": jax.jit(lambda X, y: fit_lda(X, y, classes=3).params.projection[:, ::-1]),
            "from mean to mean": jax.jit(
                lambda X, y: jnp.linalg.solve(scatter(X, y, 3)[1], jnp.diff(scatter(X, y, 3)[2], axis=0).T)
            ),
        },
    )


def rank() -> Suite:
    """Do K - 1 directions hold all that separates the means of K classes?"""

    def apart(f: Any, X: Any, y: Any) -> tuple[Any, ...]:
        _, within, means = (np.asarray(s) for s in scatters(X, y, 3))
        W = np.asarray(f(X, y))
        gaps = means[[1, 2, 2]] - means[[0, 0, 1]]
        expected = np.sum(gaps * np.linalg.solve(within / len(y), gaps.T).T, 1)
        return np.sum((gaps @ W) ** 2, 1), expected, 1e5 * np.max(expected)

    found = lambda change: jax.jit(lambda X, y: change(fit_lda(X, y, classes=3).params.projection))  # noqa: E731
    return Suite(
        subject=found(lambda W: W),
        draw=classes(3, 4),
        valid=regular(3),
        sizes=(14,),
        properties={
            "at most K - 1": lambda f, X, y: f(X, y).shape[1] <= 2,
            "the distances of the means are those of all features": apart,
        },
        mutants={
            "one fewer": found(lambda W: W[:, :1]),
            "one more": found(lambda W: jnp.append(W, 0 * W[:, :1], axis=1)),
            "principal components": jax.jit(
                lambda X, y: jnp.linalg.svd(X - jnp.mean(X, 0), full_matrices=False)[2][:2].T
            ),
        },
    )


experiment = Experiment(suites={"eigenproblem": eigenproblem, "rank": rank})
