"""Time of 10,000 union intervals (t, Hall and BCa with 4,000 resamples, n = 64) against scipy's BCa alone.

Run with ``python benchmarks/claims/intervals.py``; `--repeats N` takes the median of N. scipy is timed on 20 cells
and scaled up, because all of them would take minutes. The physical limit is the two things that cannot be left
out: the matrix product of values and resample counts, and sorting its result, timed alone on the same blocks.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from scipy import stats

from jaxml.claims.rule.intervals import RESAMPLES, ROWS, union_interval, union_tails

CELLS, SEEDS, PEER_CELLS, BAR_S = 10_000, 64, 20, 5.0


def seconds(fn: Callable[[], object], repeats: int) -> float:
    """Median wall time of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        fn()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats

    theta = np.random.default_rng(0).normal(size=(CELLS, SEEDS))
    weights = np.random.default_rng(1).multinomial(SEEDS, np.full(SEEDS, 1 / SEEDS), size=RESAMPLES).T / SEEDS

    def limit() -> None:
        for start in range(0, CELLS, ROWS):
            np.sort(theta[start : start + ROWS] @ weights, axis=-1)

    def peer() -> None:
        stats.bootstrap(
            (theta[:PEER_CELLS],), np.mean, axis=-1, n_resamples=RESAMPLES, method="BCa", rng=np.random.default_rng(0)
        )

    union_interval(theta[:10])  # draws the resamples once
    floor = seconds(limit, repeats)
    theirs = seconds(peer, repeats) * CELLS / PEER_CELLS
    print(f"{'work':<34}{'ours ms':>10}{'peer ms':>10}{'ratio':>8}{'bar ms':>8}{'limit ms':>10}")
    for work, fn in (
        ("union intervals, 10,000 x 64", lambda: union_interval(theta)),
        ("union p-values, 10,000 x 64", lambda: union_tails(theta, 0.5)),
    ):
        ours = seconds(fn, repeats)
        columns = (f"{1e3 * value:>{width}.0f}" for value, width in ((ours, 10), (theirs, 10)))
        print(f"{work:<34}{''.join(columns)}{theirs / ours:>8.1f}{1e3 * BAR_S:>8.0f}{1e3 * floor:>10.0f}")


if __name__ == "__main__":
    main()
