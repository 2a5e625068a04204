"""The plan of a sweep: which programs are compiled and which chunks of the grid each of them fills.

Everything here derives from the grid alone, without any state: a chunk is named by its place in the chunk grid, the
same place as its file in the Zarr store. So any process on any machine can name, skip or repeat a chunk.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaxml.errors import ConfigError
from jaxml.sweep.grid import Axis, Zip, build_axes
from jaxml.sweep.signature import REQUIRED, Schema, Value

ChunkId = tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """One static point: the parameters compiled into it and the chunks it computes."""

    static: Mapping[str, Value]
    chunks: tuple[ChunkId, ...]

    @property
    def label(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.static.items()) or "one program"


@dataclass(frozen=True)
class Plan:
    """A grid of axes x seeds, cut into equal blocks (the last along an axis may be partly padding)."""

    schema: Schema
    axes: tuple[Axis, ...]
    fixed: Mapping[str, Value]
    seeds: tuple[int, ...]
    block: tuple[int, ...]

    @property
    def dims(self) -> tuple[str, ...]:
        return (*(axis.name for axis in self.axes), "seed")

    @property
    def shape(self) -> tuple[int, ...]:
        return (*(len(axis) for axis in self.axes), len(self.seeds))

    @property
    def cells(self) -> int:
        """Trials in all: grid points times seeds."""
        return math.prod(self.shape)

    @property
    def lanes(self) -> int:
        """Trials that one call of a compiled program computes side by side."""
        return math.prod(self.block)

    @property
    def chunk_grid(self) -> tuple[int, ...]:
        return tuple(-(-size // extent) for size, extent in zip(self.shape, self.block, strict=True))

    def is_traced(self, axis: Axis) -> bool:
        """An axis becomes vmapped lanes when all its parameters are traced."""
        return all(self.schema[name].traced for name in axis.parameters)

    def programs(self) -> tuple[Program, ...]:
        """Group the chunks by what must be compiled into their program, in grid order."""
        groups: dict[tuple[tuple[str, Value], ...], list[ChunkId]] = {}
        for chunk in itertools.product(*(range(n) for n in self.chunk_grid)):
            groups.setdefault(tuple(self.static_of(chunk).items()), []).append(chunk)
        return tuple(Program(dict(static), tuple(chunks)) for static, chunks in groups.items())

    def static_of(self, chunk: ChunkId) -> dict[str, Value]:
        """The compile-time parameters of a chunk's program."""
        static = {name: value for name, value in self.fixed.items() if not self.schema[name].traced}
        for axis, index in zip(self.axes, chunk[:-1], strict=True):
            if not self.is_traced(axis):
                point = axis.points[index]
                static |= {name: value for name, value in point.items() if not self.schema[name].traced}
        return static

    def region(self, chunk: ChunkId) -> tuple[slice, ...]:
        """Where a chunk lies in the results, padding cut off."""
        bounds = zip(chunk, self.block, self.shape, strict=True)
        return tuple(slice(i * extent, min((i + 1) * extent, size)) for i, extent, size in bounds)

    def inputs(self, chunk: ChunkId) -> tuple[list[int], list[dict[str, list[Value]]], dict[str, Value]]:
        """The seeds, the values along each traced axis, and the traced scalars of one chunk, padded to the block."""
        *places, seeds = self.region(chunk)
        scalars = {name: value for name, value in self.fixed.items() if self.schema[name].traced}
        lanes: list[dict[str, list[Value]]] = []
        for axis, place, extent in zip(self.axes, places, self.block, strict=False):
            points = axis.points[place]
            if self.is_traced(axis):
                padded = [*points, *[points[-1]] * (extent - len(points))]
                lanes.append({name: [point[name] for point in padded] for name in axis.parameters})
            else:
                scalars |= {n: v for n, v in points[0].items() if self.schema[n].traced}
        here = self.seeds[seeds]
        return [*here, *[here[-1]] * (self.block[-1] - len(here))], lanes, scalars

    def with_lanes_at_most(self, limit: int) -> "Plan":
        """The same grid in blocks of at most `limit` lanes, cutting the outermost axes first."""
        block = [len(axis) if self.is_traced(axis) else 1 for axis in self.axes] + [len(self.seeds)]
        for i, extent in enumerate(block):
            rest = math.prod(block[i + 1 :])
            if extent * rest <= limit:
                break
            pieces = -(-extent // max(limit // rest, 1))
            block[i] = -(-extent // pieces)
        return replace(self, block=tuple(block))


def make_plan(
    schema: Schema,
    entries: Mapping[str, Any],
    seeds: int | Sequence[int],
    *,
    lanes: int = 1024,
    where: str = "sweep",
) -> Plan:
    """Check a grid against a trial's schema and cut it into chunks of at most `lanes` lanes.

    Args:
        schema: the trial's parameters.
        entries: parameter or axis name -> a single value (fixed), a sequence of values (an axis) or a `Zip`.
        seeds: how many (0, 1, 2, ...) or which.
        lanes: the most trials computed side by side.
        where: the place named in errors.

    Raises:
        ConfigError: when the grid does not fit the trial.
    """
    plain = {n: v.tolist() if hasattr(v, "tolist") else v for n, v in entries.items()}
    single = {n: v for n, v in plain.items() if isinstance(v, (str, int, float, bool))}
    several = {n: v for n, v in plain.items() if n not in single}
    for name, value in several.items():
        if not isinstance(value, (Zip, Sequence)):
            raise ConfigError(f"{where}.{name}: expected a value or a list of values, got {value!r}.")
    if lanes < 1:
        raise ConfigError(f"lanes: at least one lane is needed, got {lanes}.")
    axes = build_axes(schema, several, where)
    fixed = {n: schema.find(n, f"{where}.{n}").accept(v, f"{where}.{n}") for n, v in single.items()}
    swept = {name for axis in axes for name in axis.parameters}
    for name, parameter in schema.items():
        if name in swept or name in fixed:
            continue
        if parameter.default is REQUIRED:
            raise ConfigError(f"{where}: the trial needs a value for '{name}', which has no default.")
        fixed[name] = parameter.default
    plan = Plan(schema, axes, fixed, _seed_numbers(seeds), ())
    return plan.with_lanes_at_most(lanes)


def _seed_numbers(seeds: int | Sequence[int]) -> tuple[int, ...]:
    numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(int(seed) for seed in seeds)
    if not numbers:
        raise ConfigError("seeds: at least one seed is needed.")
    if len(set(numbers)) != len(numbers):
        raise ConfigError("seeds: every seed may be given once only.")
    if min(numbers) < -(2**31) or max(numbers) >= 2**31:  # negative seeds are a run's tuning seeds
        raise ConfigError("seeds: every seed must lie in -2**31 .. 2**31 - 1.")
    return numbers
