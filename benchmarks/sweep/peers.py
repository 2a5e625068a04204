"""The same sweep as lanes of one program and in four other ways: milliseconds a trial, compile time apart.

Run as ``python benchmarks/sweep/peers.py --peer-python PATH``, where PATH is the Python of an environment with
requirements-sweep.txt; without it only ours and the loop are timed. A trial is an L2-regularised logistic regression on
200 x 16 data by twelve Newton steps. "loop" calls the compiled trial once for each cell; "scikit-learn" fits
`LogisticRegression` in a loop; "joblib" and "Ray Tune" call the compiled trial in two processes, each of which compiles
before the clock starts. All get the same data in an .npz file, and the norms of their weights are compared with ours in
the same run. The slow ways compute a part of the grid, and the table gives the time of one trial.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LAMS, SEEDS = 64, 64
ROWS, FEATURES, STEPS = 200, 16, 12
PARTS = {"loop": 1024, "scikit-learn": 1024, "joblib": 1024, "Ray Tune": 32}
WORKERS = 2


def fit(x, y, lam):
    """The norm of the weights after Newton's method on sum(log(1 + exp(-y x w))) + lam/2 |w|^2."""
    import jax
    import jax.numpy as jnp

    def step(_, w):
        p = jax.nn.sigmoid(-y * (x @ w))
        gradient = lam * w - x.T @ (y * p)
        hessian = (x.T * (p * (1 - p))) @ x + lam * jnp.eye(FEATURES)
        return w - jnp.linalg.solve(hessian, gradient)

    return jnp.sum(jax.lax.fori_loop(0, STEPS, step, jnp.zeros(FEATURES)) ** 2)


def draw(key):
    """The data of one seed."""
    import jax
    import jax.numpy as jnp

    data, noise = jax.random.split(key)
    x = jax.random.normal(data, (ROWS, FEATURES))
    return x, jnp.sign(x[:, 0] + jax.random.normal(noise, (ROWS,)))


def trial(key, *, lam: float):
    """One cell of ours, which draws the data that the others read."""
    x, y = draw(key)
    return {"norm": fit(x, y, lam)}


def cells(count: int) -> list[tuple[int, int]]:
    """Places (lam, seed) spread evenly over the grid."""
    return [divmod(int(i), SEEDS) for i in np.linspace(0, LAMS * SEEDS - 1, count)]


def compiled(x, y, lam):
    """A function of one cell, compiled before it is returned."""
    import jax

    function = jax.jit(fit).lower(x, y, lam).compile()
    return lambda *cell: float(function(*cell))


_function = None


def in_worker(cell):
    """One cell in a process of a pool, which keeps its compiled trial; import it, so that pickles only name it."""
    global _function
    _function = _function or compiled(*cell)
    return _function(*cell)


def loop(work):
    function = compiled(*work[0])
    begin = time.perf_counter()
    return [function(*cell) for cell in work], time.perf_counter() - begin


def scikit_learn(work):
    from sklearn.linear_model import LogisticRegression

    def norm(x, y, lam):
        model = LogisticRegression(C=1 / lam, fit_intercept=False, solver="newton-cholesky", tol=1e-6)
        return float(np.sum(model.fit(x, y).coef_ ** 2))

    norm(*work[0])
    begin = time.perf_counter()
    return [norm(*cell) for cell in work], time.perf_counter() - begin


def joblib_pool(work):
    from joblib import Parallel, delayed
    from peers import in_worker

    with Parallel(n_jobs=WORKERS) as pool:
        pool(delayed(in_worker)(work[0]) for _ in range(8 * WORKERS))
        begin = time.perf_counter()
        return pool(delayed(in_worker)(cell) for cell in work), time.perf_counter() - begin


def ray_tune(work):
    os.environ |= {"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}
    import ray
    from peers import in_worker
    from ray import tune

    ray.init("local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    held = ray.put(work)

    def trainable(config):
        return {"norm": in_worker(ray.get(held)[config["cell"]]), "cell": config["cell"]}

    def swept(count):
        space = {"cell": tune.grid_search(list(range(count)))}
        settings = tune.TuneConfig(reuse_actors=True)
        results = tune.Tuner(
            trainable, param_space=space, tune_config=settings, run_config=tune.RunConfig(verbose=0)
        ).fit()
        return {result.config["cell"]: result.metrics["norm"] for result in results}

    swept(2)
    begin = time.perf_counter()
    found = swept(len(work))
    seconds = time.perf_counter() - begin
    return [found[i] for i in range(len(work))], seconds


WAYS = {"loop": loop, "scikit-learn": scikit_learn, "joblib": joblib_pool, "Ray Tune": ray_tune}


def peer(way: str, data: str) -> None:
    """Print the norms and the seconds of one way."""
    held = np.load(data)
    work = [(held["x"][s], held["y"][s], np.float32(held["lams"][i])) for i, s in cells(PARTS[way])]
    norms, seconds = WAYS[way](work)
    print("\n" + json.dumps({"norms": norms, "seconds": seconds}))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer-python")
    python = parser.parse_args().peer_python
    import jax
    import jax.numpy as jnp

    import jaxml
    from jaxml.sweep.trace import master_key

    lams = np.logspace(-2, 2, LAMS)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(master_key("jaxml"), jnp.arange(SEEDS, dtype=jnp.uint32))
    x, y = jax.jit(jax.vmap(draw))(keys)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        results = jaxml.sweep(trial, seeds=SEEDS, lam=lams)
        compiling = results.attrs["trace_seconds"] + results.attrs["compile_seconds"]
        times.append(time.perf_counter() - begin - compiling)
    ours = sorted(times)[1] / results.norm.size * 1e3
    print(f"{'way':>13} {'trials':>7} {'ms a trial':>11} {'ratio':>8} {'largest difference':>19}")
    print(f"{'jaxml.sweep':>13} {results.norm.size:7d} {ours:11.4f} {1:8.1f} {'':>19}   compile {compiling:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder, "data.npz"))
        np.savez(data, x=np.asarray(x), y=np.asarray(y), lams=lams)
        for way, count in PARTS.items():
            where = sys.executable if way == "loop" else python
            if where is None:
                print(f"{way:>13}  no --peer-python was given")
                continue
            done = subprocess.run(
                [where, __file__, "--way", way, data],
                env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent)},
                capture_output=True,
                text=True,
                check=True,
            )
            row = json.loads(done.stdout.splitlines()[-1])
            expected = np.asarray([results.norm.values[i, s] for i, s in cells(count)])
            np.testing.assert_allclose(row["norms"], expected, rtol=2e-2)
            gap = np.max(np.abs(np.asarray(row["norms"]) / expected - 1))
            each = row["seconds"] / count * 1e3
            print(f"{way:>13} {count:7d} {each:11.4f} {each / ours:8.1f} {gap:19.1e}", flush=True)


if __name__ == "__main__":
    peer(*sys.argv[2:4]) if sys.argv[1:2] == ["--way"] else main()
