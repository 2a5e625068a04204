"""Which layers of a dense network read which others, read from the modules themselves.

`measured` puts in the place of every layer of a dense network one that gives a number of its own, and looks which of
them each is given.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxml import Experiment, Suite
from jaxml.nn import DenseNet

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
        draw=lambda generator: {"depths": generator.integers(1, 6 // blocks, generator.integers(1, blocks + 1))},
        valid=lambda depths: 1 <= len(depths) <= blocks and min(depths) >= 1,
        adversarial=[{"depths": np.ones(n, int)} for n in range(1, blocks + 1)],
        properties={
            "every layer reads all before it": lambda f, depths: f(depths) >= everything(depths),
            "L (L + 1) / 2 links": lambda f, depths: (len(f(depths)), sum(range(1, sum(depths) + 1))),
        },
        mutants={
            "only the layer before, as in a plain network": lambda depths: {
                (n, m) for n, m in everything(depths) if m == n - 1
            },
            "not the input": lambda depths: {(n, m) for n, m in everything(depths) if m > 0},
            "the two before": lambda depths: {(n, m) for n, m in everything(depths) if m >= n - 2},
        },
    )


experiment = Experiment(suites={"links": lambda: links(blocks=2), "links_in_a_block": lambda: links(blocks=1)})
