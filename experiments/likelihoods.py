"""Logarithms and masses of densities, and which fit has the largest likelihood, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from jaxml import Experiment, Suite
from jaxml.learn import fit_huber, fit_least_squares, fit_ridge
from jaxml.ops import l2_squared, sigmoid_cross_entropy

Case = dict[str, Any]
Mass = Callable[[float, float], float]
"""`mass(x, b)`: the probability of [-x, x] under a law of scale b."""


def logarithm() -> Suite:
    """Is minus the logarithm of the Gaussian density w^2 / (2 tau^2) and a constant?"""
    return Suite(
        subject=jax.jit(lambda w, tau: l2_squared(w) / (2 * tau**2)),
        draw=lambda generator, size: {
            "w": generator.normal(scale=3, size=size),
            "tau": 10.0 ** generator.uniform(-0.5, 1),
        },
        valid=lambda c: c["tau"] > 0,
        sizes=(1, 3),
        adversarial=[{"w": np.zeros(1), "tau": 1.0}, {"w": np.array([-2.0]), "tau": 2.0}],
        properties={
            "the same up to a constant": lambda f, c: (
                float(f(**c)) - float(f(0 * c["w"], c["tau"])),
                float(np.sum(stats.norm.logpdf(0 * c["w"], 0, c["tau"]) - stats.norm.logpdf(c["w"], 0, c["tau"]))),
                float(np.sum(1 + np.abs(np.log(c["tau"])) + (c["w"] / c["tau"]) ** 2)),
            )
        },
        mutants={
            "without the 1/2": jax.jit(lambda w, tau: l2_squared(w) / tau**2),
            "tau for its square": jax.jit(lambda w, tau: l2_squared(w) / (2 * tau)),
            "absolute value": jax.jit(lambda w, tau: jnp.sum(jnp.abs(w)) / (2 * tau**2)),
        },
    )


def laplace(x: float, b: float) -> float:
    """Of the Laplace law: 1 - exp(-x / b)."""
    return float(stats.laplace.cdf(x, scale=b) - stats.laplace.cdf(-x, scale=b))


def gauss(x: float, b: float) -> float:
    """Of the normal law with the variance of the Laplace law, 2 b^2."""
    return float(stats.norm.cdf(x, scale=b * 2**0.5) - stats.norm.cdf(-x, scale=b * 2**0.5))


def near_zero() -> Suite:
    """Are most draws of a Laplace law 0 or tiny, that is within a tenth of its scale, some exactly 0?"""
    return Suite(
        subject=laplace,
        reference=lambda x, b: 0.9 + 0.1 * laplace(x, b),
        draw=lambda generator, size: {"b": 10.0 ** generator.uniform(-3, 3)},
        valid=lambda c: c["b"] > 0,
        sizes=(1,),
        adversarial=[{"b": 1.0}],
        properties={
            "more than half within b / 10": lambda f, c: f(0.1 * c["b"], c["b"]) > 0.5,
            "0 has a probability": lambda f, c: f(0.0, c["b"]) > 0,
        },
        mutants={
            "normal": gauss,
            "uniform": lambda x, b: min(x / b, 1.0),
            "half exact zeros, the rest far": lambda x, b: 0.5 * (x >= 0) + 0.5 * (x > b),
        },
    )


def shares(mass: Mass) -> Callable[[], dict[str, float]]:
    """The probability of 0 and of what lies within a tenth of the scale."""
    return lambda: {"zero": mass(0.0, 1.0), "tiny": mass(0.1, 1.0)}


def regression(generator: np.random.Generator, size: int) -> Case:
    """Features, targets, the standard deviation of the noise, and a move away from the fit."""
    X, sigma = generator.normal(size=(8, size)), 10.0 ** generator.uniform(-1, 1)
    y = X @ generator.normal(size=size) + sigma * generator.normal(size=8)
    return {"X": X, "y": y, "sigma": sigma, "move": generator.normal(size=size) * 10.0 ** generator.uniform(-2, 1)}


def least_squares() -> Suite:
    """Has least squares the largest Gaussian likelihood of all weights, whatever the noise's deviation?"""
    of = lambda fit, **options: jax.jit(lambda X, y: fit(X, y, intercept=False, **options).params.coef)  # noqa: E731

    def likelihood(w: Any, c: Case) -> float:
        return float(np.sum(stats.norm.logpdf(c["y"], c["X"] @ np.asarray(w), c["sigma"])))

    def largest(f: Any, c: Case) -> bool:
        w = np.asarray(f(c["X"], c["y"]))
        here = likelihood(w, c)
        return all(likelihood(w + move, c) <= here + 1e-12 * abs(here) for move in (c["move"], -c["move"]))

    return Suite(
        subject=of(fit_least_squares),
        draw=regression,
        valid=lambda c: c["sigma"] > 0,
        sizes=(2,),
        properties={"no other weights are likelier": largest},
        mutants={
            "ridge": of(fit_ridge, l2=0.1),
            "Huber": of(fit_huber, delta=0.1),
            "without one row": lambda X, y: np.linalg.lstsq(X[1:], y[1:], rcond=None)[0],
        },
    )


def cross_entropy() -> Suite:
    """Is the cross-entropy of a logit minus the logarithm of the probability of the label (Bernoulli)?"""

    def bernoulli(z: float, label: float) -> float:
        return float(-stats.logistic.logcdf(z if label else -z))

    return Suite(
        subject=jax.jit(sigmoid_cross_entropy),
        draw=lambda generator, size: {"z": float(generator.normal(scale=4)), "label": float(generator.integers(2))},
        valid=lambda c: c["label"] in (0.0, 1.0),
        sizes=(1,),
        adversarial=[{"z": z, "label": label} for z in (0.0, 30.0, -30.0, 700.0, -700.0) for label in (0.0, 1.0)],
        properties={
            "minus the logarithm of its probability": lambda f, c: (
                float(f(c["z"], c["label"])),
                bernoulli(c["z"], c["label"]),
            )
        },
        mutants={
            "half the squared error": jax.jit(lambda z, label: 0.5 * (jax.nn.sigmoid(z) - label) ** 2),
            "labels turned round": jax.jit(lambda z, label: sigmoid_cross_entropy(z, 1 - label)),
            "the other label left out": jax.jit(lambda z, label: label * sigmoid_cross_entropy(z, label)),
            "probability for logit": jax.jit(lambda z, label: sigmoid_cross_entropy(jax.nn.sigmoid(z), label)),
        },
    )


experiment = Experiment(
    suites={
        "logarithm": logarithm,
        "near_zero": near_zero,
        "least_squares": least_squares,
        "cross_entropy": cross_entropy,
    },
    numbers={"laplace": shares(laplace), "gauss": shares(gauss)},
)
