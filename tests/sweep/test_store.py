"""Results on disk: what is there is never computed again, what is damaged is, and nothing else ever happens to it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray
import zarr

from jaxml import curve, linspace, sweep, zipped
from jaxml.errors import StoreError
from jaxml.sweep import run_plan
from jaxml.sweep import signals as stopping
from jaxml.sweep.fingerprint import fingerprint
from jaxml.sweep.layout import Lock
from jaxml.sweep.plan import make_plan
from jaxml.sweep.signature import schema_of
from jaxml.sweep.store import ZarrStore, open_results, write_dataset
from jaxml.sweep.trace import master_key, trace
from tests.sweep import sweep_process


def trial(key, *, lam: float, power: int = 1):
    draws = jax.random.normal(key, (16,))
    return {"kept": jnp.mean(jnp.abs(draws) ** power > lam), "path": curve(draws * lam, "step")}


LAMS = (0.0, 0.5, 1.0, 2.0)
GRID = {"seeds": 4, "lanes": 4, "lam": LAMS, "power": [1, 2]}


def computed_by(store, **grid):
    """The results of a sweep, and how many of its cells were not taken from the store."""
    before = int((~open_results(store).nonfinite).sum()) if store.exists() else 0
    results = sweep(trial, store=store, **grid)
    return results, int((~open_results(store).nonfinite).sum()) - before, results.attrs["compiles"]


@pytest.fixture(scope="module")
def reference():
    return sweep(trial, **GRID)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished store, to be copied before it is hurt."""
    path = tmp_path_factory.mktemp("finished") / "results.zarr"
    sweep(trial, store=path, **GRID)
    return path


@pytest.fixture
def store(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "results.zarr")
    return tmp_path / "results.zarr"


def assert_same(results, reference):
    xarray.testing.assert_allclose(results.drop_attrs(), reference.drop_attrs(), rtol=1e-6)


def test_a_store_holds_what_memory_holds(finished, reference):
    assert_same(open_results(finished), reference)
    raw = xarray.open_zarr(finished, consolidated=False, chunks=None)
    assert raw.kept.dims == ("lam", "power", "seed")
    assert (raw.status == 1).all()


def test_a_finished_store_computes_nothing(store, reference):
    results, cells, compiles = computed_by(store, **GRID)
    assert (cells, compiles) == (0, 0)
    assert_same(results, reference)


def test_another_chunk_size_goes_on_with_the_same_store(store, reference):
    results, cells, _ = computed_by(store, **{**GRID, "lanes": 64})
    assert cells == 0
    assert_same(results, reference)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda s: (s / "kept/c/0/1/0").unlink(), "kept/c/0/1/0 is gone"),
        (lambda s: (s / "path/c/0/1/0/0").write_bytes(b""), "chunk 0/1/0"),
        (lambda s: (s / "path/c/0/1/0/0").write_bytes((s / "path/c/0/1/0/0").read_bytes()[:-3]), "chunk 0/1/0"),
        (lambda s: flip(s / "kept/c/0/1/0"), "chunk 0/1/0"),
        (lambda s: flip(s / "status/c/0/1/0"), "chunk 0/1/0"),
    ],
)
def test_a_bad_chunk_is_computed_again_and_reported(store, reference, damage, said):
    damage(store)
    results = sweep(trial, store=store, **GRID)
    assert results.attrs["compiles"] == 1
    assert len(results.attrs["repaired"]) == 1
    assert said in results.attrs["repaired"][0]
    assert_same(results, reference)
    assert_same(open_results(store), reference)


def flip(file: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


@pytest.mark.parametrize("name", ["kept", "path", "status"])
def test_a_lost_file_is_read_as_nothing_computed(store, reference, name):
    (file,) = (store / name / "c/0/1").glob("0" if name != "path" else "0/0")
    file.unlink()
    held = open_results(store)
    lost = held.nonfinite.values
    assert 0 < lost.sum() < lost.size
    assert np.isnan(held.kept.values[lost]).all()
    np.testing.assert_array_equal(held.kept.values[~lost], reference.kept.values[~lost])


def test_a_deleted_status_chunk_is_computed_again(store, reference):
    (store / "status/c/0/1/0").unlink()
    results = sweep(trial, store=store, **GRID)
    assert results.attrs["compiles"] == 1
    assert_same(results, reference)


@pytest.mark.parametrize("file", ["zarr.json", "status/zarr.json", "kept/zarr.json", "lam/zarr.json"])
def test_damaged_metadata_is_written_again(store, reference, file):
    (store / file).write_text('{"zarr_format": 3, "node_ty')
    results = sweep(trial, store=store, **GRID)
    assert results.attrs["compiles"] == 0
    assert_same(results, reference)
    assert_same(open_results(store), reference)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data_type", "float64"),
        ("dimension_names", ["lan", "power", "seed"]),
        ("chunk_grid", {"name": "regular", "configuration": {"chunk_shape": [2, 1, 1]}}),
        ("shape", [4, 2, 6]),
    ],
)
def test_metadata_that_describes_another_array_is_written_again(store, reference, key, value):
    """It parses: one flipped bit is enough."""
    file = store / "kept/zarr.json"
    held = json.loads(file.read_text())
    assert held[key] != value
    file.write_text(json.dumps({**held, key: value}))
    results = sweep(trial, store=store, **GRID)
    assert results.attrs["compiles"] == 0
    assert_same(results, reference)
    assert_same(open_results(store), reference)


