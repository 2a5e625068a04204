"""Where chunks are computed: threads of this process, other processes, a Ray cluster, any executor."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from jaxml.errors import ConfigError


@dataclass(frozen=True)
class Compute:
    """Where chunks are computed.

    Args:
        executor: None for threads of this process, ``"processes"``, ``"ray"``, or any `concurrent.futures.Executor`
            whose workers can import the trial.
        address: the Ray cluster, for example ``"auto"``; by default ``RAY_ADDRESS``, else one on this machine.
        workers: how many chunks at once; by default one for each core of the machine or the cluster.
        shared_store: all workers reach the store and write their chunks there themselves, so that results do not pass
            through this process until the end.

    Raises:
        ConfigError: for an unknown executor, or an address or a number of workers that it has no use for.

    >>> Compute("processes", workers=2)
    Compute(executor='processes', address=None, workers=2, shared_store=False)
    >>> Compute("ray", address="auto").address
    'auto'
    """

    executor: str | Executor | None = None
    address: str | None = None
    workers: int | None = None
    shared_store: bool = False

    def __post_init__(self) -> None:
        name = self.executor
        if isinstance(name, str) and name not in ("processes", "ray"):
            raise ConfigError(f"executor: expected 'processes', 'ray' or a concurrent.futures.Executor, got {name!r}.")
        if self.address is not None and name != "ray":
            raise ConfigError(f"address: only executor 'ray' has one, the executor is {name!r}. Leave it out.")
        if self.workers is not None and name not in ("processes", "ray"):
            raise ConfigError(f"workers: only executors 'processes' and 'ray' count them, the executor is {name!r}.")
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"workers: at least one is needed, got {self.workers}.")
        if self.shared_store and name is None:
            raise ConfigError("shared_store needs executor='processes' or executor='ray'.")

    @classmethod
    def of(cls, given: "Compute | str | Executor | None") -> "Compute":
        """A `Compute` as it is; whatever else is its executor."""
        return given if isinstance(given, Compute) else cls(given)

    @property
    def pool(self) -> Executor | None:
        """The executor, where it is open."""
        return self.executor if isinstance(self.executor, Executor) else None


THREADS = Compute()
"""Threads of this process."""


@contextlib.contextmanager
def opened(compute: Compute) -> Iterator[Compute]:
    """The same with its executor open, and closed at the end; one that was handed over stays open."""
    if not isinstance(compute.executor, str):
        yield compute
        return
    from jaxml.sweep.executors import Processes, RayExecutor

    if compute.executor == "processes":
        executor: Executor = Processes(compute.workers)
    else:
        executor = RayExecutor(compute.address, compute.workers)
    try:
        yield replace(compute, executor=executor, address=None, workers=None)
    finally:
        executor.shutdown(cancel_futures=True)
