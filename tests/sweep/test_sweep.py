"""What a sweep computes: the trial's own numbers, in compiled programs counted one for each static point."""

import functools
import random
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
from jaxml.errors import TrialError
from jaxml.sweep.store import open_results
from jaxml.sweep.trace import master_key


def ridge(key, *, lam: float, noise: float = 0.1, power: int = 1, solver: Literal["solve", "inv"] = "solve"):
    """A closed-form fit on fresh data: cheap, and sensitive to every parameter."""
    data, error = jax.random.split(key)
    x = jax.random.normal(data, (8, 3)) ** power
    y = x.sum(axis=1) + noise * jax.random.normal(error, (8,))
    gram = x.T @ x + lam * jnp.eye(3)
    w = jnp.linalg.solve(gram, x.T @ y) if solver == "solve" else jnp.linalg.inv(gram) @ (x.T @ y)
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


@pytest.mark.parametrize("lanes", [1, 4, 7, 30])
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


def test_lanes_that_end_nonfinite_are_kept_and_marked():
    def trial(key, *, x: float):
        return {"root": jnp.sqrt(x), "path": curve(x / jnp.arange(-1.0, 2.0), "step"), "count": jnp.int32(x)}

    results = sweep(trial, seeds=2, x=[-1.0, 0.0, 4.0])
    assert results.nonfinite.all()
    assert np.isnan(results.root.sel(x=-1)).all()
    np.testing.assert_array_equal(results.path.sel(x=4.0, seed=0), [-4, np.inf, 4])

    def clean(key, *, x: float):
        return {"root": jnp.sqrt(x)}

    np.testing.assert_array_equal(sweep(clean, seeds=1, x=[-1.0, 0.0, 4.0]).nonfinite[:, 0], [True, False, False])


def test_a_static_point_may_leave_out_a_float():
    def trial(key, *, n: int):
        return {"a": jnp.float32(n), **({"b": jnp.float32(2)} if n == 2 else {})}

    results = sweep(trial, seeds=2, n=[1, 2])
    np.testing.assert_array_equal(results.b.isel(seed=0), [np.nan, 2])
    assert not results.nonfinite.any()


def test_random_search_shares_programs_between_its_points():
    draws = jaxml.random_search(9, lam=jaxml.loguniform(0.1, 10), power=[1, 2])
    found = sweep(ridge, seeds=2, draw=draws)
    assert found.attrs["compiles"] == 2
    for i in (0, 4, 8):
        lam, power = float(found.lam[i]), int(found.power[i])
        np.testing.assert_allclose(found.norm[i, 1], alone(1, lam=lam, power=power)["norm"], rtol=1e-4)


def test_the_first_bad_step_of_a_curve_is_recorded():
    def trial(key, *, rate: float):
        steps = jnp.arange(50, dtype=jnp.float32)
        return {"loss": curve(jnp.exp(rate * steps), "step"), "final": jnp.float32(1)}

    results = sweep(trial, seeds=2, rate=[0.0, 2.0, 10.0])
    overflow = np.log(np.finfo(np.float32).max)
    np.testing.assert_array_equal(results.nonfinite_step[:, 0], [-1, np.ceil(overflow / 2), np.ceil(overflow / 10)])
    np.testing.assert_array_equal(results.nonfinite[:, 1], [False, True, True])


def test_a_static_point_that_fails_takes_nobody_with_it():
    def trial(key, *, lam: float, n: int):
        return {"x": lam * jnp.ones((4, 4)).reshape(n, -1).sum()}

    with pytest.warns(RuntimeWarning, match="1 static points failed: n=3: "):
        results = sweep(trial, seeds=2, lam=[1.0, 2.0], n=[2, 3, 4])
    assert len(results.attrs["failures"]) == 1
    np.testing.assert_array_equal(results.nonfinite.isel(seed=0, lam=0), [False, True, False])
    np.testing.assert_array_equal(results.x.sel(n=4, seed=0), [16, 32])
    assert np.isnan(results.x.sel(n=3)).all()
    with pytest.raises(TypeError, match="reshape"):
        sweep(trial, seeds=2, lam=[1.0, 2.0], n=[3, 5])


