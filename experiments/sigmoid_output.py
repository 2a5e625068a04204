"""E13: is the squared error the wrong loss for a sigmoid output, and is it because of the sigmoid's derivative?

Logistic regression by gradient descent, on breast_cancer or on two Gaussian classes that differ in the first of ten
features by 1.4 standard deviations and, its neighbour being correlated with it by 0.95, by 4.5 along the best
direction. It starts from weights of zero and a bias that calls every case positive with logit `offset`. Under
cross-entropy the derivative in a logit is p - y, under the squared error of p it is that times 2 p (1 - p), which
vanishes where the prediction is surely wrong. `steps_needed` is the first step at which `goal` of the training rows are
on their right side, `steps` if none is.

Losses: cross-entropy; squared error of p; squared error of p with 2 p (1 - p) in its derivative to the power of 0.1,
which is nearly cross-entropy; squared error of the logit against -1 and 1, without a sigmoid (Hui and Belkin 2021).
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxml import Experiment, Figure, Traced, select
from jaxml.data import ar_design, load_problem

CANCER = load_problem("breast_cancer")


def slope(logit: jax.Array, y: jax.Array, loss: Any) -> jax.Array:
    """The derivative of a loss in the logit, row by row."""
    p = jax.nn.sigmoid(logit)
    factor = 2 * p * jax.nn.sigmoid(-logit)  # 1 - p without cancellation
    slopes = {
        "cross-entropy": p - y,
        "squared error": (p - y) * factor,
        "squared error, nearly divided": (p - y) * factor**0.1,
        "squared error of the logit": 2 * (logit - (2 * y - 1)),
    }
    return select(loss, slopes)


def trial(
    key: jax.Array,
    *,
    offset: float = 0.0,
    rate: float = 1.0,
    loss: Traced[
        Literal["cross-entropy", "squared error", "squared error, nearly divided", "squared error of the logit"]
    ] = "cross-entropy",
    problem: Literal["planted", "breast_cancer"] = "planted",
    steps: int = 800,
    goal: float = 0.95,
) -> dict[str, Any]:
    """Descend from a bad start and note when enough rows are right."""
    if problem == "planted":
        y = (jnp.arange(200) % 2).astype(float)
        X = ar_design(key, n=200, d=10, rho=0.95).at[:, 0].add(1.4 * y)
    else:
        rows = jax.random.permutation(key, len(CANCER.y))[: round(0.6 * len(CANCER.y))]
        X, y = jnp.asarray(CANCER.X, float)[rows], jnp.asarray(CANCER.y)[rows].astype(float)
    X = (X - X.mean(0)) / X.std(0)
    A = jnp.concatenate([X, jnp.ones((len(y), 1))], axis=1)

    def descend(w: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        logit = A @ w
        right = ((logit > 0) == (y > 0.5)).mean()
        return w - rate * A.T @ slope(logit, y, loss) / len(y), right

    start = jnp.zeros(A.shape[1]).at[-1].set(offset)
    right = jax.lax.scan(descend, start, length=steps)[1]
    enough = right >= goal
    return {"steps_needed": jnp.where(enough.any(), enough.argmax() + 1, steps).astype(float)}


experiment = Experiment(
    trial=trial,
    figures=(
        Figure("Steps until 95 % of the rows are on their right side, each loss at its best rate",
               y="steps_needed", x="offset", lines="loss", panels="problem", log_y=True,
               tune={"over": "rate", "minimise": "steps_needed"}),
        Figure("The same at every rate", y="steps_needed", x="rate", lines="loss", panels="offset", log_x=True,
               log_y=True),
    ),
)  # fmt: skip
