"""Gradient boosting: 256 models in one program beside a scikit-learn loop, and single models beside four libraries.

Run as ``taskset -c 0,1 python benchmarks/learn/boosting.py --peer-python PATH``, where PATH is the Python of an
environment with requirements-trees.txt; without it only our times are printed. The sweep is learning rate x L2 x
subsample x seed, depth 3, 100 rounds, on breast_cancer, 398 rows to fit and 171 held out. HistGradientBoosting has no
subsample: its models see all rows (a handicap to nobody's speed but ours), with its own defaults otherwise, in a loop,
on one or two threads, whichever a trial shows to be faster. "log loss" is the mean over the 256 models of the held-out
log loss. Prediction of the held-out rows is timed on both sides. "limit" is the time of the matrix products alone at
the speed of a large product measured in the same run. Single models are fitted to breast_cancer and to 20,000 rows of
Friedman's first function; ours are compiled once, apart.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

GRID = list(itertools.product((0.03, 0.1, 0.2, 0.3), (0.1, 1.0, 3.0, 10.0), (0.5, 0.7, 0.9, 1.0), range(4)))
ROUNDS, DEPTH, BINS = 100, 3, 32


def seconds(run, repeats=3):
    """Median time of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def problems():
    """The two problems as (X, y, X held out, y held out)."""
    from sklearn.datasets import load_breast_cancer, make_friedman1

    X, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order].astype(np.float32), y[order]
    F, t = make_friedman1(25_000, random_state=0)
    F, t = F.astype(np.float32), t.astype(np.float32)
    return {
        "cancer": (X[:398], y[:398], X[398:], y[398:]),
        "friedman": (F[:20_000], t[:20_000], F[20_000:], t[20_000:]),
    }


def log_loss(raw, y):
    return float(np.mean(np.logaddexp(0, raw) - y * raw))


def ours(data):
    """Our times and losses."""
    import jax
    import jax.numpy as jnp

    from jaxml.learn import gradient_boosting, predict_boosted

    def model(X, y, T, rate, l2, rows, seed, loss):
        fit = gradient_boosting(
            None if rows is None else jax.random.key(seed),
            X,
            y,
            loss=loss,
            rounds=ROUNDS,
            max_depth=DEPTH,
            bins=BINS,
            missing=False,
            learning_rate=rate,
            l2=l2,
            subsample=rows,
        )
        return predict_boosted(fit.params, T)

    X, y, T, t = data["cancer"]
    columns = [jnp.asarray(column) for column in np.array(GRID, np.float32).T]
    lanes = jax.vmap(lambda X, y, T, r, l, s, k: model(X, y, T, r, l, s, k, "logistic"), (None,) * 3 + (0,) * 4)
    start = time.perf_counter()
    sweep = jax.jit(lanes).lower(X, y, T, *columns[:3], columns[3].astype(int)).compile()
    result = {"sweep compile": time.perf_counter() - start}
    run = lambda: jax.block_until_ready(sweep(X, y, T, *columns[:3], columns[3].astype(int)))  # noqa: E731
    raw = np.asarray(run())
    result["sweep"] = seconds(run, 5)
    result["sweep loss"] = float(np.mean([log_loss(row, t) for row in raw]))
    for name, (X, y, T, t) in data.items():
        loss = "logistic" if name == "cancer" else "half_squared"
        single = jax.jit(lambda X, y, T, loss=loss: model(X, y, T, 0.1, 1.0, None, 0, loss)).lower(X, y, T).compile()
        raw = np.asarray(single(X, y, T))
        result[name] = seconds(lambda s=single, X=X, y=y, T=T: jax.block_until_ready(s(X, y, T)))
        result[name + " loss"] = log_loss(raw, t) if name == "cancer" else float(np.mean((raw - t) ** 2))
    a, b = jnp.ones((2048, 398)), jnp.ones((398, 30 * (BINS - 1)))
    product = jax.jit(jnp.matmul)
    product(a, b).block_until_ready()
    speed = 2 * 2048 * 398 * b.shape[1] / seconds(lambda: product(a, b).block_until_ready(), 20)
    # Root, one and two left children, gradient and Hessian: 8 rows of the left factor for each model and round.
    result["limit"] = len(GRID) * ROUNDS * 2 * 8 * 398 * b.shape[1] / speed
    return result


