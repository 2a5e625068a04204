"""Sweeps beyond one process: the same chunks, computed by any `concurrent.futures.Executor`.

A task is one chunk of one static point. Workers hold no state but the programs they have compiled, so a task may be
repeated anywhere; results return to the one process that writes the store, or workers write a store that all reach.
"""

import contextlib
import importlib.util
import inspect
import os
import re
import signal
import socket
import sys
import threading
import time
import types
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import cloudpickle
import jax
import numpy as np

from jaxml.errors import ConfigError, RunError
from jaxml.sweep import check
from jaxml.sweep.arrays import Arrays
from jaxml.sweep.block import Block, compile_block
from jaxml.sweep.plan import ChunkId, Plan, Program
from jaxml.sweep.trace import STATUS, Output, master_key, trace

_KNOCK_SECONDS = 5.0
"""How long a cluster has to answer the first bytes."""
_SETTINGS = 4
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0])
"""How a client of HTTP/2 begins (RFC 9113, section 3.4): these words, then a frame of settings, here an empty one."""
_CLUSTER_SECONDS = 5.0
"""How long a count of a cluster's cores is believed: nodes come and go."""
_MAIN = threading.RLock()
"""Held while the main module is hidden."""


@dataclass(frozen=True)
class Job:
    """What every worker needs to know about a sweep; `store` is where it writes whole files itself."""

    trial: "Callable[..., Any] | _FromFile | _ByValue"
    plan: Plan
    master: str | int
    token: str
    float64: bool
    cache: str | None
    store: Path | str | None = None
    outputs: Mapping[str, Output] = field(default_factory=dict)
    workers: int = 1

    @staticmethod
    def here(trial: Callable[..., Any], plan: Plan, master: str | int, **shared: Any) -> "Job":
        """A job with this process's precision and cache of compiled programs."""
        cache = getattr(jax.config, "jax_compilation_cache_dir", None)
        return Job(trial, plan, master, uuid.uuid4().hex, bool(jax.config.read("jax_enable_x64")), cache, **shared)


_blocks: dict[tuple[str, str], Block] = {}
_arrays: dict[str, Arrays] = {}


def compute_chunk(job: Job, program: Program, chunk: ChunkId, keep: bool = False) -> Mapping[str, np.ndarray]:
    """Compute one chunk in a worker, which compiles each program once for all its tasks.

    With `keep` the worker writes it to the job's store, and only its status goes back.
    """
    where = (job.token, program.label)
    if where not in _blocks:
        jax.config.update("jax_enable_x64", job.float64)
        if job.cache is not None and os.path.isdir(job.cache):  # another machine may not have it
            jax.config.update("jax_compilation_cache_dir", job.cache)
        key, trial = master_key(job.master), job.trial
        if isinstance(trial, (_FromFile, _ByValue)):  # not while it is traced: its constants are no part of the trace
            trial = trial.load()
        begin = time.perf_counter()
        traced = trace(trial, job.plan, program, key)
        block = compile_block(traced, job.plan, key)
        compiled = time.perf_counter()
        values = block.compute(chunk)
        compile_seconds, seconds = compiled - begin, time.perf_counter() - compiled
        chunks = job.plan.trials / job.plan.lanes / job.workers  # about as many as each worker computes
        allowed = check.SHARE * (compile_seconds + chunks * seconds)
        if allowed >= check.LEAST_SECONDS:
            check.check_lanes(
                traced, job.plan, key, chunk, values, seconds=allowed, first=allowed, compiling=compile_seconds
            )
        _blocks[where] = block
    else:
        values = _blocks[where].compute(chunk)
    if not keep or job.store is None:
        return values
    if job.token not in _arrays:
        _arrays[job.token] = Arrays.held(job.store, job.outputs)
    _arrays[job.token].write(job.plan, chunk, values)
    return {STATUS: values[STATUS]}


class Processes(ProcessPoolExecutor):
    """Processes on this machine, which end with this process, however it ends.

    Args:
        workers: how many; one for each core by default.
    """

    def __init__(self, workers: int | None = None):
        super().__init__(workers or cores(), get_context("spawn"), initializer=_begin_worker)
        self._last: tuple[Job, Job] | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Start a task; a trial that cannot be imported is sent as the file that defines it, or by value."""
        sent = [self._sendable(each) if isinstance(each, Job) else each for each in args]
        with _main_hidden():
            return super().submit(fn, *sent, **kwargs)

    def _sendable(self, job: Job) -> Job:
        if self._last is None or self._last[0] is not job:
            self._last = (job, replace(job, trial=_sendable(job.trial)))
        return self._last[1]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Close the pool; to cancel is to end the workers at once, whatever they compute."""
        if cancel_futures:
            for process in list((self._processes or {}).values()):
                process.terminate()
        super().shutdown(wait, cancel_futures=cancel_futures)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the one that writes decides
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@dataclass(frozen=True)
class _FromFile:
    """A trial whose module has a file but cannot be imported by name, as an experiment's."""

    module: str
    file: str
    name: str

    def load(self) -> Callable[..., Any]:
        return getattr(_executed(self.module, self.file), self.name)


@dataclass(frozen=True)
class _ByValue:
    """A trial that no import finds, with everything it needs: a notebook's, a script's without a guard, a closure."""

    pickled: bytes

    def load(self) -> Callable[..., Any]:
        return cloudpickle.loads(self.pickled)


def _sendable(trial: Any) -> Any:
    """What a trial is sent as: its name, its file, or itself."""
    name, qualified = trial.__module__, getattr(trial, "__qualname__", "")
    if not _is_named(trial, name, qualified):
        try:
            return _ByValue(cloudpickle.dumps(trial))
        except Exception as error:
            raise ConfigError(
                f"executor 'processes': the trial cannot be sent to another process ({error}). Define it at the top "
                "level of a module, or leave out the executor."
            ) from error
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None or name == "__main__" or all(parent in sys.modules for parent in _parents(name)):
        return trial
    return _FromFile(name, file, qualified)


