"""Sweeps over several devices, processes and machines give the numbers of one process."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from jaxml import linspace, sweep
from jaxml.errors import ConfigError, RunError, StoreError
from jaxml.sweep import executors
from jaxml.sweep.executors import Processes, executor_named
from jaxml.sweep.store import ZarrStore, open_results
from tests.sweep import sweep_process

LAMS = linspace(0.0, 2.0, 6)


def python(code, **environment):
    """Run a script in a process of its own and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_any_executor():
    with ThreadPoolExecutor(2) as pool:
        results = sweep(sweep_process.trial, seeds=4, lanes=8, lam=LAMS, executor=pool)
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
            sweep(sweep_process.trial, store=tmp_path / "s", executor=pool, progress=interrupt, **grid)
        done = int((~open_results(tmp_path / "s").nonfinite).sum())
        assert stopped[0] <= done < 48
        seen = []
        there = sweep(sweep_process.trial, store=tmp_path / "s", executor=pool, progress=seen.append, **grid)
        np.testing.assert_array_equal(there.kept, here.kept)
        assert there.attrs["compiles"] == 0
        assert seen[0].done >= done
        assert (seen[-1].done, seen[-1].compiled, seen[-1].programs) == (48, 2, 2)

        shared = tmp_path / "shared"
        there = sweep(sweep_process.trial, store=shared, executor=pool, shared_store=True, **grid)
        np.testing.assert_array_equal(there.kept, here.kept)
        np.testing.assert_array_equal(open_results(shared).path, here.path)
        grown = {**grid, "seeds": 5, "power": [1, 2, 3]}  # the old files of the last seeds are not whole any more
        there = sweep(sweep_process.trial, store=shared, executor=pool, shared_store=True, **grown)
        np.testing.assert_array_equal(there.kept, sweep(sweep_process.trial, **grown).kept)
        monkeypatch.setattr(ZarrStore, "shared", lambda self: {"store": tmp_path / "elsewhere", "outputs": {"x": None}})
        with pytest.raises(StoreError, match="a worker does not see this store"):
            sweep(sweep_process.trial, store=tmp_path / "t", executor=pool, shared_store=True, **grid)

        (tmp_path / "remote.py").write_text(FILE)
        spec = importlib.util.spec_from_file_location("nowhere.remote", tmp_path / "remote.py")
        remote = sys.modules["nowhere.remote"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(remote)
        there = sweep(remote.trial, seeds=4, lanes=8, lam=LAMS, executor=pool)
        np.testing.assert_array_equal(there.kept, sweep(remote.trial, seeds=4, lanes=8, lam=LAMS).kept)
        data = {"shift": np.float32(3)}

        def closure(key, *, lam: float):
            return {"x": lam + data["shift"]}

        assert sweep(closure, seeds=1, lam=1.0, executor=pool).x == 4
        data["shift"] = np.float32(5)  # what a notebook changes between two sweeps arrives
        assert sweep(closure, seeds=1, lam=1.0, executor=pool).x == 6

        with pytest.raises(RunError, match="a worker process died"):
            sweep(remote.trial, seeds=1, lam=[1.0], deadly=True, executor=pool)


UNGUARDED = """
import jax.numpy as jnp
from jaxml import sweep
from jaxml.sweep.executors import Processes

print("once", flush=True)
data = jnp.arange(4.0)

def total(scale):
    return scale * data.sum()

def trial(key, *, lam: float, n: int = 1):
    return {"x": total(lam) * n}

with Processes(1) as pool:
    print(sweep(trial, seeds=1, lam=[1.0, 2.0], n=[1, 2], executor=pool).x.values.ravel().tolist())
"""


@pytest.mark.parametrize("place", ["script", "notebook"])
def test_processes_from_a_script_without_a_guard_and_from_a_notebook(tmp_path, place):
    """Neither can be imported by a worker: the first would sweep again there, the second has no file."""
    (tmp_path / "script.py").write_text(UNGUARDED)
    given = [str(tmp_path / "script.py")] if place == "script" else ["-c", UNGUARDED]
    done = subprocess.run([sys.executable, *given], capture_output=True, text=True, timeout=150, check=False)
    assert done.stdout.splitlines() == ["once", "[6.0, 12.0, 12.0, 24.0]"], done.stderr[-3000:]


def test_what_cannot_be_sent_to_a_process_is_named():
    lock = threading.Lock()

    def trial(key, *, lam: float):
        with lock:
            return {"x": lam}

    with pytest.raises(ConfigError, match=r"the trial cannot be sent to another process .*lock"):
        sweep(trial, seeds=1, lam=1.0, executor="processes")


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
    with pytest.raises(ConfigError, match=message):
        executor_named(executor, address, workers)


def test_a_shared_store_needs_a_store_and_workers(tmp_path):
    for given in ({"store": tmp_path / "s"}, {"executor": "processes"}):
        with pytest.raises(ConfigError, match="give both 'store' and 'executor'"):
            sweep(sweep_process.trial, seeds=1, lam=1.0, shared_store=True, **given)


def test_ray_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"Ray is not installed. Add it with: pip install 'jaxml\[ray\]'"):
        sweep(sweep_process.trial, seeds=1, lam=1.0, executor="ray")