@pytest.mark.parametrize("stored", [False, True])
def test_what_could_not_be_computed_is_nan_in_every_dtype(tmp_path, stored):
    def trial(key, *, n: int):
        if n == 2:
            raise ValueError("no 2")
        step = jnp.arange(3) + n
        outputs = {"count": n, "byte": jnp.uint8(n), "flag": jnp.asarray(True), "wave": jnp.complex64(n + 1j)}
        outputs |= {
            "half": jnp.float16(n),
            "brain": jnp.bfloat16(n + 0.5),
            "tiny": jnp.int4(n),
            "steps": curve(step, "step"),
        }
        return outputs

    store = tmp_path / "results.zarr" if stored else None
    with pytest.warns(RuntimeWarning, match="n=2: ValueError: no 2"):
        results = sweep(trial, seeds=2, n=[1, 2, 4], store=store)
    if stored:
        results = open_results(store)
    good = {"count": 4, "byte": 4, "flag": 1, "wave": 4 + 1j, "half": 4, "brain": 4.5, "tiny": 4}
    for name, value in good.items():
        assert np.isnan(results[name].sel(n=2)).all(), name
        assert (results[name].sel(n=4) == value).all(), name
    np.testing.assert_array_equal(results["count"].mean("seed"), [1, np.nan, 4])
    np.testing.assert_array_equal(results.steps.isel(seed=0), [[1, 2, 3], [np.nan] * 3, [4, 5, 6]])
    np.testing.assert_array_equal(results.nonfinite.isel(seed=0), [False, True, False])
    frame = results.drop_dims("step").drop_vars("wave").to_dataframe()  # what a CSV file holds
    assert frame["count"].mean() == 2.5
    whole = sweep(trial, seeds=2, n=[1, 4], store=store)  # nothing is missing: the dtypes are the trial's own
    kinds = {"count": "i4", "byte": "u1", "flag": "?", "wave": "c8", "half": "f2", "brain": "f4", "tiny": "i1"}
    assert {name: whole[name].dtype for name in kinds} == {name: np.dtype(kind) for name, kind in kinds.items()}


def test_a_static_point_that_fails_while_running(monkeypatch):
    from jaxml.sweep.block import Block

    compute = Block.compute

    def failing(self, chunk):
        if self.plan.static_of(chunk)["power"] == 3:
            raise RuntimeError("the device caught fire")
        return compute(self, chunk)

    monkeypatch.setattr(Block, "compute", failing)
    with pytest.warns(RuntimeWarning, match="power=3: RuntimeError: the device caught fire"):
        results = sweep(ridge, seeds=2, lam=[1.0], power=[1, 3])
    assert results.nonfinite.sel(power=3).all()
    assert not results.nonfinite.sel(power=1).any()


def test_chunks_are_halved_until_they_fit_into_memory(results, monkeypatch):
    from jaxml.sweep.block import Block

    compute = Block.compute

    def cramped(self, chunk):
        if self.plan.lanes > 8:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return compute(self, chunk)

    monkeypatch.setattr(Block, "compute", cramped)
    halved = sweep(ridge, seeds=6, lam=LAMS, solver="solve", store=None)
    assert halved.attrs["lanes"] <= 8
    np.testing.assert_allclose(halved.w, results.w.sel(solver="solve"), rtol=1e-4, atol=1e-6)


def shaped(key, *, n: Traced[int]):
    return {"x": jax.random.normal(key, (n,)).sum()}


def branching(key, *, lam: float, n: int = 2):
    return {"x": jnp.float32(n) if lam > 1 else jnp.float32(0)}


def sliced(key, *, n: Traced[int]):
    return {"x": jnp.ones(10)[:n].sum()}


def looped(key, *, n: Traced[int]):
    return {"x": sum((jnp.ones(()) for _ in range(n)), jnp.zeros(()))}


def as_array(key, *, n: int):
    return {"x": n.astype(jnp.float32)}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("trial", "axes", "message"),
    [
        (shaped, {"n": [2, 3]}, r"'n' is traced.*'n: Static\[int\]'"),
        (branching, {"lam": [0.5, 2.0]}, r"'lam' is traced.*'lam: Static\[float\]'"),
        (sliced, {"n": [2, 3]}, r"'n' is traced"),
        (looped, {"n": [2, 3]}, r"'n' is traced"),
        (shaped, {"n": 3}, r"'n' is traced"),
        (as_array, {"n": [1, 2]}, r"'n' is static.*'n: Traced\[int\]'"),
    ],
)
def test_a_parameter_on_the_wrong_side(trial, axes, message):
    with pytest.raises(TrialError, match=message):
        sweep(trial, seeds=2, **axes)


