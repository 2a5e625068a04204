"""Sweeps over several devices, processes and machines give the numbers of one process."""

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from jaxml import linspace, sweep
from jaxml.errors import ConfigError
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


def test_processes():
    printed = python(
        """
        from jaxml import linspace, sweep
        from tests.sweep.sweep_process import trial
        if __name__ == "__main__":
            lams = linspace(0.0, 2.0, 6)
            there = sweep(trial, seeds=4, lanes=8, lam=lams, power=[1, 2], executor="processes")
            here = sweep(trial, seeds=4, lanes=8, lam=lams, power=[1, 2])
            print((there.kept == here.kept).all().item(), there.attrs["compiles"])
        """
    )
    assert printed.split() == ["True", "0"]


def test_an_unknown_executor():
    with pytest.raises(ConfigError, match="expected 'processes', 'ray' or"):
        sweep(sweep_process.trial, seeds=1, lam=1.0, executor="slurm")


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
        for seeds, lams in [(16, 3), (5, 11), (3, 2), (1, 1), (9, 1)]:
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
    assert printed.splitlines() == ["16 3 8", "5 11 6", "3 2 3", "1 1 1", "9 1 5"]


RAY = """
    import os, sys, threading, time
    import ray
    from ray.cluster_utils import Cluster
    import jax, jax.numpy as jnp
    from jaxml import linspace, sweep

    def trial(key, *, lam: float, power: int = 1):
        draws = jax.random.normal(key, (16,))
        jax.debug.callback(lambda x: time.sleep(0.1), lam)
        return {"kept": jnp.mean(jnp.abs(draws) ** power > lam)}
"""


def test_ray_on_one_machine():
    pytest.importorskip("ray")
    printed = python(
        RAY
        + """
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    there = sweep(trial, seeds=2, lanes=2, lam=linspace(0.0, 2.0, 4), power=[1, 2], executor="ray")
    here = sweep(trial, seeds=2, lanes=2, lam=linspace(0.0, 2.0, 4), power=[1, 2])
    print((there.kept == here.kept).all().item(), there.attrs["compiles"])
        """
    )
    assert printed.split()[-2:] == ["True", "0"]


def test_ray_loses_a_node():
    pytest.importorskip("ray")
    printed = python(
        RAY
        + """
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    cluster.wait_for_nodes()
    lost = []

    def progress(state):
        if state.done >= 8 and not lost:
            lost.append(state.done)
            cluster.remove_node(second, allow_graceful=False)

    there = sweep(trial, seeds=2, lanes=2, lam=linspace(0.0, 2.0, 12), executor="ray", progress=progress)
    here = sweep(trial, seeds=2, lanes=2, lam=linspace(0.0, 2.0, 12))
    print((there.kept == here.kept).all().item(), not there.nonfinite.any().item(), len(lost))
        """
    )
    assert printed.split()[-3:] == ["True", "True", "1"]
