"""Run a plan: compile each program once, ahead of time, and spread its chunks over the workers."""

import math
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from jaxml.sweep.plan import ChunkId, Plan
from jaxml.sweep.trace import Traced, block_inputs


@dataclass(frozen=True)
class Progress:
    """Where a sweep stands; handed to the `progress` callback after every compilation and every chunk."""

    programs: int
    compiled: int
    cells: int
    done: int
    seconds: float


@dataclass
class Timing:
    """Seconds spent, summed over the threads that worked."""

    compile_seconds: float = 0.0
    run_seconds: float = 0.0
    compiles: int = 0


@dataclass
class Execution:
    """Runs a plan: one compilation per program, chunks spread over worker threads, results handed to `write`."""

    trial: Callable[..., Any]
    plan: Plan
    key: jax.Array
    write: Callable[[ChunkId, Mapping[str, np.ndarray]], None]
    progress: Callable[[Progress], None] = lambda progress: None
    timing: Timing = field(default_factory=Timing)

    def run(self, traced: list[Traced], done: frozenset[ChunkId] = frozenset()) -> Timing:
        """Compute every chunk that is not in `done`."""
        started = time.perf_counter()
        waiting = [(t, [c for c in t.program.chunks if c not in done]) for t in traced]
        waiting = [(t, chunks) for t, chunks in waiting if chunks]
        finished = sum(self._size(chunk) for chunk in done)
        with ThreadPoolExecutor(self._workers()) as pool:
            compiling: dict[Future, list[ChunkId]] = {pool.submit(self._compile, t): c for t, c in waiting}
            running: dict[Future, ChunkId] = {}
            try:
                while compiling or running:
                    ready, _ = wait([*compiling, *running], return_when=FIRST_COMPLETED)
                    for future in ready:
                        if future in compiling:
                            for chunk in compiling.pop(future):
                                running[pool.submit(self._compute, future.result(), chunk)] = chunk
                        else:
                            chunk = running.pop(future)
                            self.write(chunk, future.result())
                            finished += self._size(chunk)
                        self.progress(
                            Progress(
                                len(waiting),
                                len(waiting) - len(compiling),
                                self.plan.cells,
                                finished,
                                time.perf_counter() - started,
                            )
                        )
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return self.timing

    def _workers(self) -> int:
        """Compilation is serial in itself, so it is spread over the cores; an accelerator runs one chunk at a time."""
        return (os.cpu_count() or 1) if jax.default_backend() == "cpu" else 1

    def _size(self, chunk: ChunkId) -> int:
        return math.prod(place.stop - place.start for place in self.plan.region(chunk))

    def _compile(self, traced: Traced) -> Any:
        begin = time.perf_counter()
        compiled = traced.compile()
        self.timing.compile_seconds += time.perf_counter() - begin
        self.timing.compiles += 1
        return compiled

    def _compute(self, compiled: Any, chunk: ChunkId) -> Mapping[str, np.ndarray]:
        """Run one chunk and cut the padding off; static axes come back as axes of length 1."""
        begin = time.perf_counter()
        outputs = jax.block_until_ready(compiled(*block_inputs(self.plan, chunk)))
        self.timing.run_seconds += time.perf_counter() - begin
        region = self.plan.region(chunk)
        traced = [self.plan.is_traced(axis) for axis in self.plan.axes] + [True]
        keep = tuple(slice(0, p.stop - p.start) if t else None for p, t in zip(region, traced, strict=True))
        return {name: np.asarray(output.values)[keep] for name, output in outputs.items()}