def test_eight_devices_share_the_lanes_and_never_talk():
    printed = python(
        """
        import re, jax, jax.numpy as jnp, numpy as np
        from jaxml import sweep
        from jaxml.sweep.block import compile_block
        from jaxml.sweep.plan import make_plan
        from jaxml.sweep.signature import schema_of
        from jaxml.sweep.trace import master_key, trace

        def trial(key, *, lam: float):
            x = jax.random.normal(key, (16, 4))
            w = jnp.linalg.solve(x.T @ x + lam * jnp.eye(4), x.sum(axis=0))
            steps = jax.lax.while_loop(lambda s: (s[0] > 0.1) & (s[1] < 50), lambda s: (s[0] * 0.5, s[1] + 1), (lam, 0))
            return {"w": jnp.sum(w), "sorted": jnp.sort(x[:, 0])[3], "steps": steps[1], "draw": x[0, 0]}

        def block_of(seeds, lams, devices):
            plan = make_plan(schema_of(trial), {"lam": lams}, seeds)
            key = master_key("jaxml")
            return plan, compile_block(trace(trial, plan, plan.programs()[0], key), plan, key, devices)

        assert len(jax.devices()) == 8
        for seeds, lams in [(5, 11), (1, 1), (9, 1)]:
            plan, shared = block_of(seeds, list(np.linspace(0.2, 3, lams)), None)
            _, lone = block_of(seeds, list(np.linspace(0.2, 3, lams)), jax.devices()[:1])
            text = shared.compiled.as_text()
            assert not re.search("all-reduce|all-gather|all-to-all|collective|reduce-scatter", text), text
            chunk = plan.programs()[0].chunks[0]
            together, alone = shared.compute(chunk), lone.compute(chunk)
            for name in alone:
                np.testing.assert_allclose(together[name], alone[name], rtol=2e-5, err_msg=name)
            used = {d for s in jax.tree.leaves(shared.compiled.output_shardings) for d in s.device_set}
            print(seeds, lams, len(used))
        results = sweep(trial, seeds=21, lanes=64, lam=[0.1, 1.0, 2.0, 3.0])
        assert results.attrs["compiles"] == 1 and not results.nonfinite.any()
        """,
        XLA_FLAGS="--xla_force_host_platform_device_count=8",
    )
    assert printed.splitlines() == ["5 11 6", "1 1 1", "9 1 5"]


