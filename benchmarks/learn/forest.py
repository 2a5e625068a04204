"""A thousand bagged trees beside scikit-learn's forest on two threads, and matrix products beside scattered sums.

Run as ``taskset -c 0,1 python benchmarks/learn/forest.py --peer-python PATH``, where PATH is the Python of an
environment with requirements-trees.txt; without it only our times are printed. Data: breast_cancer, 398 rows to fit
and 171 held out; all features at each split ("bagged") and sqrt(30) of them ("forest"); 32 bins. Our trees hold at most
10 levels of 16 nodes, scikit-learn's grow without limit; the leaves and the held-out accuracy of both are printed. Ours
include out-of-bag predictions, scikit-learn's do not. "matmul" and "segment" are the
times of ours with all sums by matrix products and by scattered additions; "ours" chooses for each level. "hits" is the
share of held-out rows classified rightly.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

MEMBERS = 1_000
SETTINGS = {"bagged": 30, "forest": 5}


def seconds(run, repeats=3):
    """Median time of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def problem():
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order].astype(np.float32), y[order]
    return X[:398], y[:398], X[398:], y[398:]


def ours(X, y, T, t, features, method):
    """Seconds to compile and to run, leaves a tree, held-out accuracy."""
    import jax

    from jaxml.learn import predict_forest, random_forest

    def fit(key, X, y):
        return random_forest(
            key,
            X,
            y,
            members=MEMBERS,
            classes=2,
            features_per_split=features,
            max_depth=10,
            width=16,
            bins=32,
            missing=False,
            method=method,
        )

    key = jax.random.key(0)
    start = time.perf_counter()
    compiled = jax.jit(fit).lower(key, X, y).compile()
    compile_s = time.perf_counter() - start
    forest = compiled(key, X, y)
    run_s = seconds(lambda: jax.block_until_ready(compiled(key, X, y)))
    accuracy = float((np.asarray(predict_forest(forest.params, T)).argmax(1) == t).mean())
    return compile_s, run_s, float(forest.diagnostics.leaves.mean()), accuracy


def peer(X, y, T, t):
    """The same of scikit-learn."""
    from sklearn.ensemble import RandomForestClassifier

    result = {}
    for name, features in SETTINGS.items():
        forest = RandomForestClassifier(MEMBERS, n_jobs=2, max_features=features, random_state=0)
        took = seconds(lambda forest=forest: forest.fit(X, y))
        leaves = float(np.mean([tree.get_n_leaves() for tree in forest.estimators_]))
        result[name] = took, leaves, float(forest.score(T, t))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peer-python")
    parser.add_argument("--as-peer", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.as_peer:
        with np.load(arguments.as_peer) as file:
            print(json.dumps(peer(*(file[f"arr_{i}"] for i in range(4)))))
        return
    data, theirs = problem(), {}
    if arguments.peer_python:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "data.npz"
            np.savez(path, *data)
            command = [arguments.peer_python, "-W", "ignore", __file__, "--as-peer", str(path)]
            theirs = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    else:
        print("no --peer-python: the peer is skipped", file=sys.stderr)
    print(
        f"{'work':22} {'ours ms':>8} {'peer ms':>8} {'ratio':>6} {'bar':>5}  matmul/segment ms, compile s, leaves, hits"
    )
    for name, features in SETTINGS.items():
        runs = {method: ours(*data, features, method) for method in ("auto", "matmul", "segment")}
        compile_s, run_s, leaves, accuracy = runs["auto"]
        took, their_leaves, their_accuracy = theirs.get(name, (float("nan"),) * 3)
        print(
            f"{name + ', 1,000 trees':22} {1e3 * run_s:8.0f} {1e3 * took:8.0f} {took / run_s:6.2f} {'>= 1':>5}  "
            f"{1e3 * runs['matmul'][1]:.0f} / {1e3 * runs['segment'][1]:.0f}, {compile_s:.1f}, "
            f"{leaves:.1f} / {their_leaves:.1f}, {accuracy:.3f} / {their_accuracy:.3f}"
        )


if __name__ == "__main__":
    main()
