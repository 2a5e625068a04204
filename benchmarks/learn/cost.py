"""What a fit costs: seconds and memory against examples, features and lanes, for L1-logistic fits side by side.

Run as ``python benchmarks/learn/cost.py``; with ``--plot FILE.svg`` the table is drawn too. Every fit is solved to its
certificate (duality gap). "MB a lane" is the compiler's own count of the scratch memory of the whole program over its
lanes, and "slope" is the growth against the row before: log of the seconds over log of the size, 1 for linear.
"""

import argparse
import math
import os
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np

from jaxml.learn import fit_logistic

REPEATS = 3
BASE = {"examples": 400, "features": 30, "lanes": 64}
GRID = {"examples": (100, 400, 1600, 6400), "features": (10, 30, 100, 300), "lanes": (1, 16, 64, 256, 1024)}


def problem(examples, features):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(examples, features))
    scores = X[:, : max(features // 10, 1)].sum(axis=1) + rng.normal(size=examples)
    return jnp.asarray(X, jnp.float32), jnp.asarray(scores > 0)


def measure(examples, features, lanes):
    X, y = problem(examples, features)
    l1 = jnp.asarray(np.geomspace(0.1, 0.005, lanes), jnp.float32)
    fits = jax.jit(jax.vmap(lambda l1: fit_logistic(X, y, l1=l1))).lower(l1).compile()
    done = jax.block_until_ready(fits(l1))
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(fits(l1))
        times.append(time.perf_counter() - start)
    memory = fits.memory_analysis().temp_size_in_bytes / lanes / 1e6
    return statistics.median(times), memory, float(done.diagnostics.converged.mean())


def draw(rows, path):
    import vl_convert

    scale = {"type": "log", "nice": False}
    spec = {
        "data": {"values": rows},
        "facet": {"field": "axis", "type": "nominal", "title": None},
        "resolve": {"scale": {"x": "independent"}},
        "spec": {
            "width": 200,
            "height": 180,
            "mark": {"type": "line", "point": True},
            "encoding": {
                "x": {"field": "size", "type": "quantitative", "scale": scale, "title": None},
                "y": {"field": "milliseconds", "type": "quantitative", "scale": scale, "title": "milliseconds"},
            },
        },
    }
    with open(path, "w", encoding="utf-8") as file:
        file.write(vl_convert.vegalite_to_svg(spec))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", help="an SVG file to draw")
    plot, rows = parser.parse_args().plot, []
    print(f"{len(os.sched_getaffinity(0))} cores; otherwise {BASE}")
    print(f"{'axis':<10} {'size':>6} {'ms':>9} {'ms a lane':>10} {'MB a lane':>10} {'solved':>7} {'slope':>6}")
    for axis, sizes in GRID.items():
        before = None
        for size in sizes:
            setting = BASE | {axis: size}
            seconds, memory, solved = measure(**setting)
            slope = "" if before is None else f"{math.log(seconds / before[1]) / math.log(size / before[0]):.2f}"
            lane = 1e3 * seconds / setting["lanes"]
            print(f"{axis:<10} {size:>6} {1e3 * seconds:9.2f} {lane:10.3f} {memory:10.3f} {solved:7.0%} {slope:>6}")
            rows.append({"axis": axis, "size": size, "milliseconds": 1e3 * seconds})
            before = (size, seconds)
    if plot:
        draw(rows, plot)


if __name__ == "__main__":
    main()
