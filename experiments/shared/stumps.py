"""Rounds of gradient boosting by trees with one split: rows whose scores move alike lie in one leaf."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml.learn import gradient_boosting, staged_boosted

Case = dict[str, Any]
Rounds = Callable[..., Any]
ROWS, ROUNDS, RATE = 6, 3, 0.5
STUMP: dict[str, Any] = {"max_depth": 1, "missing": False}


def boosted(X: Any, y: Any, loss: Any) -> Any:
    """The scores of the rows before the first round of gradient boosting and after each, at a rate of one half."""
    options: dict[str, Any] = {"l2": 0.0, "rounds": ROUNDS, "learning_rate": RATE, "loss": loss}
    params = gradient_boosting(None, X, y, **STUMP, **options).params
    return jnp.concatenate([jnp.full((1, ROWS), params.start), staged_boosted(params, X)])


staged = jax.jit(lambda X, y: boosted(X, y, "half_squared"))


def leaves(moved: np.ndarray) -> list[np.ndarray]:
    """The rows whose scores moved alike."""
    rounded = np.round(moved, 9)
    return [rounded == value for value in np.unique(rounded)]


def rows(generator: np.random.Generator) -> Case:
    """A feature and targets."""
    return {"X": generator.normal(size=(ROWS, 1)), "y": generator.normal(size=ROWS)}


def apart(c: Case) -> bool:
    """Whether a split can part any two rows."""
    return len(set(c["X"][:, 0])) == ROWS


def ordered(f: Rounds, c: Case) -> bool:
    """Whether of any two rounds the learner that errs less counts more."""
    error, vote = (f(**c)[name] for name in ("error", "votes"))
    pairs = [(s, t) for s in range(ROUNDS) for t in range(ROUNDS) if error[s] < error[t] - 1e-6]
    return all(vote[s] > vote[t] + 1e-9 for s, t in pairs)
