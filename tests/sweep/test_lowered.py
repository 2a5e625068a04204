"""Lowered programs kept between runs: found again, never mistaken for another, and done without when damaged."""

import gc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import ClosedJaxpr, Jaxpr

from jaxml.ops import roi_align
from jaxml.sweep import lowered
from jaxml.sweep.block import compile_block
from jaxml.sweep.plan import make_plan
from jaxml.sweep.signature import schema_of
from jaxml.sweep.trace import master_key, trace


def ridge(key, *, lam: float):
    x = jax.random.normal(key, (8,))
    return {"norm": jnp.sum(x**2) / (1 + lam)}


def scaled(key, *, lam: float):
    return {"norm": 2 * ridge(key, lam=lam)["norm"]}


def called_back(key, *, lam: float):
    return {
        "norm": jax.pure_callback(lambda x: x, jax.ShapeDtypeStruct((), jnp.float32), lam, vmap_method="expand_dims")
    }


@pytest.fixture
def folder(tmp_path):
    """The folder of JAX's cache of programs, as this module sees it."""
    before = getattr(jax.config, "jax_compilation_cache_dir", None)
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield tmp_path
    jax.config.update("jax_compilation_cache_dir", before)


def outputs(trial, seeds=3):
    key, plan = master_key("jaxml"), make_plan(schema_of(trial), {"lam": [0.1, 1.0]}, seeds)
    program = plan.programs()[0]
    block = compile_block(trace(trial, plan, program, key), plan, key)
    return block.compute(program.chunks[0])["norm"]


def test_a_program_is_read_the_second_time_and_computes_the_same(folder, monkeypatch):
    first = outputs(ridge)
    (kept,) = folder.glob("*.lowered")
    monkeypatch.setattr(lowered, "_write", lambda *_: pytest.fail("lowered again"))
    np.testing.assert_array_equal(outputs(ridge), first)
    monkeypatch.undo()
    np.testing.assert_array_equal(outputs(scaled), 2 * first)
    outputs(ridge, seeds=4)
    assert len(list(folder.glob("*.lowered"))) == 3
    assert kept.exists()


def test_nothing_of_a_program_outlives_it(folder):
    """JAX's caches hold what was exported; with its traced programs inside they grew by 2 MB with every sweep."""

    def programs():
        gc.collect()
        return sum(isinstance(each, (Jaxpr, ClosedJaxpr)) for each in gc.get_objects())

    outputs(ridge, seeds=2)
    before = programs()
    outputs(ridge, seeds=3)
    outputs(ridge, seeds=4)
    assert programs() == before


def test_a_damaged_program_is_lowered_again(folder):
    first = outputs(ridge)
    (kept,) = folder.glob("*.lowered")
    kept.write_bytes(kept.read_bytes()[:-20])
    np.testing.assert_array_equal(outputs(ridge), first)
    assert lowered._read(kept) is not None


def test_another_version_of_the_package_lowers_anew(folder, monkeypatch):
    outputs(ridge)
    monkeypatch.setattr(lowered, "_surroundings", lambda: "later")
    outputs(ridge)
    assert len(list(folder.glob("*.lowered"))) == 2


def test_a_program_that_calls_back_into_this_process_is_not_kept(folder):
    np.testing.assert_allclose(outputs(called_back)[0], 0.1)
    assert not list(folder.glob("*.lowered"))


def test_nothing_is_kept_without_a_local_folder(folder):
    jax.config.update("jax_compilation_cache_dir", None)
    outputs(ridge)
    assert not list(folder.glob("*.lowered"))


def test_an_edited_key_draws_anew_though_the_program_is_kept(folder):
    """A constant that a trial encloses is an argument of its program: no kept program holds the old one."""

    def found(key):
        def trial(_, *, lam: float):
            return {"norm": lam * jax.random.normal(key)}

        return outputs(trial)[0, 0]

    for seed in (0, 1, 0):
        assert found(jax.random.key(seed)) == pytest.approx(
            float(0.1 * jax.random.normal(jax.random.key(seed))), rel=1e-6
        )


def test_a_program_with_a_primitive_of_another_package_is_not_kept(folder):
    def pooled(key, *, lam: float):
        box = jnp.asarray([[0.0, 0.0, 4.0, 4.0]])
        return {"norm": roi_align(lam * jnp.ones((6, 6, 1)), box, output_size=2, implementation="gather").sum()}

    outputs(pooled)
    assert not list(folder.glob("*.lowered"))
