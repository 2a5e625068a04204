"""Sweeps beyond one process: the same chunks, computed by any `concurrent.futures.Executor`.

A task is one chunk of one static point. Workers hold no state but the programs they have compiled, so a task may be
repeated anywhere; results return to the one process that writes the store.
"""

import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import jax
import numpy as np

from jaxml.errors import ConfigError
from jaxml.sweep.block import Block, compile_block
from jaxml.sweep.plan import ChunkId, Plan, Program
from jaxml.sweep.trace import master_key, trace


@dataclass(frozen=True)
class Job:
    """What every worker needs to know about a sweep."""

    trial: Callable[..., Any]
    plan: Plan
    master: str | int
    float64: bool
    token: str


_blocks: dict[tuple[str, str], Block] = {}


def compute_chunk(job: Job, program: Program, chunk: ChunkId) -> Mapping[str, np.ndarray]:
    """Compute one chunk in a worker, which compiles each program once for all its tasks."""
    where = (job.token, program.label)
    if where not in _blocks:
        jax.config.update("jax_enable_x64", job.float64)
        key = master_key(job.master)
        _blocks[where] = compile_block(trace(job.trial, job.plan, program, key), job.plan, key)
    return _blocks[where].compute(chunk)


class RayExecutor(Executor):
    """Runs tasks on a Ray cluster; a task whose worker or node is lost runs again elsewhere.

    Args:
        address: the cluster, for example ``"auto"``; None starts one on this machine.
        retries: how often a lost task is started again.
    """

    def __init__(self, address: str | None = None, retries: int = 5):
        try:
            import ray
        except ImportError:
            raise ConfigError("the executor 'ray' needs Ray: pip install 'jaxml[ray]'.") from None
        self._ray, self._retries = ray, retries
        self._started = not ray.is_initialized()
        if self._started:
            ray.init(address=address or "local", include_dashboard=False, log_to_driver=False)
        self.workers = max(int(ray.cluster_resources().get("CPU", 1)), 1)
        self._shared: dict[int, tuple[Any, Any]] = {}

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Start a task. A `Job` is sent to the cluster once and shared by all its tasks."""
        return (
            self._ray.remote(fn).options(max_retries=self._retries).remote(*map(self._share, args), **kwargs).future()
        )

    def _share(self, value: Any) -> Any:
        if not isinstance(value, Job):
            return value
        if id(value) not in self._shared:
            module = sys.modules.get(value.trial.__module__)
            if module is not None and module.__name__ != "__main__":
                self._ray.cloudpickle.register_pickle_by_value(module)  # workers need not have the user's module
            self._shared[id(value)] = (value, self._ray.put(value))
        return self._shared[id(value)][1]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster if this executor joined it."""
        if self._started and self._ray.is_initialized():
            self._ray.shutdown()


def executor_named(name: str | Executor, address: str | None = None) -> Executor:
    """``"processes"`` for a pool on this machine, ``"ray"`` for a cluster, or any executor as it is.

    Raises:
        ConfigError: for any other name.
    """
    if isinstance(name, Executor):
        return name
    if name == "processes":
        return ProcessPoolExecutor(mp_context=get_context("spawn"))
    if name == "ray":
        return RayExecutor(address)
    raise ConfigError(f"executor: expected 'processes', 'ray' or a concurrent.futures.Executor, got {name!r}.")


def size_of(executor: Executor) -> int:
    """How many tasks an executor runs at once, as far as it says."""
    return getattr(executor, "workers", getattr(executor, "_max_workers", 1))
