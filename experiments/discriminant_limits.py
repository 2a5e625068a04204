"""Scatters within classes that have no inverse: what stands in for it, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.learn import fit_fisher

Case = dict[str, Any]


def within(X: Any, y: Any, shrinkage: Any = 0.0) -> tuple[Any, Any]:
    """The covariance within two classes, shrunk towards a sphere, and the difference of their means."""
    share = jax.nn.one_hot(y, 2, dtype=float)
    means = (share.T @ X) / jnp.sum(share, 0)[:, None]
    inner = X - means[y]
    S = inner.T @ inner / len(X)
    return (1 - shrinkage) * S + shrinkage * jnp.trace(S) / X.shape[1] * jnp.eye(X.shape[1]), means[1] - means[0]


covariance = jax.jit(within)


def rows(generator: np.random.Generator, size: int) -> Case:
    """Rows with five features, of two classes."""
    return {"X": generator.normal(size=(size, 5)) * 10.0 ** generator.uniform(-1, 1), "y": np.arange(size) % 2}


def both(c: Case) -> bool:
    """Whether both classes are there, one of them varies, and nothing is far away."""
    fair = set(c["y"].tolist()) == {0, 1} and np.max(np.abs(c["X"])) < 100
    return bool(fair and np.trace(covariance(c["X"], c["y"])[0]) > 1e-3)


Inverse = Callable[[np.ndarray], np.ndarray]


def through_svd(change: Callable[[np.ndarray], np.ndarray]) -> Inverse:
    """V diag(change(s)) U'."""

    def inverse(S: np.ndarray) -> np.ndarray:
        U, s, Vt = np.linalg.svd(S)
        with np.errstate(all="ignore"):  # of 1 / 0
            return (Vt.T * change(s)) @ U.T

    return inverse


def on_range(s: np.ndarray) -> np.ndarray:
    """One over each singular value that is not 0 but for rounding."""
    return np.where(s > 1e-12 * max(s[0], 1e-300), 1 / np.maximum(s, 1e-300), 0.0)


def inverted(change: Callable[[np.ndarray], np.ndarray], *, regular: bool = False, reference: Any = None) -> Suite:
    """Does what the SVD makes of the scatter within undo it: in every direction in which some class varies?"""

    def undone(f: Inverse, X: Any, y: Any) -> tuple[Any, ...]:
        S = np.asarray(covariance(X, y)[0])
        with np.errstate(all="ignore"):
            return S @ f(S) @ S, S, 1e4 * np.max(np.abs(S))

    def valid(c: Case) -> bool:
        return both(c) and (not regular or float(np.linalg.cond(np.asarray(covariance(c["X"], c["y"])[0]))) < 1e4)

    return Suite(
        subject=through_svd(change),
        reference=through_svd(reference) if reference else None,
        draw=rows,
        valid=valid,
        sizes=(12,) if regular else (3, 5, 12),
        properties={"takes a direction back to itself": undone},
        mutants={
            "singular values not inverted": through_svd(lambda s: s),
            "the largest alone": through_svd(lambda s: np.where(s == s[0], on_range(s), 0.0)),
            "their squares": through_svd(lambda s: on_range(s) ** 2),
            "a tenth added to each": through_svd(lambda s: 1 / (s + 0.1)),
        },
    )


def shrunk() -> Suite:
    """Does the shrunk scatter have an inverse, and the direction solve with it, however few rows of each class?"""

    def solves(f: Any, X: Any, y: Any, share: Any) -> tuple[Any, ...]:
        S, gap = (np.asarray(part) for part in covariance(X, y, share))
        w = np.asarray(f(X, y, share))
        return S @ w, gap, 1e3 * float(np.linalg.norm(S) * np.linalg.norm(w)) + 1e-3

    fitted = lambda change: jax.jit(  # noqa: E731
        lambda X, y, share: fit_fisher(X, y, shrinkage=change(share)).params.coef
    )
    return Suite(
        subject=fitted(lambda share: share),
        draw=lambda generator, size: rows(generator, size) | {"share": float(generator.uniform(0.05, 1))},
        valid=lambda c: both(c) and float(np.mean(c["y"])) == 0.5 and 0.05 <= c["share"] <= 1,
        sizes=(4, 12),
        properties={"solves S_w w = mu_1 - mu_0": solves},
        mutants={
            "not shrunk": fitted(lambda share: 0 * share),
            "half as much": fitted(lambda share: share / 2),
            "to a sphere": fitted(lambda share: jnp.ones_like(share)),
            "difference of the means": jax.jit(lambda X, y, share: within(X, y)[1]),
        },
    )


experiment = Experiment(
    suites={
        "svd": lambda: inverted(lambda s: 1 / s, reference=on_range),
        "svd_regular": lambda: inverted(lambda s: 1 / s, regular=True),
        "svd_on_range": lambda: inverted(on_range),
        "shrunk": shrunk,
    }
)
