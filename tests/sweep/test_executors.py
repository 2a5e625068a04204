"""Sweeps over processes and any other executor give the numbers of one process."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from jaxml import linspace, sweep
from jaxml.errors import ConfigError, RunError, StoreError
from jaxml.sweep import executors
from jaxml.sweep.compute import Compute, opened
from jaxml.sweep.executors import Processes, RayExecutor
from jaxml.sweep.store import ZarrStore, open_results
from tests.sweep import sweep_process

LAMS = linspace(0.0, 2.0, 6)


def test_any_executor():
    with ThreadPoolExecutor(2) as pool:
        results = sweep(sweep_process.trial, seeds=4, lanes=8, lam=LAMS, compute=pool)
    here = sweep(sweep_process.trial, seeds=4, lanes=8, lam=LAMS)
    np.testing.assert_array_equal(results.kept, here.kept)


FILE = """
import os
import jax, jax.numpy as jnp

def trial(key, *, lam: float, deadly: bool = False):
    if deadly:
        jax.debug.callback(lambda: os._exit(1))
    return {"kept": jnp.mean(jax.random.normal(key, (16,)) > lam)}
"""


def test_processes(tmp_path, monkeypatch):
    """One pool: a signal to everybody, a shared store, a trial from a file that no import finds, and a death."""
    grid = {"seeds": 4, "lanes": 4, "lam": LAMS, "power": [1, 2]}
    here = sweep(sweep_process.trial, **grid)
    with Processes(2) as pool:

        def interrupt(state):
            if state.done and not stopped:
                stopped.append(state.done)
                for pid in [*pool._processes, os.getpid()]:
                    os.kill(pid, signal.SIGINT)

        stopped = []
        with pytest.raises(KeyboardInterrupt, match="stopped by SIGINT"):
            sweep(sweep_process.trial, store=tmp_path / "s", compute=pool, progress=interrupt, **grid)
        done = int((~open_results(tmp_path / "s").nonfinite).sum())
        assert stopped[0] <= done < 48
        seen = []
        there = sweep(sweep_process.trial, store=tmp_path / "s", compute=pool, progress=seen.append, **grid)
        np.testing.assert_array_equal(there.kept, here.kept)
        assert there.attrs["compiles"] == 0
        assert seen[0].done >= done
        assert (seen[-1].done, seen[-1].compiled, seen[-1].programs) == (48, 2, 2)

        shared, one = tmp_path / "shared", {**grid, "power": [1]}
        there = sweep(sweep_process.trial, store=shared, compute=Compute(pool, shared_store=True), **one)
        np.testing.assert_array_equal(there.kept, here.kept.sel(power=[1]))
        np.testing.assert_array_equal(open_results(shared).path, here.path.sel(power=[1]))
        grown = {**grid, "seeds": 5}  # the old files of the last seeds are not whole any more
        there = sweep(sweep_process.trial, store=shared, compute=Compute(pool, shared_store=True), **grown)
        np.testing.assert_array_equal(there.kept, sweep(sweep_process.trial, **grown).kept)
        monkeypatch.setattr(ZarrStore, "shared", lambda self: {"store": tmp_path / "elsewhere", "outputs": {"x": None}})
        with pytest.raises(StoreError, match="a worker does not see this store"):
            sweep(sweep_process.trial, seeds=1, lam=1.0, store=tmp_path / "t", compute=Compute(pool, shared_store=True))

        (tmp_path / "remote.py").write_text(FILE)
        spec = importlib.util.spec_from_file_location("nowhere.remote", tmp_path / "remote.py")
        remote = sys.modules["nowhere.remote"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(remote)
        there = sweep(remote.trial, seeds=4, lanes=8, lam=LAMS, compute=pool)
        np.testing.assert_array_equal(there.kept, sweep(remote.trial, seeds=4, lanes=8, lam=LAMS).kept)
        data = {"shift": np.float32(3)}

        def closure(key, *, lam: float):
            return {"x": lam + data["shift"]}

        assert sweep(closure, seeds=1, lam=1.0, compute=pool).x == 4
        data["shift"] = np.float32(5)  # what a notebook changes between two sweeps arrives
        assert sweep(closure, seeds=1, lam=1.0, compute=pool).x == 6

        with pytest.raises(RunError, match="a worker process died"):
            sweep(remote.trial, seeds=1, lam=[1.0], deadly=True, compute=pool)


UNGUARDED = """
import jax.numpy as jnp
from jaxml import sweep
from jaxml.sweep.executors import Processes

