"""The shapes of smooth L1, the absolute error and the sigmoid: growth, corners and derivatives, exactly."""

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


def error_and_beta(generator: np.random.Generator, size: int) -> Case:
    """An error of either sign and a beta, each over four decades."""
    sign, (x, beta) = generator.choice([-1.0, 1.0]), 10.0 ** generator.uniform(-2, 2, 2)
    return {"x": sign * x, "beta": beta}


def growth(*, beyond: bool) -> Suite:
    """Does each further unit of error cost one unit of loss: for every error, or from beta on?"""
    return Suite(
        subject=of_error(smooth),
        reference=None if beyond else of_error(absolute),
        draw=error_and_beta,
        valid=lambda c: c["beta"] > 0 and (abs(c["x"]) >= c["beta"] or not beyond),
        sizes=(1,),
        adversarial=[{"x": 1.0, "beta": 1.0}, {"x": -4.0, "beta": 2.0}],
        properties={
            "twice the error costs the error more": lambda f, c: (
                float(f(2 * c["x"], c["beta"]) - f(c["x"], c["beta"])),
                abs(c["x"]),
                max(abs(c["x"]), c["beta"]),
            )
        },
        mutants={name: of_error(loss) for name, loss in LOSSES.items()},
    )


def corner() -> Suite:
    """Do the difference quotients of the absolute error from the two sides of 0 differ?"""
    return Suite(
        subject=of_error(absolute),
        draw=lambda generator, size: {"step": 10.0 ** generator.uniform(-6, 6)},
        valid=lambda c: c["step"] > 0,
        sizes=(1,),
        properties={
            "1 from the right": lambda f, c: (float((f(c["step"], 1.0) - f(0.0, 1.0)) / c["step"]), 1.0),
            "-1 from the left": lambda f, c: (float((f(0.0, 1.0) - f(-c["step"], 1.0)) / c["step"]), -1.0),
        },
        mutants={
            "smooth L1": of_error(smooth),
            "one side only": of_error(lambda x, y, beta: jax.nn.relu(x - y)),
            "twice as steep": of_error(LOSSES["twice as steep"]),
        },
    )


def smoothness() -> Suite:
    """Is the slope continuous, with no step larger than the move over beta, and 1 from beta on?"""

    def step(f: Any, c: Case) -> bool:
        ahead, here = float(f(c["x"] + c["move"], c["beta"])), float(f(c["x"], c["beta"]))
        return abs(ahead - here) <= c["move"] / c["beta"] * (1 + 1e-12) + 1e-12

    return Suite(
        subject=slope(smooth),
        draw=lambda generator, size: error_and_beta(generator, size) | {"move": 10.0 ** generator.uniform(-6, 1)},
        valid=lambda c: c["beta"] > 0 and c["move"] > 0,
        sizes=(1,),
        adversarial=[{"x": -1e-9, "beta": 1.0, "move": 2e-9}, {"x": 1.0, "beta": 1.0, "move": 1e-6}],
        properties={
            "no jump": step,
            "1 from beta on": lambda f, c: (float(f(c["beta"] + c["move"], c["beta"])), 1.0),
            "0 at 0": lambda f, c: (float(f(0.0, c["beta"])), 0.0),
        },
        mutants={
            "absolute error": slope(absolute),
            "half the square": slope(LOSSES["half the square"]),
            "not divided by beta": slope(
                lambda x, y, beta: jnp.where(jnp.abs(x - y) < beta, 0.5 * (x - y) ** 2, jnp.abs(x - y) - 0.5 * beta)
            ),
        },
    )


sigmoid_slope = jax.jit(jax.grad(jax.nn.sigmoid))


def derivative() -> Suite:
    """Is the derivative of the sigmoid y (1 - y), at most 1/4, and 1/4 at 0 alone?"""
    return Suite(
        subject=sigmoid_slope,
        draw=lambda generator, size: {"z": float(generator.normal(scale=5.0))},
        sizes=(1,),
        adversarial=[{"z": z} for z in (0.0, 1e-3, -40.0, 700.0)],
        properties={
            "is y (1 - y)": lambda f, c: (float(f(c["z"])), 1 / (1 + np.exp(-c["z"])) / (1 + np.exp(c["z"])), 1.0),
            "at most 1/4": lambda f, c: float(f(c["z"])) <= 0.25,
            "1/4 at 0": lambda f, c: (float(f(0.0)), 0.25),
            "less elsewhere": lambda f, c: abs(c["z"]) < 1e-6 or float(f(c["z"])) < 0.25,
        },
        mutants={
            "tanh": jax.jit(jax.grad(jnp.tanh)),
            "y alone": jax.jit(jax.nn.sigmoid),
            "twice as steep": jax.jit(lambda z: 2 * jax.grad(jax.nn.sigmoid)(2 * z)),
        },
    )


def layer() -> Suite:
    """Does a sigmoid layer send back at most a quarter of a gradient, whatever its weight?"""
    backward = jax.jit(lambda w, x: jax.grad(lambda x: jax.nn.sigmoid(w * x))(x))
    return Suite(
        subject=backward,
        reference=jax.jit(lambda w, x: sigmoid_slope(w * x) * jnp.clip(w, -1.0, 1.0)),
        draw=lambda generator, size: {"w": float(generator.normal(scale=3.0)), "x": float(generator.normal())},
        sizes=(1,),
        adversarial=[{"w": 8.0, "x": 0.0}, {"w": 1.0, "x": 0.0}],
        properties={"at most a quarter": lambda f, c: abs(float(f(c["w"], c["x"]))) <= 0.25},
        mutants={
            "tanh": jax.jit(lambda w, x: jax.grad(lambda x: jnp.tanh(w * x))(x)),
            "no activation": jax.jit(lambda w, x: w * jnp.ones_like(x)),
            "ReLU": jax.jit(lambda w, x: w * (w * x >= 0)),
        },
    )


def backpropagated() -> Suite:
    """Is the gradient of the squared error of a sigmoid unit (y - t) y (1 - y) x?"""

    def formula(w: Any, x: Any, t: Any) -> Any:
        y = jax.nn.sigmoid(w @ x)
        return (y - t) * y * (1 - y) * x

    exact = jax.jit(jax.grad(lambda w, x, t: 0.5 * (jax.nn.sigmoid(w @ x) - t) ** 2))
    return Suite(
        subject=jax.jit(formula),
        draw=lambda generator, size: {
            "w": generator.normal(size=size),
            "x": generator.normal(size=size),
            "t": float(generator.integers(2)),
        },
        valid=lambda c: len(c["w"]) == len(c["x"]),
        sizes=(1, 3),
        properties={
            "is what jax.grad gives": lambda f, c: (
                np.asarray(f(c["w"], c["x"], c["t"])),
                np.asarray(exact(c["w"], c["x"], c["t"])),
                np.maximum(np.abs(c["x"]), 1.0),
            )
        },
        mutants={
            "without y (1 - y)": jax.jit(lambda w, x, t: (jax.nn.sigmoid(w @ x) - t) * x),
            "turned round": jax.jit(lambda w, x, t: -formula(w, x, t)),
            "without the input": jax.jit(lambda w, x, t: formula(w, x, t) / jnp.where(x == 0, 1.0, x)),
        },
    )


experiment = Experiment(
    suites={
        "growth": lambda: growth(beyond=False),
        "growth_beyond_beta": lambda: growth(beyond=True),
        "corner": corner,
        "smoothness": smoothness,
        "derivative": derivative,
        "layer": layer,
        "backpropagated": backpropagated,
    }
)
