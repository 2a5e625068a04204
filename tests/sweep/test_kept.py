"""Compiled programs kept between runs: found again, never mistaken for another, and done without when damaged."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache import compilation_cache

from jaxml.sweep.block import compile_block
from jaxml.sweep.plan import make_plan
from jaxml.sweep.signature import schema_of
from jaxml.sweep.trace import master_key, trace


def ridge(key, *, lam: float):
    x = jax.random.normal(key, (8,))
    return {"norm": jnp.sum(x**2) / (1 + lam)}


def scaled(key, *, lam: float):
    return {"norm": 2 * ridge(key, lam=lam)["norm"]}


def factored(key, *, lam: float):
    return {"norm": jnp.linalg.cholesky((1 + lam) * jnp.eye(3)).sum()}


@pytest.fixture
def folder(tmp_path):
    """JAX's cache of programs in a folder of its own, which keeps the quickest too."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    compilation_cache.reset_cache()
    for name, value in zip(names, (str(tmp_path), 0.0), strict=True):
        jax.config.update(name, value)
    yield tmp_path
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def outputs(trial, seeds=3, hasty=False):
    key, plan = master_key("jaxml"), make_plan(schema_of(trial), {"lam": [0.1, 1.0]}, seeds)
    program = plan.programs()[0]
    block = compile_block(trace(trial, plan, program, key), plan, key, hasty=hasty)
    return block.compute(program.chunks[0])["norm"]


def test_a_program_is_loaded_the_second_time_and_computes_the_same(folder, monkeypatch):
    first = outputs(ridge)
    assert len(list(folder.glob("*.program"))) == 1
    loaded = []
    load = serialize_executable.deserialize_and_load
    monkeypatch.setattr(
        serialize_executable, "deserialize_and_load", lambda *a, **k: loaded.append(load(*a, **k)) or loaded[-1]
    )
    np.testing.assert_array_equal(outputs(ridge), first)
    assert len(loaded) == 1
    np.testing.assert_array_equal(outputs(scaled), 2 * first)
    outputs(ridge, seeds=4)
    outputs(ridge, hasty=True)
    assert len(loaded) == 1
    assert len(list(folder.glob("*.program"))) == 4


def test_a_damaged_program_is_compiled_again(folder):
    first = outputs(ridge)
    (kept,) = folder.glob("*.program")
    kept.write_bytes(kept.read_bytes()[:-20])
    np.testing.assert_array_equal(outputs(ridge), first)


def test_what_jax_itself_has_loaded_is_not_written_for_it_would_lack_its_code(folder):
    first = outputs(ridge)
    (kept,) = folder.glob("*.program")
    kept.unlink()
    jax.clear_caches()
    np.testing.assert_array_equal(outputs(ridge), first)
    assert not list(folder.glob("*.program"))


def test_programs_that_call_a_function_of_this_process_are_not_kept(folder):
    outputs(factored)
    assert not list(folder.glob("*.program"))


def test_nothing_is_kept_without_a_local_folder(folder, tmp_path):
    compilation_cache.reset_cache()
    jax.config.update("jax_compilation_cache_dir", None)
    outputs(ridge)
    assert not list(tmp_path.glob("*.program"))
