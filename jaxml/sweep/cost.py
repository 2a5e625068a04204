"""What a plan will cost and where vmap will hurt, as plain data, before anything runs.

Hazards are found by comparing the jaxpr of one lane with that of a block: what vmap turned into something dearer.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from jaxml.sweep.block import block_function, compile_block, two_lanes
from jaxml.sweep.execute import Timing
from jaxml.sweep.executors import cores
from jaxml.sweep.jaxprs import equations, inner_jaxprs, peak_bytes, work
from jaxml.sweep.plan import Plan
from jaxml.sweep.run import fitted, trace_all, with_chunks
from jaxml.sweep.trace import TracedProgram, master_key

MANY_PROGRAMS = 16
"""More compilations than this are worth a word about tracing a static parameter."""


@dataclass(frozen=True)
class Hazard:
    """Something that makes a vmapped program dearer than the trial alone; `cost` is a factor on its work if known."""

    kind: str
    program: str
    message: str
    cost: float | None = None


def describe_plan(
    trial: Callable[..., Any], plan: Plan, master: str | int = "jaxml", *, probe: bool = False
) -> dict[str, Any]:
    """Say what a plan will cost.

    Args:
        trial, plan, master: as for `jaxml.sweep.run.run`.
        probe: compile the first program and run its first chunk twice, for an estimate of the time in all.

    Returns:
        Plain data: `programs` (one compilation each), `trials`, `chunks`, `lanes` a chunk, `bytes_per_lane` (upper
        estimate; the compiler's own figure after a probe), `hazards` in words, and after a probe
        `compile_seconds`, `chunk_seconds` and an estimate of the `seconds` in all.
    """
    key = master_key(master)
    traced = trace_all(trial, plan, key, Timing())
    plan = fitted(plan, traced)
    programs = plan.programs()
    traced = with_chunks(traced, plan)
    chunks = sum(len(program.chunks) for program in programs)
    described: dict[str, Any] = {
        "programs": len(programs),
        "trials": plan.trials,
        "chunks": chunks,
        "lanes": plan.lanes,
        "bytes_per_lane": max(peak_bytes(t.jaxpr.jaxpr) for t in traced),
    }
    if probe:
        begin = time.perf_counter()
        block = compile_block(traced[0], plan, key)
        compile_seconds = time.perf_counter() - begin
        chunk_seconds = min(_seconds(block.compute, traced[0].program.chunks[0]) for _ in range(2))
        rounds = -(-len(programs) // cores()) * compile_seconds + chunks * chunk_seconds
        memory = block.compiled.memory_analysis()
        if memory is not None:
            described["bytes_per_lane"] = memory.temp_size_in_bytes // plan.lanes
        described |= {"compile_seconds": compile_seconds, "chunk_seconds": chunk_seconds, "seconds": rounds}
    found = [*_many_programs(plan), *(hazard for t in traced for hazard in hazards(t, plan))]
    return {**described, "hazards": [f"{hazard.program}: {hazard.message}" for hazard in found]}


def measure_lanes(
    trial: Callable[..., Any], plan: Plan, sizes: Sequence[int], *, master: str | int = "jaxml"
) -> dict[int, float]:
    """Lanes a second of the first program for several chunk sizes, each compiled for itself: `lanes -> lanes/s`."""
    key, found = master_key(master), {}
    traced = trace_all(trial, plan, key, Timing())
    for size in sizes:
        sized = plan.with_lanes_at_most(size)
        first = with_chunks(traced[:1], sized)[0]
        block = compile_block(first, sized, key)
        block.compute(first.program.chunks[0])
        found[sized.lanes] = sized.lanes / min(_seconds(block.compute, first.program.chunks[0]) for _ in range(3))
    return found


def hazards(traced: TracedProgram, plan: Plan) -> list[Hazard]:
    """What vmap makes dearer in one program."""
    axes = sum(plan.is_traced(axis) for axis in plan.axes)
    inputs = two_lanes(traced, plan)
    alone = list(equations(traced.jaxpr.jaxpr))
    block = list(equations(jax.make_jaxpr(block_function(traced, axes))(*inputs).jaxpr))
    label, found = traced.program.label, []
    conds = [e for e in alone if e.primitive.name == "cond"]
    lost = len(conds) - sum(e.primitive.name == "cond" for e in block)
    if lost > 0:
        branches = [[work(j) for j in inner_jaxprs(e)] for e in conds]
        extra = sum(sum(each) - max(each) for each in branches)
        cost = 1 + extra / max(work(traced.jaxpr.jaxpr), 1.0)
        said = f"{lost} `cond` whose predicate differs from lane to lane: every lane pays all branches"
        found.append(Hazard("cond", label, f"{said}, {cost:.2f} times the work. A static parameter avoids it.", cost))
    waiting = [e for e in block if e.primitive.name == "while" and _waits(e)]
    if waiting:
        said = f"{len(waiting)} `while` whose end differs from lane to lane: a chunk takes as long as its slowest lane"
        found.append(Hazard("while", label, f"{said}. A fixed number of steps or smaller chunks avoid it."))
    scatters = sum(e.primitive.name.startswith("scatter") for e in block)
    if scatters:
        said = f"{scatters} batched scatter, which runs element by element on a CPU"
        found.append(Hazard("scatter", label, f"{said}. A one-hot product, a sort or `jnp.where` is often faster."))
    return found


def _waits(eqn: Any) -> bool:
    """Whether each lane has a predicate of its own; the loop then goes on while any of them holds."""
    return eqn.params["cond_jaxpr"].jaxpr.outvars[0].aval.shape != ()


def _many_programs(plan: Plan) -> list[Hazard]:
    programs = len(plan.programs())
    if programs <= MANY_PROGRAMS:
        return []
    numbers = [n for a in plan.axes for n in a.parameters if not plan.schema[n].traced and plan.schema[n].type is int]
    advice = (
        f" `{numbers[0]}: Traced[int]` would vectorise it (no recompilation), see `jaxml.nn.padded`." if numbers else ""
    )
    return [Hazard("programs", "all", f"{programs} static points, one compilation each.{advice}", float(programs))]


def _seconds(call: Callable[..., Any], *inputs: Any) -> float:
    begin = time.perf_counter()
    call(*inputs)
    return time.perf_counter() - begin
