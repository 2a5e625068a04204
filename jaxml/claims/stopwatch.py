"""Timing two callables against each other inside one process, and what the machine is: standard library only."""

import gc
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

Call = Callable[[], Any]
Clock = Callable[[], float]

LEAST_SECONDS = 2e-3
"""A shorter call is repeated until a sample takes so long: far beyond the clock's resolution and one interruption."""
WARM_UP = 3
"""Calls before anything is timed; the first one compiles."""


def log_ratio(
    first: Call,
    second: Call,
    *,
    blocks: int,
    turned: bool = False,
    clock: Clock = time.perf_counter,
    tick: Call = lambda: None,
) -> tuple[float, tuple[float, float]]:
    r"""How many times as long the second call takes, as a logarithm: the median over blocks of four samples each.

    A block times both calls in the order first, second, second, first, the next one the other way round, and gives

        theta = (log second_1 + log second_2 - log first_1 - log first_2) / 2,

    so that a machine which slows down or speeds up steadily, in the logarithm, cancels exactly.

    Args:
        first: done when it returns; for JAX it must wait for its result.
        second: the other one.
        blocks: how many.
        turned: begin with the other order.
        clock: seconds.
        tick: called between blocks.

    Returns:
        The median log ratio, and the median seconds of one call of each.

    Blocks of one process are no replicates: they share its memory layout and its compiled code. The process is.

    >>> now = [0.0]
    >>> def lasting(seconds):
    ...     return lambda: now.__setitem__(0, now[0] + seconds)
    >>> theta, seconds = log_ratio(lasting(0.5), lasting(2.0), blocks=3, clock=lambda: now[0])
    >>> round(math.exp(theta), 9), seconds
    (4.0, (0.5, 2.0))
    """
    repeats = [_repeats(call, clock) for call in (first, second)]
    samples: tuple[list[float], list[float]] = ([], [])
    ratios = []
    collects = gc.isenabled()
    gc.disable()
    try:
        for block in range(blocks):
            order = (0, 1, 1, 0) if (block + turned) % 2 == 0 else (1, 0, 0, 1)
            found: tuple[list[float], list[float]] = ([], [])
            for side in order:
                found[side].append(_sample((first, second)[side], repeats[side], clock))
            ratios.append((sum(map(math.log, found[1])) - sum(map(math.log, found[0]))) / 2)
            for side in (0, 1):
                samples[side].extend(found[side])
            tick()
    finally:
        if collects:
            gc.enable()
    return statistics.median(ratios), (statistics.median(samples[0]), statistics.median(samples[1]))


def _sample(call: Call, repeats: int, clock: Clock) -> float:
    """Seconds of one call, over so many of them."""
    begin = clock()
    for _ in range(repeats):
        call()
    return max(clock() - begin, 1e-9) / repeats


def _repeats(call: Call, clock: Clock) -> int:
    """Warm up, then find how many calls make a sample."""
    for _ in range(WARM_UP):
        call()
    repeats = 1
    while repeats < 2**20 and _sample(call, repeats, clock) * repeats < LEAST_SECONDS:
        repeats *= 2
    return repeats


def machine() -> dict[str, Any]:
    """What a time is the time of: processor, cores that this process may use, system."""
    return {"cpu": _cpu(), "cores": _cores(), "system": f"{platform.system()} {platform.machine()}"}


def load() -> float | None:
    """The load average of the last minute; None where the system has none."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
