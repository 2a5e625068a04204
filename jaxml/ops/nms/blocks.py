"""The greedy choice behind `nms`, block after block of the boxes sorted by score.

A block's own boxes are settled by a fixed point, then those kept strike out the later boxes. Work is proportional to
the boxes still alive: the arrays are compacted when half of them are gone.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Shaped

from jaxml.ops.finite import unit_of

BLOCK = 128
"""Boxes decided at a time: their mutual overlaps fill 16 KiB, half of a core's first cache."""
STRIP = 64
"""Kept boxes compared at a time, so that a crowd of few survivors costs little."""
CHUNK = 1024
"""Later boxes compared at a time: a kernel of 64 x 1024 pairs is worth its launch."""


class SortedBoxes(NamedTuple):
    """Boxes from the highest score down; every array has the boxes on its last axis, where the vector units are."""

    sides: Float[Array, "5 n"]
    """x1, y1, x2, y2, area."""
    classes: Shaped[Array, "n"] | None


class State(NamedTuple):
    """The boxes still to decide are those of [start, end) that are alive."""

    boxes: SortedBoxes
    origin: Int[Array, "n"]
    alive: Bool[Array, "n"]
    start: Int[Array, ""]
    end: Int[Array, ""]
    picked: Int[Array, "m"]
    found: Int[Array, ""]


