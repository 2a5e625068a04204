"""What a dense network links and joins, read from the modules themselves.

`measured` puts in the place of every layer of a dense network one that gives a number of its own, and looks which of
them each is given.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxml import Experiment, Suite
from jaxml.nn import DenseBlock, DenseNet

Case = dict[str, Any]
Links = set[tuple[int, int]]
"""(which layer reads, which it reads), counted from 1; 0 stands for the input of its block."""
GROWTH, CODES = 2, 1000


class Recorder(nnx.Module):
    """A layer that keeps what it is given, and gives a number of its own on all its new channels."""

    def __init__(self, given: list[jax.Array]):
        self.given = nnx.static(given)

    def __call__(self, x: jax.Array, **options: Any) -> jax.Array:
        """Its number, counted on from those of the layers before it."""
        self.given.append(x)
        return jnp.full((*x.shape[:-1], GROWTH), CODES + len(self.given), x.dtype)


@functools.cache
def measured(depths: tuple[int, ...]) -> Links:
    """The links of a dense network whose blocks have so many layers."""
    options: dict[str, Any] = {"growth": GROWTH, "classes": 2, "channels": 1, "width": 4, "small": True}
    graph, state = nnx.split(nnx.eval_shape(lambda: DenseNet(depths, rngs=nnx.Rngs(0), **options)))

    @jax.jit
    def all_given() -> list[jax.Array]:
        network = nnx.merge(graph, jax.tree.map(lambda leaf: jnp.full(leaf.shape, 0.1, leaf.dtype), state))
        given: list[jax.Array] = []
        for block in network.blocks:
            block.layers = nnx.List([Recorder(given) for _ in block.layers])
        network(jnp.ones((1, 4, 4, 1)))
        return given

    codes = [np.unique(np.asarray(x)) - CODES for x in all_given()]
    return {(n, int(v) if v >= 1 and v == int(v) else 0) for n, values in enumerate(codes, start=1) for v in values}


def everything(depths: Any) -> Links:
    """All links that there could be."""
    return {(reader, read) for reader in range(1, sum(depths) + 1) for read in range(reader)}


def links(*, blocks: int) -> Suite:
    """Does each layer of a dense network read all earlier ones, L (L + 1) / 2 links with the input?"""
    return Suite(
        subject=lambda depths: measured(tuple(map(int, depths))),
        reference=everything if blocks > 1 else None,
        draw=lambda generator, size: {"depths": generator.integers(1, 6 // blocks, generator.integers(1, blocks + 1))},
        valid=lambda c: 1 <= len(c["depths"]) <= blocks and min(c["depths"]) >= 1,
        sizes=(1,),
        adversarial=[{"depths": np.ones(n, int)} for n in range(1, blocks + 1)],
        properties={
            "every layer reads all before it": lambda f, c: f(c["depths"]) >= everything(c["depths"]),
            "L (L + 1) / 2 links": lambda f, c: (len(f(c["depths"])), sum(range(1, sum(c["depths"]) + 1))),
        },
        mutants={
            "only the layer before, as in a plain network": lambda depths: {
                (n, m) for n, m in everything(depths) if m == n - 1
            },
            "not the input": lambda depths: {(n, m) for n, m in everything(depths) if m > 0},
            "the two before": lambda depths: {(n, m) for n, m in everything(depths) if m >= n - 2},
        },
    )


def concatenation() -> Suite:
    """Does a dense block keep its input and what each layer makes of all before on channels of its own?"""
    width, shape = 3, (1, 2, 2, 3)
    dense = DenseBlock(width, GROWTH, layers=2, rngs=nnx.Rngs(0))
    first, second = (jax.jit(layer) for layer in dense.layers)

    def is_made_of_all_before(f: Any, c: Case) -> bool:
        y = np.asarray(f(c["x"]))
        x, a = y[..., :width], y[..., : width + GROWTH]
        made = [(first(x), a[..., width:]), (second(a), y[..., width + GROWTH :])]
        return all(left.shape == right.shape and np.allclose(left, right, rtol=1e-5) for left, right in made)

    both: Callable[..., Any] = lambda x: (first(x), second(jnp.concatenate([x, first(x)], axis=-1)))  # noqa: E731
    return Suite(
        subject=jax.jit(dense),
        draw=lambda generator, size: {"x": generator.normal(size=shape)},
        sizes=(1,),
        adversarial=[{"x": np.zeros(shape)}],
        properties={
            "k0 + k L channels": lambda f, c: (f(c["x"]).shape[-1], width + 2 * GROWTH),
            "the input is kept": lambda f, c: bool(np.all(np.asarray(f(c["x"]))[..., :width] == c["x"])),
            "each layer reads all before": is_made_of_all_before,
        },
        mutants={
            "added, as in a residual block": lambda x: x.at[..., :GROWTH].add(both(x)[0] + both(x)[1]),
            "the input left out": lambda x: jnp.concatenate(both(x), axis=-1),
            "new channels first": lambda x: jnp.concatenate([*both(x), x], axis=-1),
            "each from the input alone": lambda x: jnp.concatenate(
                [x, first(x), second(jnp.concatenate([x, 0 * first(x)], axis=-1))], axis=-1
            ),
        },
    )


def sum_of_two() -> Suite:
    """Is a layer of a sum one of a concatenation whose weights of both parts are the same, and of that alone?"""

    def over(W: Any, x: Any, y: Any) -> Any:
        return W @ np.concatenate([x, y])

    def twice(A: Any) -> Any:
        return np.concatenate([A, A], axis=1)

    return Suite(
        subject=over,
        draw=lambda generator, size: (
            {n: generator.normal(size=(2, size)) for n in "AB"} | {n: generator.normal(size=size) for n in "xy"}
        ),
        sizes=(1, 3),
        adversarial=[{"A": np.eye(2), "B": np.zeros((2, 2)), "x": np.ones(2), "y": -np.ones(2)}],
        properties={
            "the same weights give the layer of the sum": lambda f, c: (
                f(twice(c["A"]), c["x"], c["y"]),
                c["A"] @ (c["x"] + c["y"]),
                np.abs(c["A"]) @ (np.abs(c["x"]) + np.abs(c["y"])),
            ),
            "others tell apart what has the same sum": lambda f, c: (
                f(np.concatenate([c["A"], c["B"]], axis=1), c["x"], -c["x"]),
                (c["A"] - c["B"]) @ c["x"],
                (np.abs(c["A"]) + np.abs(c["B"])) @ np.abs(c["x"]),
            ),
        },
        mutants={
            "of the sum": lambda W, x, y: W[:, : len(x)] @ (x + y),
            "of the mean": lambda W, x, y: W @ np.concatenate([x + y, x + y]) / 2,
            "the parts changed over": lambda W, x, y: W @ np.concatenate([y, x]),
            "the first part twice": lambda W, x, y: W @ np.concatenate([x, x]),
        },
    )


experiment = Experiment(
    suites={
        "links": lambda: links(blocks=2),
        "links_in_a_block": lambda: links(blocks=1),
        "concatenation": concatenation,
        "sum_of_two": sum_of_two,
    },
)
