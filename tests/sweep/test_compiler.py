"""Programs are compiled without what errs in XLA, and hold no copy of the arrays that a trial encloses."""

import os
import platform
import subprocess
import sys

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
import pytest

from jaxml.backend import FUSION, compile_program
from jaxml.sweep.block import compile_block
from jaxml.sweep.plan import make_plan
from jaxml.sweep.signature import schema_of
from jaxml.sweep.trace import master_key, trace

IMAGE = jnp.ones((20, 20))


def weighted_twice(key, *, x: float):
    """Two sums of products in a row, one with a constant: what the fusion gets wrong from 64 lanes on."""
    weights = jnp.full(20, x / 20)
    return {"y": jnp.einsum("w,w->", jnp.einsum("h,hw->w", weights, IMAGE), jnp.full(20, 0.05))}


def block_of(trial, lanes):
    plan, key = make_plan(schema_of(trial), {"x": np.linspace(1.0, 2.0, lanes).tolist()}, 1), master_key(0)
    return compile_block(trace(trial, plan, plan.programs()[0], key), plan, key)


@pytest.mark.parametrize("lanes", [8, 256])
def test_the_fusion_that_errs_is_off(lanes):
    block = block_of(weighted_twice, lanes)
    assert "ynn" not in block.compiled.as_text()
    found = block.compute(block.plan.programs()[0].chunks[0])["y"]
    np.testing.assert_allclose(found[:, 0], np.linspace(1.0, 2.0, lanes), rtol=1e-6)


def test_enclosed_arrays_are_arguments():
    text = block_of(weighted_twice, 4).compiled.as_text()
    assert "f32[20,20]" in text.split("ENTRY")[1].split("->")[0]
    assert "f32[20,20]{1,0} constant" not in text


@pytest.mark.parametrize(("flags", "level"), [("", 1), ("--xla_backend_optimization_level=0", None)])
def test_a_level_in_xla_flags_holds(monkeypatch, flags, level):
    given = {}

    def compile_and_keep(lowered, options):
        given.update(options)
        return compile_program(lowered, options)

    monkeypatch.setenv("XLA_FLAGS", flags)
    monkeypatch.setitem(compile_block.__globals__, "compile_program", compile_and_keep)
    block_of(weighted_twice, 2)
    assert given.get("xla_backend_optimization_level") == level


def test_an_option_that_xla_does_not_know_is_left_out():
    lowered = jax.jit(lambda x: x + 1).lower(1.0)
    assert compile_program(lowered, {"xla_no_such_option": True, FUSION: ""})(1.0) == 2.0


def test_the_probe_finds_the_fault_where_it_is():
    """Under flags that turn the fusion off XLA is right; where it is on and errs, the probe says so."""
    code = "from jaxml.backend import probe_compiler; print(probe_compiler())"

    def probed(flags):
        env = os.environ | {"XLA_FLAGS": flags}
        return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout

    assert probed(f"--{FUSION}=").startswith("right")
    if jaxlib.version.__version_info__ == (0, 10, 2) and platform.machine() == "x86_64":
        assert probed("").startswith("wrong: a sum of products of")
