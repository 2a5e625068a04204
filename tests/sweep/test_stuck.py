"""A chunk that never ends: the sweep says so, and a second SIGTERM ends the process."""

import signal
import subprocess
import sys
import threading
import time

import jax
import jax.numpy as jnp
import pytest

import jaxml
from jaxml.sweep import execute

STUCK = """
import threading, jax, jax.numpy as jnp, jaxml

def wait(x):
    print("waiting", flush=True)
    threading.Event().wait()

def trial(key, *, lam: float):
    return {"y": jax.pure_callback(wait, jax.ShapeDtypeStruct((), jnp.float32), lam, vmap_method="sequential")}

jaxml.sweep(trial, seeds=1, lam=[1.0])
"""


def test_a_sweep_that_computes_nothing_says_so(monkeypatch):
    released = threading.Event()

    def wait(x):
        released.wait(30)
        return x

    def trial(key, *, lam: float):
        return {"y": jax.pure_callback(wait, jax.ShapeDtypeStruct((), jnp.float32), lam, vmap_method="expand_dims")}

    monkeypatch.setattr(execute, "_IDLE_SECONDS", 1.0)
    monkeypatch.setattr(execute, "_IDLE_SHARE", 0.5)
    timer = threading.Timer(4.0, released.set)
    timer.start()
    with pytest.warns(RuntimeWarning, match="nothing has been computed for"):
        jaxml.sweep(trial, seeds=1, lam=[1.0])
    timer.join()


@pytest.mark.parametrize("between", [0.2, 1.0])
def test_a_second_sigterm_ends_what_never_returns(between):
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    process = subprocess.Popen([sys.executable, "-c", STUCK], stdout=pipe, stderr=null, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        for pause in (between, 0.0):
            process.send_signal(signal.SIGTERM)
            time.sleep(pause)
            assert process.poll() is None
        assert process.wait(30) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.communicate()
