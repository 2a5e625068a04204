"""E12c: can a deep network be trained from its initial weights, where a shallow one can?

Fully connected networks of `depth` hidden layers are trained on digits by Adam for `steps` steps of `batch` rows. A
hidden layer is phi(sigma_w h W / sqrt(width)), as in `signal_propagation`; blocks are plain, have their input added
(residual), batch norm before phi, or both. Batch norm uses the statistics of the batch at hand, when testing too.
Depth is a lane: layers beyond it pass their input through.
"""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.special import erf

from jaxml import Experiment, Figure, Traced
from jaxml.data import load_problem
from jaxml.learn import train
from jaxml.nn.padded import gated_scan
from jaxml.ops import batch_norm, init_batch_norm, softmax_cross_entropy

DIGITS = load_problem("digits")
PIXELS = (DIGITS.X - DIGITS.X.mean()) / DIGITS.X.std()
PHI: dict[str, Callable[[jax.Array], jax.Array]] = {
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "erf": lambda z: erf(0.5 * np.sqrt(np.pi) * z),  # scaled to slope 1 at 0, as tanh
}


def trial(
    key: jax.Array,
    *,
    sigma_w: float = 1.0,
    rate: float = 0.003,
    depth: Traced[int] = 10,
    block: Traced[Literal["plain", "residual", "batch norm", "batch norm and residual"]] = "plain",
    activation: Literal["sigmoid", "tanh", "relu", "erf"] = "sigmoid",
    width: int = 16,
    batch: int = 32,
    steps: int = 200,
    deepest: int = 10,
    rows: int = 200,
    test_rows: int = 150,
) -> dict[str, Any]:
    """Draw rows and weights, train, and count the test rows that are named rightly."""
    order_key, input_key, hidden_key, output_key, train_key = jax.random.split(key, 5)
    chosen = jax.random.permutation(order_key, len(DIGITS.y))[: rows + test_rows]
    X, y = jnp.asarray(PIXELS, float)[chosen], jnp.asarray(DIGITS.y)[chosen]
    start = {
        "into": jax.random.normal(input_key, (X.shape[1], width)) / np.sqrt(X.shape[1]),
        "hidden": sigma_w * jax.random.normal(hidden_key, (deepest, width, width)) / np.sqrt(width),
        "bias": jnp.zeros((deepest, width)),
        "out": jax.random.normal(output_key, (width, 10)) / np.sqrt(width),
        "level": jnp.zeros(10),
    }

    both = block == "batch norm and residual"

    def layer(h: jax.Array, parameters: tuple[jax.Array, jax.Array]) -> jax.Array:
        z = h @ parameters[0]
        level, _ = batch_norm(z, None, init_batch_norm(z.shape)[1], training=True)
        z = jnp.where((block == "batch norm") | both, level, z) + parameters[1]
        return jnp.where((block == "residual") | both, h, 0.0) + PHI[activation](z)

    def logits(params: dict[str, jax.Array], X: jax.Array) -> jax.Array:
        h = gated_scan(layer, X @ params["into"], (params["hidden"], params["bias"]), depth=depth)
        return h @ params["out"] + params["level"]

    def loss(key: jax.Array, params: dict[str, jax.Array], rows: tuple[jax.Array, jax.Array]) -> jax.Array:
        return softmax_cross_entropy(logits(params, rows[0]), rows[1]).mean()

    fitted = train(
        train_key, loss, start, (X[:rows], y[:rows]), optimizer=optax.adam(rate), steps=steps, batch_size=batch
    ).params
    found = logits(fitted, X[rows:]).argmax(1)
    return {"accuracy": (found == y[rows:]).mean()}


experiment = Experiment(
    trial=trial,
    figures=(
        Figure("Accuracy of plain networks by the size of their initial weights", y="accuracy", x="sigma_w",
               lines="depth", panels="activation", log_x=True, at={"block": "plain"},
               tune={"over": "rate", "maximise": "accuracy"}),
        Figure("Accuracy of the deepest networks, by kind of block", y="accuracy", x="sigma_w", lines="block",
               panels="activation", log_x=True, at={"depth": "largest"}, tune={"over": "rate", "maximise": "accuracy"}),
    ),
)  # fmt: skip
