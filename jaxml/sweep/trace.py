"""From a trial and a plan to traced programs, one per static point, checked before anything is compiled.

A trial is traced once per static point, for one lane. Everything else derives from that trace: the outputs and their
dtypes, the memory and work of a lane, what identifies the computation, and the block that is compiled.
"""

import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml.errors import TrialError, users_place
from jaxml.sweep.curve import Curve
from jaxml.sweep.jaxprs import equations
from jaxml.sweep.names import trouble_with
from jaxml.sweep.plan import Plan, Program

STATUS = "status"
"""The output that every sweep adds: FINITE, NONFINITE, or MISSING where nothing has been computed yet."""
MISSING, FINITE, NONFINITE = 0, 1, 2
NO_STEP = -1
"""What `nonfinite_step` holds where a curve is finite from end to end."""


@dataclass(frozen=True)
class Output:
    """What a trial returns under one name, for one lane."""

    shape: tuple[int, ...]
    dtype: np.dtype
    axes: tuple[str, ...]


@dataclass(frozen=True)
class TracedProgram:
    """A program traced for one lane: a function of ``(key, traced parameters)``."""

    program: Program
    outputs: Mapping[str, Output]
    stage: Any

    @property
    def jaxpr(self) -> Any:
        return self.stage.jaxpr


def master_key(name: str | int) -> jax.Array:
    """The key that all seeds are folded into: the same name gives the same keys on every machine."""
    seed = name if isinstance(name, int) else zlib.crc32(name.encode())
    return jax.random.key(seed, impl="threefry2x32")


def dtype_of(plan: Plan, parameter: str) -> np.dtype:
    """The dtype that a traced parameter has inside the trial."""
    kind = {float: jnp.result_type(float), int: jnp.result_type(int), bool: bool, str: jnp.result_type(int)}
    return np.dtype(kind[plan.schema[parameter].type])


def trace(trial: Callable[..., Any], plan: Plan, program: Program, key: jax.Array) -> TracedProgram:
    """Trace one program.

    Raises:
        TrialError: when the trial breaks its contract, above all when a parameter is on the wrong side of
            traced / static.
    """
    _, lanes, scalars = plan.inputs(program.chunks[0])
    names = [*scalars, *(name for axis in lanes for name in axis)]
    values = {name: jax.ShapeDtypeStruct((), dtype_of(plan, name)) for name in names}

    def one(lane_key: jax.Array, values: Mapping[str, jax.Array]) -> dict[str, Curve]:
        return _checked(trial(lane_key, **program.static, **plan.schema.arguments(values)), plan)

    try:
        stage = jax.jit(one).trace(jax.ShapeDtypeStruct((), key.dtype), values)
    except TrialError:
        raise
    except Exception as error:
        advice = None if isinstance(error, OverflowError) else _wrong_side(trial, plan, program, users_place(error))
        if advice is None and hasattr(trial, "lower") and hasattr(trial, "trace"):
            advice = (
                f"{plan.schema.trial_name} is jitted, and takes static parameters. Leave jax.jit out: sweeps compile."
            )
        if advice is None:
            raise
        raise TrialError(advice) from error
    for eqn in equations(stage.jaxpr.jaxpr):
        if "rbg" in str(eqn.params.get("impl", "")):
            raise TrialError(
                f"{plan.schema.trial_name}: rbg keys draw a whole batch from its first key under vmap, so lanes would "
                "not be independent. Derive every key from the one the trial is given."
            )
    outputs = {
        name: Output(info.values.shape, np.dtype(info.values.dtype), info.axes) for name, info in stage.out_info.items()
    }
    return TracedProgram(program, outputs, stage)


