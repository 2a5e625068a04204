"""Logarithms of densities as losses, and which fit has the largest likelihood, exactly."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from jaxml import Experiment, Suite
from jaxml.learn import fit_huber, fit_least_squares, fit_ridge
from jaxml.ops import l2_squared, sigmoid_cross_entropy

Case = dict[str, Any]


def logarithm() -> Suite:
    """Is minus the logarithm of the Gaussian density w^2 / (2 tau^2) and a constant?"""
    return Suite(
        subject=lambda w, tau: l2_squared(w) / (2 * tau**2),
        jit=True,
        draw=lambda generator, size: {
            "w": generator.normal(scale=3, size=size),
            "tau": 10.0 ** generator.uniform(-0.5, 1),
        },
        valid=lambda tau: tau > 0,
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
            "without the 1/2": lambda w, tau: l2_squared(w) / tau**2,
            "tau for its square": lambda w, tau: l2_squared(w) / (2 * tau),
            "absolute value": lambda w, tau: jnp.sum(jnp.abs(w)) / (2 * tau**2),
        },
    )


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
        valid=lambda sigma: sigma > 0,
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
        subject=sigmoid_cross_entropy,
        jit=True,
        draw=lambda generator: {"z": float(generator.normal(scale=4)), "label": float(generator.integers(2))},
        valid=lambda label: label in (0.0, 1.0),
        adversarial=[{"z": z, "label": label} for z in (0.0, 30.0, -30.0, 700.0, -700.0) for label in (0.0, 1.0)],
        properties={"minus the logarithm of its probability": lambda f, z, label: (f(z, label), bernoulli(z, label))},
        mutants={
            "half the squared error": lambda z, label: 0.5 * (jax.nn.sigmoid(z) - label) ** 2,
            "labels turned round": lambda z, label: sigmoid_cross_entropy(z, 1 - label),
            "the other label left out": lambda z, label: label * sigmoid_cross_entropy(z, label),
            "probability for logit": lambda z, label: sigmoid_cross_entropy(jax.nn.sigmoid(z), label),
        },
    )


experiment = Experiment(suites={"logarithm": logarithm, "least_squares": least_squares, "cross_entropy": cross_entropy})
