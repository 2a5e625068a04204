"""What logistic regression is: its linear predictor and its probability, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from jaxml import Experiment, Suite
from jaxml.learn import LinearParams, linear_predictor

Case = dict[str, Any]


def response(transform: Callable[[Any], Any]) -> Callable[..., Any]:
    """Something made of the linear predictor."""
    return jax.jit(lambda a, b, X: transform(linear_predictor(LinearParams(a, b), X)))


def model(generator: np.random.Generator) -> Case:
    """Coefficients, intercept and two rows of features, over several magnitudes."""
    scale = 10.0 ** generator.uniform(-2, 2)
    return {"a": scale * generator.normal(size=2), "b": generator.normal(), "X": generator.normal(size=(2, 2))}


def magnitude(c: Case) -> float:
    """How large the terms of a x + b are."""
    return float(np.max(np.abs(c["X"]) @ np.abs(c["a"])) + abs(c["b"]) + 1)


def predictor() -> Suite:
    """Are the log-odds a x + b, so that points between two have log-odds between theirs?"""
    plain = lambda c: np.asarray([sum(a * x for a, x in zip(c["a"], row, strict=True)) + c["b"] for row in c["X"]])  # noqa: E731

    def between(f: Any, c: Case) -> tuple[Any, ...]:
        ends = np.asarray(f(c["a"], c["b"], c["X"]))
        middle = np.asarray(f(c["a"], c["b"], np.stack([c["X"].mean(0)] * 2)))
        return middle[0], ends.mean(), magnitude(c)

    return Suite(
        subject=response(lambda z: jax.nn.log_sigmoid(z) - jax.nn.log_sigmoid(-z)),
        draw=model,
        adversarial=[{"a": np.asarray([1e4, 0.0]), "b": 0.0, "X": np.asarray([[1.0, 0.0], [-1.0, 0.0]])}],
        properties={
            "are a x + b": lambda f, c: (f(**c), plain(c), magnitude(c)),
            "are linear between two points": between,
        },
        mutants={
            "the probability": response(jax.nn.sigmoid),
            "the logarithm of the probability": response(jax.nn.log_sigmoid),
            "no intercept": jax.jit(lambda a, b, X: X @ a),
            "from rounded probabilities": response(lambda z: jnp.log(jax.nn.sigmoid(z) / (1 - jax.nn.sigmoid(z)))),
        },
    )


def probability() -> Suite:
    """Is the probability the sigmoid of a x + b, to its last digits, from -10,000 to 10,000?"""

    def sigmoid(c: Case) -> np.ndarray:
        z = c["X"] @ c["a"] + c["b"]
        small = np.exp(-np.abs(z))
        return np.where(z >= 0, 1 / (1 + small), small / (1 + small))

    def flipped(f: Any, c: Case) -> tuple[Any, ...]:
        return np.asarray(f(**c)) + np.asarray(f(-c["a"], -c["b"], c["X"])), np.ones(2), magnitude(c)

    far = [{"a": np.asarray([a, 0.0]), "b": 0.0, "X": np.asarray([[1.0, 0.0], [-1.0, 0.0]])} for a in (0, 90, 700, 1e4)]
    return Suite(
        subject=response(jax.nn.sigmoid),
        draw=model,
        adversarial=far,
        properties={
            "is 1 / (1 + exp(-z))": lambda f, c: (f(**c), sigmoid(c), np.maximum(sigmoid(c), 1e-290) * magnitude(c)),
            "of the other class, it is the rest": flipped,
        },
        mutants={
            "exp(z) / (1 + exp(z)) as it stands": response(lambda z: jnp.exp(z) / (1 + jnp.exp(z))),
            "probit": response(ndtr),
            "log link": response(jnp.exp),
            "tanh": response(jnp.tanh),
        },
    )


experiment = Experiment(suites={"predictor": predictor, "probability": probability})
