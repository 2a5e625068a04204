"""What a sweep computes: the trial's own numbers, in compiled programs counted one for each static point."""

import functools
import subprocess
import sys
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src import monitoring

import jaxml
from jaxml import Static, Traced, curve, sweep, zipped
from jaxml.sweep.block import Block
from jaxml.sweep.trace import master_key


def ridge(key, *, lam: float, noise: float = 0.1, power: int = 1, solver: Literal["solve", "inv"] = "solve"):
    """A closed-form fit of each column alone on fresh data: cheap to compile, and sensitive to every parameter."""
    data, error = jax.random.split(key)
    x = jax.random.normal(data, (8, 3)) ** power
    y = x.sum(axis=1) + noise * jax.random.normal(error, (8,))
    square = jnp.sum(x**2, axis=0) + lam
    w = y @ x / square if solver == "solve" else 1 / square * (y @ x)
    return {"norm": jnp.sum(w**2), "w": curve(w, "feature"), "noise_draw": jax.random.normal(error)}


LAMS = (0.01, 0.1, 1.0, 10.0, 100.0)


@pytest.fixture(scope="module")
def results():
    return sweep(ridge, seeds=6, lam=LAMS, solver=["solve", "inv"])


def alone(seed, lam, noise=0.1, power=1, solver="solve"):
    key = jax.random.fold_in(master_key("jaxml"), seed)
    return compiled_alone(power, solver)(key, jnp.float32(lam), jnp.float32(noise))


@functools.cache
def compiled_alone(power, solver):
    def one(key, lam, noise):
        outputs = ridge(key, lam=lam, noise=noise, power=power, solver=solver)
        return {k: getattr(v, "values", v) for k, v in outputs.items()}

    return jax.jit(one)


def test_a_lane_is_the_trial_run_alone(results):
    for lam, solver, seed in [(0.01, "solve", 0), (1.0, "inv", 5), (100.0, "solve", 3)]:
        lane = results.sel(lam=lam, solver=solver, seed=seed)
        reference = alone(seed, lam=lam, solver=solver)
        np.testing.assert_allclose(lane.norm, reference["norm"], rtol=1e-4)
        np.testing.assert_allclose(lane.w, reference["w"], rtol=1e-4, atol=1e-6)


def test_axes_are_named(results):
    assert results.norm.dims == ("lam", "solver", "seed")
    assert results.w.dims == ("lam", "solver", "seed", "feature")
    np.testing.assert_array_equal(results.lam, LAMS)
    assert list(results.solver.values) == ["solve", "inv"]
    assert list(results.seed.values) == list(range(6))


def test_every_grid_point_sees_the_same_keys(results):
    draws = results.noise_draw
    assert np.ptp(draws.values, axis=(0, 1)).max() == 0
    assert len(np.unique(draws.isel(lam=0, solver=0))) == 6


