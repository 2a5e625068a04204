"""Ways to sum a tree's targets and weights on the left of every cut, for one tree and for many at once.

Run as ``taskset -c 0,1 python benchmarks/learn/histograms.py``; it has no peer. "product", "all at once" and "feature
after feature" are the three ways between which jaxml.learn.trees.sums chooses: "auto" is what it chose. "sorted"
gathers the rows in the order of each feature's bins and takes differences of running sums; "blocks" forms the product
block by block from bin numbers, so that its right factor never leaves the cache; "smaller half" first packs the rows
that count, at most half of them. Each is timed inside a loop, as boosting uses it; 32 bins, two numbers to sum.
"""

import statistics
import time
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxml.learn.trees import bin_features
from jaxml.learn.trees.sums import _all_at_once, _feature_after_feature, left_sums

BINS, STATS, LOOPS, BLOCK = 32, 2, 10, 128
SIZES = ((398, 30, 1), (398, 30, 64), (20_000, 10, 1), (5_000, 10, 64))
"""Rows, features, trees at once."""


def scattered(way, binned, _, stats, slot, width):
    """Left sums from sums by bin."""
    by_bin = way(binned, stats, slot, width)
    upto = (jnp.arange(BINS)[:, None] <= jnp.arange(BINS - 1)[None]).astype(stats.dtype)
    return jnp.moveaxis(jnp.matmul(by_bin, upto, precision=lax.Precision.HIGHEST), 0, 1)


def masked(stats, slot, width):
    """One row of numbers for every node and number to sum, (width * s, n)."""
    member = slot[None] == jnp.arange(width)[:, None]
    return jnp.where(member[:, None], stats[None], 0.0).reshape(width * STATS, -1)


def by_order(binned, order, stats, slot, width):
    """Running sums over rows in the order of each feature's bins."""
    d, n = binned.codes.shape
    counts = jnp.sum(binned.codes[:, None] <= jnp.arange(BINS - 1)[None, :, None], axis=2)
    rows = masked(stats, slot, width)[:, order]
    rows = jnp.pad(rows, ((0, 0), (0, 0), (0, -n % BLOCK))).reshape(width * STATS, d, -1, BLOCK)
    before = jnp.pad(jnp.cumsum(rows.sum(3), axis=2), ((0, 0), (0, 0), (1, 0)))
    feature, block, rest = jnp.arange(d)[:, None], counts // BLOCK, counts % BLOCK
    last = rows[:, feature, jnp.minimum(block, rows.shape[2] - 1)]
    last = jnp.where((jnp.arange(BLOCK)[None, None] < rest[..., None])[None], last, 0.0).sum(3)
    return before[:, feature, block] + last


def by_blocks(binned, _, stats, slot, width):
    """The product, with its right factor made block by block."""
    d, n = binned.codes.shape
    codes = jnp.pad(binned.codes.T, ((0, -n % BLOCK), (0, 0))).reshape(-1, BLOCK, d)
    rows = jnp.pad(masked(stats, slot, width), ((0, 0), (0, -n % BLOCK))).reshape(width * STATS, -1, BLOCK)

    def step(sums, block):
        rows, codes = block
        below = (codes[:, :, None] <= jnp.arange(BINS - 1)[None, None]).astype(rows.dtype).reshape(BLOCK, -1)
        return sums + rows @ below, None

    start = jnp.zeros((width * STATS, d * (BINS - 1)), stats.dtype)
    return lax.scan(step, start, (jnp.moveaxis(rows, 1, 0), codes))[0]


def packed(binned, _, stats, slot, width):
    """Feature after feature over the rows that count alone: at most half of them, since the smaller child is summed."""
    n = slot.shape[0]
    at = jnp.searchsorted(jnp.cumsum((slot >= 0).astype(jnp.int32)), jnp.arange(1, n // 2 + 1))
    there, at = at < n, jnp.minimum(at, n - 1)
    half = binned._replace(codes=binned.codes[:, at])
    return scattered(_feature_after_feature, half, None, stats[:, at], jnp.where(there, slot[at], -1), width)


def auto(binned, _, stats, slot, width):
    return left_sums(binned, stats, slot, width, "auto")


WAYS = {
    "auto": auto,
    "product": lambda binned, _, stats, slot, width: left_sums(binned, stats, slot, width, "matmul"),
    "all at once": partial(scattered, _all_at_once),
    "feature after feature": partial(scattered, _feature_after_feature),
    "sorted": by_order,
    "blocks": by_blocks,
    "smaller half": packed,
}


def milliseconds(way, binned, stats, slot, width):
    """Median time of one level's sums for all trees."""

    def loop(binned, stats, slot):
        order = jnp.argsort(binned.codes, axis=1)

        def step(carry, _):
            # Nothing but the features stays the same from round to round.
            now, at = stats * (1 + carry), slot + (carry > 1).astype(slot.dtype)
            sums = jax.vmap(lambda now, at: way(binned, order, now, at, width))(now, at)
            return 1e-9 * jnp.max(sums), None

        return lax.scan(step, jnp.zeros(()), length=LOOPS)[0]

    run, times = jax.jit(loop).lower(binned, stats, slot).compile(), []
    for _ in range(6):
        start = time.perf_counter()
        jax.block_until_ready(run(binned, stats, slot))
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times[1:]) / LOOPS


def main():
    keys = jax.random.split(jax.random.key(0), 3)
    print("milliseconds for the sums of one level, two nodes out of four")
    print(f"{'rows x features x trees':<24}" + "".join(f"{name:>23}" for name in WAYS))
    for n, d, trees in SIZES:
        binned = bin_features(jax.random.normal(keys[0], (n, d)), bins=BINS, missing=False)
        stats = jax.random.normal(keys[1], (trees, STATS, n))
        slot = jax.random.randint(keys[2], (trees, n), -1, 2)
        slot = jnp.where(jnp.arange(n)[None] % 4 == 0, -1, slot)
        times = [milliseconds(way, binned, stats, slot, 2) for way in WAYS.values()]
        print(f"{f'{n} x {d} x {trees}':<24}" + "".join(f"{value:23.3f}" for value in times), flush=True)


if __name__ == "__main__":
    main()
