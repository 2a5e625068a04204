"""E25: plain, residual and dense networks of one size on digits: do connections that skip layers help?

After a stem of stride 2 a `stack` has `depth` blocks of two 3 x 3 convolutions; `skip` 1 adds each block's input to its
output (a residual network), 0 does not (a plain one). Both are lanes of one program: blocks beyond `depth` pass their
input on. `dense` is a dense block with as many parameters as a stack of four, `wide_dense` one with as many operations.
The learning rate falls to 0 along a cosine, and batch norm takes its statistics from the rows at hand, when testing
too: a few batches decide where running averages end, and that made more of a difference than the networks did.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from jaxml import Experiment, Figure, Traced
from jaxml.data import load_problem
from jaxml.learn import train
from jaxml.nn import BatchNorm, DenseBlock, PlainBlock, functional
from jaxml.nn.layers import he_conv
from jaxml.ops import softmax_cross_entropy

DIGITS = load_problem("digits")
WIDTH, DEEPEST, GROWTH = 8, 4, 4
STEMS = {"dense": 8, "wide_dense": 13}
"""Channels of the stem for which five layers have the parameters, or the operations, of a stack of `DEEPEST` blocks."""


class SkipBlock(PlainBlock):
    """A plain block with its input added `skip` times."""

    def __call__(self, x: jax.Array, *, training: bool = False, skip: Any = 0.0) -> jax.Array:
        """Apply to a batch."""
        return jax.nn.relu(self.branch(x, training) + skip * x)


class Stack(nnx.Module):
    """A stem, blocks of one shape as a scan, the mean over the map, ten logits."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.stem, self.norm = he_conv(1, WIDTH, 3, stride=2, rngs=rngs), BatchNorm(WIDTH)
        make = nnx.vmap(lambda keys: SkipBlock(WIDTH, WIDTH, rngs=nnx.Rngs(keys)))
        self.blocks = make(jax.random.split(rngs.params(), DEEPEST))
        self.head = nnx.Linear(WIDTH, 10, rngs=rngs)

    def __call__(self, x: jax.Array, *, training: bool = False, skip: Any = 0.0, depth: Any = DEEPEST) -> jax.Array:
        """Logits of a batch of images."""
        apply, params, state = functional(self.blocks)

        def block(x: jax.Array, stack: Any) -> tuple[jax.Array, Any]:
            number, params, state = stack
            y, after = apply(params, state, x, training=training, skip=skip)
            return jnp.where(number < depth, y, x), after

        x = jax.nn.relu(self.norm(self.stem(x), training=training))
        x, after = jax.lax.scan(block, x, (jnp.arange(DEEPEST), params, state))
        nnx.update(self.blocks, after)
        return self.head(x.mean((1, 2)))


class Dense(nnx.Module):
    """A stem, a dense block, a norm, the mean over the map, ten logits."""

    def __init__(self, width: int, layers: int, *, rngs: nnx.Rngs):
        self.stem, self.norm = he_conv(1, width, 3, stride=2, rngs=rngs), BatchNorm(width)
        self.block = DenseBlock(width, GROWTH, layers=layers, rngs=rngs)
        features = width + GROWTH * layers
        self.last, self.head = BatchNorm(features), nnx.Linear(features, 10, rngs=rngs)

    def __call__(self, x: jax.Array, *, training: bool = False, skip: Any = 0.0, depth: Any = 0) -> jax.Array:
        """Logits of a batch of images; `skip` and `depth` are the stack's."""
        x = jax.nn.relu(self.norm(self.stem(x), training=training))
        x = jax.nn.relu(self.last(self.block(x, training=training), training=training))
        return self.head(x.mean((1, 2)))


def network(kind: str, rngs: nnx.Rngs, layers: int = 5) -> nnx.Module:
    """One of the three kinds; `layers` are those of a dense block."""
    return Stack(rngs=rngs) if kind == "stack" else Dense(STEMS[kind], layers, rngs=rngs)


def trial(
    key: jax.Array,
    *,
    kind: Literal["stack", "dense", "wide_dense"] = "stack",
    skip: float = 1.0,
    depth: Traced[int] = 4,
    rate: float = 0.01,
    rows: int = 1000,
    test_rows: int = 797,
    steps: int = 300,
    batch: int = 16,
    layers: int = 5,
) -> dict[str, Any]:
    """Draw digits, train, and count the test rows that are named rightly."""
    order_key, weight_key, train_key = jax.random.split(key, 3)
    chosen = jax.random.permutation(order_key, len(DIGITS.y))[: rows + test_rows]
    x = jnp.asarray(DIGITS.X / 16, jnp.float32).reshape(-1, 8, 8, 1)[chosen]
    y = jnp.asarray(DIGITS.y)[chosen]
    apply, params, state = functional(network(kind, nnx.Rngs(weight_key), layers))
    options: dict[str, Any] = {"skip": skip, "depth": depth}

    def loss(key: jax.Array, params: Any, state: Any, batch: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, Any]:
        logits, state = apply(params, state, batch[0], training=True, **options)
        return softmax_cross_entropy(logits, batch[1]).mean(), state

    falling = optax.scale_by_schedule(optax.cosine_decay_schedule(1.0, steps))
    run = train(
        train_key, loss, params, (x[:rows], y[:rows]), optimizer=optax.chain(optax.adam(rate), falling), steps=steps,
        batch_size=batch, state=state,
    )  # fmt: skip
    found = apply(run.params, run.state, x[rows:], training=True, **options)[0].argmax(1)
    return {"accuracy": (found == y[rows:]).mean()}


experiment = Experiment(
    trial=trial,
    labels={"skip": {0.0: "no", 0.99: "99 %", 1.0: "yes"}},
    figures=(Figure("Accuracy on fresh digits by learning rate", y="accuracy", x="rate", lines="kind", log_x=True),),
)