print("once", flush=True)
data = jnp.arange(4.0)

def total(scale):
    return scale * data.sum()

def trial(key, *, lam: float):
    return {"x": total(lam)}

with Processes(1) as pool:
    print(sweep(trial, seeds=1, lam=[1.0, 2.0], compute=pool).x.values.ravel().tolist())
    del __file__  # as in a notebook
    data = 2 * data
    print(sweep(trial, seeds=1, lam=[1.0, 2.0], compute=pool).x.values.ravel().tolist())
"""


def test_processes_from_a_script_without_a_guard_and_from_a_notebook(tmp_path):
    """Neither can be imported by a worker: the first would sweep again there, the second has no file."""
    (tmp_path / "script.py").write_text(UNGUARDED)
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.stdout.splitlines() == ["once", "[6.0, 12.0]", "[12.0, 24.0]"], done.stderr[-3000:]


def test_what_cannot_be_sent_to_a_process_is_named():
    lock = threading.Lock()

    def trial(key, *, lam: float):
        with lock:
            return {"x": lam}

    with pytest.raises(ConfigError, match=r"the trial cannot be sent to another process .*lock"):
        sweep(trial, seeds=1, lam=1.0, compute="processes")


@pytest.mark.parametrize(
    ("executor", "address", "workers", "message"),
    [
        ("slurm", None, None, "expected 'processes', 'ray' or"),
        ("processes", "auto", None, "only executor 'ray' has one, the executor is 'processes'"),
        (None, None, 2, "only executors 'processes' and 'ray' count them, the executor is None"),
        ("processes", None, 0, "workers: at least one is needed, got 0"),
        ("ray", "127.0.0.1:9", None, "no cluster answers at '127.0.0.1:9': .*refused"),
    ],
)
def test_executors_that_cannot_be(executor, address, workers, message):
    if executor == "ray":
        pytest.importorskip("ray")
    with pytest.raises(ConfigError, match=message), opened(Compute(executor, address, workers)):
        pass


def test_a_shared_store_needs_a_store_and_workers():
    with pytest.raises(ConfigError, match="shared_store needs executor="):
        Compute(shared_store=True)
    with pytest.raises(ConfigError, match=r"shared_store: .* give 'store' too"):
        sweep(sweep_process.trial, seeds=1, lam=1.0, compute=Compute("processes", shared_store=True))


def test_ray_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"Ray is not installed. Add it with: pip install 'jaxml\[ray\]'"):
        sweep(sweep_process.trial, seeds=1, lam=1.0, compute="ray")


@pytest.mark.parametrize(
    ("raised", "error", "message"),
    [
        (
            ValueError("Invalid address format: x:::"),
            ConfigError,
            "no cluster answers at 'local': Invalid address format",
        ),
        (
            RuntimeError("Timed out waiting for its servers.\nSee the log"),
            RunError,
            "Ray could not be started: Timed out",
        ),
    ],
)
def test_what_ray_raises_as_it_starts_is_one_line(monkeypatch, raised, error, message):
    def refuse(**options):
        raise raised

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: False, init=refuse))
    with pytest.raises(error, match=message):
        RayExecutor()


@pytest.mark.parametrize(
    ("reply", "message"),
    [(None, "timed out"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no cluster"), (b"", "reset|no cluster")],
)
def test_a_port_where_something_else_answers_is_no_cluster(monkeypatch, reply, message):
    pytest.importorskip("ray")
    monkeypatch.setattr(executors, "_KNOCK_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        answered = threading.Event()

        def serve():
            connection, _ = server.accept()
            with connection:
                answered.wait(5) if reply is None else connection.sendall(reply)

        serving = pool.submit(serve)
        begin = time.monotonic()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ConfigError, match=f"no cluster answers.*({message})"), opened(Compute("ray", address)):
            pass
        assert time.monotonic() - begin < 5
        answered.set()
        serving.result()
