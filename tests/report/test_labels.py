"""Names of coded values: said once by the experiment, shown wherever a reader meets the value."""

import json

import numpy as np
import pytest
import xarray

from jaxml.claims.labels import labels_to_json, named_verdicts, read_labels
from jaxml.claims.mapped import read_maps
from jaxml.cli.tables import print_verdicts
from jaxml.errors import RunError, TrialError
from jaxml.experiment import load_experiment
from jaxml.report.charts import save_figure
from jaxml.runs.directory import RunDirectory
from tests.report.runs import card, cell, make_run
from tests.report.test_page import page_of

LABELS = {"block": {0: "plain", 1: "residual"}}
FIGURE = {"title": "Error", "y": "error", "x": "lam", "lines": "block", "panels": None, "log_x": False, "log_y": False}


def make(path, labels=LABELS):
    """A run with a coded axis `block` in claim, figure, grid and dependent splits; old runs have no labels.json."""
    error = np.random.default_rng(0).normal(size=(2, 2, 4)) + np.arange(2)[:, None, None]
    coordinates = {"block": [0, 1], "lam": [0.1, 0.2], "seed": np.arange(4)}
    held = xarray.Dataset({"error": (("block", "lam", "seed"), error)}, coordinates)
    arms = {"claimed": {"block": 1}, "against": {"block": 0}}
    claim = card([cell("supported", {"claimed": {"block": 1}}, lam=0.1)], arms=arms, metric="error")
    axes = {"block": [{"block": 0}, {"block": 1}], "lam": [{"lam": 0.1}, {"lam": 0.2}]}
    splits = [{"where": {"block": 1}, "of": "law", "rows": 3, "drawn": 3, "test": 1}]
    run = make_run(path, [claim], held=held, figures=(FIGURE,), axes=axes, population=splits)
    if labels is not None:
        (run / "labels.json").write_text(json.dumps(labels_to_json(labels)))
        RunDirectory(run).seal()
    return run


def test_a_page_shows_names(tmp_path):
    page = page_of(make(tmp_path / "named"))
    assert "error is larger with block residual than with block plain" in page.text
    assert "tuned to block residual" in page.text
    assert "plain (0), residual (1)" in page.text
    assert {"plain", "residual"} <= {
        row["line"] for spec in json.loads(page.scripts[0]) for row in spec["data"]["values"]
    }
    assert "block 1" not in page.text


def test_an_old_run_shows_values(tmp_path):
    assert "error is larger with block 1 than with block 0" in page_of(make(tmp_path / "old", None)).text


def test_named_seeds_keep_the_interval_of_population(tmp_path):
    """Widths are those of the run without names."""
    rows = [page_of(make(tmp_path / name, labels)).scripts[0] for name, labels in (("a", LABELS), ("b", None))]
    widths = [[(row["low"], row["high"]) for row in json.loads(text)[0]["data"]["values"]] for text in rows]
    assert widths[0] == widths[1]


def test_a_terminal_and_a_picture_show_names(tmp_path, capsys):
    run = make(tmp_path / "named")
    at_block = card([cell("supported", block=1), cell("refuted", block=0)], metric="error")
    make_run(run, [at_block])
    print_verdicts(named_verdicts(RunDirectory(run).verdicts(), read_labels(run)))
    assert "block residual" in capsys.readouterr().out
    make(run)
    assert ">residual</text>" in save_figure(run, 0, tmp_path / "figure.svg").read_text()
    assert read_maps(run) == []


def test_labels_that_cannot_be_read_name_their_file(tmp_path):
    (tmp_path / "labels.json").write_text("[]")
    with pytest.raises(RunError, match=r"labels\.json: cannot be read"):
        read_labels(tmp_path)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("{'blok': {0: 'a'}}", "the trial has no 'blok'. Did you mean 'block'"),
        ("{'block': {0: 'a', 1: 'a'}}", "one name"),
    ],
)
def test_labels_must_fit_the_trial(tmp_path, labels, message):
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/toy.py").write_text(
        "from jaxml import Experiment\n"
        "def trial(key, *, block: float = 0.0):\n    return {'y': block}\n"
        f"experiment = Experiment(trial=trial, labels={labels})\n"
    )
    with pytest.raises(TrialError, match=message):
        load_experiment("toy", tmp_path)
