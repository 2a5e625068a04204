"""From a plan to results: trace, choose the chunk size, open the store, compute what is missing."""

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from jaxml.errors import ConfigError, TrialError
from jaxml.sweep.compute import THREADS, Compute, opened
from jaxml.sweep.execute import Execution, OutOfMemory, Progress, Timing
from jaxml.sweep.executors import Job, cores, in_flight
from jaxml.sweep.fingerprint import fingerprint
from jaxml.sweep.jaxprs import peak_bytes
from jaxml.sweep.plan import Plan, check_precision
from jaxml.sweep.repeat import check_repeatable, drawn
from jaxml.sweep.store import MemoryStore, ZarrStore
from jaxml.sweep.together import SharedStore
from jaxml.sweep.trace import TracedProgram, all_outputs, master_key, trace

if TYPE_CHECKING:
    import xarray

LIVE_BYTES = {"cpu": 64 * 2**20}
"""The memory that the arrays of one chunk may take by estimate; what the lanes of a seed share is counted for each."""
LIVE_BYTES_ELSEWHERE = 2**30
FEWEST_LANES, MOST_LANES = 128, 2**16
"""Chunks are not cut smaller than the first for the sake of the cores, nor made larger than the second, so that
progress shows and finished work is kept."""


def run(
    trial: Callable[..., Any],
    plan: Plan,
    *,
    store: str | Path | None = None,
    master: str | int = "jaxml",
    progress: Callable[[Progress], None] | None = None,
    attributes: Mapping[str, Any] | None = None,
    compute: Compute = THREADS,
    blocks: dict[Any, Any] | None = None,
    traced: list[TracedProgram] | None = None,
    fast_compile: bool = False,
) -> "xarray.Dataset":
    """Compute a plan; see `jaxml.sweep.sweep`.

    Args:
        trial, plan, store, master, progress, compute: as there.
        attributes: kept with the results.
        blocks: compiled programs to reuse and to add to, for callers that run one trial many times.
        traced: the plan's programs, where the caller has traced them.
        fast_compile: a lower optimisation level on a CPU, for runs that mostly compile.
    """
    if compute.shared_store and store is None:
        raise ConfigError("shared_store: workers write to a store, so give 'store' too.")
    if compute.executor is not None and jax.process_count() > 1:
        raise ConfigError("compute: the processes of a jax.distributed program share the chunks already. Leave it out.")
    key, timing = master_key(master), Timing()
    traced = trace_all(trial, plan, key, timing, traced or (), twice=blocks is None)
    with opened(compute) as compute:
        pool = compute.pool
        plan = fitted(plan, traced, None if pool is None else in_flight(pool))
        target = _open_target(store, plan, traced, master, attributes or {})
        try:
            layout = target.plan
            while True:
                shared = target.shared() if compute.shared_store else {}
                shared |= {} if pool is None else {"workers": in_flight(pool)}
                job = Job.here(trial, layout, master, **shared)
                report = progress or (lambda _: None)
                work = Execution(layout, key, target, report, timing, pool, job, blocks, fast_compile)
                try:
                    work.run(with_chunks(traced, layout))
                    break
                except OutOfMemory:
                    layout = layout.with_lanes_at_most(layout.lanes // 2)
            if timing.first_error is not None and len(timing.failures) == len(plan.programs()):
                raise timing.first_error
            results = target.dataset()
        finally:
            target.close()
    return _described(results, timing, layout, target.repaired)


def _open_target(
    store: str | Path | None, plan: Plan, traced: list[TracedProgram], master: str | int, attributes: Mapping[str, Any]
) -> MemoryStore:
    outputs = all_outputs(traced)
    if store is None and jax.process_count() == 1:
        return MemoryStore(plan, outputs)
    path = store if store is None or (isinstance(store, str) and "://" in store) else Path(store)
    if jax.process_count() > 1:
        return SharedStore(path, plan, outputs, lambda: fingerprint(plan, traced, master), attributes)
    assert path is not None
    return ZarrStore(path, plan, outputs, lambda: fingerprint(plan, traced, master), attributes)


def trace_all(
    trial: Callable[..., Any],
    plan: Plan,
    key: jax.Array,
    timing: Timing,
    known: Sequence[TracedProgram] = (),
    *,
    twice: bool = True,
) -> list[TracedProgram]:
    """Trace every program that is not known yet; a static point that cannot be traced is noted, unless none can.

    The first one is traced `twice`, and any in which a global generator is drawn from: both must be the same.

    Raises:
        TrialError: when the trial breaks its contract.
    """
    begin = time.perf_counter()
    check_precision(plan, "float64" if jax.config.read("jax_enable_x64") else "float32")
    traced, held = [], {tuple(each.program.static.items()): each for each in known}
    for program in plan.programs():
        place = tuple(program.static.items())
        try:
            before = drawn()
            found = held[place] if place in held else trace(trial, plan, program, key)
            if place not in held and ((twice and not traced) or drawn() != before):
                check_repeatable(plan.schema.trial_name, found, partial(trace, trial, plan, program, key))
            traced.append(found)
        except TrialError:
            raise
        except Exception as error:
            timing.fail(program.label, error)
    timing.trace_seconds += time.perf_counter() - begin
    if not traced and timing.first_error is not None:
        raise timing.first_error
    return traced


def fitted(plan: Plan, traced: Sequence[TracedProgram], workers: int | None = None) -> Plan:
    """The plan in chunks whose arrays stay small, and which are enough for all workers: the cores of a CPU."""
    budget = LIVE_BYTES.get(jax.default_backend(), LIVE_BYTES_ELSEWHERE)
    worst = max(peak_bytes(t.jaxpr.jaxpr) for t in traced)
    share = plan.trials
    workers = workers or (cores() if jax.default_backend() == "cpu" else 1) * jax.process_count()
    if len(traced) < workers:
        share = max(_share(plan, -(-workers // len(traced))), FEWEST_LANES)
    return plan.with_lanes_at_most(max(min(plan.lanes, budget // max(worst, 1), share, MOST_LANES), 1))


def _share(plan: Plan, parts: int) -> int:
    """The fewest lanes a chunk with which `parts` chunks hold a whole program: seeds are cut first, and evenly."""
    *inner, seeds = plan.with_lanes_at_most(plan.trials).block
    lanes = math.prod(inner)
    return lanes * -(-seeds // parts) if seeds >= parts else -(-lanes * seeds // parts)


def with_chunks(traced: Sequence[TracedProgram], layout: Plan) -> list[TracedProgram]:
    """The traced programs with the chunks they have in the layout of the store."""
    chunks = {tuple(program.static.items()): program for program in layout.programs()}
    return [replace(t, program=chunks[tuple(t.program.static.items())]) for t in traced]


def _described(results: "xarray.Dataset", timing: Timing, plan: Plan, repaired: Sequence[str]) -> "xarray.Dataset":
    results = results.assign_attrs(
        compiles=timing.compiles,
        trace_seconds=timing.trace_seconds,
        compile_seconds=timing.compile_seconds,
        run_seconds=timing.run_seconds,
        checked_programs=timing.checked,
        check_seconds=timing.check_seconds,
        lanes=plan.lanes,
    )
    if repaired:
        results.attrs["repaired"] = list(repaired)
    if timing.failures:
        failures = [f"{label}: {message}" for label, message in timing.failures.items()]
        results.attrs["failures"] = failures
        points = f"{len(failures)} static point{'s' if len(failures) > 1 else ''}"
        warnings.warn(f"{points} failed: {'; '.join(failures[:3])}", RuntimeWarning, stacklevel=4)
    return results
