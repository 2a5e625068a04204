"""A compiled program checked: some lanes of its first chunk computed again, alone, by another path of the compiler.

A compiler may err without a word. The second path shares little with the first: no lanes beside it, so none of the
batching, LLVM's optimiser off, other kernels. Lanes that differ by more than rounding are computed again with every
rounded result moved by some units in the last place (see `perturb`), to learn how far rounding moves *this* trial; only
what lies well outside of that stops the run. Lanes in which rounding moves an output by its own size say nothing.
"""

import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from jaxml.backend import compile_program
from jaxml.errors import RunError
from jaxml.sweep.block import constants_of
from jaxml.sweep.plan import ChunkId, Plan
from jaxml.sweep.trace import STATUS, TracedProgram, dtype_of

SHARE = 0.02
"""Of a run's time, what its checks may take."""
LANES = 4
CLOSE = 1e-3
"""Relative differences that need no second look."""
TOLERANCE, FACTOR = 1e-2, 10.0
"""A value may differ from the lane alone by this much of it, plus this many times what rounding moves it by."""
MOVES = (1.0, 8.0, 64.0) * 5
"""The sizes of the moves, in units of four in the last place."""
NEAR_OVERFLOW = 1e30


@dataclass(frozen=True)
class Checked:
    """What a check took and compared; `sensitive` lanes differ by no more than rounding moves them."""

    lanes: int
    sensitive: int
    seconds: float


def affordable(compile_seconds: float, run_seconds: float, spent: float) -> bool:
    """Whether a run of that length can afford to check a program, which takes about half as long as to compile it."""
    return spent + max(compile_seconds, 0.5) / 2 <= SHARE * run_seconds


def check_lanes(
    traced: TracedProgram, plan: Plan, key: jax.Array, chunk: ChunkId, values: Mapping[str, Any]
) -> Checked:
    """Compare some lanes of a computed chunk with the same lanes alone.

    Raises:
        RunError: when one differs by more than rounding can explain.
    """
    begin = time.perf_counter()
    constants, names = constants_of(traced), list(traced.outputs)
    flat = perturbable = None
    sensitive, lanes = 0, list(_lanes(plan, chunk))
    for place, inputs in lanes:
        if flat is None:
            flat = _compiled(lambda c, *a: jaxpr_as_fun(ClosedJaxpr(traced.jaxpr.jaxpr, c))(*a), constants, key, inputs)
        alone = _named(names, flat(constants, *_arguments(key, inputs)), traced)
        here = {name: np.asarray(values[name])[place] for name in alone}
        odd = [n for n in alone if _differs(here[n], alone[n], CLOSE, np.zeros(()))]
        if not odd:
            continue
        if perturbable is None:
            perturbable = _perturbable(traced, constants, key, inputs)
        moved = _named(names, perturbable(constants, *_arguments(key, inputs)), traced)
        for name in odd:
            spread = _spread(moved[name], alone[name])
            fails = ~np.isfinite(here[name]) & ~np.isfinite(_wide(moved[name])).all(axis=0)  # as it does when moved
            if _differs(here[name], alone[name], TOLERANCE, np.where(fails, np.inf, FACTOR * spread)):
                raise RunError(_said(traced, plan, inputs, name, here[name], alone[name], spread))
        sensitive += 1
    return Checked(len(lanes), sensitive, time.perf_counter() - begin)


def _differs(here: np.ndarray, alone: np.ndarray, relative: float, more: np.ndarray) -> bool:
    """Whether any value is further off than allowed; whole numbers may differ by one, as decisions at a tie do."""
    a, b = _wide(here), _wide(alone)
    with np.errstate(all="ignore"):
        scale = np.maximum(np.abs(a), np.abs(b)) if relative == CLOSE else np.abs(b)
        off = ~(np.abs(a - b) <= relative * scale + more + (1.0 if here.dtype.kind in "iub" else 1e-30))
    both_bad, finite = ~np.isfinite(a) & ~np.isfinite(b), np.isfinite(a) & np.isfinite(b)
    huge = ~finite & (np.nan_to_num(np.abs(a), posinf=0.0) + np.nan_to_num(np.abs(b), posinf=0.0) > NEAR_OVERFLOW)
    return bool((off & ~both_bad & ~huge & ~np.isinf(more)).any())


