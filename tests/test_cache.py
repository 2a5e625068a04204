"""Where things are kept between runs, and what happens where nothing can be."""

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
