"""Sums over the rows on the left of every candidate split: the one part of a tree's growth that touches all rows.

Candidate splits are the same for every node, tree and lane: `below[i, c]` says whether row i goes left at candidate c.
All left sums of a level are then one matrix product,

    sums[(node, target), c] = sum_i  [i in node] target_i  below[i, c],

whose right factor is shared by all lanes of a `vmap` over weights, keys and hyperparameters: a thousand trees are one
product of matrices. For many nodes or many bins the product wastes work, because a row lies in one node only; then the
sums are scattered into (node, feature, bin) cells and accumulated over the bins. benchmarks/learn/histograms.py times
all of them, and what else was tried.
"""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from jaxml.learn.trees.binning import Binned
from jaxml.ops.once import apart

Method = Literal["auto", "matmul", "segment"]

# The product spends nodes x cuts multiply-adds on each row and feature, the scatter one addition, which costs as much
# as some 100 of them on a CPU.
MATMUL_LIMIT = 100
# A single tree's product does little with each entry of `below` but fetch it: no cache holds more than this many bytes.
MATMUL_BYTES = 2**23
# From this many rows on a feature's cells, which stay in the nearest cache, are worth a pass of their own.
ROWS_PER_PASS = 1_000


def _all_at_once(binned: Binned, stats: Array, slot: Array, width: int) -> Array:
    """Sums by bin, (s, width, d, cuts + 1), scattered row after row into the cells of all features."""
    (d, n), cells_each, s = binned.codes.shape, binned.edges.shape[1] + 1, stats.shape[0]
    cells = width * d * cells_each
    cell = (slot[:, None] * d + jnp.arange(d, dtype=jnp.int32)[None]) * cells_each + binned.codes.T
    cell = jnp.where(slot[:, None] < 0, cells, cell).reshape(n * d)  # beyond the last one: dropped
    updates = jnp.broadcast_to(stats[:, :, None], (s, n, d)).reshape(s, n * d)
    empty = jnp.zeros(cells, stats.dtype)
    by_bin = jax.vmap(lambda update: empty.at[cell].add(update, mode="drop"))(updates)
    return by_bin.reshape(s, width, d, cells_each)


def _feature_after_feature(binned: Binned, stats: Array, slot: Array, width: int) -> Array:
    """The same, a row's targets and weight side by side in a cell."""
    d, cells_each, s = binned.codes.shape[0], binned.edges.shape[1] + 1, stats.shape[0]
    # Rows that went elsewhere are counted as well, in one node more, which is then cut off: no branches.
    first, updates = jnp.where(slot < 0, width, slot) * cells_each, stats.T
    empty = jnp.zeros(((width + 1) * cells_each, s), stats.dtype)
    by_bin = lax.map(lambda codes: empty.at[first + codes].add(updates, mode="promise_in_bounds"), binned.codes)
    return jnp.moveaxis(by_bin.reshape(d, width + 1, cells_each, s)[:, :width], (0, 1, 2, 3), (2, 1, 3, 0))


def left_sums(
    binned: Binned, stats: Float[Array, "s n"], left_slot: Int[Array, " n"], width: int, method: Method
) -> Float[Array, "width s candidates"]:
    """Sums of `stats` over the rows that went to each of `width` left children, at every candidate.

    Args:
        binned: features, from `bin_features`.
        stats: numbers to sum, (s, n).
        left_slot: the left child of each row, 0 to width - 1, (n,); -1 for none.
        width: number of left children, static.
        method: ``"matmul"``, ``"segment"``, or ``"auto"``: the product for few nodes x cuts over a small `below`.

    Returns:
        Sums, (width, s, d * cuts).
    """
    (d, n), cuts, s, dtype = binned.codes.shape, binned.edges.shape[1], stats.shape[0], stats.dtype
    cheap = width * cuts <= MATMUL_LIMIT and n * d * cuts * dtype.itemsize <= MATMUL_BYTES
    if binned.below is not None and (method == "matmul" or (method == "auto" and cheap)):
        member = left_slot[None] == jnp.arange(width, dtype=jnp.int32)[:, None]
        rows = jnp.where(member[:, None], stats[None], 0.0).reshape(width * s, n)
        return jnp.matmul(rows, binned.below, precision=lax.Precision.HIGHEST).reshape(width, s, d * cuts)
    at_once = partial(_all_at_once, width=width)
    on_cpu = at_once if n < ROWS_PER_PASS else partial(_feature_after_feature, width=width)
    by_bin = lax.platform_dependent(binned, stats, left_slot, cpu=on_cpu, default=at_once)
    upto = (jnp.arange(cuts + 1)[:, None] <= jnp.arange(cuts)[None]).astype(dtype)
    sums = jnp.matmul(apart(by_bin), apart(upto), precision=lax.Precision.HIGHEST)
    return jnp.moveaxis(sums, 0, 1).reshape(width, s, d * cuts)