def greedy(
    boxes: Float[Array, "n 4"],
    scores: Float[Array, "n"],
    candidate: Bool[Array, "n"],
    threshold: Float[Array, ""],
    classes: Shaped[Array, "n"] | None,
    *,
    limit: int,
    pixel_offset: int,
) -> tuple[Int[Array, "m"], Int[Array, ""]]:
    """Decide block after block, from the highest score down; return the picked indices and their number."""
    n = boxes.shape[0]
    block = min(BLOCK, -(-max(n, 1) // STRIP) * STRIP)
    padding = -(-max(n, 1) // block) * block - n
    order = descending(scores, candidate)
    # In a unit in which no area overflows, and those of boxes 2^110 times as small as the farthest do not vanish.
    unit = unit_of(jnp.max(jnp.where(jnp.isfinite(boxes), jnp.abs(boxes), 0), initial=pixel_offset))
    boxes, offset = boxes * unit * 2.0**56, pixel_offset * unit * 2.0**56
    x1, y1, x2, y2 = boxes.at[order].get(mode="promise_in_bounds").T
    sides = jnp.stack([x1, y1, x2, y2, (x2 - x1 + offset) * (y2 - y1 + offset)])
    ids = None if classes is None else jnp.pad(classes.at[order].get(mode="promise_in_bounds"), (0, padding))
    boxes_in_order = SortedBoxes(jnp.pad(sides, ((0, 0), (0, padding))), ids)
    candidates = candidate.sum(dtype=jnp.int32)
    state = State(
        boxes=boxes_in_order,
        origin=jnp.pad(order, (0, padding)),
        alive=jnp.arange(n + padding, dtype=jnp.int32) < candidates,
        start=jnp.int32(0),
        end=candidates,
        picked=jnp.zeros(n + padding + block, jnp.int32),
        found=jnp.int32(0),
    )
    suppressed = functools.partial(_suppressed, threshold=threshold, offset=offset if pixel_offset else 0.0)
    state = lax.while_loop(
        lambda s: (s.start < s.end) & (s.found < limit),
        lambda s: _compact(_decide_block(s, block, suppressed), block),
        state,
    )
    return state.picked, state.found


def descending(scores: Float[Array, "n"], candidate: Bool[Array, "n"]) -> Int[Array, "n"]:
    """Indices from the highest score down, ties in input order, those that are no candidates last.

    XLA sorts a single array of integers several times faster than keys with a payload. So, up to 2^16 float32 scores,
    the index rides in the low half of the key: once below the low half of the score's bits, once below the high half.
    """
    n = scores.shape[0]
    scores = jnp.where(candidate & (scores != 0), scores, 0)  # -0 and 0 tie
    if scores.dtype == jnp.float64 or n > 1 << 16:
        keys = (~candidate, -scores, jnp.arange(n, dtype=jnp.int32))
        return lax.sort(keys, num_keys=2, is_stable=True)[2]
    bits = lax.bitcast_convert_type(scores.astype(jnp.float32), jnp.uint32)
    # As unsigned numbers, the bits of negative scores already descend; those of the others descend when flipped.
    top = jnp.uint32(1 << 31)
    key = jnp.where(candidate, jnp.where(bits < top, bits ^ (top - 1), bits), jnp.uint32(0xFFFFFFFF))
    position, low = jnp.arange(n, dtype=jnp.uint32), jnp.uint32(0xFFFF)
    by_low = lax.sort(key << 16 | position, is_stable=False) & low
    high = key.at[by_low].get(mode="promise_in_bounds") & ~low
    by_high = lax.sort(high | position, is_stable=False) & low
    return by_low.at[by_high].get(mode="promise_in_bounds").astype(jnp.int32)


def _suppressed(
    better: SortedBoxes, worse: SortedBoxes, *, threshold: Array, offset: Array | float
) -> Bool[Array, "better worse"]:
    """Whether a box of `better` overlaps one of `worse` by more than the threshold; no NaN does."""
    a, b = better.sides[:, :, None], worse.sides[:, None, :]
    # Not jnp.minimum, which takes pains to hand NaN on: the area, being NaN, does that.
    width = jnp.where(a[2] < b[2], a[2], b[2]) - jnp.where(a[0] > b[0], a[0], b[0]) + offset
    height = jnp.where(a[3] < b[3], a[3], b[3]) - jnp.where(a[1] > b[1], a[1], b[1]) + offset
    inner = jnp.where(width > 0, width, 0) * jnp.where(height > 0, height, 0)
    # A quotient, not `inner > threshold * union`: its rounding leaves an IoU of exactly the threshold equal to it.
    overlap = inner / (a[4] + b[4] - inner) > threshold
    if better.classes is not None and worse.classes is not None:
        overlap &= better.classes[:, None] == worse.classes[None, :]
    return overlap


def _slice(tree, start: Array | int, size: int):
    return jax.tree.map(lambda leaf: lax.dynamic_slice_in_dim(leaf, start, size, axis=-1), tree)


def _take(tree, index: Array):
    return jax.tree.map(lambda leaf: leaf.at[..., index].get(mode="promise_in_bounds"), tree)


def _decide_block(state: State, block: int, suppressed) -> State:
    """Settle the boxes of [start, start + block) and strike out the later ones that they suppress."""
    boxes, alive = _slice((state.boxes, state.alive), state.start, block)
    kept = _fixed_point(boxes, alive, suppressed)
    number = kept.sum(dtype=jnp.int32)
    lane = jnp.arange(block, dtype=jnp.int32)
    first = lax.sort(jnp.where(kept, lane, block - 1), is_stable=False)  # one kernel; a running sum is a dozen
    kept_boxes = _take(boxes, first)
    kept_boxes = kept_boxes._replace(sides=jnp.where((lane < number)[None, :], kept_boxes.sides, jnp.nan))
    # What is written beyond the kept ones is overwritten by the next block, or lies beyond the count.
    picked_here = _take(_slice(state.origin, state.start, block), first)
    picked = lax.dynamic_update_slice(state.picked, picked_here, (state.found,))
    start = state.start + block

    chunk = min(CHUNK, state.alive.shape[0])

    def strike(k: Array | int, alive: Array) -> Array:
        # The last chunk may reach past the end, and is then moved back over boxes that are settled: no harm.
        at = start + k * chunk
        later, alive_here = _slice((state.boxes, alive), at, chunk)

        def strip(s: Array | int, alive_here: Array) -> Array:
            return alive_here & ~suppressed(_slice(kept_boxes, s * STRIP, STRIP), later).any(0)

        alive_here = lax.fori_loop(jnp.int32(0), -(-number // STRIP), strip, alive_here)
        return lax.dynamic_update_slice(alive, alive_here, (at,))

    alive = lax.fori_loop(jnp.int32(0), -(-(state.end - start) // chunk), strike, state.alive)
    return state._replace(alive=alive, start=start, picked=picked, found=state.found + number)


def _fixed_point(boxes: SortedBoxes, alive: Array, suppressed) -> Bool[Array, "b"]:
    """Iterate keep = alive and not suppressed by a kept, better box, until nothing changes.

    After t rounds the first t boxes are right, so the limit is the greedy choice; few rounds do in practice.
    """
    block = alive.shape[0]
    lane = jnp.arange(block, dtype=jnp.int32)

    def strip(s: Array | int, matrix: Array) -> Array:
        rows = suppressed(_slice(boxes, s * STRIP, STRIP), boxes) & (s * STRIP + lane[:STRIP, None] < lane[None, :])
        return lax.dynamic_update_slice_in_dim(matrix, rows, s * STRIP, axis=0)

    # Strip by strip: XLA vectorises a strip, and makes a slow nest of one fused whole.
    matrix = lax.fori_loop(jnp.int32(0), jnp.int32(block // STRIP), strip, jnp.zeros((block, block), bool))

    def round_(state: tuple[Array, Array]) -> tuple[Array, Array]:
        keep, _ = state
        return alive & ~(matrix & keep[:, None]).any(0), keep

    return lax.while_loop(lambda s: (s[0] != s[1]).any(), round_, (alive, ~alive))[0]


def _front(chosen: Bool[Array, "n"]) -> Int[Array, "n"]:
    """Indices of the chosen entries, in order, at the front of an array of indices."""
    n = chosen.shape[0]
    slot = jnp.where(chosen, jnp.cumsum(chosen, dtype=jnp.int32) - 1, n)
    return jnp.zeros(n, jnp.int32).at[slot].set(jnp.arange(n, dtype=jnp.int32), mode="drop")


def _compact(state: State, block: int) -> State:
    """Go on at the next block with a box alive; move those to the front once less than half of what is left is."""
    n = state.alive.shape[0]
    if n <= 2 * block:
        return state
    position = jnp.arange(n, dtype=jnp.int32)
    left = state.alive & (position >= state.start) & (position < state.end)
    number = left.sum(dtype=jnp.int32)
    start = jnp.where(left, position, n).min() // block * block  # n is a multiple of block, and no less than the end

    def move() -> State:
        boxes, origin = _take((state.boxes, state.origin), _front(left))
        return state._replace(boxes=boxes, origin=origin, alive=position < number, start=jnp.int32(0), end=number)

    worth = (state.end - start > block) & (2 * number < state.end - start)
    return lax.cond(worth, move, lambda: state._replace(start=start))