@pytest.mark.parametrize("lanes", [1, 7])
def test_chunk_size_changes_nothing_beyond_rounding(results, lanes):
    chunked = sweep(ridge, seeds=6, lanes=lanes, lam=LAMS, solver=["solve", "inv"])
    assert chunked.attrs["lanes"] <= lanes
    np.testing.assert_allclose(chunked.w, results.w, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(chunked.nonfinite, results.nonfinite)


def test_seeds_are_named_not_counted(results):
    some = sweep(ridge, seeds=[5, 2], lam=LAMS, solver="solve")
    np.testing.assert_allclose(some.w, results.w.sel(solver="solve", seed=[5, 2]), rtol=1e-5, atol=1e-7)


def test_another_master_key_draws_other_data(results):
    other = sweep(ridge, seeds=6, lam=LAMS, solver="solve", master_key="other")
    assert not np.isin(other.noise_draw, results.noise_draw).any()


@pytest.fixture
def compilations():
    """The names of the XLA modules compiled during a test, as jax's own monitoring reports them."""
    events: list[str] = []

    def listen(event, duration, **kwargs):
        if event == "/jax/core/compile/backend_compile_duration":
            events.append(kwargs.get("fun_name", ""))

    monitoring.register_event_duration_secs_listener(listen)
    yield events
    monitoring.unregister_event_duration_listener(listen)


@pytest.mark.parametrize(("lanes", "seeds"), [(1024, 4), (3, 4), (8, 33)])
def test_one_compilation_for_each_static_point(compilations, lanes, seeds):
    results = sweep(ridge, seeds=seeds, lanes=lanes, lam=LAMS, power=[1, 3])
    assert results.attrs["compiles"] == 2
    assert sum("block" in name for name in compilations) == 2


def test_zipped_axes_move_together(results):
    moved = sweep(ridge, seeds=2, pair=zipped(lam=[0.1, 1.0], noise=[0.1, 5.0]))
    assert moved.norm.dims == ("pair", "seed")
    np.testing.assert_array_equal(moved.noise, [0.1, 5.0])
    np.testing.assert_allclose(moved.norm[0], results.norm.sel(lam=0.1, solver="solve", seed=[0, 1]), rtol=1e-5)
    np.testing.assert_allclose(moved.norm[1, 1], alone(1, lam=1.0, noise=5.0)["norm"], rtol=1e-4)


def test_zipped_static_with_traced():
    moved = sweep(ridge, seeds=2, pair=zipped(lam=[0.1, 1.0, 2.0], power=[1, 3, 1]))
    for i, (lam, power) in enumerate([(0.1, 1), (1.0, 3), (2.0, 1)]):
        np.testing.assert_allclose(moved.norm[i, 1], alone(1, lam=lam, power=power)["norm"], rtol=1e-4)


def test_random_search_shares_programs_between_its_points():
    draws = jaxml.random_search(9, lam=jaxml.loguniform(0.1, 10), power=[1, 2])
    found = sweep(ridge, seeds=2, draw=draws)
    assert found.attrs["compiles"] == 2
    for i in (0, 4, 8):
        lam, power = float(found.lam[i]), int(found.power[i])
        np.testing.assert_allclose(found.norm[i, 1], alone(1, lam=lam, power=power)["norm"], rtol=1e-4)


def test_static_floats_and_traced_ints_and_bools():
    def trial(key, *, scale: Static[float], depth: Traced[int], on: Traced[bool]):
        assert isinstance(scale, float)
        return {"x": scale * jnp.where(on, depth, 0).astype(jnp.float32)}

    results = sweep(trial, seeds=1, scale=[0.5, 2.0], depth=[1, 2], on=[False, True])
    assert results.attrs["compiles"] == 2
    np.testing.assert_array_equal(results.x.sel(on=True, seed=0), [[0.5, 1.0], [2.0, 4.0]])
    np.testing.assert_array_equal(results.x.sel(on=False, seed=0), 0)


def test_chunks_are_halved_until_they_fit_into_memory(results, monkeypatch):
    compute = Block.compute

    def cramped(self, chunk):
        if self.plan.lanes > 8:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return compute(self, chunk)

    monkeypatch.setattr(Block, "compute", cramped)
    halved = sweep(ridge, seeds=6, lam=LAMS, solver="solve", store=None)
    assert halved.attrs["lanes"] <= 8
    np.testing.assert_allclose(halved.w, results.w.sel(solver="solve"), rtol=1e-4, atol=1e-6)


def test_progress_counts_every_cell():
    seen = []
    sweep(ridge, seeds=4, lanes=5, lam=LAMS, power=[1, 2], progress=seen.append)
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert (seen[-1].done, seen[-1].trials, seen[-1].compiled, seen[-1].programs) == (40, 40, 2, 2)


def test_programs_that_wait_in_xlas_thread_pool_never_wait_for_each_other():
    """Batched LAPACK calls of two programs at once wait for ever; see `jaxml.sweep.block`."""

    def trial(key, *, shift: float, kind: Literal["eigh", "cholesky"] = "eigh"):
        x = jax.random.normal(key, (30, 12))
        gram = x.T @ x + shift * jnp.eye(12)
        return {"y": jnp.linalg.eigvalsh(gram)[0] if kind == "eigh" else jnp.linalg.cholesky(gram)[0, 0]}

    axes = {"shift": [0.1 * i for i in range(1, 17)], "kind": ["eigh", "cholesky"]}
    results = jaxml.sweep(trial, seeds=32, lanes=32, **axes)
    assert not results.nonfinite.any()
    assert (results.y.sel(kind="eigh").diff("shift") > 0).all()


def test_importing_the_engine_imports_no_jax():
    code = "import sys, jaxml.sweep; sys.exit(sorted({'jax', 'xarray', 'zarr'} & set(sys.modules)) != [])"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sweep_is_exported():
    assert jaxml.sweep is sweep