def test_metadata_damaged_twice_is_named(store):
    for file in ("zarr.json", "status/zarr.json"):
        (store / file).write_text("{")
    with pytest.raises(StoreError, match=r"zarr\.json and status/zarr\.json cannot be read"):
        sweep(trial, store=store, **GRID)


def test_what_a_killed_writer_left_is_swept_up(store, reference):
    litter = store / "kept/c/0/1/0.0123.partial"
    litter.write_bytes(b"half")
    assert_same(sweep(trial, store=store, **GRID), reference)
    assert not litter.exists()


def test_more_seeds_and_more_values_compute_the_new_cells_only(store, reference):
    lams = (0.0, 0.25, 0.5, 1.0, 2.0)
    results, cells, _ = computed_by(store, seeds=6, lanes=8, lam=lams, power=[1, 2, 3])
    assert cells == 5 * 3 * 6 - 4 * 2 * 4
    whole = sweep(trial, seeds=6, lanes=8, lam=lams, power=[1, 2, 3])
    assert_same(results, whole)
    held = open_results(store)
    assert list(held.lam.values) == [0.0, 0.5, 1.0, 2.0, 0.25]
    assert_same(held.sel(lam=list(lams)), whole)
    again, cells, compiles = computed_by(store, **GRID)
    assert (cells, compiles) == (0, 0)
    assert_same(again, reference)


def test_files_are_those_that_zarr_would_write(finished):
    for name in ("kept", "path", "status"):
        array = zarr.open_array(finished, path=name, mode="r+", config={"write_empty_chunks": True})
        for file in [p for p in (finished / name / "c").rglob("*") if p.is_file()]:
            before = file.read_bytes()
            place = [int(part) for part in file.relative_to(finished / name / "c").parts]
            region = tuple(slice(i * n, (i + 1) * n) for i, n in zip(place, array.chunks, strict=True))
            array[region] = array[region]
            assert file.read_bytes() == before


def test_a_store_that_appears_while_programs_compile(tmp_path):
    path, plan = tmp_path / "results.zarr", make_plan(schema_of(trial), {"lam": [1.0]}, 1)
    traced = trace(trial, plan, plan.programs()[0], master_key("jaxml"))
    identity = fingerprint(plan, [traced], "jaxml")
    stores = [ZarrStore(path, plan, traced.outputs, lambda: identity, {}) for _ in range(2)]
    stores[0].open()
    stores[0].close()
    with pytest.raises(StoreError, match="another process began to write here meanwhile"):
        stores[1].open()


def varying(key, *, n: int, lam: float):
    """What is returned depends on the static point."""
    outputs = {"a": lam * n + 0 * jax.random.normal(key)}
    if n >= 2:
        outputs["b"] = lam - n
    if n >= 3:
        outputs["path"] = curve(lam * jnp.arange(3.0), "step")
    if n == 4:
        outputs["count"] = jnp.asarray(n)
    return outputs


@pytest.mark.parametrize("calls", [[[1], [2, 1], [3]], [[3], [1], [2]], [[2, 3], [1]], [[1, 2], [3, 1]]])
def test_a_static_axis_grows_by_points_with_other_outputs(tmp_path, calls):
    whole = sweep(varying, seeds=2, lam=[0.5, 1.0], n=[1, 2, 3])
    for n in calls:
        part = sweep(varying, seeds=2, lam=[0.5, 1.0], n=n, store=tmp_path / "s")
        assert_same(part, sweep(varying, seeds=2, lam=[0.5, 1.0], n=n))
    assert_same(open_results(tmp_path / "s").sel(n=[1, 2, 3]), whole)
    again = sweep(varying, seeds=2, lam=[0.5, 1.0], n=[1, 2, 3], store=tmp_path / "s")
    assert again.attrs["compiles"] == 0
    assert "repaired" not in again.attrs
    more = sweep(varying, seeds=3, lam=[0.5, 1.0], n=[1], store=tmp_path / "s")  # the others keep their place
    assert (more.a.sizes["seed"], set(more.data_vars)) == (3, {"a", "nonfinite"})
    assert_same(open_results(tmp_path / "s").sel(n=[1, 2, 3], seed=[0, 1]), whole)