RAY = """
    import ray
    from ray.cluster_utils import Cluster
    import os, sys, time
    import jax, jax.numpy as jnp
    from jaxml import linspace, sweep
    from jaxml.sweep.store import open_results

    def trial(key, *, lam: float, power: int = 1):
        draws = jax.random.normal(key, (16,))
        jax.debug.callback(lambda x: time.sleep(0.1), lam)
        return {"kept": jnp.mean(jnp.abs(draws) ** power > lam)}

    soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000, "health_check_failure_threshold": 5}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "_system_config": soon})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    cluster.wait_for_nodes()
    lost = []

    def progress(state):
        if state.done >= 8 and not lost:
            lost.append(state.done)
            cluster.remove_node(second, allow_graceful=False)

    grid = {"seeds": 2, "lanes": 2, "lam": linspace(0.0, 2.0, 4), "power": [1, 2]}
    here = sweep(trial, **grid)
    there = sweep(trial, executor="ray", **grid)
    print("equal", bool((there.kept == here.kept).all()), there.attrs["compiles"])
    grid["lam"] = linspace(0.0, 2.0, 8)
    here = sweep(trial, **grid)
    store = os.environ["STORE"]
    there = sweep(trial, executor="ray", store=store, shared_store=True, progress=progress, **grid)
    print("equal", bool((there.kept == here.kept).all()), len(lost))
    print("equal", bool((open_results(store).kept == here.kept).all()), sweep(trial, store=store, **grid).compiles)
    sys.stdout.flush()
    ray.shutdown(), cluster.shutdown()
    os._exit(0)  # how Ray leaves after losing a node is not under test
"""


def test_ray_equals_one_process_writes_a_shared_store_and_survives_a_lost_node(tmp_path):
    pytest.importorskip("ray")
    printed = python(RAY, STORE=str(tmp_path / "results.zarr"))
    said = [line.split() for line in printed.splitlines() if line.startswith("equal")]
    assert said == [["equal", "True", "0"], ["equal", "True", "1"], ["equal", "True", "0"]]


TOGETHER = """
    import os, sys
    import jax
    index, mode = int(sys.argv[1]), sys.argv[2]
    jax.distributed.initialize(sys.argv[3], 2, index, heartbeat_timeout_seconds=10)
    from jaxml import linspace, sweep
    from jaxml.errors import ConfigError
    from tests.sweep.sweep_process import trial

    def progress(state):
        if mode == "die" and index == 1 and state.done:
            os._exit(9)

    grid = {"seeds": 4, "lanes": 4, "lam": linspace(0.0, 2.0, 6), "power": [1, 2]}
    try:
        sweep(trial, **grid)
    except ConfigError as error:
        print("said", error)
    results = sweep(trial, store=sys.argv[4], progress=progress, **grid)
    print("equal", results.kept.sum().item(), results.attrs["compiles"])
"""


def test_two_processes_of_one_program_and_the_loss_of_one(tmp_path):
    """The survivor does its share, says what happened and ends; the next start computes only what is missing."""
    store = tmp_path / "results.zarr"
    code, cells = textwrap.dedent(TOGETHER), []
    for mode in ("die", "live"):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        both = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(index), mode, address, str(store)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for index in range(2)
        ]
        ended = [process.communicate(timeout=90) for process in both]
        codes = [process.returncode for process in both]
        cells.append(int((~open_results(store).nonfinite).sum()))
        if mode == "die":
            assert codes[1] == 9, ended[1][1]
            assert codes[0] not in (0, None)
            assert "RunError: process 0 of 2: another process of this sweep is gone" in ended[0][1]
            assert 24 <= cells[0] < 48
        else:
            assert codes == [0, 0], ended
    here = sweep(sweep_process.trial, seeds=4, lanes=4, lam=LAMS, power=[1, 2])
    np.testing.assert_array_equal(open_results(store).kept, here.kept)
    for output, _ in ended:
        assert "said store: 2 processes share this sweep" in output
        assert f"equal {here.kept.sum().item()}" in output


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
        with pytest.raises(ConfigError, match=f"no cluster answers at .*({message})"):
            executor_named("ray", f"127.0.0.1:{server.getsockname()[1]}")
        assert time.monotonic() - begin < 5
        answered.set()
        serving.result()