def _checked(outputs: Any, plan: Plan) -> dict[str, Curve]:
    """The outputs of one lane, flat and checked, with their status and the first bad step of their curves."""
    trial = plan.schema.trial_name
    if not isinstance(outputs, Mapping) or not outputs:
        raise TrialError(f"{trial}: a trial returns a dictionary of named arrays, got {type(outputs).__name__}.")
    taken = {STATUS, "nonfinite", *plan.dims, *(name for axis in plan.axes for name in axis.parameters)}
    finite = jnp.asarray(True)
    checked: dict[str, Curve] = {}
    finite_until: dict[str, jax.Array] = {}
    for name, value in _flat(outputs, trial):
        if name in taken or name.startswith("nonfinite_"):
            raise TrialError(f"{trial}: the output name '{name}' is taken. Rename it.")
        if name in checked:
            raise TrialError(f"{trial}: two outputs are called '{name}'. Rename one.")
        axes = value.axes if isinstance(value, Curve) else ()
        array = _as_array(value.values if isinstance(value, Curve) else value, f"{trial}: output '{name}'")
        if array.ndim != len(axes):
            raise TrialError(
                f"{trial}: output '{name}' has shape {array.shape} but its axes have no names. "
                f"Return jaxml.curve({name}, {', '.join(['...'] * array.ndim)}) with one name per axis."
            )
        if set(axes) & taken or len(set(axes)) != len(axes):
            like = "like the grid's" if set(axes) & taken else "twice"
            raise TrialError(f"{trial}: output '{name}' names an axis {like}, {axes}. Rename it.")
        for axis in axes:
            if trouble := trouble_with(axis):
                raise TrialError(f"{trial}: output '{name}' has an axis whose name {axis!r} {trouble}.")
        if jnp.issubdtype(array.dtype, jnp.inexact):
            finite &= jnp.isfinite(array).all()
        checked[name] = Curve(array, axes)
    _check_axes(trial, {name: (value.axes, value.values.shape) for name, value in checked.items()})
    for value in checked.values():
        if value.axes and jnp.issubdtype(value.values.dtype, jnp.inexact):
            good = jnp.isfinite(value.values).all(axis=tuple(range(1, value.values.ndim)))
            finite_until[value.axes[0]] = finite_until.get(value.axes[0], True) & good
    for axis, good in finite_until.items():
        first = jnp.where(good.all(), NO_STEP, jnp.argmin(good)).astype(jnp.int32)
        checked[f"nonfinite_{axis}"] = Curve(first, ())
    status = jnp.where(finite, FINITE, NONFINITE).astype(jnp.uint8)
    return {**checked, STATUS: Curve(status, ())}


def _flat(outputs: Mapping[Any, Any], trial: str, above: str = "") -> Iterator[tuple[str, Any]]:
    """The outputs by name; a dictionary inside becomes several, ``{"train": {"loss": x}}`` is ``train.loss``."""
    for key, value in outputs.items():
        if trouble := trouble_with(key):
            inside = f" inside '{above[:-1]}'" if above else ""
            raise TrialError(f"{trial}: the output name {key!r}{inside} {trouble}.")
        if isinstance(value, Mapping):
            yield from _flat(value, trial, f"{above}{key}.")
        elif trouble := trouble_with(above + key):
            raise TrialError(f"{trial}: the output name '{above}{key}' {trouble}.")
        else:
            yield above + key, value


def _as_array(value: Any, what: str) -> jax.Array:
    """An output as an array of a dtype that NumPy has itself, for tables and stores know no other."""
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError):
        raise TrialError(f"{what} is of type {type(value).__name__}. Return a number or an array of numbers.") from None
    if jnp.issubdtype(array.dtype, jax.dtypes.extended):
        raise TrialError(f"{what} is a key, {array.dtype}. Return jax.random.key_data of it, as a curve.")
    if np.dtype(array.dtype).kind != "V":
        return array
    for kind, wider in ((jnp.floating, jnp.float32), (jnp.signedinteger, jnp.int8), (jnp.unsignedinteger, jnp.uint8)):
        if jnp.issubdtype(array.dtype, kind):  # bfloat16, float8_e4m3fn, int4: exact in the wider one
            return array.astype(wider)
    raise TrialError(f"{what} has the dtype {array.dtype}. Return a number or an array of numbers.")


