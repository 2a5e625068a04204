"""How the benchmarks of the ops take a time, the same way on both sides.

A process first restarts under glibc settings that keep freed memory: otherwise the kernel fills fresh pages for every
result, which costs more than some of the work. JAX dispatches synchronously, as torch does: a caller who waits for each
result gains nothing from handing it to another thread, and the hand-over takes longer than the smallest calls.
"""

import os
import statistics
import sys
import time
from typing import Any

KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "2000000000", "MALLOC_TOP_PAD_": "268435456"}


def keep_memory() -> None:
    """Restart this script under `KEEP_MEMORY`, which glibc reads when a process starts."""
    if not KEEP_MEMORY.keys() <= os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **KEEP_MEMORY})


def synchronous_jax() -> Any:
    """The jax module, set to run in the caller's thread."""
    import jax

    jax.config.update("jax_cpu_enable_async_dispatch", False)
    return jax


def milliseconds(run, seconds=0.5, most=200):
    """The median over as many runs as fit into `seconds`, at least five, after a first one."""
    run()
    times = []
    while len(times) < 5 or (sum(times) < seconds and len(times) < most):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)
