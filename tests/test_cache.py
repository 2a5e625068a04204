"""Where things are kept between runs, and what happens where nothing can be."""

import os

import pytest

from jaxml import cache
from jaxml.cache import cache_folder
from jaxml.data import load_problem, real


def test_the_cache_is_private_and_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXML_CACHE", str(tmp_path / "here"))
    folder = cache_folder("things")
    assert folder == tmp_path / "here" / "things"
    assert folder.stat().st_mode & 0o077 == 0


def test_a_cache_that_cannot_be_written_gives_way_to_one_for_this_process(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JAXML_CACHE", str(tmp_path / "file"))
    assert cache_folder("things").is_dir()
    assert cache_folder("things") == cache_folder("things")


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_cache_that_others_can_write_to_is_not_used(tmp_path, monkeypatch, mode):
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs").chmod(mode)
    (tmp_path / "programs/forged").write_text("")
    monkeypatch.setenv("JAXML_CACHE", str(tmp_path))
    with pytest.warns(UserWarning, match=rf"others can write to it \(mode {mode:o}\)"):
        folder = cache_folder("programs")
    assert tmp_path not in folder.parents
    assert folder.stat().st_mode & 0o022 == 0


def test_a_cache_of_another_user_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXML_CACHE", str(tmp_path))
    monkeypatch.setattr(cache.os, "geteuid", lambda: os.getuid() + 1)
    with pytest.warns(UserWarning, match="it belongs to another user"):
        assert tmp_path not in cache_folder("programs").parents


@pytest.mark.parametrize(("mode", "private"), [(0o777, False), (0o1777, True), (0o755, True)])
def test_a_folder_that_everybody_can_replace_is_not_private(tmp_path, mode, private):
    folder = tmp_path / "shared/mine"
    folder.mkdir(parents=True, mode=0o700)
    folder.chmod(0o700)
    folder.parent.chmod(mode)
    assert (cache.not_private(folder) == "") is private


def test_a_kept_problem_is_the_problem_and_a_damaged_one_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXML_CACHE", str(tmp_path))
    first = load_problem("wine")
    (kept,) = (tmp_path / "problems").iterdir()
    monkeypatch.setattr(real, "_bundled", None)
    again = load_problem("wine")
    assert (again.X == first.X).all()
    assert (again.y == first.y).all()
    assert again.y.dtype == first.y.dtype
    assert again[2:] == first[2:]
    monkeypatch.undo()
    monkeypatch.setenv("JAXML_CACHE", str(tmp_path))
    kept.write_bytes(kept.read_bytes()[:-100])
    assert (load_problem("wine").X == first.X).all()


def test_a_cache_is_kept_small_and_loses_what_was_used_longest_ago(tmp_path):
    for age in range(4):
        (tmp_path / f"{age}").write_bytes(bytes(10))
        os.utime(tmp_path / f"{age}", (1e9 - age, 1e9 - age))
    cache.prune(tmp_path, 25)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0", "1"]
