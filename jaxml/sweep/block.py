"""The compiled block: many lanes of one traced program side by side, spread over the local devices.

Seeds and traced axes are nested `vmap`s, so whatever depends on the seed alone (drawing data, splitting it) is
computed once per seed and shared by all its lanes. Every grid point sees the same keys.
"""

import contextlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxml.backend import compile_program
from jaxml.sweep.identity import Unidentified, code_hash, is_plain
from jaxml.sweep.jaxprs import equations
from jaxml.sweep.lowered import keep_lowered
from jaxml.sweep.plan import ChunkId, Plan
from jaxml.sweep.trace import TracedProgram, dtype_of

_WAITS_IN_POOL = {"cholesky", "eig", "eigh", "fft", "geqrf", "hessenberg", "householder_product", "lu", "ormqr", "qr"}
_WAITS_IN_POOL |= {"schur", "svd", "triangular_solve", "tridiagonal", "tridiagonal_solve", "conv_general_dilated"}
_WAITS_IN_POOL |= {"pure_callback", "io_callback", "debug_callback", "ffi_call", "approx_top_k"}
"""Primitives whose CPU code splits its work over XLA's one thread pool and waits there. Two programs that hold one can
wait for each other for ever, so they run one at a time; all others run on every core at once, one thread each."""


@dataclass(frozen=True)
class Block:
    """One compiled program, which computes any chunk of its static point."""

    plan: Plan
    constants: tuple[Any, ...]
    key: jax.Array
    extents: tuple[int, ...]
    compiled: Any
    alone: bool

    def compute(self, chunk: ChunkId) -> dict[str, np.ndarray]:
        """The outputs of one chunk, padding cut off; static axes come back as axes of length 1."""
        seeds, lanes, scalars = block_inputs(self.plan, chunk, self.extents)
        inputs = (self.key, seeds, lanes, scalars)
        placed = jax.tree.map(jax.device_put, inputs, self.compiled.input_shardings[0][1:])
        outputs = self.compiled(self.constants, *placed)
        region = self.plan.region(chunk)
        traced = [self.plan.is_traced(axis) for axis in self.plan.axes] + [True]
        keep = tuple(slice(0, p.stop - p.start) if t else None for p, t in zip(region, traced, strict=True))
        return {name: np.asarray(output.values)[keep] for name, output in outputs.items()}


def compile_block(
    traced: TracedProgram,
    plan: Plan,
    key: jax.Array,
    devices: Sequence[Any] | None = None,
    *,
    fast_compile: bool = False,
) -> Block:
    """Compile the program of one static point for the block size of its plan, over `devices` (default: all local).

    `fast_compile`: a lower optimisation level on a CPU, for runs that mostly compile.
    """
    dims = [i for i, axis in enumerate(plan.axes) if plan.is_traced(axis)] + [len(plan.axes)]
    devices = list(jax.local_devices() if devices is None else devices)
    split, parts = _split([plan.block[i] for i in dims], len(devices))
    extents = list(plan.block)
    extents[dims[split]] = -(-extents[dims[split]] // parts) * parts
    inputs = (constants_of(traced), key, *block_inputs(plan, traced.program.chunks[0], tuple(extents)))
    function = block_function(traced, len(dims) - 1)
    if parts > 1:
        function = _over_devices(function, inputs, devices[:parts], split, len(dims))
    elif devices[0] != jax.local_devices()[0]:
        inputs = jax.device_put(inputs, devices[0])
    elif is_plain(traced.jaxpr):
        with contextlib.suppress(Unidentified):
            function = keep_lowered(function, inputs, jax.tree.structure(traced.stage.out_info), identify(traced, plan))
    on_cpu = devices[0].platform == "cpu"
    alone = not on_cpu or parts > 1 or any(e.primitive.name in _WAITS_IN_POOL for e in equations(traced.jaxpr.jaxpr))
    options: dict[str, Any] = {}
    if on_cpu:
        options = {"xla_cpu_multi_thread_eigen": alone}
        level = "xla_backend_optimization_level"
        if fast_compile or level not in os.environ.get("XLA_FLAGS", ""):  # where the user chose no level
            options[level] = 0 if fast_compile else 1  # 1 compiles sooner than 2 and runs the experiments as fast
        if fast_compile and jax.__version_info__ < (0, 11):  # later versions have no other emitters
            options["xla_cpu_use_fusion_emitters"] = False
    compiled = compile_program(jax.jit(function).lower(*inputs), options)
    constants = jax.tree.map(jax.device_put, inputs[0], compiled.input_shardings[0][0])
    return Block(plan, constants, key, tuple(extents), compiled, alone)


def block_function(traced: TracedProgram, axes: int) -> Callable[..., Any]:
    """The function of a chunk: ``(constants, key, seeds, lanes of each traced axis, scalars) -> outputs``."""
    tree = jax.tree.structure(traced.stage.out_info)

    def block(
        constants: Sequence[Any],
        key: jax.Array,
        seeds: jax.Array,
        lanes: list[Mapping[str, Any]],
        scalars: Mapping[str, Any],
    ) -> Any:
        flat = jaxpr_as_fun(ClosedJaxpr(traced.jaxpr.jaxpr, constants))

        def one(lane_key: jax.Array, scalars: Mapping[str, Any], *lanes: Mapping[str, Any]) -> Any:
            values = dict(scalars)
            for lane in lanes:
                values |= lane
            return jax.tree.unflatten(tree, flat(*jax.tree.leaves((lane_key, values))))

        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, seeds.astype(jnp.uint32))
        mapped = one
        for i in reversed(range(axes)):
            mapped = jax.vmap(mapped, in_axes=(None, None, *[0 if j == i else None for j in range(axes)]))
        # Seeds outermost: their data batches the products of all lanes, and nothing is transposed on the way.
        return jax.vmap(mapped, in_axes=(0, None, *[None] * axes), out_axes=axes)(keys, scalars, *lanes)

    return block