def _is_named(trial: Callable[..., Any], module: str, name: str) -> bool:
    """Whether a worker finds the trial under its name in a module that it can import."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not trial or module != "__main__":
        return found is trial
    code = getattr(inspect.unwrap(trial), "__code__", None)
    main = getattr(sys.modules["__main__"], "__file__", None)
    typed_in = code is None or main is None or os.path.abspath(code.co_filename) != os.path.abspath(main)
    return not typed_in and _main_is_guarded()


def _main_is_guarded() -> bool:
    """Whether the main module keeps to itself what it does when it is run, so that a worker may import it."""
    try:
        text = Path(sys.modules["__main__"].__file__ or "").read_text(encoding="utf-8")
    except (AttributeError, OSError, UnicodeDecodeError):
        return False
    return re.search(r"""__name__\s*==\s*["']__main__["']|["']__main__["']\s*==\s*__name__""", text) is not None


@contextlib.contextmanager
def _main_hidden() -> Iterator[None]:
    """Keep a process that starts here from running this script again: without a guard it would start workers too."""
    if _main_is_guarded():
        yield
        return
    with _MAIN:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _parents(module: str) -> list[str]:
    return [module[:i] for i, letter in enumerate(module) if letter == "."]


@cache
def _executed(module: str, file: str) -> Any:
    spec = importlib.util.spec_from_file_location(module, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file}: cannot be imported.")
    sys.modules[module] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[module])
    return sys.modules[module]


class RayExecutor(Executor):
    """Runs tasks on a Ray cluster; a task whose worker or node is lost runs again elsewhere.

    Args:
        address: the cluster, for example ``"auto"``; by default the one that ``RAY_ADDRESS`` names, else a new one on
            this machine.
        workers: the most tasks at once; one for each core of the cluster by default, nodes that join later included.
        retries: how often a lost task is started again.

    Raises:
        ConfigError: when Ray is not installed, or no cluster answers.
        RunError: when Ray itself does not start.
    """

    def __init__(self, address: str | None = None, workers: int | None = None, retries: int = 5):
        try:
            import ray
        except ImportError:
            raise ConfigError("executor 'ray': Ray is not installed. Add it with: pip install 'jaxml[ray]'.") from None
        self._ray, self._workers, self._retries = ray, workers, retries
        self._started = not ray.is_initialized()
        address = address or os.environ.get("RAY_ADDRESS") or "local"
        if self._started:
            local = workers if address == "local" else None
            try:
                _knock(address)
                ray.init(address=address, num_cpus=local, include_dashboard=False, log_to_driver=False)
            except (OSError, ValueError) as error:  # of which ConnectionError is one; and what is no address
                raise ConfigError(f"executor 'ray': no cluster answers at '{address}': {error}") from None
            except Exception as error:  # Ray raises what it likes where its servers do not come up in time
                why = str(error).partition("\n")[0]
                raise RunError(f"executor 'ray': Ray could not be started: {why} Try again.") from error
        self._shared: dict[int, tuple[Any, Any]] = {}
        self._counted, self._cores = 0.0, 1

    @property
    def in_flight(self) -> int:
        """How many tasks to hand out at once: all of them run, so that a signal can wait for each."""
        if self._workers is not None:
            return self._workers
        if time.monotonic() - self._counted > _CLUSTER_SECONDS:
            self._cores = max(int(self._ray.cluster_resources().get("CPU", 1)), 1)
            self._counted = time.monotonic()
        return self._cores

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Start a task. A `Job` is sent to the cluster once and shared by all its tasks."""
        task = self._ray.remote(fn).options(max_retries=self._retries)
        future = task.remote(*map(self._share, args), **kwargs).future()
        future.set_running_or_notify_cancel()
        return future

    def _share(self, value: Any) -> Any:
        if not isinstance(value, Job):
            return value
        if id(value) not in self._shared:
            for module in _beside(value.trial.__module__):
                self._ray.cloudpickle.register_pickle_by_value(module)  # workers need not have the user's modules
            self._shared[id(value)] = (value, self._ray.put(value))
        return self._shared[id(value)][1]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster if this executor joined it."""
        if self._started and self._ray.is_initialized():
            self._ray.shutdown()


def _beside(name: str) -> list[types.ModuleType]:
    """A user's module, and those of the folder ``experiments`` where it lies there."""
    own = sys.modules.get(name)
    if own is None or name == "__main__":
        return []
    same = [each for other, each in sys.modules.items() if other.partition(".")[0] == "experiments" and each is not own]
    return [own, *(each for each in same if name.startswith("experiments.") and getattr(each, "__file__", None))]


def _knock(address: str) -> None:
    """Find out in seconds whether a cluster answers at ``host:port``; Ray alone would try for many minutes.

    Clusters speak gRPC: a server of HTTP/2 answers the preface of a client with a frame of settings, others do not.

    Raises:
        OSError: when nothing listens there, or something else.
    """
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not port.isdigit():
        return
    with socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS) as connection:
        if os.environ.get("RAY_USE_TLS", "0") != "0":
            return
        connection.sendall(_PREFACE)
        frame = connection.recv(9, socket.MSG_WAITALL)
        if len(frame) < 9 or frame[3] != _SETTINGS:
            raise ConnectionError("what listens there is no cluster")


def in_flight(executor: Executor) -> int:
    """How many tasks to hand out at once: twice what runs at once where the executor holds a queue."""
    return getattr(executor, "in_flight", 2 * getattr(executor, "_max_workers", 1))


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
