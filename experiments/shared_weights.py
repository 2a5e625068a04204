"""What shared weights save: counts read from modules and their programs."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxml import Experiment, Suite
from jaxml.nn import LocallyConnected, RNNCell, functional, unroll

Case = dict[str, Any]
Program = Callable[[], tuple[Any, ...]]
FEATURES, UNITS = 2, 3


def shape(*sizes: int) -> Any:
    """An array of which only the shape counts."""
    return jax.ShapeDtypeStruct(sizes, jnp.float32)


class Full(nnx.Module):
    """Every unit of a map of 8 x 8 with 16 channels connected to every one of a map of 10 x 10 with 8."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.affine = nnx.Linear(800, 1024, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply to a batch of maps."""
        return self.affine(x.reshape(len(x), -1))


def layer(make: Callable[..., Any]) -> Program:
    """A layer from a map of 10 x 10 with 8 channels to one of 8 x 8 with 16, as a program."""

    @functools.cache
    def program() -> tuple[Any, ...]:
        apply, params, state = functional(nnx.eval_shape(lambda: make(rngs=nnx.Rngs(0))))
        return lambda params, x: apply(params, state, x)[0], params, shape(1, 10, 10, 8)

    return program


def weights_of_cell() -> tuple[Any, Any]:
    """What a recurrent cell is without its weights, and those."""
    return nnx.split(nnx.eval_shape(lambda: RNNCell(FEATURES, UNITS, rngs=nnx.Rngs(0))))


def recurrent(steps: int) -> Program:
    """A recurrent network over so many steps."""
    graph, weights = weights_of_cell()
    run = lambda weights, xs: unroll(nnx.merge(graph, weights), xs)[1]  # noqa: E731
    return lambda: (run, weights, shape(steps, FEATURES))


def own_weights(steps: int) -> Program:
    """The same with weights for every step."""
    graph, weights = weights_of_cell()

    def run(weights: Any, xs: Any) -> Any:
        cell = lambda carry, at: nnx.merge(graph, at[0])(carry, at[1])  # noqa: E731
        return jax.lax.scan(cell, jnp.zeros(UNITS), (weights, xs))[1]

    return lambda: (run, jax.tree.map(lambda leaf: shape(steps, *leaf.shape), weights), shape(steps, FEATURES))


def same_at_every_step() -> Suite:
    """Is what a recurrent network gives that of one cell with the same weights at every step?"""

    def network(W: Any, U: Any, b: Any, xs: Any) -> Any:
        cell = RNNCell(FEATURES, UNITS, rngs=nnx.Rngs(0))
        cell.kernel[...], cell.recurrent[...], cell.bias[...] = W, U, b
        return unroll(cell, xs)[1]

    def by_hand(c: Case) -> np.ndarray:
        states = [np.zeros(UNITS)]
        for x in c["xs"]:
            states.append(np.tanh(x @ c["W"] + states[-1] @ c["U"] + c["b"]))
        return np.array(states[1:])

    def draw(generator: np.random.Generator, size: int) -> Case:
        shapes = {"W": (FEATURES, UNITS), "U": (UNITS, UNITS), "b": (UNITS,), "xs": (size, FEATURES)}
        return {name: generator.normal(size=sizes) for name, sizes in shapes.items()}

    return Suite(
        subject=network,
        draw=draw,
        sizes=(1, 2, 5),
        jit=True,
        properties={
            "one cell, step by step": lambda f, c: (f(**c), by_hand(c), 10.0),
            "what comes later changes nothing before": lambda f, c: (
                np.asarray(f(**c))[0],
                np.asarray(f(**c | {"xs": np.r_[c["xs"][:1], 1 + c["xs"][1:]]}))[0],
            ),
        },
        mutants={
            "weights that fade with the steps": lambda W, U, b, xs: network(
                W, U, b, xs * 0.5 ** jnp.arange(len(xs))[:, None]
            ),
            "backwards": lambda W, U, b, xs: network(W, U, b, xs[::-1]),
            "without what was before": lambda W, U, b, xs: network(W, 0 * U, b, xs),
            "no bias": lambda W, U, b, xs: network(W, U, 0 * b, xs),
        },
    )


KERNEL: dict[str, Any] = {"kernel_size": (3, 3)}


experiment = Experiment(
    suites={"same_at_every_step": same_at_every_step},
    programs={
        "shared": layer(functools.partial(nnx.Conv, 8, 16, padding="VALID", **KERNEL)),
        "local": layer(functools.partial(LocallyConnected, 8, 16, input_size=(10, 10), **KERNEL)),
        "full": layer(Full),
        "a_hundred_steps": recurrent(100),
        "one_step": recurrent(1),
        "weights_for_each_of_a_hundred_steps": own_weights(100),
    },
)
