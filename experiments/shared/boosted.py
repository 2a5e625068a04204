"""Rounds of gradient boosting on six rows, read from the scores after each."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml.learn import gradient_boosting, staged_boosted

Case = dict[str, Any]
Scores = Callable[..., Any]
"""`scores(X, y, rate)`: the scores of the rows before the first round and after each, (rounds + 1, rows)."""
ROWS, ROUNDS = 6, 3


@functools.partial(jax.jit, static_argnames=("loss", "order"))
def run(X: Any, y: Any, rate: Any, at: Any, l2: Any, loss: Any, order: Any) -> Any:
    """The scores of some rows before the first round of jaxml's gradient boosting, and after each."""
    options: dict[str, Any] = {"loss": loss, "order": order, "l2": l2, "learning_rate": rate, "rounds": ROUNDS}
    params = gradient_boosting(None, X, y, max_depth=1, missing=False, **options).params
    return jnp.concatenate([jnp.full((1, len(at)), params.start), staged_boosted(params, at)])


def scores(*, loss: str = "half_squared", order: str = "newton", l2: float = 0.0) -> Scores:
    """Those of the rows that it is fitted to, or of others."""
    return lambda X, y, rate, at=None: np.asarray(run(X, y, rate, X if at is None else at, l2, loss, order))


squared = scores()


def rows(generator: np.random.Generator) -> Case:
    """A feature, targets and a learning rate."""
    rate = float(generator.uniform(0.05, 1.0))
    return {"X": generator.normal(size=(ROWS, 1)), "y": generator.normal(size=ROWS), "rate": rate}


MEANS: dict[str, Scores] = {
    "to the targets themselves": lambda X, y, rate: np.cumsum(
        [np.full(ROWS, y.mean()), *np.diff(squared(X, y, rate)[:2], axis=0).repeat(ROUNDS, axis=0)], axis=0
    ),
    "away from the residuals": lambda X, y, rate: 2 * squared(X, y, rate)[:1] - squared(X, y, rate),
    "twice the rate": lambda X, y, rate: squared(X, y, 2 * rate),
}
