"""A compiled program checked: some lanes of its first chunk computed again, alone, by another path.

A compiler may err without a word. The second opinion is NumPy's, equation by equation, which costs no compilation (see
`numeric`). Lanes that differ by more than rounding are computed again with every rounded result moved by some units in
the last place, to learn how far rounding moves *this* trial. What lies well outside of that is looked at once more, by
the compiler on another path: no lanes beside it, so none of the batching, LLVM's optimiser off, other kernels, with
moves again (see `perturb`). Only where that differs too does the run stop, so that no slip of NumPy's can stop one.
Where the run cannot afford that second path, two lanes beside the first decide whether it is taken: a program that is
wrong is so in them too, while one lane alone may sit on a tie. Lanes in which rounding moves an output by its own size
say nothing.
"""

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from jaxml.backend import compile_program
from jaxml.errors import RunError
from jaxml.sweep.block import constants_of
from jaxml.sweep.draws import folded
from jaxml.sweep.numeric import Numeric, TooLong, host
from jaxml.sweep.plan import ChunkId, Plan
from jaxml.sweep.trace import STATUS, TracedProgram, dtype_of

SHARE = 0.02
"""Of a run's time, what its checks may take."""
LEAST_SECONDS = 0.1
"""What a program's check must have; a run too short to afford it is not checked."""
LANES = 4
CLOSE = 1e-3
"""Relative differences that need no second look."""
TOLERANCE, FACTOR = 1e-2, 10.0
"""A value may differ from the lane alone by this much of it, plus this many times what rounding moves it by."""
MOVES = (64.0, 8.0, 1.0) * 5
"""The sizes of the moves, in units of four in the last place."""
_MOVES_IN_NUMPY = 3  # one after the other, until they explain the difference: one mostly does
NEAR_OVERFLOW = 1e30


@dataclass(frozen=True)
class Checked:
    """What a check took and compared; `sensitive` lanes differ by no more than rounding moves them."""

    lanes: int
    sensitive: int
    seconds: float


def check_lanes(
    traced: TracedProgram,
    plan: Plan,
    key: jax.Array,
    chunk: ChunkId,
    values: Mapping[str, Any],
    *,
    seconds: float = np.inf,
    first: float = np.inf,
    compiling: float = 0.0,
) -> Checked:
    """Compare some lanes of a computed chunk with the same lanes alone.

    Args:
        traced, plan, key, chunk, values: the program, and what it gave.
        seconds: after how long no further lane is begun, and one in NumPy is given up.
        first: the same for the first lane.
        compiling: how long the program took to compile; the other path of the compiler takes about as long.

    Raises:
        RunError: when one differs by more than rounding can explain.
    """
    begin = time.perf_counter()
    seen: list[bool] = []
    numeric, compiler = _InNumPy(traced, key), _ByCompiler(traced, key)
    lanes = _Lanes(plan, chunk)

    def look(number: int, until: float) -> bool | None:
        place, inputs = lanes[number]
        return numeric.sensitive(inputs, {n: np.asarray(values[n])[place] for n in values if _is_compared(n)}, until)

    for number in dict.fromkeys(round(i * (lanes.total - 1) / (LANES - 1)) for i in (LANES - 1, *range(LANES - 1))):
        allowed = seconds if seen else first
        if seen and time.perf_counter() - begin > allowed:
            break
        found = look(number, begin + allowed)
        if found is None:
            affords = time.perf_counter() - begin + 1.25 * compiling <= allowed
            if not affords and not numeric.differs:
                break  # neither in NumPy nor compiled
            if not affords and lanes.total > 2:
                beside = [look((number + i) % lanes.total, np.inf) for i in (1, 2)]
                found = True if None not in beside else None  # one lane alone is a tie, where rounding decides
            if found is None:
                place, inputs = lanes[number]
                here = {name: np.asarray(values[name])[place] for name in values if _is_compared(name)}
                found = compiler.sensitive(inputs, here, plan)
        seen.append(found)
    return Checked(len(seen), sum(seen), time.perf_counter() - begin)


class _InNumPy:
    """A program in NumPy; after a first failure never again."""

    def __init__(self, traced: TracedProgram, key: jax.Array):
        self._traced, self._key, self._names = traced, host(key), list(traced.outputs)
        self._numeric: Numeric | None = Numeric(traced.jaxpr, constants_of(traced))
        self.differs = False

    def sensitive(self, inputs: Any, here: Mapping[str, np.ndarray], until: float) -> bool | None:
        """Whether a lane differs by what rounding explains; False where it does not differ, None where neither."""
        self.differs = False
        if self._numeric is None:
            return None
        seed, values = inputs
        with np.errstate(over="ignore"):
            arguments = [folded(self._key, seed), *jax.tree.leaves(values)]

        def compute(until: float, move: tuple[int, float] | None = None) -> dict[str, np.ndarray]:
            assert self._numeric is not None
            return _named(self._names, self._numeric(arguments, until, move), self._traced)

        try:
            alone = compute(until)
            odd = [n for n in alone if _differs(here[n], alone[n], CLOSE, np.zeros(()))]
            self.differs = bool(odd)
            moves: list[dict[str, np.ndarray]] = []
            for salt, size in enumerate(MOVES[:_MOVES_IN_NUMPY] if odd else ()):
                moves.append(compute(np.inf, (salt, size)))
                moved = {name: np.stack([each[name] for each in moves]) for name in odd}
                if not any(_is_off(here[n], alone[n], moved[n]) for n in odd):
                    return True
        except TooLong:
            return None
        except Exception:  # something that it cannot do is no fault of the program's
            self._numeric = None
            return None
        return None if odd else False


