"""What the sweep engine costs over a hand-written ``jit(vmap(vmap(trial)))`` of the same trial, compile time apart.

Run ``python benchmarks/sweep_overhead.py``. The hand-written program computes all lanes in one call, or in the chunks
that are fastest for it, whichever is faster; the sweep plans its own chunks. Both results are compared before timing.
The two are timed in turn, each on the first call of a freshly compiled program, as a sweep is; the table shows medians.
`store` adds a Zarr store on disk, which the sweep opens while it compiles.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import jaxml
from jaxml.sweep.trace import master_key

BAR = 1.05
WORK = ((1_000, 25, 1, 9), (10_000, 100, 5, 3), (40_000, 200, 20, 3))
"""Lanes, seeds, pieces of the hand-written program, repeats."""


def trial(key, *, lam: float):
    """Two hundred steps of gradient descent on a small logistic regression."""
    data, noise = jax.random.split(key)
    x = jax.random.normal(data, (64, 16))
    y = jnp.sign(x[:, 0] + 0.5 * jax.random.normal(noise, (64,)))

    def step(w, _):
        gradient = -x.T @ (y * jax.nn.sigmoid(-y * (x @ w))) / 64 + lam * w
        return w - 0.5 * gradient, None

    w, _ = jax.lax.scan(step, jnp.zeros(16), None, length=200)
    return {"norm": jnp.sum(w**2), "loss": jnp.mean(jax.nn.softplus(-y * (x @ w)))}


def by_hand(lams: np.ndarray, seeds: int, pieces: int) -> Callable[[], dict[str, np.ndarray]]:
    """The program a careful user writes: one compilation, `pieces` calls, results copied to NumPy."""

    def block(key, seeds, lams):
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, seeds)
        one = lambda lam, key: trial(key, lam=lam)  # noqa: E731
        return jax.vmap(jax.vmap(one, (None, 0)), (0, None))(lams, keys)

    key, numbers = master_key("jaxml"), np.arange(seeds, dtype=np.uint32)
    parts = np.split(lams.astype(np.float32), pieces)
    program = jax.jit(block).lower(key, numbers, parts[0]).compile()

    def call() -> dict[str, np.ndarray]:
        found = [jax.device_get(program(key, numbers, part)) for part in parts]
        return {name: np.concatenate([part[name] for part in found]) for name in found[0]}

    return call


def seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def main() -> None:
    print(
        f"{'lanes':>8} {'store':>6} {'ours ms':>9} {'by hand ms':>11} {'ratio':>6} {'bar':>5} {'chunk':>6}"
        f"{'compile s':>11}"
    )
    for lanes, seeds, pieces, repeats in WORK:
        lams = np.logspace(-4, 0, lanes // seeds)
        hands = {n: by_hand(lams, seeds, n) for n in {1, pieces}}
        expected = hands[1]()
        best = min(hands, key=lambda n: min(seconds(hands[n]) for _ in range(2)))
        for stored in (False, True):
            ours, theirs, compile_seconds, chunk = [], [], 0.0, 0
            for _ in range(repeats):
                with tempfile.TemporaryDirectory() as folder:
                    store = Path(folder, "results.zarr") if stored else None
                    begin = time.perf_counter()
                    found = jaxml.sweep(trial, seeds=seeds, lam=lams, store=store)
                    total = time.perf_counter() - begin
                for name in expected:
                    np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-6)
                compile_seconds = found.attrs["trace_seconds"] + found.attrs["compile_seconds"]
                chunk = found.attrs["lanes"]
                ours.append(total - compile_seconds)
                theirs.append(seconds(by_hand(lams, seeds, best)))
            mine, other = statistics.median(ours) * 1e3, statistics.median(theirs) * 1e3
            print(
                f"{lanes:8d} {'zarr' if stored else 'memory':>6} {mine:9.1f} {other:11.1f} {mine / other:6.2f} "
                f"{BAR:5.2f} {chunk:6d} {compile_seconds:10.2f}"
            )


if __name__ == "__main__":
    main()
