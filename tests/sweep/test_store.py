"""Results on disk: what is there is never computed again, what is damaged is, and nothing else ever happens to it."""

import fsspec
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray
import zarr

from jaxml import curve, sweep, zipped
from jaxml.errors import StoreError
from jaxml.sweep.plan import make_plan
from jaxml.sweep.run import run
from jaxml.sweep.signature import schema_of
from jaxml.sweep.store import open_results, write_dataset
from tests.sweep.stored import GRID, LAMS, assert_same, computed_by, trial


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


def test_looks_reuse_every_seed(tmp_path):
    path = tmp_path / "looks.zarr"
    counts = [computed_by(path, seeds=n, lam=LAMS)[1] for n in (4, 8, 16)]
    assert counts == [16, 16, 32]


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


@pytest.fixture(scope="module")
def whole():
    return sweep(varying, seeds=2, lam=[0.5, 1.0], n=[1, 2, 3])


@pytest.mark.parametrize("calls", [[[1], [2, 1], [3]], [[3], [1], [2]], [[2, 3], [1]], [[1, 2], [3, 1]]])
def test_a_static_axis_grows_by_points_with_other_outputs(tmp_path, whole, calls):
    for n in calls:
        part = sweep(varying, seeds=2, lam=[0.5, 1.0], n=n, store=tmp_path / "s")
        returned = ["a", "b", "path", "nonfinite_step"][: (1, 2, 4)[max(n) - 1]]
        assert_same(part, whole[[*returned, "nonfinite"]].sel(n=n))
    assert_same(open_results(tmp_path / "s").sel(n=[1, 2, 3]), whole)
    again = sweep(varying, seeds=2, lam=[0.5, 1.0], n=[1, 2, 3], store=tmp_path / "s")
    assert again.attrs["compiles"] == 0
    assert "repaired" not in again.attrs
    if calls[0] == [1]:
        more = sweep(varying, seeds=3, lam=[0.5, 1.0], n=[1], store=tmp_path / "s")  # the others keep their place
        assert (more.a.sizes["seed"], set(more.data_vars)) == (3, {"a", "nonfinite"})
        assert_same(open_results(tmp_path / "s").sel(n=[1, 2, 3], seed=[0, 1]), whole)


def test_a_point_whose_new_output_cannot_be_nan_elsewhere_is_refused_and_harms_nothing(tmp_path):
    before = sweep(varying, seeds=1, lam=[1.0], n=[3], store=tmp_path / "s")
    with pytest.raises(StoreError, match="output 'count' is int32 and missing at 'n=3'"):
        sweep(varying, seeds=1, lam=[1.0], n=[4], store=tmp_path / "s")
    assert_same(open_results(tmp_path / "s"), before)


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
    run(trial, plan, store=tmp_path / "a.zarr", attributes={"spec": "abc"})
    assert open_results(tmp_path / "a.zarr").attrs == {"spec": "abc"}


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


def test_files_are_those_that_zarr_would_write(finished):
    for name in ("kept", "path", "status"):
        array = zarr.open_array(finished, path=name, mode="r+", config={"write_empty_chunks": True})
        for file in [p for p in (finished / name / "c").rglob("*") if p.is_file() and not p.suffix]:
            before = file.read_bytes()
            place = [int(part) for part in file.relative_to(finished / name / "c").parts]
            region = tuple(slice(i * n, (i + 1) * n) for i, n in zip(place, array.chunks, strict=True))
            array[region] = array[region]
            assert file.read_bytes() == before


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