class _ByCompiler:
    """A program compiled another way than a block is."""

    def __init__(self, traced: TracedProgram, key: jax.Array):
        self._traced, self._key = traced, key
        self._constants, self._names = constants_of(traced), list(traced.outputs)
        self._flat = self._perturbable = None

    def sensitive(self, inputs: Any, here: Mapping[str, np.ndarray], plan: Plan) -> bool:
        """Whether a lane differs, by no more than rounding explains."""
        traced, constants, arguments = self._traced, self._constants, _arguments(self._key, inputs)
        if self._flat is None:
            jaxpr = traced.jaxpr.jaxpr
            self._flat = _compiled(lambda c, *a: jaxpr_as_fun(ClosedJaxpr(jaxpr, c))(*a), constants, arguments)
        alone = _named(self._names, self._flat(constants, *arguments), traced)
        odd = [n for n in alone if _differs(here[n], alone[n], CLOSE, np.zeros(()))]
        if not odd:
            return False
        if self._perturbable is None:
            self._perturbable = _perturbable(traced, constants, arguments)
        moved = _named(self._names, self._perturbable(constants, *arguments), traced)
        for name in odd:
            if _is_off(here[name], alone[name], moved[name]):
                spread = _spread(moved[name], alone[name])
                raise RunError(_said(traced, plan, inputs, name, here[name], alone[name], spread))
        return True


def _is_off(here: np.ndarray, alone: np.ndarray, moved: np.ndarray) -> bool:
    """Whether a lane differs by more than its moves explain."""
    fails = ~np.isfinite(here) & ~np.isfinite(_wide(moved)).all(axis=0)  # as it does when moved
    return _differs(here, alone, TOLERANCE, np.where(fails, np.inf, FACTOR * _spread(moved, alone)))


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
    enough = (3 * finite.sum(axis=0) >= len(moved)) | (len(moved) < 3)
    return np.where(enough, np.where(finite, moves, 0.0).max(axis=0), np.inf)


class _Lanes:
    """The lanes of a chunk, numbered: each its place there, and the seed and parameters."""

    def __init__(self, plan: Plan, chunk: ChunkId):
        self._plan, self._inputs = plan, plan.inputs(chunk)
        self._sizes = [s.stop - s.start for s in plan.region(chunk)]
        self.total = int(np.prod(self._sizes))

    def __getitem__(self, number: int) -> tuple[tuple[int, ...], tuple[int, dict[str, Any]]]:
        plan, (seeds, axes, scalars) = self._plan, self._inputs
        place = tuple(int(i) for i in np.unravel_index(number, self._sizes))
        values = {n: np.asarray(v, dtype_of(plan, n)) for n, v in scalars.items()}
        traced = [i for i, axis in enumerate(plan.axes) if plan.is_traced(axis)]
        for i, axis in zip(traced, axes, strict=True):
            values |= {n: np.asarray(column[place[i]], dtype_of(plan, n)) for n, column in axis.items()}
        return place, (seeds[place[-1]], values)


def _arguments(key: jax.Array, inputs: tuple[int, dict[str, Any]]) -> list[Any]:
    seed, values = inputs
    return jax.tree.leaves((jax.random.fold_in(key, np.asarray(seed, np.int32).astype(np.uint32)), values))


def _compiled(function: Any, constants: Any, arguments: Any) -> Any:
    """The function compiled another way than a block is."""
    options: dict[str, Any] = {"xla_backend_optimization_level": 0}
    if jax.default_backend() == "cpu":
        options["xla_cpu_use_fusion_emitters"] = False  # later versions have no other ones
    return compile_program(jax.jit(function).lower(constants, *arguments), options)


def _perturbable(traced: TracedProgram, constants: Any, arguments: Any) -> Any:
    from jaxml.sweep.perturb import perturbed

    function = perturbed(traced.jaxpr)
    salts, sizes = np.arange(1, 1 + len(MOVES), dtype=np.uint32), np.asarray(MOVES, np.float32)

    def many(constants: Any, *arguments: Any) -> Any:
        return jax.vmap(lambda salt, size: function(salt, size, constants, *arguments))(salts, sizes)

    return _compiled(many, constants, arguments)


def _is_compared(name: str) -> bool:
    """Not so the engine's own marks, which say where a number is not finite."""
    return name != STATUS and not name.startswith("nonfinite")


def _named(names: list[str], leaves: Any, traced: TracedProgram) -> dict[str, np.ndarray]:
    """Outputs by name."""
    outputs = jax.tree.unflatten(jax.tree.structure(traced.stage.out_info), leaves)
    return {name: np.asarray(outputs[name].values) for name in names if _is_compared(name)}


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
