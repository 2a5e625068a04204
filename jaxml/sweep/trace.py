"""From a trial and a plan to traced programs, one per static point, checked before anything is compiled.

Seeds and traced axes are nested `vmap`s, so whatever depends on the seed alone (drawing data, splitting it) is
computed once per seed and shared by all its lanes. Every grid point sees the same keys.
"""

import functools
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml.errors import TrialError
from jaxml.sweep.curve import Curve
from jaxml.sweep.plan import ChunkId, Plan, Program

NONFINITE = "nonfinite"
"""The output that every sweep adds: True where a trial's outputs hold an infinity or a NaN."""


@dataclass(frozen=True)
class Output:
    """What a trial returns under one name, for one lane."""

    shape: tuple[int, ...]
    dtype: np.dtype
    axes: tuple[str, ...]


def master_key(name: str | int) -> jax.Array:
    """The key that all seeds are folded into: the same name gives the same keys on every machine."""
    seed = name if isinstance(name, int) else zlib.crc32(name.encode())
    return jax.random.key(seed, impl="threefry2x32")


def block_function(trial: Callable[..., Any], plan: Plan, program: Program, key: jax.Array) -> Callable[..., Any]:
    """The function that computes one chunk: ``(seeds, lanes per traced axis, scalars) -> outputs``."""

    def one(lane_key: jax.Array, scalars: Mapping[str, Any], *lanes: Mapping[str, Any]) -> dict[str, Any]:
        traced = functools.reduce(lambda a, b: {**a, **b}, lanes, dict(scalars))
        outputs = trial(lane_key, **program.static, **traced)
        return _checked(outputs, plan)

    def block(seeds: jax.Array, lanes: list[Mapping[str, Any]], scalars: Mapping[str, Any]) -> dict[str, Any]:
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, seeds.astype(jnp.uint32))
        mapped = jax.vmap(one, in_axes=(0, None, *[None] * len(lanes)))
        for i in reversed(range(len(lanes))):
            mapped = jax.vmap(mapped, in_axes=(None, None, *[0 if j == i else None for j in range(len(lanes))]))
        return mapped(keys, scalars, *lanes)

    return block


def block_inputs(plan: Plan, chunk: ChunkId) -> tuple[Any, Any, Any]:
    """The arrays that a chunk's program takes."""

    def array(name: str, value: Any) -> np.ndarray:
        kind = plan.schema[name].type
        return np.asarray(value, {float: jnp.result_type(float), int: jnp.result_type(int), bool: bool}[kind])

    seeds, lanes, scalars = plan.inputs(chunk)
    return (
        np.asarray(seeds, np.int32),
        [{name: array(name, values) for name, values in axis.items()} for axis in lanes],
        {name: array(name, value) for name, value in scalars.items()},
    )


def _checked(outputs: Any, plan: Plan) -> dict[str, Any]:
    """The outputs of one lane, checked, with the mark of non-finite lanes added."""
    trial = plan.schema.trial_name
    if not isinstance(outputs, Mapping) or not outputs:
        raise TrialError(f"{trial}: a trial returns a dictionary of named arrays, got {type(outputs).__name__}.")
    finite = jnp.asarray(True)
    checked = {}
    for name, value in outputs.items():
        axes = value.axes if isinstance(value, Curve) else ()
        array = jnp.asarray(value.values if isinstance(value, Curve) else value)
        if name == NONFINITE or name in plan.dims:
            raise TrialError(f"{trial}: the output name '{name}' is taken. Rename it.")
        if array.ndim != len(axes):
            raise TrialError(
                f"{trial}: output '{name}' has shape {array.shape} but its axes have no names. "
                f"Return jaxml.curve({name}, {', '.join(['...'] * array.ndim)}) with one name per axis."
            )
        if set(axes) & set(plan.dims):
            raise TrialError(f"{trial}: output '{name}' names an axis like the grid's, {axes}. Rename it.")
        if jnp.issubdtype(array.dtype, jnp.inexact):
            finite &= jnp.isfinite(array).all()
        checked[name] = Curve(array, axes)
    return {**checked, NONFINITE: Curve(~finite, ())}


@dataclass
class Traced:
    """A program traced for the block size of its plan, ready to be lowered and compiled."""

    program: Program
    outputs: Mapping[str, Output]
    stage: Any

    def compile(self) -> Any:
        return self.stage.lower().compile()


def trace(trial: Callable[..., Any], plan: Plan, program: Program, key: jax.Array) -> Traced:
    """Trace one program.

    Raises:
        TrialError: when the trial breaks its contract, above all when a parameter is on the wrong side of
            traced / static.
    """
    inputs = block_inputs(plan, program.chunks[0])
    try:
        stage = jax.jit(block_function(trial, plan, program, key)).trace(*inputs)
    except TrialError:
        raise
    except Exception as error:
        advice = _wrong_side(trial, plan, program)
        if advice is None:
            raise
        raise TrialError(advice) from error
    outputs = {
        name: Output(info.values.shape[_rank(plan) :], np.dtype(info.values.dtype), info.axes)
        for name, info in stage.out_info.items()
    }
    return Traced(program, outputs, stage)