def test_only_the_parameter_to_blame_is_named():
    def trial(key, *, lam: float, scale: float, n: Traced[int]):
        return {"x": scale * lam * jnp.ones(n).sum()}

    with pytest.raises(TrialError, match=r"^trial: 'n' is traced"):
        sweep(trial, seeds=1, lam=[1.0, 2.0], scale=3.0, n=2)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (lambda: jnp.zeros(()), "returns a dictionary"),
        (dict, "returns a dictionary"),
        (lambda: {"w": jnp.zeros(3)}, r"'w' has shape \(3,\).*jaxml.curve\(w, ...\)"),
        (lambda: {"nonfinite": 0.0}, "'nonfinite' is taken"),
        (lambda: {"status": 0.0}, "'status' is taken"),
        (lambda: {"lam": 0.0}, "'lam' is taken"),
        (lambda: {"w": curve(jnp.zeros(3), "lam")}, "names an axis like the grid's"),
        (lambda: {"w": curve(jnp.zeros((3, 3)), "i", "i")}, "names an axis twice"),
        (lambda: {"w": curve(jnp.zeros(3), "a/b")}, r"an axis whose name 'a/b' holds a '/'"),
        (
            lambda: {"w": curve(jnp.zeros(3), "i"), "v": curve(jnp.zeros(4), "i")},
            "'i' has length 3 in output 'w' and 4",
        ),
        (lambda: {"w": curve(jnp.zeros(3), "i"), "i": 0.0}, "'i' is an output and an axis of output 'w'"),
        (lambda: {"nonfinite_i": 0.0}, "'nonfinite_i' is taken"),
        (lambda: {"train/loss": 0.0}, r"'train/loss' holds a '/'.*write 'train\.loss'"),
        (lambda: {"/etc/x": 0.0}, r"'/etc/x' holds a '/'.*write 'etc\.x'"),
        (lambda: {"..": 0.0}, "kept for the store's own files"),
        (lambda: {"zarr.json": 0.0}, "kept for the store's own files"),
        (lambda: {"": 0.0}, "the output name '' is empty"),
        (lambda: {3: 0.0}, "the output name 3 is of type int"),
        (lambda: {"a" * 200: 0.0}, "is longer than 120 bytes"),
        (lambda: {"a\nb": 0.0}, "cannot be printed"),
        (lambda: {"a": {"b/c": 0.0}}, r"'b/c' inside 'a' holds"),
        (lambda: {"a": {"b": 0.0}, "a.b": 0.0}, "two outputs are called 'a.b'"),
        (lambda: {"a": None}, "output 'a' is of type NoneType"),
        (lambda: {"a": "text"}, "output 'a' is of type str"),
        (lambda: {"a": jax.random.key(0)}, r"output 'a' is a key.*key_data"),
    ],
)
def test_outputs_that_break_the_contract(outputs, message):
    def trial(key, *, lam: float):
        return outputs()

    with pytest.raises(TrialError, match=message):
        sweep(trial, seeds=1, lam=[1.0])


@pytest.mark.parametrize("name", ["mu", "lam", "pair", "seed"])
def test_no_output_is_called_like_a_coordinate(name):
    def trial(key, *, lam: float, mu: float):
        return {name: lam}

    with pytest.raises(TrialError, match=f"'{name}' is taken"):
        sweep(trial, seeds=1, pair=zipped(lam=[1.0, 2.0], mu=[3.0, 4.0]))


def test_dictionaries_inside_become_dotted_names(tmp_path):
    def trial(key, *, lam: float):
        return {"train": {"loss": lam, "path": curve(jnp.arange(2.0), "step")}, "val": {"top": {"1": 2 * lam}}}

    results = sweep(trial, seeds=1, lam=[1.0, 2.0], store=tmp_path / "s")
    for held in (results, open_results(tmp_path / "s")):
        assert set(held.data_vars) == {"train.loss", "train.path", "val.top.1", "nonfinite", "nonfinite_step"}
        np.testing.assert_array_equal(held["val.top.1"].squeeze(), [2, 4])


