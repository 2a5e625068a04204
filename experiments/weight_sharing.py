"""E34: what does sharing weights between places save, and does it help to learn from few examples?

Two layers of the same units with three kinds of connections: `shared` is a convolution, `local` the same with a kernel
of its own at each place, `full` connects everything. Digits of 8 x 8 pixels lie on 10 x 10, moved by up to `shift`
pixels. In task 1 the pixels are shuffled, in the same way for all digits, which takes locality away; in task 2 the
label is where the digit was moved to, one of nine places at shift 1, which is what shared weights do not tell apart.

`keeps_moves` compares a layer's map of an image moved by one pixel with the moved map of the image: 1 where they are
equal, less by the norm of their difference over that of the map. The layer has stride 1 and the edges of the image are
joined. `_with_zeros` pads with zeros instead, `_with_stride` has stride 2, `_of_stride` moves by two pixels then.
"""

import functools
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from jaxml import Experiment, Figure, Traced
from jaxml.data import load_problem
from jaxml.learn import train
from jaxml.nn import LocallyConnected, count_parameters, describe, functional
from jaxml.nn.layers import he_conv
from jaxml.ops import softmax_cross_entropy

DIGITS = load_problem("digits")
IMAGES = np.pad(DIGITS.X.reshape(-1, 8, 8) / 16, ((0, 0), (1, 1), (1, 1))).astype(np.float32)
SHUFFLED = np.random.default_rng(0).permutation(100)


class Full(nnx.Module):
    """Every unit of a map connected to every unit of the next, which has the size given."""

    def __init__(self, inputs: int, shape: tuple[int, int, int], *, rngs: nnx.Rngs):
        self.shape, self.affine = shape, nnx.Linear(inputs, int(np.prod(shape)), rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply to a batch of maps."""
        return self.affine(x.reshape(len(x), -1)).reshape(len(x), *self.shape)


class Network(nnx.Module):
    """Two layers of ReLU with `width` channels on 5 x 5 places, and ten logits of all their units."""

    def __init__(self, layer: str, width: int, *, rngs: nnx.Rngs):
        if layer == "shared":
            self.first: Any = he_conv(1, width, 3, stride=2, use_bias=True, rngs=rngs)
            self.second: Any = he_conv(width, width, 3, use_bias=True, rngs=rngs)
        elif layer == "local":
            options: dict[str, Any] = {"kernel_size": (3, 3), "padding": 1, "kernel_init": nnx.initializers.he_normal()}
            self.first = LocallyConnected(1, width, input_size=(10, 10), stride=2, rngs=rngs, **options)
            self.second = LocallyConnected(width, width, input_size=(5, 5), rngs=rngs, **options)
        else:
            self.first = Full(100, (5, 5, width), rngs=rngs)
            self.second = Full(25 * width, (5, 5, width), rngs=rngs)
        self.head = nnx.Linear(25 * width, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of a batch of images."""
        x = jax.nn.relu(self.second(jax.nn.relu(self.first(x))))
        return self.head(x.reshape(len(x), -1))


@functools.cache
def costs(layer: str, width: int) -> tuple[int, int]:
    """Parameters and operations of a network, from the network itself."""
    model = nnx.eval_shape(lambda: Network(layer, width, rngs=nnx.Rngs(0)))
    return count_parameters(model), sum(row.flops for row in describe(model, (10, 10, 1)))


def keeps_moves(key: jax.Array, layer: str, x: jax.Array) -> dict[str, jax.Array]:
    """How well a layer on images of 10 x 10 keeps a move down and right."""
    pixels, places = (9, 1) if layer == "shared" else (9, 100) if layer == "local" else (100, 100)
    kernel = jax.random.normal(key, (places, pixels)) / np.sqrt(pixels)

    def maps(images: jax.Array, mode: str) -> jax.Array:
        if layer == "full":
            return (images.reshape(-1, 100) @ kernel.T).reshape(images.shape)
        edged = jnp.pad(images, ((0, 0), (1, 1), (1, 1)), mode=mode)
        near = jnp.stack([edged[:, i : i + 10, j : j + 10] for i in range(3) for j in range(3)], axis=-1)
        return (near.reshape(-1, 100, 9) * kernel[None]).sum(-1).reshape(images.shape)

    def kept(mode: str, stride: int, move: int) -> jax.Array:
        moved = jnp.roll(x, (move, move), (1, 2))
        first, second = (maps(images, mode)[:, ::stride, ::stride] for images in (x, moved))
        wanted = jnp.roll(first, (1, 1), (1, 2))
        return 1 - jnp.linalg.norm(second - wanted) / jnp.linalg.norm(wanted)

    return {
        "keeps_moves": kept("wrap", 1, 1),
        "keeps_moves_with_zeros": kept("constant", 1, 1),
        "keeps_moves_with_stride": kept("wrap", 2, 1),
        "keeps_moves_of_stride": kept("wrap", 2, 2),
    }


def trial(
    key: jax.Array,
    *,
    layer: Literal["shared", "local", "full"] = "shared",
    rate: float = 0.01,
    shift: Traced[int] = 0,
    task: Traced[int] = 0,
    rows: int = 200,
    test_rows: int = 300,
    width: int = 8,
    steps: int = 150,
    batch: int = 16,
) -> dict[str, Any]:
    """Draw digits and move them, train, and count the test rows that are named rightly."""
    order_key, shift_key, weight_key, train_key = jax.random.split(key, 4)
    chosen = jax.random.permutation(order_key, len(DIGITS.y))[: rows + test_rows]
    moves = jax.random.randint(shift_key, (rows + test_rows, 2), -shift, shift + 1)
    x = jax.vmap(lambda image, move: jnp.roll(image, move, (0, 1)))(jnp.asarray(IMAGES)[chosen], moves)
    x = jnp.where(task == 1, x.reshape(len(x), 100)[:, SHUFFLED].reshape(x.shape), x)[..., None]
    y = jnp.where(task == 2, (3 * moves[:, 0] + moves[:, 1] + 4) % 10, jnp.asarray(DIGITS.y)[chosen])
    apply, params, state = functional(Network(layer, width, rngs=nnx.Rngs(weight_key)))

    def loss(key: jax.Array, params: Any, batch: tuple[jax.Array, jax.Array]) -> jax.Array:
        return softmax_cross_entropy(apply(params, state, batch[0])[0], batch[1]).mean()

    run = train(
        train_key, loss, params, (x[:rows], y[:rows]), optimizer=optax.adam(rate), steps=steps, batch_size=batch
    )
    found = apply(run.params, state, x[rows:])[0].argmax(1)
    parameters, operations = costs(layer, width)
    raw = jnp.asarray(IMAGES)[chosen[:50]]
    return keeps_moves(weight_key, layer, raw) | {
        "accuracy": (found == y[rows:]).mean(),
        "parameters": jnp.asarray(float(parameters)),
        "operations": jnp.asarray(float(operations)),
    }


experiment = Experiment(
    trial=trial,
    labels={"task": {0: "digits", 1: "shuffled digits", 2: "places"}},
    figures=(
        Figure("Accuracy on fresh digits by learning rate", y="accuracy", x="rate", lines="layer", log_x=True),
        Figure("Parameters", y="parameters", x="rate", lines="layer", log_y=True),
    ),
)
