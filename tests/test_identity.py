"""What identifies a run's code and files: every local module counts, and nothing else; every file, and where it is."""

import os
import subprocess

import pytest

from jaxml.config.identity import code_identity, local_modules
from jaxml.experiment import load_experiment
from jaxml.runs import manifest
from jaxml.runs.environment import describe_environment

EXPERIMENT = """
import json, numpy, jax.numpy
import jaxml.ops
import direct
from package.inner import function
from . import sibling

def trial(key):
    import lazily
    return importlib.import_module("named")
"""
MODULES = {
    "direct.py": "import through",
    "through.py": "from direct import back",  # a cycle
    "package/__init__.py": "",
    "package/inner.py": "from .deep import thing",
    "package/deep/__init__.py": "from .. import other",
    "package/other.py": "",
    "package/unused.py": "",
    "experiments/sibling.py": "",
    "lazily.py": "this is no Python (",
    "named.py": "",
    "unused.py": "",
    "json.py": "",  # Python's own goes first
    "venv/lib/site-packages/installed.py": "",
}


@pytest.fixture
def root(tmp_path):
    for name, text in {**MODULES, "experiments/mine.py": EXPERIMENT}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_every_local_module_counts_and_no_other(root):
    found = local_modules(root / "experiments/mine.py", root)
    inner = ["package", "package.deep", "package.inner", "package.other"]
    assert sorted(found) == ["direct", "experiments.sibling", "lazily", "named", *inner, "through"]
    assert found["package.deep"] == root / "package/deep/__init__.py"


@pytest.mark.parametrize("name", ["through.py", "package/other.py", "lazily.py", "experiments/mine.py"])
def test_an_edit_anywhere_changes_the_identity(root, name):
    before = code_identity(root / "experiments/mine.py", root)
    assert before == code_identity(root / "experiments/mine.py", root)
    (root / name).write_text(MODULES.get(name, EXPERIMENT) + "\n# edited\n")
    assert code_identity(root / "experiments/mine.py", root) != before
    assert before["engine"]["version"]
    assert len(before["engine"]["sha256"]) == 64


def test_a_manifest_sees_every_change_and_where_things_are(tmp_path):
    files = {"spec.json": "{}", "results/a/0": "one", "results/a/1": "two", "log.txt": "not sealed"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    parts = ("spec.json", "results", "absent.json")
    held = manifest.digests(tmp_path, parts)
    manifest.write_manifest(tmp_path, held)
    assert list(held) == ["spec.json", "results/a/0", "results/a/1"]
    assert manifest.read_manifest(tmp_path) == held
    assert manifest.changes(tmp_path, parts) == {}
    checked = subprocess.run(["sha256sum", "--check", "--quiet", manifest.FILE], cwd=tmp_path, capture_output=True)
    assert checked.returncode == 0
    (tmp_path / "results/a/0").write_text("two")  # each file is sound, and stands in the other's place
    (tmp_path / "results/a/1").write_text("one")
    (tmp_path / "absent.json").write_text("{}")
    (tmp_path / "log.txt").write_text("it goes on")
    changed = {"results/a/0": "was changed", "results/a/1": "was changed"}
    assert manifest.changes(tmp_path, parts) == {**changed, "absent.json": "was added"}
    assert manifest.changes(tmp_path, ["results"]) == changed
    (tmp_path / "spec.json").unlink()
    assert manifest.changes(tmp_path, ["spec.json"]) == {"spec.json": "is missing"}
    (tmp_path / "results/a/0").unlink()
    (tmp_path / "results/a/0").symlink_to("0")  # to itself
    (tmp_path / "results/a/1").unlink()
    os.mkfifo(tmp_path / "results/a/1")  # to read it would never end
    (tmp_path / "results/b").symlink_to(".")
    assert manifest.changes(tmp_path, ["results"]) == {**changed, "results/b": "was added"}
    (tmp_path / manifest.FILE).write_text((tmp_path / manifest.FILE).read_text()[:-3])
    assert manifest.changes(tmp_path, parts) == {manifest.FILE: "was changed"}
    (tmp_path / manifest.FILE).unlink()
    assert manifest.changes(tmp_path, parts) == {manifest.FILE: "is missing"}
    os.mkfifo(tmp_path / manifest.FILE)
    assert manifest.changes(tmp_path, parts) == {manifest.FILE: "was changed"}


def test_code_that_no_commit_holds_is_dirty(root):
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b"]
    (root / ".gitignore").write_text("named.py\nruns/\n")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    (root / "runs").mkdir()
    (root / "unused.py").write_text("# an edit of what no run uses")
    (root / "notes.txt").write_text("neither code nor used")
    clean = describe_environment(root, [root / "direct.py"])["git"]
    assert (clean["dirty"], clean["untracked"]) == (False, {})
    ignored = describe_environment(root, [root / "named.py"])["git"]
    assert ignored["dirty"]
    assert list(ignored["untracked"]) == ["named.py"]
    (root / "experiments/new.py").write_text("")
    untracked = describe_environment(root)["git"]
    assert untracked["dirty"]
    assert list(untracked["untracked"]) == ["experiments/new.py"]
    (root / "direct.py").write_text("# an edit")
    assert "an edit" in describe_environment(root, [root / "direct.py"])["git"]["diff"]


def test_an_experiment_imports_what_stands_beside_it_as_its_file_is_now(tmp_path):
    own = (
        "from jaxml.experiment import Experiment\nfrom experiments.shared.parts import trial\nfrom scale import TIMES\n"
    )
    for name, times in (("first", 2), ("second", 3)):
        folder = tmp_path / name / "experiments"
        (folder / "shared").mkdir(parents=True)
        (folder / "mine.py").write_text(own + "trial.times = TIMES\nexperiment = Experiment(trial=trial)\n")
        (folder / "shared/parts.py").write_text(f"def trial(key, *, x: float):\n    return {{'y': {times} * x}}\n")
        (folder / "scale.py").write_text(f"TIMES = {times}\n")
    for name, times in (("first", 2), ("second", 3), ("first", 2)):
        loaded = load_experiment("mine", tmp_path / name).trial
        assert (loaded(None, x=1), loaded.times) == ({"y": times}, times)
        assert {"experiments.shared.parts", "scale"} <= set(
            local_modules(tmp_path / name / "experiments/mine.py", tmp_path / name)
        )
    (tmp_path / "first/experiments/scale.py").write_text("TIMES = 55\n")
    assert load_experiment("mine", tmp_path / "first").trial.times == 55