def test_a_point_whose_new_output_cannot_be_nan_elsewhere_is_refused_and_harms_nothing(tmp_path):
    before = sweep(varying, seeds=1, lam=[1.0], n=[3], store=tmp_path / "s")
    with pytest.raises(StoreError, match="output 'count' is int32 and missing at 'n=3'"):
        sweep(varying, seeds=1, lam=[1.0], n=[4], store=tmp_path / "s")
    assert_same(open_results(tmp_path / "s"), before)


def test_an_output_that_has_another_name_now_is_another_sweep(tmp_path):
    def named(name):
        def trial(key, *, lam: float):
            return {name: lam}

        return trial

    sweep(named("a"), seeds=1, lam=[1.0], store=tmp_path / "s")
    with pytest.raises(StoreError, match="outputs at one program: 'a' was there, now it is not"):
        sweep(named("b"), seeds=1, lam=[1.0], store=tmp_path / "s")


def test_looks_reuse_every_seed(tmp_path):
    path = tmp_path / "looks.zarr"
    counts = [computed_by(path, seeds=n, lam=LAMS)[1] for n in (4, 8, 16)]
    assert counts == [16, 16, 32]


def with_other_code(key, *, lam: float, power: int = 1):
    draws = jax.random.normal(key, (16,))
    return {"kept": jnp.mean(jnp.abs(draws) ** power >= lam), "path": curve(draws * lam, "step")}


def refactored(key, *, lam: float, power: int = 1):
    """The same computation in other words."""
    x = jax.random.normal(key, shape=(16,))
    size = jnp.abs(x) ** power
    return {"kept": jnp.mean(size > lam), "path": curve(x * lam, "step")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trial": with_other_code}, "the code of the trial or data inside it changed, at power=1 and at power=2"),
        ({"master_key": "other"}, "master key was jaxml, now other"),
        ({"power": 1}, r"axes: 'power' was \['power'\], now absent"),
    ],
)
def test_another_sweep_is_refused(store, change, message):
    grid = {**GRID, **change}
    function = grid.pop("trial", trial)
    with pytest.raises(StoreError, match=message):
        sweep(function, store=store, **grid)


def test_another_dtype_is_refused(store, x64):
    with pytest.raises(StoreError, match="float dtype was float32, now float64"):
        sweep(trial, store=store, **GRID)


def test_another_jax_is_refused(store):
    for file in (store / "zarr.json", store / "status/zarr.json"):
        held = json.loads(file.read_text())
        held["attributes"]["sweep"]["identity"]["jax version"] = "0.9.0"
        file.write_text(json.dumps(held))
    with pytest.raises(StoreError, match=f"jax version was 0.9.0, now {jax.__version__}"):
        sweep(trial, store=store, **GRID)


def test_a_refactored_trial_goes_on(store, reference):
    results = sweep(refactored, store=store, **GRID)
    assert results.attrs["compiles"] == 0
    assert_same(results, reference)


def test_data_inside_the_trial_belongs_to_its_identity(tmp_path):
    def with_data(values):
        data = np.asarray(values, np.float32)

        def trial(key, *, lam: float):
            return {"x": jnp.sum(data * lam)}

        return trial

    path = tmp_path / "data.zarr"
    sweep(with_data(range(500)), seeds=1, store=path, lam=[1.0])
    with pytest.raises(StoreError, match="data inside it changed"):
        sweep(with_data([*range(499), 7]), seeds=1, store=path, lam=[1.0])


def test_lanes_that_are_nan_are_not_computed_again(tmp_path):
    def broken(key, *, lam: float):
        return {"x": jnp.log(-lam)}

    path = tmp_path / "nan.zarr"
    sweep(broken, seeds=2, store=path, lam=[1.0, 2.0])
    again = sweep(broken, seeds=2, store=path, lam=[1.0, 2.0])
    assert again.attrs["compiles"] == 0
    assert again.nonfinite.all()


def test_attributes_are_kept(tmp_path):
    plan = make_plan(schema_of(trial), {"lam": [1.0]}, 1)
    run_plan(trial, plan, store=tmp_path / "a.zarr", attributes={"spec": "abc"})
    assert open_results(tmp_path / "a.zarr").attrs == {"spec": "abc"}


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened: Not a directory"):
        sweep(trial, store=tmp_path / "file" / "results.zarr", **GRID)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(StoreError, match="Permission denied"):
        sweep(trial, store=tmp_path / "results.zarr", **GRID)


