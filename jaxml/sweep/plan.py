"""The plan of a sweep: which programs are compiled and which chunks of the grid each of them fills.

Every axis is cut into segments, and a chunk is a product of segments. Segments derive from the grid, the block size
and the cuts alone, without any other state, so any process on any machine can name, skip or repeat a chunk.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from jaxml.errors import ConfigError
from jaxml.sweep.grid import MOST_POINTS, Axis, Zip, build_axes, listed
from jaxml.sweep.signature import Precision, Schema, Value, plain

ChunkId = tuple[int, ...]
StaticPoint = tuple[tuple[str, Value], ...]


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
    """A grid of axes x seeds cut into chunks of at most `block` positions along each of its dims.

    A segment never crosses a change of a static parameter, nor a cut: the size that an axis had before the grid was
    extended. So a chunk belongs to one program, and is computed either wholly before an extension or wholly after.
    """

    schema: Schema
    axes: tuple[Axis, ...]
    fixed: Mapping[str, Value]
    seeds: tuple[int, ...]
    block: tuple[int, ...] = ()
    cuts: tuple[tuple[int, ...], ...] = ()

    @property
    def dims(self) -> tuple[str, ...]:
        return (*(axis.name for axis in self.axes), "seed")

    @property
    def shape(self) -> tuple[int, ...]:
        return (*(len(axis) for axis in self.axes), len(self.seeds))

    @property
    def trials(self) -> int:
        """Trials in all: grid points times seeds."""
        return math.prod(self.shape)

    @property
    def lanes(self) -> int:
        """Trials that one call of a compiled program computes side by side."""
        return math.prod(self.block)

    @cached_property
    def segments(self) -> tuple[tuple[slice, ...], ...]:
        """The pieces of every dim, in order."""
        return tuple(
            tuple(
                slice(start, min(start + extent, run.stop))
                for run in runs
                for start in range(run.start, run.stop, extent)
            )
            for runs, extent in zip(self._runs, self.block, strict=True)
        )

    @property
    def chunk_grid(self) -> tuple[int, ...]:
        return tuple(map(len, self.segments))

    def is_traced(self, axis: Axis) -> bool:
        """An axis becomes vmapped lanes when any of its parameters is traced."""
        return any(self.schema[name].traced for name in axis.parameters)

    def programs(self) -> tuple[Program, ...]:
        """Group the chunks by what must be compiled into their program, in grid order."""
        groups: dict[StaticPoint, list[ChunkId]] = {}
        for chunk in itertools.product(*(range(n) for n in self.chunk_grid)):
            groups.setdefault(tuple(self.static_of(chunk).items()), []).append(chunk)
        return tuple(Program(dict(static), tuple(chunks)) for static, chunks in groups.items())

    def static_of(self, chunk: ChunkId) -> dict[str, Value]:
        """The compile-time parameters of a chunk's program."""
        static = {name: value for name, value in self.fixed.items() if not self.schema[name].traced}
        for axis, pieces, index in zip(self.axes, self.segments, chunk, strict=False):
            static |= dict(self._static_part(axis, pieces[index].start))
        return static

    def region(self, chunk: ChunkId) -> tuple[slice, ...]:
        """Where a chunk lies in the results."""
        return tuple(pieces[index] for pieces, index in zip(self.segments, chunk, strict=True))

    def inputs(self, chunk: ChunkId) -> tuple[list[int], list[dict[str, list[Value]]], dict[str, Value]]:
        """The seeds, the values along each traced axis, and the traced scalars of one chunk."""
        *places, seeds = self.region(chunk)
        scalars = {n: self.schema[n].code(value) for n, value in self.fixed.items() if self.schema[n].traced}
        lanes = [
            {
                n: [self.schema[n].code(point[n]) for point in axis.points[place]]
                for n in axis.parameters
                if self.schema[n].traced
            }
            for axis, place in zip(self.axes, places, strict=True)
            if self.is_traced(axis)
        ]
        return list(self.seeds[seeds]), lanes, scalars

    def with_lanes_at_most(self, limit: int) -> "Plan":
        """The same grid in blocks of at most `limit` lanes.

        Seeds are cut first, then the outermost axes: what a seed's lanes share stays shared.
        """
        block = [max(run.stop - run.start for run in runs) for runs in self._runs]
        for i in (len(block) - 1, *range(len(block) - 1)):
            rest = math.prod(block) // block[i]
            if block[i] * rest <= limit:
                break
            pieces = -(-block[i] // max(limit // rest, 1))
            block[i] = -(-block[i] // pieces)
        return replace(self, block=tuple(block))

    @cached_property
    def _runs(self) -> tuple[tuple[slice, ...], ...]:
        """The pieces of every dim before the block size cuts them further."""
        cuts = self.cuts or ((),) * len(self.shape)
        runs = [tuple(self._axis_runs(axis, here)) for axis, here in zip(self.axes, cuts, strict=False)]
        bounds = [0, *cuts[-1], len(self.seeds)]
        return (*runs, tuple(slice(a, b) for a, b in itertools.pairwise(bounds)))

    def _axis_runs(self, axis: Axis, cuts: tuple[int, ...]) -> Iterator[slice]:
        start = 0
        for i in range(1, len(axis) + 1):
            ends = i == len(axis) or i in cuts or self._static_part(axis, i) != self._static_part(axis, start)
            if ends:
                yield slice(start, i)
                start = i

    def _static_part(self, axis: Axis, index: int) -> StaticPoint:
        return tuple((name, axis.points[index][name]) for name in axis.parameters if not self.schema[name].traced)


def make_plan(
    schema: Schema,
    entries: Mapping[str, Any],
    seeds: int | Sequence[int],
    *,
    lanes: int | None = None,
    where: str = "sweep",
) -> Plan:
    """Check a grid against a trial's schema and cut it into chunks of at most `lanes` lanes.

    Args:
        schema: the trial's parameters.
        entries: parameter or axis name -> a single value (fixed), a sequence of values (an axis) or a `Zip`.
        seeds: how many (0, 1, 2, ...) or which.
        lanes: the most trials computed side by side; None leaves that to the memory that they need.
        where: the place named in errors.

    Raises:
        ConfigError: when the grid does not fit the trial.
    """
    given = {n: plain(v) for n, v in entries.items()}
    single = {n: v for n, v in given.items() if isinstance(v, (str, int, float, bool))}
    several = {n: v if isinstance(v, Zip) else listed(v, f"{where}.{n}") for n, v in given.items() if n not in single}
    if lanes is not None and (lanes := _whole("lanes", lanes)) < 1:
        raise ConfigError(f"lanes: at least one lane is needed, got {lanes}.")
    axes = build_axes(schema, several, where)
    fixed = {n: schema.find(n, f"{where}.{n}").accept(v, f"{where}.{n}") for n, v in single.items()}
    swept = {name: axis.name for axis in axes for name in axis.parameters}
    for name, value in fixed.items():
        if name in swept:
            raise ConfigError(
                f"{where}.{swept[name]}: '{name}' moves along this axis and is fixed at {value!r} as well. Keep one."
            )
    for name, parameter in schema.items():
        if name in swept or name in fixed:
            continue
        fixed[name] = parameter.given_default(where)
    plan = Plan(schema, axes, fixed, _seed_numbers(seeds))
    return plan.with_lanes_at_most(plan.trials if lanes is None else lanes)


def check_precision(plan: Plan, precision: Precision, where: str = "sweep") -> None:
    """Check that every traced number of a plan is still itself in the precision that its trial computes in.

    Raises:
        ConfigError: when one would overflow, or be flushed to 0.
    """
    for axis in plan.axes:
        for name in axis.parameters:
            for value in axis.values(name):
                plan.schema[name].check_precision(value, precision, f"{where}.{axis.name}")
    for name, value in plan.fixed.items():
        plan.schema[name].check_precision(value, precision, f"{where}.{name}")


def _seed_numbers(seeds: int | Sequence[int]) -> tuple[int, ...]:
    seeds = plain(seeds)
    if isinstance(seeds, (int, float, str)):
        if _whole("seeds", seeds) > MOST_POINTS:
            raise ConfigError(f"seeds: a sweep has at most {MOST_POINTS:,} seeds, got {seeds:,}.")
        numbers = tuple(range(_whole("seeds", seeds)))
    else:
        numbers = tuple(_whole("seeds", seed) for seed in listed(seeds, "seeds"))
    if not numbers:
        raise ConfigError("seeds: at least one seed is needed.")
    if len(set(numbers)) != len(numbers):
        raise ConfigError("seeds: every seed may be given once only.")
    if min(numbers) < -(2**31) or max(numbers) >= 2**31:  # negative seeds are a run's tuning seeds
        raise ConfigError("seeds: every seed must lie in -2**31 .. 2**31 - 1.")
    return numbers


def _whole(name: str, value: Any) -> int:
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{name}: expected a whole number, got {value!r} ({type(value).__name__}).")
    return value
