"""Machines that draw a line: which rows they rest on, and whether they grow with them."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxml import Experiment, Suite
from jaxml.learn import (
    fit_fisher,
    fit_kernel_svm,
    fit_least_squares,
    fit_linear_svm,
    fit_logistic,
    kernel_decision,
    linear_predictor,
)

Case = dict[str, Any]
SLACK = 1e10
"""Scale of what an iterative solver gives: its last digits are not asked for."""


def few() -> Suite:
    """Does the machine stay as it is when the rows beyond its margin go away, or move farther away?"""

    def rest(f: Any, y: Any, X: Any) -> tuple[Any, ...]:
        every = np.ones(len(y))
        w, b = f(X, y, every)
        beyond = (2 * y - 1) * (X @ np.asarray(w) + float(b)) > 1.001
        away = np.where(beyond, 2.0 * y - 1, 0.0)[:, None] * np.asarray(w)
        fewer, moved = f(X, y, np.where(beyond, 0.0, 1.0))[0], f(X + away, y, every)[0]
        return np.stack([fewer, moved]), np.stack([w, w]), SLACK

    def fitted(fit: Callable[..., Any]) -> Callable[..., Any]:
        found = lambda params: (params.coef, params.intercept)  # noqa: E731
        return jax.jit(lambda X, y, s: found(fit(X, y, sample_weight=s).params))

    def draw(generator: np.random.Generator, size: int) -> Case:
        y = np.arange(size) % 2
        return {"X": generator.normal(size=(size, 2)) + 0.8 * y[:, None], "y": y}

    return Suite(
        subject=fitted(lambda X, y, **s: fit_linear_svm(X, y, C=1.0, **s)),
        draw=draw,
        valid=lambda y, X: set(y.tolist()) == {0, 1} and bool(np.max(np.abs(X)) < 10),
        sizes=(8,),
        properties={"the same without the rows beyond the margin, and with them farther away": rest},
        mutants={
            "logistic regression": fitted(lambda X, y, **s: fit_logistic(X, y, l2=0.01, **s)),
            "least squares": fitted(lambda X, y, **s: fit_least_squares(X, 2.0 * y - 1, **s)),
            "Fisher's discriminant": fitted(lambda X, y, **s: fit_fisher(X, y, shrinkage=0.1, **s)),
        },
    )


def program(fit: Callable[..., Any], decide: Callable[..., Any], size: int) -> Callable[[], Any]:
    """What a fit to some number of rows leaves, by its shapes, and how it decides."""
    X, y = jax.ShapeDtypeStruct((size, 2), float), jax.ShapeDtypeStruct((size,), int)
    return lambda: (decide, jax.eval_shape(lambda X, y: fit(X, y).params, X, y), X)


LEARNERS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "logistic_regression": (lambda X, y: fit_logistic(X, y, l2=0.1), linear_predictor),
    "linear_machine": (fit_linear_svm, linear_predictor),
    "kernel_machine": (fit_kernel_svm, kernel_decision),
}


experiment = Experiment(
    suites={"few": few},
    programs={
        f"{name}_of_{size}_rows": program(fit, decide, size)
        for name, (fit, decide) in LEARNERS.items()
        for size in (40, 80)
    },
)