def _spread(moved: np.ndarray, alone: np.ndarray) -> np.ndarray:
    """How far the moves that stay finite go; infinitely far where two in three do not."""
    with np.errstate(all="ignore"):
        moves = np.abs(_wide(moved) - _wide(alone))
    finite = np.isfinite(moves)
    return np.where(3 * finite.sum(axis=0) >= len(MOVES), np.where(finite, moves, 0.0).max(axis=0), np.inf)


def _lanes(plan: Plan, chunk: ChunkId) -> Iterator[tuple[tuple[int, ...], tuple[int, dict[str, Any]]]]:
    """Places in a chunk, the first and the last among them, and the seed and parameters there."""
    seeds, axes, scalars = plan.inputs(chunk)
    sizes = [s.stop - s.start for s in plan.region(chunk)]
    traced = [i for i, axis in enumerate(plan.axes) if plan.is_traced(axis)]
    total = int(np.prod(sizes))
    for flat in sorted({round(i * (total - 1) / (LANES - 1)) for i in range(LANES)}):
        place = tuple(int(i) for i in np.unravel_index(flat, sizes))
        values = {n: np.asarray(v, dtype_of(plan, n)) for n, v in scalars.items()}
        for i, axis in zip(traced, axes, strict=True):
            values |= {n: np.asarray(column[place[i]], dtype_of(plan, n)) for n, column in axis.items()}
        yield place, (seeds[place[-1]], values)


def _arguments(key: jax.Array, inputs: tuple[int, dict[str, Any]]) -> list[Any]:
    seed, values = inputs
    return jax.tree.leaves((jax.random.fold_in(key, np.asarray(seed, np.int32).astype(np.uint32)), values))


def _compiled(function: Any, constants: Any, key: jax.Array, inputs: Any) -> Any:
    """The function compiled another way than a block is."""
    options: dict[str, Any] = {"xla_backend_optimization_level": 0}
    if jax.default_backend() == "cpu":
        options["xla_cpu_use_fusion_emitters"] = False  # later versions have no other ones
    return compile_program(jax.jit(function).lower(constants, *_arguments(key, inputs)), options)


def _perturbable(traced: TracedProgram, constants: Any, key: jax.Array, inputs: Any) -> Any:
    from jaxml.sweep.perturb import perturbed

    function = perturbed(traced.jaxpr)
    salts, sizes = np.arange(1, 1 + len(MOVES), dtype=np.uint32), np.asarray(MOVES, np.float32)

    def many(constants: Any, *arguments: Any) -> Any:
        return jax.vmap(lambda salt, size: function(salt, size, constants, *arguments))(salts, sizes)

    return _compiled(many, constants, key, inputs)


def _named(names: list[str], leaves: Any, traced: TracedProgram) -> dict[str, np.ndarray]:
    """Outputs by name, without the engine's own marks, which say where a number is not finite."""
    outputs = jax.tree.unflatten(jax.tree.structure(traced.stage.out_info), leaves)
    return {
        name: np.asarray(outputs[name].values) for name in names if name != STATUS and not name.startswith("nonfinite")
    }


def _wide(values: np.ndarray) -> np.ndarray:
    return values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)


def _said(
    traced: TracedProgram, plan: Plan, inputs: Any, name: str, here: np.ndarray, alone: np.ndarray, spread: np.ndarray
) -> str:
    seed, values = inputs
    with np.errstate(all="ignore"):
        worst = np.unravel_index(np.argmax(np.nan_to_num(np.abs(_wide(here) - _wide(alone)), nan=np.inf)), here.shape)
    lane = ", ".join(f"{n}={v}" for n, v in itertools.chain(values.items(), [("seed", seed)]))
    where = f"{name}{list(map(int, worst))}" if worst else name
    return (
        f"{plan.schema.trial_name}, {traced.program.label}: the compiled program gives {where} = {here[worst]:.6g} at "
        f"{lane}, the same lane compiled alone by another path gives {alone[worst]:.6g}, and rounding moves that by no "
        f"more than {spread[worst]:.2g}. One of the two is wrong. Nothing of this program was kept. `jaxml doctor` "
        "probes for known faults of XLA; another version of jaxlib may not have this one."
    )
