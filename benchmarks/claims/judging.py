"""Time to judge 10,000 cells of 64 seeds at three looks, with everything that a record of a cell holds.

Run with ``python benchmarks/claims/judging.py``; `--repeats N` takes the median of N. Beside it scipy's t interval of
the same values at one look, which is one of some thirty figures in a record.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from scipy import stats

from jaxml.claims.rule.decide import decide_cells, decide_runs

CELLS, SEEDS, LOOKS, MARGIN, BAR_S = 10_000, 64, (16, 32, 64), 0.5, 1.0


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

    generator = np.random.default_rng(0)
    theta = generator.normal(size=(CELLS, SEEDS)) + generator.choice([-1.0, 0.0, 0.5, 1.0, 2.0], size=(CELLS, 1))
    shares = (generator.random((CELLS, SEEDS)) < 0.05) * 1.0
    options = {"margin": MARGIN, "looks": LOOKS}
    decide_cells(theta[:10], **options)  # computes the levels of the looks once
    print(f"{'10,000 cells x 64 seeds':<44}{'ms':>8}{'bar ms':>8}")
    for work, fn, bar in (
        ("verdicts and intervals, as arrays", lambda: decide_runs(theta[None], **options), BAR_S),
        ("records with reasons and seeds needed", lambda: decide_cells(theta, **options), BAR_S),
        ("rare events with a range", lambda: decide_cells(shares, span=(0.0, 1.0), **options), BAR_S),
        (
            "scipy.stats.ttest_1samp, one look",
            lambda: stats.ttest_1samp(theta, MARGIN, axis=-1).confidence_interval(),
            0,
        ),
    ):
        print(f"{work:<44}{1e3 * seconds(fn, repeats):>8.0f}{f'{1e3 * bar:.0f}' if bar else '':>8}")


if __name__ == "__main__":
    main()