def _check_axes(where: str, outputs: Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]]) -> None:
    """Check that axes of one name have one length, and that no output is called like an axis."""
    lengths: dict[str, tuple[int, str]] = {}
    for name, (axes, shape) in outputs.items():
        for axis, length in zip(axes, shape, strict=True):
            known, other = lengths.setdefault(axis, (length, name))
            if known != length:
                raise TrialError(
                    f"{where}: the axis '{axis}' has length {known} in output '{other}' and {length} in '{name}'. "
                    f"Give them axes of different names."
                )
    for name in outputs:
        if name in lengths:
            raise TrialError(
                f"{where}: '{name}' is an output and an axis of output '{lengths[name][1]}'. Rename one of them."
            )


def _wrong_side(trial: Callable[..., Any], plan: Plan, program: Program, place: str) -> str | None:
    """What to move when the trial works with some parameters on the other side of traced / static; else None."""
    at = f" at {place}" if place else ""
    _, lanes, scalars = plan.inputs(program.chunks[0])
    values = {**program.static, **scalars, **{name: column[0] for axis in lanes for name, column in axis.items()}}
    traced = {name for name in values if plan.schema[name].traced}

    def works(traced: set[str]) -> bool:
        known = {name: value for name, value in values.items() if name not in traced}
        try:
            lane = {name: jax.ShapeDtypeStruct((), dtype_of(plan, name)) for name in traced}
            jax.eval_shape(
                lambda lane: _checked(trial(jax.random.key(0), **plan.schema.arguments({**known, **lane})), plan), lane
            )
        except Exception:
            return False
        return True

    if works(set()):
        needed = set(traced)
        for name in traced:
            if works(traced - needed | {name}):
                needed -= {name}
        names = [name for name in values if name in needed]
        if not names:
            return None
        are, its = ("is", "its value") if len(names) == 1 else ("are", "their values")
        return (
            f"{plan.schema.trial_name}: {' and '.join(map(repr, names))} {are} traced, but the trial needs {its} "
            f"while compiling{at} (for a shape, a Python `if` or a loop bound). Write "
            f"'{_annotations(plan, names, 'Static')}', or keep it traced and use jnp.where, lax.cond or a mask."
        )
    for name in program.static:
        if plan.schema[name].type is not str and works(traced | {name}):
            return (
                f"{plan.schema.trial_name}: '{name}' is static, a Python {plan.schema[name].type.__name__}, but the "
                f"trial uses it as an array{at}. Write '{_annotations(plan, [name], 'Traced')}'."
            )
    return None


def _annotations(plan: Plan, names: list[str], side: str) -> str:
    return ", ".join(f"{name}: {side}[{plan.schema[name].type.__name__}]" for name in names)


def all_outputs(traced: list[TracedProgram]) -> Mapping[str, Output]:
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
    check_outputs(outputs, {program.program.label: list(program.outputs) for program in traced})
    return outputs


def check_outputs(outputs: Mapping[str, Output], returned: Mapping[str, Collection[str]]) -> None:
    """Check that outputs fit together, given which of them each static point returns.

    Raises:
        TrialError: when two name an axis alike though its lengths differ, or one that cannot be NaN is not returned
            everywhere.
    """
    _check_axes("static points", {name: (output.axes, output.shape) for name, output in outputs.items()})
    for name, output in outputs.items():
        lacking = [label for label, names in returned.items() if name not in names]
        if lacking and output.dtype.kind not in "fc" and not name.startswith("nonfinite_"):
            raise TrialError(
                f"output '{name}' is {output.dtype} and missing at '{lacking[0]}'. Return it as a float, so that it "
                "can be NaN there, or return it everywhere."
            )
