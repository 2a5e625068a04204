"""Linear support vector machines on breast_cancer in float32: one fit, eight lanes, a scan of eight penalties.

    python benchmarks/learn/linear_svm.py

Prints the first call with its compilation, the fastest of seven warm calls, XLA's temporaries, and whether all
converged.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np

from jaxml.data import load_problem
from jaxml.learn import fit_linear_svm


def main() -> None:
    """Time the three ways a user calls it."""
    problem = load_problem("breast_cancer")
    X = (problem.X - problem.X.mean(0)) / problem.X.std(0)
    X, y = jnp.asarray(X, jnp.float32), jnp.asarray(problem.y, jnp.int32)
    C = jnp.geomspace(0.1, 10.0, 8, dtype=jnp.float32)
    ways = {
        "one fit": (lambda c: fit_linear_svm(X, y, C=c), C[3]),
        "8 lanes": (jax.vmap(lambda c: fit_linear_svm(X, y, C=c)), C),
        "scan of 8": (lambda c: jax.lax.scan(lambda k, each: (k, fit_linear_svm(X, y, C=each)), 0, c)[1], C),
    }
    for name, (fit, penalties) in ways.items():
        begin = time.perf_counter()
        compiled = jax.jit(fit).lower(penalties).compile()
        found = jax.block_until_ready(compiled(penalties))
        first, warm = time.perf_counter() - begin, []
        for _ in range(7):
            begin = time.perf_counter()
            jax.block_until_ready(compiled(penalties))
            warm.append(time.perf_counter() - begin)
        converged = bool(np.asarray(found.diagnostics.converged).all())
        memory = getattr(compiled.memory_analysis(), "temp_size_in_bytes", 0) / 2**20
        print(f"{name:10s} first {first:.2f} s  warm {1e3 * min(warm):.2f} ms  {memory:.2f} MiB  converged {converged}")


if __name__ == "__main__":
    main()
