"""E24: does batch norm regularise, and do its running averages make inference agree with training?

A network of two hidden layers of ReLU is trained on digits by plain gradient descent, with batch norm before each ReLU
(`norm` 1) or without (0). Networks are compared at equal training loss: after each round of `steps` steps they are
measured on their training rows and on fresh ones, and the first round whose training loss is `level` or less counts,
the last one if none is. `used` of the training rows are used, repeated to fill the epoch.
"""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxml import Experiment, Figure, Traced
from jaxml.data import load_problem
from jaxml.learn import train
from jaxml.ops import BatchNormState, NormParams, batch_norm, softmax_cross_entropy

if TYPE_CHECKING:
    import xarray

DIGITS = load_problem("digits")
PIXELS = (DIGITS.X - DIGITS.X.mean()) / DIGITS.X.std()


def trial(
    key: jax.Array,
    *,
    norm: Traced[int] = 1,
    used: Traced[int] = 200,
    rate: float = 0.1,
    momentum: float = 0.9,
    batch: int = 16,
    rows: int = 200,
    test_rows: int = 300,
    width: int = 32,
    rounds: int = 20,
    steps: int = 20,
    level: float = 0.1,
) -> dict[str, Any]:
    """Train in rounds, and return the gap between errors at equal training loss."""
    order_key, weight_key, train_key = jax.random.split(key, 3)
    chosen = jax.random.permutation(order_key, len(DIGITS.y))[: rows + test_rows]
    X, y = jnp.asarray(PIXELS, jnp.float32)[chosen], jnp.asarray(DIGITS.y)[chosen]
    known = jnp.arange(rows) % used
    sizes = [X.shape[1], width, width, 10]
    keys = jax.random.split(weight_key, 3)
    params: dict[str, Any] = {
        "kernels": [
            np.sqrt(2 / n).astype(np.float32) * jax.random.normal(k, (n, out), jnp.float32)
            for k, n, out in zip(keys, sizes, sizes[1:], strict=False)
        ],
        "scales": [jnp.ones((1, n), jnp.float32) for n in sizes[1:-1]],
        "biases": [jnp.zeros((1, n), jnp.float32) for n in sizes[1:]],
    }
    start = [BatchNormState(jnp.zeros((1, n), jnp.float32), jnp.ones((1, n), jnp.float32)) for n in sizes[1:-1]]

    def logits(params: dict[str, Any], state: list, h: jax.Array, training: bool, momentum: Any) -> tuple:
        after = []
        for W, scale, bias, running in zip(params["kernels"], params["scales"], params["biases"], state, strict=False):
            z = h @ W
            level_z, running = batch_norm(z, NormParams(scale, bias), running, training=training, momentum=momentum)
            after.append(running)
            h = jax.nn.relu(jnp.where(norm == 1, level_z, z + bias))
        return h @ params["kernels"][-1] + params["biases"][-1], after

    def loss(key: jax.Array, params: Any, state: Any, numbers: jax.Array) -> tuple[jax.Array, Any]:
        out, state = logits(params, state, X[numbers], True, momentum)
        return softmax_cross_entropy(out, y[numbers]).mean(), state

    def measure(params: Any, state: Any, numbers: jax.Array) -> tuple[jax.Array, jax.Array]:
        out, _ = logits(params, state, X[numbers], False, momentum)
        return softmax_cross_entropy(out, y[numbers]).mean(), (out.argmax(1) != y[numbers]).mean()

    fresh = jnp.arange(rows, rows + test_rows)

    def advance(carry: tuple, key: jax.Array) -> tuple[tuple, jax.Array]:
        run = train(
            key, loss, carry[0], known, optimizer=optax.sgd(rate), steps=steps, batch_size=batch, state=carry[1]
        )
        train_loss, train_error = measure(run.params, run.state, known)
        test_error = measure(run.params, run.state, fresh)[1]
        return (run.params, run.state), jnp.stack([train_loss, train_error, test_error])

    (params, state), history = jax.lax.scan(advance, (params, start), jax.random.split(train_key, rounds))
    history = jnp.where(jnp.isfinite(history), history, jnp.array([100.0, 1.0, 1.0])[None])
    reached = history[:, 0] <= level
    train_loss, train_error, test_error = history[jnp.where(reached.any(), reached.argmax(), rounds - 1)]

    exact = logits(params, state, X[known], True, 0.0)[1]  # momentum 0: the statistics of all training rows
    tracked, wanted = (logits(params, s, X[fresh], False, momentum)[0].argmax(1) for s in (state, exact))
    return {
        "gap": test_error - train_error,
        "test_error": test_error,
        "train_loss": train_loss,
        "reached": reached.any().astype(jnp.float32),
        "agreement": (tracked == wanted).mean(),
    }


def by_network(results: "xarray.Dataset") -> "xarray.DataArray":
    """The gap at the rate with the least error on the tuning seeds, by the network's name."""
    (net,) = results.norm.dims
    tuning = results.test_error.sel(seed=results.seed[results.seed < 0]).mean("seed")
    picked = results.gap.isel(rate=tuning.argmin("rate")).drop_vars(["norm", "used", "rate"], errors="ignore")
    kinds = zip(results.norm.values, results.used.values, strict=True)
    names = [f"{'batch norm' if norm else 'no norm'}, {used} rows" for norm, used in kinds]
    return picked.rename({net: "network"}).assign_coords(network=np.asarray(names, object))


experiment = Experiment(
    trial=trial,
    labels={"norm": {0: "none", 1: "batch"}},
    estimands={"gap_by_network": by_network},
    figures=(
        Figure("Test error minus training error at equal training loss", y="gap_by_network", x="batch",
               lines="network", panels="momentum", log_x=True),
        Figure("Test rows classified alike by running averages and by exact statistics", y="agreement", x="rate",
               lines="momentum", panels="batch", log_x=True),
    ),
)  # fmt: skip
