"""Stores that were damaged, lost files or cannot be written: what is bad is computed again and named."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from jaxml import sweep
from jaxml.errors import StoreError
from jaxml.sweep.store import open_results
from tests.sweep.stored import GRID, assert_same, trial


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


@pytest.mark.parametrize("name", ["kept", "status"])
def test_chunks_that_changed_places_are_computed_again(store, reference, name):
    """Each is whole, and its checksum right."""
    one, other = store / name / "c/0/0/0", store / name / "c/0/1/1"
    if name == "status":
        other.write_bytes(one.read_bytes()[::-1])  # all of them are equal here
    else:
        first = one.read_bytes()
        assert other.read_bytes() != first
        one.write_bytes(other.read_bytes())
        other.write_bytes(first)
    results = sweep(trial, store=store, **GRID)
    assert any("0/1/1" in line for line in results.attrs["repaired"])
    assert_same(results, reference)
    assert_same(open_results(store), reference)


def test_every_chunk_has_a_list_of_its_files(store, reference):
    lists = sorted((store / "status/c").rglob("*.sha256"))
    assert len(lists) == len([p for p in (store / "status/c").rglob("*") if p.is_file()]) / 2
    for file in lists:
        lines = [line.split("  ") for line in file.read_text().splitlines()]
        assert {name.partition("/")[0] for _, name in lines} == {"kept", "path", "nonfinite_step", "status"}
        for digest, name in lines:
            assert hashlib.sha256((store / name).read_bytes()).hexdigest() == digest
    lists[0].unlink()  # killed between the chunk and its list
    lists[1].write_text("damaged")
    results = sweep(trial, store=store, **GRID)
    assert len(results.attrs["repaired"]) == 1
    assert results.attrs["compiles"] == 1
    assert_same(results, reference)


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
