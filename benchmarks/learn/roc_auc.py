"""ROC AUC of 1,000 score vectors of 10,000 examples against a loop over scikit-learn's roc_auc_score.

Run as ``python benchmarks/learn/roc_auc.py``; scikit-learn is a dependency of the project. The loop is timed on its
first 100 vectors and scaled up, both sides see the same arrays, and the areas are compared. The limit is the time that
NumPy's vectorised sort takes for the scores alone, on one core.
"""

import os
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.metrics import roc_auc_score

from jaxml.ops import roc_auc

LANES, EXAMPLES, LOOPED, REPEATS = 1000, 10_000, 100, 5


def seconds(run, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, size=EXAMPLES)
    scores = (rng.normal(size=(LANES, EXAMPLES)) + labels).astype(np.float32)
    weights = rng.integers(0, 4, size=EXAMPLES).astype(np.float32)
    on_device, y, w = jnp.asarray(scores), jnp.asarray(labels), jnp.asarray(weights)
    print(
        f"{len(os.sched_getaffinity(0))} cores, {LANES} vectors of {EXAMPLES} examples, milliseconds; bar: ratio >= 10"
    )
    print(f"{'work':<18} {'ours':>8} {'scikit-learn':>13} {'ratio':>6} {'limit':>7} {'compile':>8} {'difference':>11}")
    limit = 1e3 * LANES / LOOPED * seconds(lambda: np.sort(scores[:LOOPED], axis=1), REPEATS)
    for name, given, sample_weight in (("unweighted", None, None), ("weighted", w, weights)):
        start = time.perf_counter()
        fn = jax.jit(jax.vmap(lambda s, given=given: roc_auc(s, y, weights=given))).lower(on_device).compile()
        compile_ms = 1e3 * (time.perf_counter() - start)
        areas = np.asarray(fn(on_device))
        ours = 1e3 * seconds(lambda fn=fn: jax.block_until_ready(fn(on_device)), REPEATS)
        loop = lambda w=sample_weight: [roc_auc_score(labels, s, sample_weight=w) for s in scores[:LOOPED]]  # noqa: E731
        theirs = 1e3 * LANES / LOOPED * seconds(loop, 1)
        difference = np.abs(areas[:LOOPED] - loop()).max()
        columns = f"{ours:8.1f} {theirs:13.1f} {theirs / ours:6.1f} {limit:7.1f} {compile_ms:8.0f} {difference:11.1e}"
        print(f"{name:<18} {columns}")


if __name__ == "__main__":
    main()
