"""Train small residual networks on scikit-learn's digits, a seed and a learning rate a lane, and print their accuracy.

Run as ``python docs/examples/digits_network.py [seeds] [steps]``.
"""

import sys

import jax
import jax.numpy as jnp
import optax
from flax import nnx

import jaxml
from jaxml.claims.rule.intervals import t_interval
from jaxml.data import load_problem
from jaxml.learn import train
from jaxml.nn import BasicBlock, ResNet, functional
from jaxml.ops import softmax_cross_entropy

DIGITS = load_problem("digits")
TEST = 360  # of 1797 rows, a fifth


def trial(
    key,
    *,
    rate: float = 0.01,
    decay: float = 1e-3,
    momentum: float = 0.9,
    dropout: float = 0.0,
    width: int = 8,
    steps: int = 300,
    batch: int = 64,
):
    """One split, one initialisation, one training run; every float is a lane of the same program."""
    split_key, weight_key, train_key = jax.random.split(key, 3)
    order = jax.random.permutation(split_key, len(DIGITS.y))
    x = jnp.asarray(DIGITS.X / 16, jnp.float32).reshape(-1, 8, 8, 1)[order]
    y = jnp.asarray(DIGITS.y)[order]

    model = ResNet(
        BasicBlock, (1, 1, 1), classes=10, channels=1, width=width, small=True,
        dropout=dropout, momentum=momentum, rngs=nnx.Rngs(weight_key),
    )  # fmt: skip
    apply, params, state = functional(model)

    def loss(key, params, state, batch):
        images, labels = batch
        logits, state = apply(params, state, images, training=True, key=key)
        return softmax_cross_entropy(logits, labels).mean(), state

    schedule = optax.cosine_decay_schedule(1.0, steps)
    optimizer = optax.chain(
        optax.scale_by_adam(), optax.add_decayed_weights(decay),
        optax.scale_by_schedule(schedule), optax.scale(-rate),
    )  # fmt: skip
    run = train(
        train_key, loss, params, (x[TEST:], y[TEST:]), optimizer=optimizer, steps=steps, batch_size=batch, state=state
    )
    logits, _ = apply(run.params, run.state, x[:TEST])
    return {"accuracy": (logits.argmax(-1) == y[:TEST]).astype(float).mean()}


if __name__ == "__main__":
    seeds, steps = (int(word) for word in (sys.argv[1:] + ["16", "300"][len(sys.argv) - 1 :]))
    results = jaxml.sweep(trial, seeds=seeds, rate=[0.003, 0.01], steps=steps)
    for rate in results.rate.values:
        accuracy = results.accuracy.sel(rate=rate).values
        low, high = t_interval(accuracy, correction=TEST / (len(DIGITS.y) - TEST))
        print(f"rate {rate:g}: accuracy {accuracy.mean():.3f}, {low:.3f} .. {high:.3f} at 95 % over {seeds} splits")
