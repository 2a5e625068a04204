"""Is a layer with shared weights equivariant, and do shared weights help to learn from few examples?

Two layers of the same units with three kinds of connections: `shared` is a convolution, `local` the same with a kernel
of its own at each place, `full` connects everything. Digits of 8 x 8 pixels lie on 10 x 10, moved by up to `shift`
pixels. In task 1 the pixels are shuffled, in the same way for all digits, which takes locality away; in task 2 the
label is where the digit was moved to, one of nine places at shift 1, which is what shared weights do not tell apart.
"""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from jaxml import Experiment, Figure, Suite, Traced
from jaxml.data import load_problem
from jaxml.learn import train
from jaxml.nn import LocallyConnected, functional
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


def layer_of(*, mode: str = "wrap", stride: int = 1, shared: bool = True) -> Callable[..., jax.Array]:
    """A layer of 3 x 3 weights as a function of an image and a kernel; unshared, each place has its own multiple."""

    def apply(image: jax.Array, kernel: jax.Array) -> jax.Array:
        height, width = image.shape
        edged = jnp.pad(image, 1, mode=mode)
        near = jnp.stack([edged[i : i + height, j : j + width] for i in range(3) for j in range(3)], axis=-1)
        places = jnp.ones(image.shape) if shared else jnp.arange(1.0, image.size + 1).reshape(image.shape)
        return (near @ kernel.ravel() * places)[::stride, ::stride]

    return jax.jit(apply)


def equivariance() -> Suite:
    """Is the map of a moved image the moved map of the image?"""

    def moves_along(f: Callable[..., jax.Array], c: dict[str, Any]) -> tuple[Any, Any, float]:
        moved = f(np.roll(c["image"], c["move"], (0, 1)), c["kernel"])
        scale = np.abs(c["kernel"]).sum() * np.abs(c["image"]).max()
        return np.asarray(moved), np.roll(f(c["image"], c["kernel"]), c["move"], (0, 1)), scale

    return Suite(
        subject=layer_of(),
        draw=lambda generator, size: {
            "image": generator.normal(size=(size, size + 1)),
            "kernel": generator.normal(size=(3, 3)),
            "move": tuple(generator.integers(-size, size, 2).tolist()),
        },
        sizes=(4, 7),
        adversarial=[{"image": np.eye(5), "kernel": np.eye(3), "move": (1, 0)}],
        properties={"the map moves along": moves_along},
        mutants={
            "local weights": layer_of(shared=False),
            "zeros beyond the edges": layer_of(mode="constant"),
            "every second place only": layer_of(stride=2),
        },
    )


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
    return {"accuracy": (found == y[rows:]).mean()}


experiment = Experiment(
    trial=trial,
    labels={"task": {0: "digits", 1: "shuffled digits", 2: "places"}},
    figures=(Figure("Accuracy on fresh digits by learning rate", y="accuracy", x="rate", lines="layer", log_x=True),),
    suites={"equivariance": equivariance},
)