def test_no_results_and_unreadable_results(tmp_path):
    with pytest.raises(StoreError, match="no results here"):
        open_results(tmp_path / "none.zarr")
    (tmp_path / "bad.zarr").mkdir()
    with pytest.raises(StoreError, match="cannot be read"):
        open_results(tmp_path / "bad.zarr")


def test_a_url_that_fsspec_knows(reference):
    results = sweep(trial, store="memory://results.zarr", **GRID)
    assert_same(results, reference)
    assert sweep(trial, store="memory://results.zarr", **GRID).attrs["compiles"] == 0
    fsspec.filesystem("memory").rm("/results.zarr/kept/c/0/1/0")
    held = open_results("memory://results.zarr")
    assert int(held.nonfinite.sum()) == 4
    assert_same(held.where(~held.nonfinite, drop=False), reference.where(~held.nonfinite, drop=False))
    repaired = sweep(trial, store="memory://results.zarr", **GRID)
    assert "kept/c/0/1/0 is gone" in repaired.attrs["repaired"][0]
    assert_same(repaired, reference)


PROCESS = [sys.executable, str(Path(__file__).with_name("sweep_process.py"))]


def start(store, *options):
    return subprocess.Popen(
        [*PROCESS, str(store), *map(str, options)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_cells(process, cells):
    """Read the process's progress until it has written that many cells."""
    for line in process.stdout:
        if int(line) >= cells:
            return
    raise AssertionError(process.stderr.read())


def cells_in(store):
    return int((~open_results(store).nonfinite).sum())


def test_kill_minus_nine_loses_nothing(tmp_path):
    store = tmp_path / "results.zarr"
    process = start(store, "--slow", 0.3)
    wait_for_cells(process, 12)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    held, seen = cells_in(store), []
    assert 12 <= held < 48
    grid = {"seeds": 4, "lanes": 4, "lam": linspace(0.0, 2.0, 6), "power": [1, 2]}
    done = sweep(sweep_process.trial, store=store, progress=seen.append, **grid)
    assert seen[0].done >= held
    assert seen[-1].done == 48
    assert_same(done, sweep(sweep_process.trial, **grid))
    assert_same(open_results(store), done)


@pytest.mark.parametrize(("signals", "said"), [(1, "stopped by SIGTERM"), (2, "stopped at once by a second SIGTERM")])
def test_a_signal_finishes_the_chunk_in_hand_and_a_second_one_stops_at_once(tmp_path, monkeypatch, signals, said):
    monkeypatch.setattr(stopping, "_GRACE_SECONDS", 1.0)
    sent = []

    def progress(state):
        while state.done and len(sent) < signals:
            sent.append(state.done)
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt, match=said):
        sweep(trial, store=tmp_path / "results.zarr", progress=progress, **{**GRID, "seeds": 40})
    assert cells_in(tmp_path / "results.zarr") % 4 == 0
    assert 4 <= cells_in(tmp_path / "results.zarr") < 40 * 8
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    time.sleep(1.5 * (signals - 1))  # who catches the interruption goes on living


def test_two_writers_on_one_store(store):
    held = Lock(store)
    with pytest.raises(StoreError, match="another process is writing here"):
        sweep(trial, store=store, **GRID)
    held.release()
    assert sweep(trial, store=store, **GRID).attrs["compiles"] == 0


def test_a_full_disk_is_named_and_what_was_written_is_kept(tmp_path):
    store = tmp_path / "results.zarr"
    process = start(store, "--seeds", 200, "--lanes", 400, "--limit", 9000)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 3, errors
    assert "could not be written: File too large" in errors
    held = cells_in(store)
    grid = {"seeds": 200, "lanes": 400, "lam": linspace(0.0, 2.0, 6), "power": [1, 2]}
    sweep(sweep_process.trial, store=store, **grid)
    assert 0 <= held < cells_in(store) == 200 * 6 * 2


def test_zipped_parameters_come_back_as_coordinates(tmp_path):
    def trial(key, *, a: float, b: float):
        return {"y": a + b}

    results = sweep(trial, seeds=2, store=tmp_path / "s", pair=zipped(a=[1.0, 2.0], b=[3.0, 5.0]))
    assert set(results.coords) >= {"a", "b", "seed"}
    assert set(results.data_vars) == {"y", "nonfinite"}


def test_text_labels_of_any_numpy_kind_are_written_without_a_warning_and_read_back(tmp_path):
    for labels in (np.asarray(["plain", "norm"]), np.asarray(["plain", "norm"], object)):
        held = xarray.Dataset({"x": (("net", "seed"), np.zeros((2, 3)))}, {"net": labels, "seed": [0, 1, 2]})
        write_dataset(held, tmp_path / "labels.zarr")
        assert open_results(tmp_path / "labels.zarr").net.values.tolist() == ["plain", "norm"]
