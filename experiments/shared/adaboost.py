"""The textbook's rule of AdaBoost, mistaken ones, and what jaxml's AdaBoost does on the same learners."""

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml.learn import Fit, adaboost

Rule = Callable[[Any, Any], np.ndarray]
"""`rule(weights, wrong)`: the weights of rows, which sum to 1, after a learner that errs where `wrong` is 1."""


def vote(error: float) -> float:
    """Half the logarithm of the odds that a learner is right."""
    return 0.5 * float(np.log((1 - error) / error))


def scaled(weights: np.ndarray) -> np.ndarray:
    """To sum to 1."""
    return weights / weights.sum()


def reweighted(weights: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Times exp(vote) where the learner errs, exp(-vote) where it is right, and scaled to sum to 1."""
    return scaled(weights * np.exp((2 * wrong - 1) * vote(float(weights @ wrong))))


def doubled(weights: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Twice the weight where the learner errs, whatever its error."""
    return scaled(weights * (1 + wrong))


@functools.partial(jax.jit, static_argnames="rounds")
def boosted(wrong: Any, weights: Any, rounds: int) -> Any:
    """The weights that jaxml's AdaBoost gives each round, of a learner that errs where `wrong` is 1, and its votes."""
    y = jnp.zeros(len(wrong), int)
    fit = lambda key, X, y, sample_weight: Fit(sample_weight, SimpleNamespace(converged=True))  # noqa: E731
    options: dict[str, Any] = {"classes": 2, "rounds": rounds, "sample_weight": weights}
    params = adaboost(jax.random.key(0), wrong[:, None], y, fit=fit, predict=lambda params, X: wrong, **options).params
    return params.members, params.votes


RULES: dict[str, Rule] = {
    "turned round": lambda weights, wrong: scaled(weights * np.exp((1 - 2 * wrong) * vote(float(weights @ wrong)))),
    "not scaled": lambda weights, wrong: weights * np.exp(np.abs(vote(float(weights @ wrong))) * wrong),
    "left as they are": lambda weights, wrong: weights,
}
