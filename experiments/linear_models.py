"""Logistic regression among linear models: linear regression, and generalised linear models, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from jaxml import Experiment, Suite
from jaxml.learn import fit_least_squares, fit_ridge, linear_predictor

INVERSE_LINKS: tuple[Callable[[Any], Any], ...] = (jax.jit(jax.nn.sigmoid), jax.jit(jnp.exp), float)
"""Of the logit, the logarithm and the identity."""


def generalised() -> Suite:
    """Is the mean of every generalised linear model the sigmoid of its linear predictor?"""

    def linked(mean: float, link: int) -> float:
        with np.errstate(invalid="ignore"):
            return [np.log(mean / (1 - mean)), np.log(mean), mean][link]

    return Suite(
        subject=lambda z, link: float(INVERSE_LINKS[0](z)),
        reference=lambda z, link: float(INVERSE_LINKS[link](z)),
        draw=lambda generator: {"z": float(generator.uniform(-5, 5)), "link": int(generator.integers(3))},
        valid=lambda link, z: abs(z) <= 5 and link in (0, 1, 2),
        properties={"the link of the mean is linear": lambda f, c: (linked(f(**c), c["link"]), c["z"], 200.0)},
        mutants={
            "log link throughout": lambda z, link: float(np.exp(z)) / 2,
            "identity link throughout": lambda z, link: z,
            "probit for logit": lambda z, link: float(ndtr(z) if link == 0 else INVERSE_LINKS[link](z)),
        },
    )


def regression() -> Suite:
    """Does linear regression answer with a x + b: on points of a line, with the line?"""

    def line(f: Any, b: Any, a: Any, X: Any, at: Any) -> tuple[Any, ...]:
        y = a * X[:, 0] + b
        return f(X, y, np.asarray([[at]])), a * at + b, 1e3

    fitted = lambda fit, after: jax.jit(lambda X, y, at: after(linear_predictor(fit(X, y).params, at))[0])  # noqa: E731
    as_it_is = lambda z: z  # noqa: E731
    return Suite(
        subject=fitted(fit_least_squares, as_it_is),
        draw=lambda generator, size: (
            dict(zip("ab", generator.uniform(-3, 3, 2).tolist(), strict=True))
            | {"X": generator.normal(size=(size, 1)), "at": float(generator.uniform(-9, 9))}
        ),
        valid=lambda X: len(X) > 1 and bool(np.std(X) > 0.1 and np.max(np.abs(X)) < 5),
        sizes=(2, 5),
        adversarial=[{"a": 0.0, "b": 0.0, "X": np.asarray([[0.0], [1.0]]), "at": 2.0}],
        properties={"is the line": line},
        mutants={
            "its sigmoid": fitted(fit_least_squares, jax.nn.sigmoid),
            "no intercept": fitted(lambda X, y: fit_least_squares(X, y, intercept=False), as_it_is),
            "with a penalty": fitted(lambda X, y: fit_ridge(X, y, l2=0.1), as_it_is),
        },
    )


experiment = Experiment(suites={"generalised": generalised, "regression": regression})
