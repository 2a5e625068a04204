"""E38: what a pooled box does when the box moves: does its value follow, and does its gradient tell how?

A box moves by one cell over a smooth random map, in `steps` steps. `evenness` is 1 minus the largest step of the pooled
values as a share of the way that all steps make: near 1 for a continuous function, near 0 for one that jumps.
`agreement` is the cosine between the derivative of a random sum of the pooled values with respect to the box and its
central difference over a quarter of a cell, averaged over boxes; a derivative of zero counts as 0.
`agreement_elsewhere` holds it against the difference of another box.

Ways of pooling: RoIPool; RoIAlign; RoIAlign with the largest of a bin's samples; PrRoIPool, the integral over the bin.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxml import Experiment, Figure, Traced, select
from jaxml.ops import prroi_pool, roi_align, roi_pool


def pooled(features: jax.Array, boxes: jax.Array, bins: int, pooling: Any) -> jax.Array:
    """Boxes pooled in one of the ways, (boxes, values)."""
    ways = {
        "RoIPool": roi_pool(features, boxes, output_size=bins),
        "RoIAlign": roi_align(features, boxes, output_size=bins, implementation="dense"),
        "RoIAlign, maximum": roi_align(features, boxes, output_size=bins, mode="max", implementation="gather"),
        "PrRoIPool": prroi_pool(features, boxes, output_size=bins),
    }
    return select(pooling, ways).reshape(len(boxes), -1)


def trial(
    key: jax.Array,
    *,
    pooling: Traced[Literal["RoIPool", "RoIAlign", "RoIAlign, maximum", "PrRoIPool"]] = "RoIAlign",
    side: float = 8.0,
    bins: int = 4,
    boxes: int = 32,
    steps: int = 64,
    cells: int = 24,
    channels: int = 4,
) -> dict[str, Any]:
    """Move boxes of `side` cells over a smooth map, and differentiate what is pooled."""
    map_key, box_key, weight_key, way_key = jax.random.split(key, 4)
    place = jnp.arange(cells).astype(float)
    blur = jnp.exp(-0.5 * (place[:, None] - place[None]) ** 2)  # correlated over about two cells
    features = jnp.einsum("ab,bcd,ec->aed", blur, jax.random.normal(map_key, (cells, cells, channels)), blur)
    corner = 2 + (cells - 5 - side) * jax.random.uniform(box_key, (boxes, 2))
    box = jnp.concatenate([corner, corner + side], axis=1)
    weights = jax.random.normal(weight_key, (bins * bins * channels,))

    angle = 2 * jnp.pi * jax.random.uniform(way_key, ())
    direction = jnp.stack([jnp.cos(angle), jnp.sin(angle)] * 2)
    nudges = 0.125 * jnp.concatenate([jnp.eye(4), -jnp.eye(4)])
    moves = jnp.concatenate([jnp.linspace(0, 1, steps + 1)[:, None] * direction[None], nudges])
    found = jax.lax.map(lambda move: pooled(features, box + move[None], bins, pooling), moves)
    moved = jnp.linalg.norm(jnp.diff(found[: steps + 1], axis=0), axis=-1)
    evenness = 1 - moved.max(0) / jnp.maximum(moved.sum(0), 1e-6)

    ahead, behind = (found[steps + 1 :] @ weights).reshape(2, 4, boxes)
    difference = ((ahead - behind) / 0.25).T
    slope = jax.grad(lambda b: (pooled(features, b, bins, pooling) @ weights).sum())(box)

    def cosine(difference: jax.Array) -> jax.Array:
        length = jnp.linalg.norm(slope, axis=1) * jnp.linalg.norm(difference, axis=1)
        return jnp.where(length > 0, (slope * difference).sum(1) / jnp.where(length > 0, length, 1.0), 0.0).mean()

    return {
        "evenness": evenness.mean(),
        "agreement": cosine(difference),
        "agreement_elsewhere": cosine(jnp.roll(difference, 1, axis=0)),
    }


experiment = Experiment(
    trial=trial,
    figures=(
        Figure("Evenness of the pooled values along a way of one cell (0: one jump)", y="evenness", x="side",
               lines="pooling", log_x=True),
        Figure("Agreement of the derivative in the box with a difference over a quarter of a cell",
               y="agreement", x="side", lines="pooling", log_x=True),
    ),
)  # fmt: skip