def test_axes_of_one_name_have_one_length_at_all_static_points():
    def trial(key, *, n: int):
        return {f"x{n}": curve(jnp.zeros(n), "i")}

    with pytest.raises(TrialError, match="static points: the axis 'i' has length 1 in output 'x1' and 2 in 'x2'"):
        sweep(trial, seeds=1, n=[1, 2])


def test_static_points_must_agree_on_their_outputs():
    def trial(key, *, n: int):
        return {"w": curve(jnp.zeros(n), "i")}

    with pytest.raises(TrialError, match="output 'w' is"):
        sweep(trial, seeds=1, n=[1, 2])


def test_an_integer_cannot_be_left_out():
    def trial(key, *, n: int):
        return {"a": jnp.float32(1), **({"b": n} if n == 1 else {})}

    with pytest.raises(TrialError, match="'b' is int32 and missing at 'n=2'"):
        sweep(trial, seeds=1, n=[1, 2])


def test_the_trials_own_error_is_the_users_own_error():
    def trial(key, *, lam: float):
        return {"x": {"a": 1.0}["b"]}

    with pytest.raises(KeyError, match="b"):
        sweep(trial, seeds=1, lam=[1.0])


def test_names_that_sweep_takes():
    def trial(key, *, lanes: float):
        return {"x": lanes}

    with pytest.raises(TrialError, match="'lanes'"):
        sweep(trial, seeds=1)


def test_curve_names_every_axis():
    with pytest.raises(ValueError, match="2 axes need as many names"):
        curve(jnp.zeros((2, 3)), "step")


def test_progress_counts_every_cell():
    seen = []
    sweep(ridge, seeds=4, lanes=5, lam=LAMS, power=[1, 2], progress=seen.append)
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert (seen[-1].done, seen[-1].cells, seen[-1].compiled, seen[-1].programs) == (40, 40, 2, 2)


def test_static_floats_and_traced_ints_and_bools():
    def trial(key, *, scale: Static[float], depth: Traced[int], on: Traced[bool]):
        assert isinstance(scale, float)
        return {"x": scale * jnp.where(on, depth, 0).astype(jnp.float32)}

    results = sweep(trial, seeds=1, scale=[0.5, 2.0], depth=[1, 2], on=[False, True])
    assert results.attrs["compiles"] == 2
    np.testing.assert_array_equal(results.x.sel(on=True, seed=0), [[0.5, 1.0], [2.0, 4.0]])
    np.testing.assert_array_equal(results.x.sel(on=False, seed=0), 0)


@pytest.mark.parametrize("module", ["jaxml", "jaxml.sweep"])
def test_importing_the_engine_imports_no_jax(module):
    code = f"import sys, {module}; sys.exit(sorted({{'jax', 'xarray', 'zarr'}} & set(sys.modules)) != [])"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ops_and_learners_do_not_know_the_engine():
    code = (
        "import importlib, pkgutil, sys, jaxml\n"
        "for name in ('ops', 'learn', 'nn', 'data'):\n"
        "    try: package = importlib.import_module('jaxml.' + name)\n"
        "    except ModuleNotFoundError: continue\n"
        "bad = [m for m in sys.modules if m.startswith(('jaxml.claims', 'jaxml.runner', 'jaxml.report',\n"
        "       'jaxml.sweep.trace', 'jaxml.sweep.execute', 'jaxml.sweep.store'))]\n"
        "sys.exit(str(bad) if bad else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sweep_is_exported():
    assert jaxml.sweep is sweep


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


@pytest.mark.parametrize("only", ["a", "b"])
def test_what_is_drawn_while_tracing_is_refused_where_it_stands(only):
    def drawing(key, *, lam: float, kind: Literal["a", "b"] = "a"):
        noise = random.random() if kind == only else 0.5
        return {"y": lam + noise}

    with pytest.raises(TrialError, match=rf"kind={only}: the trial is another computation .* at .*test_sweep.py:\d+"):
        sweep(drawing, seeds=2, lam=[0.5], kind=["a", "b"])


def test_a_generator_with_a_seed_of_its_own_may_draw_while_tracing():
    def drawing(key, *, lam: float):
        return {"y": lam * np.random.default_rng(0).normal(size=3).astype("f").sum()}

    assert sweep(drawing, seeds=2, lam=[0.5]).y.shape == (1, 2)