def constants_of(traced: TracedProgram) -> tuple[Any, ...]:
    """The arrays that a trial encloses, such as its data: arguments of the program, which hence holds no copy of them.

    What is not part of the program is neither folded while compiling nor a reason to compile anew.
    """
    jaxpr = traced.jaxpr
    pairs = zip(jaxpr.jaxpr.constvars, jaxpr.consts, strict=True)
    return tuple(c if isinstance(c, jax.Array) else np.asarray(c, v.aval.dtype) for v, c in pairs)


def identify(traced: TracedProgram, plan: Plan) -> str:
    """What identifies a program: two with the same compute the same.

    Raises:
        Unidentified: when it holds something that cannot be identified.
    """

    def lowered() -> str:
        inputs = two_lanes(traced, plan)
        return jax.jit(block_function(traced, len(inputs[3]))).lower(*inputs).as_text()

    return code_hash(traced.jaxpr, lowered)


def two_lanes(traced: TracedProgram, plan: Plan) -> tuple[Any, ...]:
    """The inputs of a program with two lanes along each traced axis."""
    chunk = traced.program.chunks[0]
    return constants_of(traced), jax.random.key(0), *block_inputs(plan, chunk, tuple(2 for _ in plan.block))


def block_inputs(plan: Plan, chunk: ChunkId, extents: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """The arrays that a chunk's program takes, padded to `extents` by repeating the last lane."""

    def padded(values: Sequence[Any], extent: int, dtype: Any) -> np.ndarray:
        return np.asarray([*values[:extent], *[values[-1]] * (extent - len(values))], dtype)

    seeds, lanes, scalars = plan.inputs(chunk)
    sizes = [extent for axis, extent in zip(plan.axes, extents, strict=False) if plan.is_traced(axis)]
    return (
        padded(seeds, extents[-1], np.int32),
        [
            {name: padded(values, size, dtype_of(plan, name)) for name, values in axis.items()}
            for axis, size in zip(lanes, sizes, strict=True)
        ],
        {name: np.asarray(value, dtype_of(plan, name)) for name, value in scalars.items()},
    )


def _split(extents: list[int], devices: int) -> tuple[int, int]:
    """Which dim to divide among how many devices, so that the fewest lanes are padding; the innermost wins ties."""

    def rounds(extent: int) -> int:
        return -(-extent // devices)

    def cost(dim: int) -> float:
        return math.prod(extents) / extents[dim] * rounds(extents[dim])

    best = min(reversed(range(len(extents))), key=cost)
    return best, -(-extents[best] // rounds(extents[best]))


def _over_devices(
    function: Callable[..., Any], inputs: tuple[Any, ...], devices: list[Any], split: int, rank: int
) -> Callable[..., Any]:
    """Give every device its own lanes; `shard_map` keeps the devices from ever waiting for one another."""
    mesh = Mesh(np.asarray(devices), ("lanes",))
    here, everywhere = PartitionSpec("lanes"), PartitionSpec()
    constants, _, _, lanes, scalars = inputs
    specs = (
        jax.tree.map(lambda _: everywhere, constants),
        everywhere,
        here if split == rank - 1 else everywhere,
        [dict.fromkeys(axis, here if i == split else everywhere) for i, axis in enumerate(lanes)],
        dict.fromkeys(scalars, everywhere),
    )
    out = PartitionSpec(*[None] * split, "lanes")
    mapped = jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=out, check_vma=False)
    shardings = jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs)
    return jax.jit(mapped, in_shardings=shardings)
