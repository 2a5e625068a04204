"""A damaged run decides nothing until it is repaired; one that was cut short is continued, or named with the reason."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import jaxml
from jaxml.config import load_study
from jaxml.errors import RunError, TrialError
from jaxml.runner import judge_again
from jaxml.runner.continuing import unfinished
from jaxml.runs.comparison import compare
from jaxml.runs.directory import RunDirectory
from jaxml.runs.hold import held
from jaxml.scaffold import scaffold

TRIAL = """    return {{"error": jnp.abs(estimate), "misses": (jnp.abs(estimate) > 0.2).astype(jnp.int32)}}
""".replace("{{", "{").replace("}}", "}")
ESTIMAND = 'experiment = Experiment(\n    metrics={"share": lambda held: held.misses.astype(float)},'


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    scaffold("demo", root)
    config, source = root / "configs/demo.yaml", root / "experiments/demo.py"
    text = config.read_text().replace("seeds: 64\nlooks: [16, 32, 64]", "seeds: 8\nlooks: [8]\nlanes: 8")
    config.write_text(text.replace("{linspace: [0.0, 0.4, 9]}", "[0.0, 0.1, 0.4]"))
    text = source.read_text().replace('    return {"error": jnp.abs(estimate)}\n', TRIAL)
    text = text.replace("experiment = Experiment(", ESTIMAND)
    source.write_text(
        text.replace("import jax\n", "import jax\n\ntry:\n    import helper\nexcept ImportError:\n    pass\n", 1)
    )
    (root / "helper.py").write_text("ONE = 1\n")
    return root


@pytest.fixture(scope="module")
def finished(root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAXML_CACHE", str(root / "cache"))
        yield jaxml.run(root / "configs/demo.yaml", runs=root / "runs")


@pytest.fixture
def copy(finished, tmp_path):
    """The run, alone in a folder of its own, with its ledger."""
    target = tmp_path / "runs" / finished.path.name
    shutil.copytree(finished.path, target)
    shutil.copy(finished.path.parent / "ledger.jsonl", target.parent)
    return RunDirectory(target)


def lose_a_chunk(run):
    (run.path / "results.zarr/misses/c/0/0/1").unlink()


def swap_two_chunks(run):
    files = [run.path / "results.zarr/error/c" / place for place in ("0/0/1", "0/0/2")]
    texts = [file.read_bytes() for file in files]
    for file, text in zip(files, reversed(texts), strict=True):
        file.write_bytes(text)


DAMAGE = {
    "results.zarr/misses/c/0/0/1 is missing": lose_a_chunk,
    "results.zarr/error/c/0/0/1 was changed, results.zarr/error/c/0/0/2 was changed": swap_two_chunks,
    "metrics.zarr/share/zarr.json is missing": lambda run: (run.path / "metrics.zarr/share/zarr.json").unlink(),
    "evidence.json was added": lambda run: run.write_json("evidence.json", {}),
    "manifest.sha256 was changed": lambda run: run.write("manifest.sha256", "nothing"),
    "manifest.sha256 is missing": lambda run: (run.path / "manifest.sha256").unlink(),
}


@pytest.mark.parametrize("said", DAMAGE)
def test_a_damaged_run_decides_nothing_and_the_same_command_repairs_it(root, finished, copy, said):
    DAMAGE[said](copy)
    for read in (copy.check, copy.verdicts, lambda: judge_again(copy), lambda: compare(finished.directory, copy)):
        with pytest.raises(RunError, match=said.replace(".", r"\.")) as caught:
            read()
        assert "No verdict is given" in str(caught.value)
    notes: list[str] = []
    again = jaxml.run(root / "configs/demo.yaml", runs=copy.path.parent, watch=jaxml.Watch(notes.append))
    if said == "manifest.sha256 is missing":
        assert f"continuing {copy.path}" in notes
    else:
        assert f"{copy.path} is not as it was written ({said}): what was lost is computed again" in notes
    assert again.path == copy.path
    assert again.verdicts.to_json() == finished.verdicts.to_json()
    for name in finished.results.data_vars:
        np.testing.assert_array_equal(again.results[name].values, finished.results[name].values)
    copy.check()
    assert not (copy.path / "evidence.json").exists()


def test_verdicts_written_by_hand_are_refused_and_decided_again(finished, copy):
    text = json.dumps(finished.verdicts.to_json()).replace('"supported"', '"refuted"')
    copy.write("verdicts.json", text)
    with pytest.raises(
        RunError, match=r"verdicts.json was changed. No verdict is given. To decide again .*jaxml report"
    ):
        copy.verdicts()
    assert judge_again(copy).to_json() == finished.verdicts.to_json()
    assert copy.verdicts().to_json() == finished.verdicts.to_json()


def test_a_run_cannot_be_declared_finished(copy):
    (copy.path / "manifest.sha256").unlink()
    copy.set_status("failed", "one static point")
    assert copy.status == "failed"
    copy.set_status("finished")
    assert copy.status == "unsealed"
    with pytest.raises(RunError, match="No verdict is given"):
        copy.verdicts()


def test_why_a_run_is_exploratory_is_frozen_with_its_spec(root, tmp_path):
    smoke = load_study(root / "configs/demo.yaml", smoke=True).spec
    assert smoke["exploratory"].startswith("--smoke only shows")
    assert "changed" in load_study(root / "configs/demo.yaml", ["n=51"]).spec["exploratory"]
    assert "exploratory" not in load_study(root / "configs/demo.yaml", ["lanes=16"]).spec


@pytest.fixture
def killed(copy):
    """The run as `kill -9` leaves it in its last moment."""
    (copy.path / "manifest.sha256").unlink()
    copy.set_status("running")
    return copy


def found(root, runs, *, notes=None):
    study = load_study(root / "configs/demo.yaml")
    return unfinished(runs, study.spec, study.code, (notes if notes is not None else []).append)


def test_what_is_running_is_held_and_what_is_gone_was_interrupted(root, killed):
    assert killed.status == "interrupted"
    alive = (
        "import os, pathlib, jaxml.runs.hold\n"
        f"with jaxml.runs.hold.held(pathlib.Path({str(killed.path)!r})):\n"
        "    print('held', flush=True)\n    input()\n    os._exit(0)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", alive], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    assert killed.status == "running"
    with pytest.raises(RunError, match="another process is computing this run"), held(killed.path):
        pass
    other.communicate("\n")
    assert killed.status == "interrupted"


def test_a_run_in_a_numbered_folder_and_one_without_its_spec_are_continued(root, killed):
    numbered = killed.path.with_name(killed.path.name + "-1")
    killed.path.rename(numbered)
    assert found(root, numbered.parent) == RunDirectory(numbered)
    (numbered / "spec.json").write_text("{")
    (numbered / "status.json").write_text("")
    assert found(root, numbered.parent) == RunDirectory(numbered)
    (numbered / "results.zarr/zarr.json").write_text("{")
    assert found(root, numbered.parent) is None


def test_an_edited_module_is_noticed(root, killed, monkeypatch):
    monkeypatch.syspath_prepend(root)
    notes: list[str] = []
    assert found(root, killed.path.parent, notes=notes) == killed
    monkeypatch.setattr("sys.path", [*sys.path])
    text = (root / "helper.py").read_text()
    (root / "helper.py").write_text("ONE = 2\n")
    assert found(root, killed.path.parent, notes=notes) is None
    (root / "helper.py").write_text(text)
    assert notes == [f"not continuing {killed.path}: module helper changed since"]
    source = root / "experiments/demo.py"
    before = source.read_text()
    source.write_text(before + "# a comment\n")
    assert found(root, killed.path.parent, notes=notes) is None
    source.write_text(before)
    assert notes[1:] == [f"not continuing {killed.path}: experiments/demo.py changed since"]
    assert killed.status == "interrupted"
    code = killed.read_json("code.json")
    killed.write_json("code.json", {**code, "engine": {"version": "0.0.9", "sha256": ""}})
    assert found(root, killed.path.parent, notes=notes) is None
    assert notes[2:] == [f"not continuing {killed.path}: it was begun by another version of jaxml"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("import jax\n", "import sys\nimport jax\nsys.exit(0)\n", r"importing .*demo.py called sys.exit\(0\)"),
        ("    noise_key", "    import sys\n    sys.exit(0)\n    noise_key", r"the trial of .* called sys.exit\(0\)"),
        (
            "lambda held: held",
            "lambda held: __import__('sys').exit() or held",
            r"^metric 'share' called sys.exit\(None\)",
        ),
    ],
)
def test_an_experiment_cannot_end_the_command(root, finished, tmp_path, old, new, said):
    shutil.copytree(root / "configs", tmp_path / "configs")
    shutil.copytree(root / "experiments", tmp_path / "experiments")
    source = tmp_path / "experiments/demo.py"
    source.write_text(source.read_text().replace(old, new, 1))
    with pytest.raises(TrialError, match=said):
        jaxml.run(tmp_path / "configs/demo.yaml", runs=tmp_path / "runs")
    for path in tmp_path.glob("runs/*-demo-*"):
        assert RunDirectory(path).status == "failed"
