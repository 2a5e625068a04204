"""E24: does batch norm regularise, and do its running averages make inference agree with training?

Networks of two hidden layers of ReLU are trained on digits by plain gradient descent, with batch norm before each ReLU,
without, or with the statistics of all training rows, taken between rounds and frozen during them: the same norm
without noise. Networks are compared at equal training loss: after each round of `steps` steps they are
measured on their training rows and on fresh ones, and what counts is the value where the training loss passes `level`,
between two rounds by interpolation, at the last round if it never does. Every seed averages over `networks` of them,
which differ in their initial weights and batches. `used` of the training rows are used, repeated to fill the epoch.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxml import Experiment, Figure, Traced
from jaxml.data import load_problem
from jaxml.learn import train
from jaxml.ops import BatchNormState, NormParams, batch_norm, softmax_cross_entropy

DIGITS = load_problem("digits")
PIXELS = (DIGITS.X - DIGITS.X.mean()) / DIGITS.X.std()


def trial(
    key: jax.Array,
    *,
    norm: Traced[Literal["no norm", "batch norm", "batch norm, frozen"]] = "batch norm",
    used: Traced[int] = 200,
    rate: float = 0.1,
    momentum: float = 0.9,
    batch: int = 16,
    rows: int = 200,
    test_rows: int = 200,
    width: int = 32,
    rounds: int = 16,
    steps: int = 20,
    level: float = 0.1,
    networks: int = 3,
) -> dict[str, Any]:
    """Train in rounds, and return the gap between losses at equal training loss, a mean over networks."""
    order_key, network_key = jax.random.split(key)
    chosen = jax.random.permutation(order_key, len(DIGITS.y))[: rows + test_rows]
    X, y = jnp.asarray(PIXELS, jnp.float32)[chosen], jnp.asarray(DIGITS.y)[chosen]
    known, fresh = jnp.arange(rows) % used, jnp.arange(rows, rows + test_rows)
    sizes = [X.shape[1], width, width, 10]

    def logits(
        params: dict[str, Any],
        state: list,
        h: jax.Array,
        training: bool,
        momentum: Any,
        frozen: Any = norm == "batch norm, frozen",
    ) -> tuple:
        after = []
        for W, scale, bias, running in zip(params["kernels"], params["scales"], params["biases"], state, strict=False):
            z, affine = h @ W, NormParams(scale, bias)
            level_z, moved = batch_norm(z, affine, running, training=training, momentum=momentum)
            frozen_z, _ = batch_norm(z, affine, running, training=False, momentum=momentum)
            after.append(moved)
            h = jax.nn.relu(jnp.where(norm == "no norm", z + bias, jnp.where(frozen, frozen_z, level_z)))
        return h @ params["kernels"][-1] + params["biases"][-1], after

    def of_all_rows(params: Any, state: list) -> list:
        """The statistics of all training rows, by layer."""
        return logits(params, state, X[known], True, 0.0, frozen=False)[1]

    def loss(key: jax.Array, params: Any, state: Any, numbers: jax.Array) -> tuple[jax.Array, Any]:
        out, after = logits(params, state, X[numbers], True, momentum)
        kept = jax.tree.map(lambda moved, frozen: jnp.where(norm == "batch norm, frozen", frozen, moved), after, state)
        return softmax_cross_entropy(out, y[numbers]).mean(), kept

    def measure(params: Any, state: Any, numbers: jax.Array) -> tuple[jax.Array, jax.Array]:
        out, _ = logits(params, state, X[numbers], False, momentum)
        return softmax_cross_entropy(out, y[numbers]).mean(), (out.argmax(1) != y[numbers]).mean()

    def advance(carry: tuple, key: jax.Array) -> tuple[tuple, jax.Array]:
        run = train(
            key, loss, carry[0], known, optimizer=optax.sgd(rate), steps=steps, batch_size=batch, state=carry[1]
        )
        exact = of_all_rows(run.params, run.state)
        state = jax.tree.map(lambda one, other: jnp.where(norm == "batch norm, frozen", one, other), exact, run.state)
        (train_loss, _), (test_loss, test_error) = (measure(run.params, state, numbers) for numbers in (known, fresh))
        return (run.params, state), jnp.stack([train_loss, test_loss, test_error])

    def network(key: jax.Array) -> dict[str, jax.Array]:
        weight_key, train_key = jax.random.split(key)
        params: dict[str, Any] = {
            "kernels": [
                np.sqrt(2 / n).astype(np.float32) * jax.random.normal(k, (n, out), jnp.float32)
                for k, n, out in zip(jax.random.split(weight_key, 3), sizes, sizes[1:], strict=False)
            ],
            "scales": [jnp.ones((1, n), jnp.float32) for n in sizes[1:-1]],
            "biases": [jnp.zeros((1, n), jnp.float32) for n in sizes[1:]],
        }
        start = [BatchNormState(jnp.zeros((1, n), jnp.float32), jnp.ones((1, n), jnp.float32)) for n in sizes[1:-1]]
        start = jax.tree.map(
            lambda one, other: jnp.where(norm == "batch norm, frozen", one, other), of_all_rows(params, start), start
        )
        (params, state), history = jax.lax.scan(advance, (params, start), jax.random.split(train_key, rounds))
        history = jnp.where(jnp.isfinite(history), history, jnp.array([100.0, 100.0, 1.0])[None])
        reached = history[:, 0] <= level
        place = jnp.where(reached.any(), reached.argmax(), rounds - 1)
        here, before = history[place], history[jnp.maximum(place - 1, 0)]
        # How far back from the round that passed the level to the level itself, on the scale of the log of the loss.
        back = jnp.log(level / here[0]) / jnp.maximum(jnp.log(before[0] / here[0]), 1e-6)
        train_loss, test_loss, test_error = here + jnp.where(reached.any(), jnp.clip(back, 0, 1), 0.0) * (before - here)

        exact = of_all_rows(params, state)
        tracked, wanted = (logits(params, s, X[fresh], False, momentum)[0].argmax(1) for s in (state, exact))
        return {
            "gap": jnp.maximum(test_loss - train_loss, 1e-3),
            "test_error": test_error,
            "train_loss": train_loss,
            "reached": reached.any().astype(jnp.float32),
            "agreement": (tracked == wanted).mean(),
        }

    found = jax.vmap(network)(jax.random.split(network_key, networks))
    return jax.tree.map(lambda values: values.mean(0), found)


experiment = Experiment(
    trial=trial,
    figures=(
        Figure("Test loss minus training loss, at equal training loss", y="gap", x="batch", lines="norm", panels="used",
               log_x=True, at={"momentum": 0.9}, tune={"over": "rate", "minimise": "test_error"}),
        Figure("Test rows classified alike by running averages and by exact statistics",
               y="agreement", x="rate", lines="momentum", panels="batch", log_x=True, at={"norm": "batch norm"}),
    ),
)  # fmt: skip
