"""What a sigmoid does to a gradient, exactly."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite

sigmoid_slope = jax.jit(jax.grad(jax.nn.sigmoid))


def derivative() -> Suite:
    """Is the derivative of the sigmoid y (1 - y), at most 1/4, and 1/4 at 0 alone?"""
    return Suite(
        subject=sigmoid_slope,
        draw=lambda generator: {"z": float(generator.normal(scale=5.0))},
        adversarial=[{"z": z} for z in (0.0, 1e-3, -40.0, 700.0)],
        properties={
            "is y (1 - y)": lambda f, z: (f(z), 1 / (1 + np.exp(-z)) / (1 + np.exp(z)), 1.0),
            "at most 1/4": lambda f, z: f(z) <= 0.25,
            "1/4 at 0": lambda f: (f(0.0), 0.25),
            "less elsewhere": lambda f, z: abs(z) < 1e-6 or f(z) < 0.25,
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
        draw=lambda generator: {"w": float(generator.normal(scale=3.0)), "x": float(generator.normal())},
        adversarial=[{"w": 8.0, "x": 0.0}, {"w": 1.0, "x": 0.0}],
        properties={"at most a quarter": lambda f, w, x: abs(float(f(w, x))) <= 0.25},
        mutants={
            "tanh": jax.jit(lambda w, x: jax.grad(lambda x: jnp.tanh(w * x))(x)),
            "no activation": jax.jit(lambda w, x: w * jnp.ones_like(x)),
            "ReLU": jax.jit(lambda w, x: w * (w * x >= 0)),
        },
    )


def surely_wrong() -> Suite:
    """Does the squared error of a sigmoid hardly correct what is surely wrong, though cross-entropy does?"""

    def wrong(z: float, t: float) -> float:
        """The logit, counted towards the wrong side."""
        return z * (1 - 2 * t)

    def shares(z: float, t: float) -> float:
        """Cross-entropy's derivative in the logit times 2 y (1 - y)."""
        return (1 / (1 + np.exp(-z)) - t) * 2 / (1 + np.exp(-z)) / (1 + np.exp(z))

    def squared(z: Any, t: Any) -> Any:
        return (jax.nn.sigmoid(z) - t) ** 2

    return Suite(
        subject=jax.jit(jax.grad(squared)),
        draw=lambda generator: {"z": float(generator.normal(scale=8.0)), "t": float(generator.integers(2))},
        adversarial=[{"z": z, "t": t} for z in (0.0, float(np.log(2.0)), 40.0, -40.0) for t in (0.0, 1.0)],
        properties={
            "is 2 y (1 - y) times cross-entropy's": lambda f, z, t: (f(z, t), shares(z, t), 1.0),
            "falls with the error from 2/3 on": lambda f, z, t: (
                wrong(z, t) < np.log(2.0) or abs(f(z + 0.5 - t, t)) <= abs(f(z, t))
            ),
            "vanishes as e^-z": lambda f, z, t: (max(abs(f(z, t)) - 2 * np.exp(-abs(z)), 0.0), 0.0, 1.0),
        },
        mutants={
            "cross-entropy": jax.jit(lambda z, t: jax.nn.sigmoid(z) - t),
            "the squared error of the logit": jax.jit(jax.grad(lambda z, t: (z - (2 * t - 1)) ** 2)),
            "half the squared error": jax.jit(jax.grad(lambda z, t: 0.5 * squared(z, t))),
        },
    )


def backpropagated() -> Suite:
    """Is the gradient of the squared error of a sigmoid unit (y - t) y (1 - y) x?"""

    def formula(w: Any, x: Any, t: Any) -> Any:
        y = jax.nn.sigmoid(w @ x)
        return (y - t) * y * (1 - y) * x

    exact = jax.jit(jax.grad(lambda w, x, t: 0.5 * (jax.nn.sigmoid(w @ x) - t) ** 2))
    return Suite(
        subject=formula,
        jit=True,
        draw=lambda generator, size: {
            "w": generator.normal(size=size),
            "x": generator.normal(size=size),
            "t": float(generator.integers(2)),
        },
        valid=lambda w, x: len(w) == len(x),
        sizes=(1, 3),
        properties={
            "is what jax.grad gives": lambda f, w, x, t: (
                f(w, x, t),
                np.asarray(exact(w, x, t)),
                np.maximum(np.abs(x), 1.0),
            )
        },
        mutants={
            "without y (1 - y)": lambda w, x, t: (jax.nn.sigmoid(w @ x) - t) * x,
            "turned round": lambda w, x, t: -formula(w, x, t),
            "without the input": lambda w, x, t: formula(w, x, t) / jnp.where(x == 0, 1.0, x),
        },
    )


experiment = Experiment(
    suites={
        "derivative": derivative,
        "layer": layer,
        "surely_wrong": surely_wrong,
        "backpropagated": backpropagated,
    }
)
