"""Run a plan: compile each program once, ahead of time, several side by side, and compute its chunks one by one.

A static point that fails does not stop the others, a first signal finishes the chunks already running, and no more
chunks are in flight than keep the workers busy, so memory stays bounded whatever the number of lanes.
"""

import contextlib
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np

from jaxml.errors import RunError, StoreError, headline, users_place
from jaxml.sweep import check
from jaxml.sweep.block import compile_block, identify
from jaxml.sweep.executors import Job, compute_chunk, cores, in_flight
from jaxml.sweep.identity import Unidentified
from jaxml.sweep.plan import ChunkId, Plan
from jaxml.sweep.signals import Stop, finish_on_signal
from jaxml.sweep.store import MemoryStore
from jaxml.sweep.trace import MISSING, STATUS, TracedProgram

_ONE_AT_A_TIME = threading.Lock()
"""Held while a block that must run alone computes a chunk."""
_LAST_PROGRAMS: deque[Any] = deque(maxlen=16)
"""The programs compiled last. Freeing one takes as long as a small one runs, so it waits until others replace it."""
_POLL_SECONDS = 0.2
"""How long a signal may wait for an answer."""
_IDLE_SECONDS, _IDLE_SHARE = 60.0, 0.05
"""A sweep on a CPU that uses less than this share of one core for so long computes nothing."""


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
    trials: int
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
    check_seconds: float = 0.0
    compiles: int = 0
    checked: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    first_error: Exception | None = None

    def fail(self, label: str, error: Exception) -> None:
        place = users_place(error)
        self.failures[label] = headline(error).splitlines()[0] + (f" ({place})" if place else "")
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
    fast_compile: bool = False
    alone: dict[str, bool] = field(default_factory=dict)
    compiling: dict[str, float] = field(default_factory=dict)
    computing: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    def run(self, traced: Sequence[TracedProgram]) -> None:
        """Compute every missing chunk of the traced programs.

        Raises:
            OutOfMemory: when a chunk is too large for the device; what was written stays.
            KeyboardInterrupt: after a signal, once the chunks already running are written.
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
        compiling: dict[Future, tuple[TracedProgram, deque[ChunkId]]],
        ready: deque[tuple[TracedProgram, Any, deque[ChunkId]]],
        stop: Stop,
    ) -> None:
        running: dict[Future, tuple[TracedProgram, ChunkId]] = {}
        checking: dict[Future, str] = {}
        held: dict[str, list[tuple[ChunkId, Mapping[str, np.ndarray]]]] = {}  # until their program is checked
        seen: set[str] = set()
        since = time.perf_counter(), time.process_time()
        while compiling or running or ready or checking:
            most = 2 * cores() if self.executor is None else in_flight(self.executor)
            while ready and len(running) < most and not stop.requested:
                traced, block, chunks = ready[0]
                chunk = chunks.popleft()
                if self.executor is None:
                    future = pool.submit(self._compute, block, chunk, traced.program.label)
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
                if not running and not checking:
                    break
            finished, _ = wait([*compiling, *running, *checking], _POLL_SECONDS, return_when=FIRST_COMPLETED)
            since = self._note_idle(since, bool(finished), [t.program.label for t, _ in running.values()])
            for future in finished:
                if future in checking:
                    future.result()
                    for chunk, result in held.pop(checking.pop(future)):
                        self._keep(chunk, result)
                    continue
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
                        label = traced.program.label
                        if label not in seen and (
                            allowed := self._allowed(label, self._programs - len(seen) + len(checking))
                        ):
                            held[label] = []
                            checking[pool.submit(self._check, traced, chunk, result, allowed)] = label
                        if label in held:
                            held[label].append((chunk, result))
                        else:
                            self._keep(chunk, result)
                        seen.add(label)
                        if self.executor is not None:  # workers compile for themselves, with their first chunk
                            self._compiled = len(seen)
                self._report(stop.requested)
        stop.raise_if_requested()

    def _note_idle(self, since: tuple[float, float], moved: bool, labels: Sequence[str]) -> tuple[float, float]:
        """Warn where chunks are in hand and nothing is computed; from when on to count next."""
        now = time.perf_counter(), time.process_time()
        here = self.executor is None and jax.default_backend() == "cpu"
        if not moved and now[0] - since[0] < _IDLE_SECONDS:
            return since
        if not moved and here and labels and now[1] - since[1] < _IDLE_SHARE * (now[0] - since[0]):
            warnings.warn(
                f"nothing has been computed for {now[0] - since[0]:.0f} s, in {' and in '.join(sorted({*labels}))}: "
                "the program waits for itself, or for something outside. A second SIGTERM or Ctrl-C ends it, finished "
                "chunks are kept. XLA_FLAGS=--xla_cpu_enable_concurrency_optimized_scheduler=false avoids known cases.",
                RuntimeWarning,
                stacklevel=2,
            )
        return now

    def _written_there(self, chunk: ChunkId) -> bool:
        """Whether the worker that computes a chunk writes it too."""
        return self.job is not None and self.job.store is not None and self.store.is_file(self.plan, chunk)

    def _keep(self, chunk: ChunkId, values: Mapping[str, np.ndarray]) -> None:
        if self._written_there(chunk):
            self.store.written(self.plan, chunk, values[STATUS])
        else:
            self.store.write(self.plan, chunk, values)

    def _missing(self, traced: TracedProgram) -> list[ChunkId]:
        missing = (c for c in traced.program.chunks if (self.store.status[self.plan.region(c)] == MISSING).any())
        return [chunk for chunk in missing if self.store.wants(self.plan, chunk)]

    def _report(self, stopping: bool) -> None:
        done, trials = self.store.counted()
        self.progress(
            Progress(
                self._programs,
                self._compiled,
                trials,
                done,
                time.perf_counter() - self.started,
                len(self.timing.failures),
                stopping,
            )
        )

    def _compile(self, traced: TracedProgram) -> Any:
        known = self._known(traced)
        if self.blocks is not None and known in self.blocks:
            block = replace(self.blocks[known], plan=self.plan)
            self.alone[traced.program.label] = block.alone
            return block
        begin = time.perf_counter()
        block = compile_block(traced, self.plan, self.key, fast_compile=self.fast_compile)
        _LAST_PROGRAMS.append(block.compiled)
        self.alone[traced.program.label] = block.alone
        if self.blocks is not None and known is not None:
            self.blocks[known] = block
        self.compiling[traced.program.label] = time.perf_counter() - begin
        self.timing.compile_seconds += self.compiling[traced.program.label]
        self.timing.compiles += 1
        return block

    def _known(self, traced: TracedProgram) -> Any:
        """By what a compiled program is found again; None where it cannot be."""
        try:
            return (
                None if self.blocks is None else (identify(traced, self.plan), tuple(traced.outputs), self.plan.block)
            )
        except Unidentified:
            return None

    def _compute(self, block: Any, chunk: ChunkId, label: str) -> Mapping[str, np.ndarray]:
        with _ONE_AT_A_TIME if block.alone else contextlib.nullcontext():
            begin = time.perf_counter()
            outputs = block.compute(chunk)
        seconds = time.perf_counter() - begin
        self.computing[label] = seconds
        self.timing.run_seconds += seconds
        return outputs

    def _allowed(self, label: str, waiting: int) -> dict[str, float]:
        """The seconds that a program's check may take, a fair share of what is left for those still to come; {}: none.

        Its first lane may take three times that, so that slow programs are checked too.
        """
        if self.fast_compile or label not in self.compiling or label not in self.computing:
            return {}
        took = sum(self.computing.values()) / len(self.computing)
        left = (self.plan.trials - int(np.count_nonzero(self.store.status))) / self.plan.lanes * took
        left += (self._programs - self._compiled) * sum(self.compiling.values()) / len(self.compiling)
        expected = (time.perf_counter() - self.started) * cores() + left  # of work, on all cores
        budget = check.SHARE * expected
        left_over = budget - self.timing.check_seconds
        # One that was costly, as a second compilation is, leaves something for the others.
        share = max(left_over / max(waiting, 1), budget / self._programs / 4)
        return {} if share < check.LEAST_SECONDS else {"seconds": share, "first": max(min(3 * share, left_over), share)}

    def _check(
        self, traced: TracedProgram, chunk: ChunkId, values: Mapping[str, np.ndarray], allowed: dict[str, float]
    ) -> None:
        label = traced.program.label
        with _ONE_AT_A_TIME if self.alone[label] else contextlib.nullcontext():
            found = check.check_lanes(
                traced, self.plan, self.key, chunk, values, compiling=self.compiling[label], **allowed
            )
        self.timing.checked += found.lanes > 0
        self.timing.check_seconds += found.seconds
