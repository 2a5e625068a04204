"""An experiment without a trial: its claims are decided exactly, and no grid is computed."""

import json

import pytest

import jaxml
from jaxml.cli import main
from jaxml.config import load_study
from jaxml.errors import ConfigError, RunError
from jaxml.runner import judge_again
from jaxml.runner.judging import judge_run
from jaxml.runs.comparison import compare, export
from jaxml.runs.directory import RunDirectory

EXPERIMENT = """
from jaxml import Experiment

experiment = Experiment(numbers={"sevenths": lambda: 20 / 7, "halves": lambda: 20 / 8})
"""
CONFIG = """
experiment: figures
title: Worked figures
claims:
  sevenths:
    kind: number
    statement: Twenty sevenths are 2.86.
    number: sevenths
    told: "2.86"
    unlike: [halves]
"""


@pytest.fixture
def root(tmp_path):
    for folder in ("experiments", "configs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "experiments/figures.py").write_text(EXPERIMENT)
    (tmp_path / "configs/figures.yaml").write_text(CONFIG)
    return tmp_path


def test_it_runs_is_judged_again_and_shown_on_every_surface(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    run = jaxml.run("configs/figures.yaml")
    assert run.verdicts.words == {"sevenths": "supported"}
    assert run.verdicts.status == "confirmatory"
    assert judge_again(run.directory) == run.verdicts
    assert not (run.path / "results.zarr").exists()
    page = (run.path / "report.html").read_text()
    assert "No claim here needs a trial" in page
    assert "The grid" not in page
    for arguments in (["plan", "configs/figures.yaml"], ["validate", "configs/figures.yaml", "--trace"], ["list"]):
        monkeypatch.setattr("sys.argv", ["jaxml", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for words in ("sevenths, told as 2.86", "good. no trials, 1 claim", "sevenths supported"):
        assert words in shown
    assert not compare(run.directory, jaxml.run("configs/figures.yaml", fresh=True).directory)["results"]
    with pytest.raises(ConfigError, match="holds no trials"):
        export(run.directory, "csv")


def test_an_edited_spec_and_edited_evidence_are_noticed(root):
    run = jaxml.run(root / "configs/figures.yaml", runs=root / "runs")
    held = json.loads((run.path / "spec.json").read_text())
    held["spec"]["claims"]["sevenths"]["told"] = "2.87"
    (run.path / "spec.json").write_text(json.dumps(held))
    with pytest.raises(RunError, match=r"not as the run wrote it: .*spec.json"):
        judge_again(run.directory)
    (run.path / "manifest.sha256").unlink()
    run.directory.set_status("running")
    assert "edited after it was frozen" in judge_run(RunDirectory(run.path)).why


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("sweep: {x: [1, 2]}\n", "line 11: sweep.x: the experiment has no trial, so nothing takes 'x'"),
        ("fixed: {x: 1}\n", "fixed.x: the experiment has no trial"),
        (
            "  high:\n    statement: It is high.\n    quantifier: reference\n    metric: x\n"
            "    arms: {claimed: {}}\n    margin: {value: 1, reason: As far as it matters.}\n"
            "    controls: {negative: [{name: low, where: {}}], positive: [{name: far, where: {}}]}\n",
            "claims.high: a claim of kind contrast is decided from trials, and experiments/figures.py has none",
        ),
    ],
)
def test_what_needs_a_trial_is_refused(root, more, message):
    (root / "configs/figures.yaml").write_text(CONFIG + more)
    with pytest.raises(ConfigError, match=message):
        load_study(root / "configs/figures.yaml")
