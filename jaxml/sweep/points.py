"""A trial at points that are not known beforehand: traced and compiled once, computed wherever it is asked."""

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from jaxml.sweep.execute import Execution, OutOfMemory, Progress, Timing
from jaxml.sweep.grid import Zip
from jaxml.sweep.plan import Plan, make_plan
from jaxml.sweep.run import fitted, trace_all, with_chunks
from jaxml.sweep.signature import Schema, Value
from jaxml.sweep.store import MemoryStore
from jaxml.sweep.trace import Output, TracedProgram, all_outputs, master_key

if TYPE_CHECKING:
    import xarray

POINT = "(point)"
"""The axis of the results along which the points lie; no parameter can be called that."""


class Points:
    """A trial as a function of points and seeds.

    Args:
        trial: as for `sweep`.
        schema: its parameters.
        entries: all other parameters, fixed or as axes, as `make_plan` takes them.
        names: the traced parameters that a point assigns, in order.
        master: name or number that all keys derive from.
        lanes: the most trials computed side by side.
        compiled: programs to reuse and to add to, where several of these share some.
        outputs: those that are asked for; XLA leaves out what the others alone need. None for all.

    The same point and seed give what a sweep with the same master key gives there.

    >>> def trial(key, *, scale: float):
    ...     return {"x": scale * jax.random.normal(key)}
    >>> from jaxml.sweep.signature import schema_of
    >>> results = Points(trial, schema_of(trial), {}, ["scale"])([(1.0,), (2.0,)], range(4))
    >>> dict(results.sizes), bool((results.x[1] == 2 * results.x[0]).all())
    ({'(point)': 2, 'seed': 4}, True)
    """

    def __init__(
        self,
        trial: Callable[..., Any],
        schema: Schema,
        entries: Mapping[str, Any],
        names: Sequence[str],
        *,
        master: str | int = "jaxml",
        lanes: int | None = None,
        compiled: dict[Any, Any] | None = None,
        outputs: Collection[str] | None = None,
    ):
        self.trial = trial if outputs is None else _returning(trial, outputs)
        self.names, self.timing = tuple(names), Timing()
        self._schema, self._entries, self._master, self._lanes = schema, dict(entries), master, lanes
        self._key = master_key(master)
        self._traced: list[TracedProgram] = []
        self._block: tuple[int, ...] = ()
        self._compiled: dict[Any, Any] = {} if compiled is None else compiled

    def __call__(
        self,
        points: Sequence[Sequence[Value]],
        seeds: Sequence[int],
        progress: Callable[[Progress], None] | None = None,
    ) -> "xarray.Dataset":
        """The results at some points, dims `(point)`, the axes among the entries, and `seed`.

        The first call sets the size of the compiled block: make it a typical one.
        """
        plan = self._plan(points, seeds)
        if not self._block:
            self.outputs(points, seeds)
            self._block = fitted(plan, self._traced).block
        while True:
            layout = replace(plan, block=self._block)
            target = MemoryStore(layout, all_outputs(self._traced))
            try:
                self._compute(layout, target, progress or (lambda _: None))
                return target.dataset()
            except OutOfMemory:
                self._block = layout.with_lanes_at_most(layout.lanes // 2).block

    def outputs(self, points: Sequence[Sequence[Value]], seeds: Sequence[int]) -> Mapping[str, Output]:
        """What the trial returns, by name: it is traced, and nothing is computed."""
        if not self._traced:
            self._traced = trace_all(self.trial, self._plan(points, seeds), self._key, self.timing)
        return all_outputs(self._traced)

    def _plan(self, points: Sequence[Sequence[Value]], seeds: Sequence[int]) -> Plan:
        columns = {name: [point[i] for point in points] for i, name in enumerate(self.names)}
        return make_plan(self._schema, {POINT: Zip(columns), **self._entries}, tuple(seeds), lanes=self._lanes)

    def _compute(self, layout: Plan, target: MemoryStore, progress: Callable[[Progress], None]) -> None:
        work = Execution(
            plan=layout,
            key=self._key,
            store=target,
            progress=progress,
            timing=self.timing,
            blocks=self._compiled,
        )
        work.run(with_chunks(self._traced, layout))
        if self.timing.first_error is not None:
            raise self.timing.first_error


def _returning(trial: Callable[..., Any], outputs: Collection[str]) -> Callable[..., Any]:
    """The trial, with only some of what it returns; NaN where it returns none of them."""

    @functools.wraps(trial)
    def some(*args: Any, **kwargs: Any) -> dict[str, Any]:
        found = {name: value for name, value in trial(*args, **kwargs).items() if name in outputs}
        return found or dict.fromkeys(outputs, jnp.nan)

    return some
