"""Up to a million lanes of a tiny trial into a Zarr store: seconds, microseconds a lane, and peak resident memory.

Run ``python benchmarks/sweep/million.py``. Every row is a process of its own, whose peak memory the operating system
reports; imports, compiling and tracing are taken off the seconds. Memory must stay below 1 GiB, and time must grow
like the number of lanes: the last column is the time a lane over that of the first row.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LANES = (100_000, 300_000, 1_000_000)
SEEDS = 1_000
BAR_MIB = 1024


def trial(key, *, lam: float):
    """A soft-thresholded draw: a few operations."""
    import jax
    import jax.numpy as jnp

    draws = jax.random.normal(key, (4,))
    return {"kept": jnp.mean(jnp.abs(draws) > lam), "sum": jnp.sum(jnp.sign(draws) * jnp.maximum(abs(draws) - lam, 0))}


def one(lanes: int) -> dict[str, float]:
    """One sweep in this process."""
    import jaxml

    with tempfile.TemporaryDirectory() as folder:
        jaxml.sweep(trial, seeds=2, lam=1.0, store=Path(folder, "imports.zarr"))
        begin = time.perf_counter()
        lams = jaxml.linspace(0.0, 3.0, lanes // SEEDS)
        results = jaxml.sweep(trial, seeds=SEEDS, lam=lams, store=Path(folder, "results.zarr"))
        total = time.perf_counter() - begin
    assert results.kept.size == lanes
    assert not results.nonfinite.any()
    compiling = results.attrs["trace_seconds"] + results.attrs["compile_seconds"]
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": total - compiling, "compile": compiling, "mib": mib, "chunk": results.attrs["lanes"]}


def main() -> None:
    print(
        f"{'lanes':>9} {'seconds':>8} {'us a lane':>10} {'peak MiB':>9} {'bar':>5} {'chunk':>6} {'compile s':>10} "
        f"{'to first':>9}"
    )
    first = None
    for lanes in LANES:
        done = subprocess.run([sys.executable, __file__, str(lanes)], stdout=subprocess.PIPE, text=True, check=True)
        row = json.loads(done.stdout)
        each = row["seconds"] / lanes * 1e6
        first = first or each
        print(
            f"{lanes:9d} {row['seconds']:8.2f} {each:10.2f} {row['mib']:9.0f} {BAR_MIB:5d} {row['chunk']:6d} "
            f"{row['compile']:10.2f} {each / first:9.2f}",
            flush=True,
        )


if __name__ == "__main__":
    print(json.dumps(one(int(sys.argv[1])))) if len(sys.argv) > 1 else main()
