"""Sweeps over several devices, over the processes of one program and over Ray: the numbers of one process."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from jaxml import linspace, sweep
from jaxml.sweep.block import _split
from jaxml.sweep.store import open_results
from tests.sweep import sweep_process


def python(code, **environment):
    """Run a script in a process of its own and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize(
    ("extents", "parts"), [([11, 5], (0, 6)), ([1, 1], (1, 1)), ([1, 9], (1, 5)), ([4, 16], (1, 8)), ([8, 3], (0, 8))]
)
def test_lanes_are_split_where_the_fewest_are_padding(extents, parts):
    assert _split(extents, 8) == parts


DEVICES = """
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

def normal(key, *, lam: float):
    return {"y": lam * jax.random.normal(key)}

lams, key = np.linspace(0.2, 3, 11).tolist(), master_key("jaxml")
plan = make_plan(schema_of(trial), {"lam": lams}, 5)
traced = trace(trial, plan, plan.programs()[0], key)
shared, lone = (compile_block(traced, plan, key, devices) for devices in (None, jax.devices()[:1]))
text = shared.compiled.as_text()
assert not re.search("all-reduce|all-gather|all-to-all|collective|reduce-scatter", text), text
together, alone = (block.compute(plan.programs()[0].chunks[0]) for block in (shared, lone))
for name in alone:
    np.testing.assert_allclose(together[name], alone[name], rtol=2e-5, err_msg=name)
used = {d for s in jax.tree.leaves(shared.compiled.output_shardings) for d in s.device_set}
results = sweep(normal, seeds=21, lanes=64, lam=[0.1, 1.0, 2.0, 3.0])
print(len(jax.devices()), len(used), results.attrs["compiles"], int(results.nonfinite.sum()))
"""


def test_eight_devices_share_the_lanes_and_never_talk():
    assert python(f"import chex\nchex.set_n_cpu_devices(8)\n{DEVICES}").split() == ["8", "6", "1", "0"]


RAY = """
import os, sys, time
import ray
from ray.cluster_utils import Cluster
import jax, jax.numpy as jnp
from jaxml import Compute, linspace, sweep
from jaxml.sweep.store import open_results

driver = os.getpid()

def trial(key, *, lam: float):
    jax.debug.callback(lambda x: time.sleep(0.1 if os.getpid() != driver else 0), lam)
    return {"kept": jnp.mean(jnp.abs(jax.random.normal(key, (16,))) > lam)}

soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000, "health_check_failure_threshold": 5}
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "_system_config": soon})
second = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)
cluster.wait_for_nodes()
lost = []

def progress(state):
    if state.done >= 4 and not lost:
        lost.append(state.done)
        cluster.remove_node(second, allow_graceful=False)

grid, store = {"seeds": 2, "lanes": 2, "lam": linspace(0.0, 2.0, 8)}, os.environ["STORE"]
here = sweep(trial, **grid)
there = sweep(trial, compute="ray", **{**grid, "lam": grid["lam"][:2]})
print("equal", bool((there.kept == here.kept[:2]).all()), there.attrs["compiles"])
there = sweep(trial, compute=Compute("ray", shared_store=True), store=store, progress=progress, **grid)
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
index = int(sys.argv[1])
jax.distributed.initialize(sys.argv[2], 2, index, heartbeat_timeout_seconds=10)
from jaxml import Compute, linspace, sweep
from jaxml.errors import ConfigError
from tests.sweep.sweep_process import trial

def die(state):
    if index == 1 and state.done:
        os._exit(9)

grid, seen = {"seeds": 4, "lanes": 4, "lam": linspace(0.0, 2.0, 6)}, []
try:
    sweep(trial, **grid)
except ConfigError as error:
    print("said", error)
results = sweep(trial, store=sys.argv[3], progress=seen.append, **grid)
print("equal", results.kept.sum().item(), "after", seen[0].done, flush=True)
sweep(trial, store=sys.argv[4], progress=die, **grid)
"""


def test_two_processes_of_one_program_and_the_loss_of_one(tmp_path):
    """They go on with a store; a survivor does its share, says what happened and ends; the rest can come later."""
    begun, broken = tmp_path / "begun.zarr", tmp_path / "broken.zarr"
    grid = {"seeds": 4, "lanes": 4, "lam": linspace(0.0, 2.0, 6)}
    sweep(sweep_process.trial, store=begun, **{**grid, "seeds": 2})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", TOGETHER, str(index), address, str(begun), str(broken)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    ended = [process.communicate(timeout=90) for process in both]
    here = sweep(sweep_process.trial, **grid)
    for output, errors in ended:
        assert "said store: 2 processes share this sweep" in output, errors
        assert f"equal {here.kept.sum().item()} after" in output, errors
        assert int(output.split()[-1]) >= 12  # what was there is not computed again
    np.testing.assert_array_equal(open_results(begun).kept, here.kept)
    assert both[1].returncode == 9
    assert both[0].returncode not in (0, None)
    assert "RunError: process 0 of 2: another process of this sweep is gone" in ended[0][1]
    cells, seen = int((~open_results(broken).nonfinite).sum()), []
    assert 12 <= cells < 24
    done = sweep(sweep_process.trial, store=broken, progress=seen.append, **grid)
    assert seen[0].done >= cells
    np.testing.assert_array_equal(done.kept, here.kept)
