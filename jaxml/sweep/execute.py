"""Run a plan: compile each program once, ahead of time, several side by side, and compute its chunks one by one.

A static point that fails takes nobody with it, a first signal lets the chunks in hand finish, and no more chunks are
in flight than keep the workers busy, so memory stays bounded whatever the number of lanes.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np

from jaxml.errors import RunError, StoreError
from jaxml.sweep.block import compile_block, identify
from jaxml.sweep.executors import Job, compute_chunk, cores, in_flight
from jaxml.sweep.identity import Unidentified
from jaxml.sweep.plan import ChunkId, Plan
from jaxml.sweep.signals import Stop, finish_on_signal
from jaxml.sweep.store import MemoryStore
from jaxml.sweep.trace import MISSING, STATUS, Traced

_ONE_AT_A_TIME = threading.Lock()
"""Held while a block that must run alone computes a chunk."""
_LAST_PROGRAMS: deque[Any] = deque(maxlen=16)
"""The programs compiled last. Freeing one takes as long as a small one runs, so it waits until others replace it."""
_POLL_SECONDS = 0.2
"""How long a signal may wait for an answer."""


_LOST_WORKER = (
    "a worker process died: probably out of memory (try fewer workers or lanes), or it could not load what it was sent "
    "(its own message is above). Every finished chunk is kept; run again to go on."
)


class OutOfMemory(Exception):
    """A chunk does not fit into the device's memory."""


@dataclass(frozen=True)
class Progress:
    """Where a sweep stands; handed to the `progress` callback after every compilation and every chunk."""

    programs: int
    compiled: int
    cells: int
    done: int
    seconds: float
    failed: int = 0
    stopping: bool = False


@dataclass
class Timing:
    """Seconds spent, summed over the threads that worked."""

    trace_seconds: float = 0.0
    compile_seconds: float = 0.0
    run_seconds: float = 0.0
    compiles: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    first_error: Exception | None = None

    def fail(self, label: str, error: Exception) -> None:
        self.failures[label] = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
        self.first_error = self.first_error or error


@dataclass
class Execution:
    """Computes the missing chunks of a plan and hands each to a store."""

    plan: Plan
    key: jax.Array
    store: MemoryStore
    progress: Callable[[Progress], None]
    timing: Timing
    executor: Executor | None = None
    job: Job | None = None
    blocks: dict[Any, Any] | None = None
    hasty: bool = False
    started: float = field(default_factory=time.perf_counter)

    def run(self, traced: Sequence[Traced]) -> None:
        """Compute every missing chunk of the traced programs.

        Raises:
            OutOfMemory: when a chunk is too large for the device; what was written stays.
            KeyboardInterrupt: after a signal, once the chunks in hand are written.
        """
        waiting = [(t, deque(self.store.mine(self.plan, self._missing(t)))) for t in traced]
        waiting = [(t, chunks) for t, chunks in waiting if chunks]
        self._programs, self._compiled = len(waiting), 0
        with finish_on_signal() as stop:
            if self.executor is not None:
                self.store.open()
                self._loop(self.executor, {}, deque((t, None, chunks) for t, chunks in waiting), stop)
                return
            pool = ThreadPoolExecutor(cores())
            try:
                compiling = {pool.submit(self._compile, t): (t, chunks) for t, chunks in waiting}
                self.store.open()  # while XLA compiles
                self._loop(pool, compiling, deque(), stop)
            finally:
                pool.shutdown(wait=not stop.at_once, cancel_futures=True)

    def _loop(
        self,
        pool: Executor,
        compiling: dict[Future, tuple[Traced, deque[ChunkId]]],
        ready: deque[tuple[Traced, Any, deque[ChunkId]]],
        stop: Stop,
    ) -> None:
        running: dict[Future, tuple[Traced, ChunkId]] = {}
        seen: set[str] = set()
        while compiling or running or ready:
            most = 2 * cores() if self.executor is None else in_flight(self.executor)
            while ready and len(running) < most and not stop.requested:
                traced, block, chunks = ready[0]
                chunk = chunks.popleft()
                if self.executor is None:
                    future = pool.submit(self._compute, block, chunk)
                else:
                    program, keep = replace(traced.program, chunks=(chunk,)), self._written_there(chunk)
                    future = pool.submit(compute_chunk, self.job, program, chunk, keep)
                running[future] = (traced, chunk)
                if not chunks:
                    ready.popleft()
            if stop.requested:
                for future in [*running, *compiling]:
                    if future.cancel():
                        running.pop(future, None)
                if not running:
                    break
            finished, _ = wait([*compiling, *running], _POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in finished:
                traced, chunk = compiling.pop(future) if future in compiling else running.pop(future)
                try:
                    result = future.result()
                except BrokenExecutor as error:
                    raise RunError(f"{_LOST_WORKER} {error}") from error
                except Exception as error:
                    if "RESOURCE_EXHAUSTED" in str(error) and self.plan.lanes > 1:
                        raise OutOfMemory from error
                    cause = getattr(error, "cause", None) or error  # Ray wraps errors
                    if isinstance(cause, StoreError):
                        raise cause from None
                    self.timing.fail(traced.program.label, cause)
                    ready = deque(item for item in ready if item[0] is not traced)
                else:
                    if isinstance(chunk, deque):
                        self._compiled += 1
                        ready.append((traced, result, chunk))
                    else:
                        self._keep(chunk, result)
                        if self.executor is not None:  # workers compile for themselves, with their first chunk
                            seen.add(traced.program.label)
                            self._compiled = len(seen)
                self._report(stop.requested)
        stop.raise_if_requested()

    def _written_there(self, chunk: ChunkId) -> bool:
        """Whether the worker that computes a chunk writes it too."""
        return self.job is not None and self.job.store is not None and self.store.is_file(self.plan, chunk)

    def _keep(self, chunk: ChunkId, values: Mapping[str, np.ndarray]) -> None:
        if self._written_there(chunk):
            self.store.written(self.plan, chunk, values[STATUS])
        else:
            self.store.write(self.plan, chunk, values)

    def _missing(self, traced: Traced) -> list[ChunkId]:
        return [c for c in traced.program.chunks if (self.store.status[self.plan.region(c)] == MISSING).any()]

    def _report(self, stopping: bool) -> None:
        self.progress(
            Progress(
                self._programs,
                self._compiled,
                self.plan.cells,
                int(np.count_nonzero(self.store.status)),
                time.perf_counter() - self.started,
                len(self.timing.failures),
                stopping,
            )
        )

    def _compile(self, traced: Traced) -> Any:
        known = self._known(traced)
        if self.blocks is not None and known in self.blocks:
            return replace(self.blocks[known], plan=self.plan)
        begin = time.perf_counter()
        block = compile_block(traced, self.plan, self.key, hasty=self.hasty)
        _LAST_PROGRAMS.append(block.compiled)
        if self.blocks is not None and known is not None:
            self.blocks[known] = block
        self.timing.compile_seconds += time.perf_counter() - begin
        self.timing.compiles += 1
        return block

    def _known(self, traced: Traced) -> Any:
        """By what a compiled program is found again; None where it cannot be."""
        try:
            return (
                None if self.blocks is None else (identify(traced, self.plan), tuple(traced.outputs), self.plan.block)
            )
        except Unidentified:
            return None

    def _compute(self, block: Any, chunk: ChunkId) -> Mapping[str, np.ndarray]:
        with _ONE_AT_A_TIME if block.alone else contextlib.nullcontext():
            begin = time.perf_counter()
            outputs = block.compute(chunk)
        self.timing.run_seconds += time.perf_counter() - begin
        return outputs
