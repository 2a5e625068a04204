"""The shapes of smooth L1 and of the absolute error: growth, corners and derivatives, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.ops import absolute_error, smooth_l1

Case = dict[str, Any]


def of_error(loss: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """A loss as a function of the error and beta."""
    return jax.jit(lambda x, beta: loss(x, jnp.zeros(()), beta))


def slope(loss: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """The derivative of a loss in the error."""
    return jax.jit(jax.grad(lambda x, beta: loss(x, jnp.zeros(()), beta)))


smooth = lambda x, y, beta: smooth_l1(x, y, beta=beta)  # noqa: E731
absolute = lambda x, y, beta: absolute_error(x, y)  # noqa: E731


LOSSES = {
    "half the square": lambda x, y, beta: 0.5 * (x - y) ** 2,
    "twice as steep": lambda x, y, beta: 2 * jnp.abs(x - y),
    "logarithm": lambda x, y, beta: jnp.log1p(jnp.abs(x - y)),
}


def error_and_beta(generator: np.random.Generator) -> Case:
    """An error of either sign and a beta, each over four decades."""
    sign, (x, beta) = generator.choice([-1.0, 1.0]), 10.0 ** generator.uniform(-2, 2, 2)
    return {"x": sign * x, "beta": beta}


def growth(*, beyond: bool) -> Suite:
    """Does each further unit of error cost one unit of loss: for every error, or from beta on?"""
    return Suite(
        subject=of_error(smooth),
        reference=None if beyond else of_error(absolute),
        draw=error_and_beta,
        valid=lambda beta, x: beta > 0 and (abs(x) >= beta or not beyond),
        adversarial=[{"x": 1.0, "beta": 1.0}, {"x": -4.0, "beta": 2.0}],
        properties={
            "twice the error costs the error more": lambda f, x, beta: (
                float(f(2 * x, beta) - f(x, beta)),
                abs(x),
                max(abs(x), beta),
            )
        },
        mutants={name: of_error(loss) for name, loss in LOSSES.items()},
    )


def corner() -> Suite:
    """Do the difference quotients of the absolute error from the two sides of 0 differ?"""
    return Suite(
        subject=of_error(absolute),
        draw=lambda generator: {"step": 10.0 ** generator.uniform(-6, 6)},
        valid=lambda step: step > 0,
        properties={
            "1 from the right": lambda f, step: (float((f(step, 1.0) - f(0.0, 1.0)) / step), 1.0),
            "-1 from the left": lambda f, step: (float((f(0.0, 1.0) - f(-step, 1.0)) / step), -1.0),
        },
        mutants={
            "smooth L1": of_error(smooth),
            "one side only": of_error(lambda x, y, beta: jax.nn.relu(x - y)),
            "twice as steep": of_error(LOSSES["twice as steep"]),
        },
    )


def smoothness() -> Suite:
    """Is the slope continuous, with no step larger than the move over beta, and 1 from beta on?"""

    def step(f: Any, beta: Any, x: Any, move: Any) -> bool:
        ahead, here = float(f(x + move, beta)), float(f(x, beta))
        return abs(ahead - here) <= move / beta * (1 + 1e-12) + 1e-12

    return Suite(
        subject=slope(smooth),
        draw=lambda generator: error_and_beta(generator) | {"move": 10.0 ** generator.uniform(-6, 1)},
        valid=lambda beta, move: beta > 0 and move > 0,
        adversarial=[{"x": -1e-9, "beta": 1.0, "move": 2e-9}, {"x": 1.0, "beta": 1.0, "move": 1e-6}],
        properties={
            "no jump": step,
            "1 from beta on": lambda f, beta, move: (f(beta + move, beta), 1.0),
            "0 at 0": lambda f, beta: (f(0.0, beta), 0.0),
        },
        mutants={
            "absolute error": slope(absolute),
            "half the square": slope(LOSSES["half the square"]),
            "not divided by beta": slope(
                lambda x, y, beta: jnp.where(jnp.abs(x - y) < beta, 0.5 * (x - y) ** 2, jnp.abs(x - y) - 0.5 * beta)
            ),
        },
    )


experiment = Experiment(
    suites={
        "growth": lambda: growth(beyond=False),
        "growth_beyond_beta": lambda: growth(beyond=True),
        "corner": corner,
        "smoothness": smoothness,
    }
)