def _rank(plan: Plan) -> int:
    """How many leading axes a block's outputs have: the traced axes and the seeds."""
    return sum(plan.is_traced(axis) for axis in plan.axes) + 1


def _wrong_side(trial: Callable[..., Any], plan: Plan, program: Program) -> str | None:
    """What to move when the trial works with some parameters on the other side of traced / static; else None."""
    _, lanes, scalars = plan.inputs(program.chunks[0])
    values = {**program.static, **scalars, **{name: column[0] for axis in lanes for name, column in axis.items()}}
    traced = {name for name in values if plan.schema[name].traced}

    def works(traced: set[str]) -> bool:
        known = {name: value for name, value in values.items() if name not in traced}
        try:
            lane = {name: jnp.asarray(values[name]) for name in traced}
            jax.eval_shape(lambda lane: trial(jax.random.key(0), **known, **lane), lane)
        except Exception:
            return False
        return True

    if works(set()):
        needed = set(traced)
        for name in traced:
            if works(traced - needed | {name}):
                needed -= {name}
        names = [name for name in values if name in needed]
        return (
            f"{plan.schema.trial_name}: {' and '.join(map(repr, names))} is traced, but the trial needs its value "
            f"while compiling (for a shape, a Python `if` or a loop bound). Move it to the static side, "
            f"'{_annotations(plan, names, 'Static')}', or keep it traced and use jnp.where, lax.cond or a mask."
        )
    for name in program.static:
        if plan.schema[name].type is not str and works(traced | {name}):
            return (
                f"{plan.schema.trial_name}: '{name}' is static, a Python {plan.schema[name].type.__name__}, but the "
                f"trial uses it as an array. Move it to the traced side, '{_annotations(plan, [name], 'Traced')}'."
            )
    return None


def _annotations(plan: Plan, names: list[str], side: str) -> str:
    return ", ".join(f"{name}: {side}[{plan.schema[name].type.__name__}]" for name in names)


def all_outputs(traced: list[Traced]) -> Mapping[str, Output]:
    """The outputs of all programs together; where a static point lacks one, its results are NaN.

    Raises:
        TrialError: when two programs disagree on an output, or one lacks an output that cannot be NaN.
    """
    outputs: dict[str, Output] = {}
    for program in traced:
        for name, output in program.outputs.items():
            if outputs.setdefault(name, output) != output:
                raise TrialError(
                    f"output '{name}' is {outputs[name]} at one static point and {output} at "
                    f"'{program.program.label}'. Return the same shape, dtype and axes everywhere."
                )
    for name, output in outputs.items():
        lacking = [t.program.label for t in traced if name not in t.outputs]
        if lacking and output.dtype.kind != "f":
            raise TrialError(
                f"output '{name}' is {output.dtype} and missing at '{lacking[0]}'. Return it as a float, so that it "
                "can be NaN there, or return it everywhere."
            )
    return outputs


def lanes_that_fit(traced: list[Traced], plan: Plan, budget: int) -> int:
    """How many lanes keep the live arrays of the hungriest program within `budget` bytes."""
    worst = max(peak_bytes(t.stage.jaxpr.jaxpr) for t in traced)
    return plan.lanes if worst <= budget else max(plan.lanes * budget // worst, 1)


def peak_bytes(jaxpr: Any) -> int:
    """An upper estimate of the bytes alive at once in a jaxpr, before the compiler fuses anything away."""
    last_use = {v: i for i, eqn in enumerate(jaxpr.eqns) for v in eqn.invars if hasattr(v, "count")}
    last_use |= {v: len(jaxpr.eqns) for v in jaxpr.outvars if hasattr(v, "count")}
    ends: dict[int, int] = {}
    live = peak = sum(_bytes(v) for v in jaxpr.invars)
    for i, eqn in enumerate(jaxpr.eqns):
        inner = max((peak_bytes(j) for j in _inner(eqn)), default=0)
        for v in eqn.outvars:
            live += _bytes(v)
            end = last_use.get(v, i)
            ends[end] = ends.get(end, 0) + _bytes(v)
        peak = max(peak, live + inner)
        live -= ends.pop(i, 0)
    return peak


def _inner(eqn: Any) -> Iterator[Any]:
    for value in eqn.params.values():
        for item in value if isinstance(value, (list, tuple)) else (value,):
            if hasattr(item, "jaxpr"):
                item = item.jaxpr
            if hasattr(item, "eqns"):
                yield item


def _bytes(variable: Any) -> int:
    aval = variable.aval
    return math.prod(getattr(aval, "shape", ())) * getattr(getattr(aval, "dtype", None), "itemsize", 0)