def peers(data):
    """The other libraries' times and losses, on the same data and threads."""
    import lightgbm
    import xgboost
    from sklearn.ensemble import (
        GradientBoostingClassifier,
        GradientBoostingRegressor,
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
    )
    from threadpoolctl import threadpool_limits

    fixed = {"max_iter": ROUNDS, "max_depth": DEPTH, "early_stopping": False}
    X, y, T, t = data["cancer"]

    def predictions(model):
        return model.fit(X, y).decision_function(T)

    def limited(threads):
        with threadpool_limits(threads):
            return seconds(lambda: predictions(HistGradientBoostingClassifier(**fixed)), 5)

    threads = min((1, 2), key=limited)
    losses = []
    with threadpool_limits(threads):
        start = time.perf_counter()
        for rate, l2, _, seed in GRID:
            model = HistGradientBoostingClassifier(learning_rate=rate, l2_regularization=l2, random_state=seed, **fixed)
            losses.append(log_loss(predictions(model), t))
        sweep = time.perf_counter() - start
    result = {"sweep": sweep, "sweep loss": float(np.mean(losses)), "threads": threads, "single": {}}
    quiet = {"verbose": -1, "num_leaves": 2**DEPTH}
    boosters = {
        "HistGradientBoosting": (HistGradientBoostingClassifier, HistGradientBoostingRegressor, fixed),
        "GradientBoosting": (GradientBoostingClassifier, GradientBoostingRegressor, {}),
        "xgboost": (xgboost.XGBClassifier, xgboost.XGBRegressor, {"learning_rate": 0.1, "n_jobs": 2}),
        "lightgbm": (lightgbm.LGBMClassifier, lightgbm.LGBMRegressor, {"n_jobs": 2, **quiet}),
    }
    for name, (classifier, regressor, options) in boosters.items():
        if "max_iter" not in options:
            options = {"n_estimators": ROUNDS, "max_depth": DEPTH, **options}
        rows = []
        for problem, kind in (("cancer", classifier), ("friedman", regressor)):
            X, y, T, t = data[problem]

            def run(kind=kind, options=options, X=X, y=y, T=T, problem=problem):
                model = kind(**options).fit(X, y)
                return model.predict_proba(T)[:, 1] if problem == "cancer" else model.predict(T)

            slow = name == "GradientBoosting" and problem == "friedman"
            took = seconds(run, 1 if slow else 3)
            p = np.asarray(run(), np.float64) if not slow else None
            loss = None
            if p is not None:
                raw = np.log(p) - np.log1p(-p) if problem == "cancer" else p
                loss = log_loss(raw, t) if problem == "cancer" else float(np.mean((p - t) ** 2))
            rows += [took, loss]
        result["single"][name] = rows
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peer-python")
    parser.add_argument("--as-peer", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.as_peer:
        with np.load(arguments.as_peer) as file:
            data = {name: tuple(file[f"{name}{i}"] for i in range(4)) for name in ("cancer", "friedman")}
        print(json.dumps(peers(data)))
        return
    data = problems()
    mine, theirs = ours(data), None
    if arguments.peer_python:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "data.npz"
            np.savez(path, **{f"{name}{i}": a for name, arrays in data.items() for i, a in enumerate(arrays)})
            command = [arguments.peer_python, "-W", "ignore", __file__, "--as-peer", str(path)]
            theirs = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    else:
        print("no --peer-python: peers skipped", file=sys.stderr)
    print(
        f"{'work':42} {'ours ms':>9} {'peer ms':>9} {'ratio':>7} {'bar':>5} {'limit ms':>9}  held-out loss, ours / peer"
    )
    line = f"{'256 models (compile ' + format(mine['sweep compile'], '.1f') + ' s)':42} {1e3 * mine['sweep']:9.0f}"
    if theirs:
        name = f"HistGradientBoosting, {theirs['threads']} thread(s)"
        line += f" {1e3 * theirs['sweep']:9.0f} {theirs['sweep'] / mine['sweep']:7.1f} {'>= 5':>5}"
        line += f" {1e3 * mine['limit']:9.0f}  {mine['sweep loss']:.4f} / {theirs['sweep loss']:.4f}, {name}"
    print(line)
    for i, problem in enumerate(("cancer", "friedman")):
        for name, row in (theirs["single"] if theirs else {"": [None] * 4}).items():
            took, loss = row[2 * i : 2 * i + 2]
            line = f"{'one model, ' + problem + ', ' + name:42} {1e3 * mine[problem]:9.1f}"
            if took:
                line += f" {1e3 * took:9.1f} {took / mine[problem]:7.2f} {'':5} {'':9}  {mine[problem + ' loss']:.4f}"
                line += f" / {loss:.4f}" if loss is not None else " / not measured"
            print(line)


if __name__ == "__main__":
    main()
