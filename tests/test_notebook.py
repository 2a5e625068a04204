"""From Python, without YAML and without a folder: claims, decisions, and what a notebook shows of them."""

import io
import re

import jax
import numpy as np
import pytest
import yaml

import jaxml
from jaxml.claims.kinds import KINDS
from jaxml.config.document import read_document
from jaxml.config.models import RunConfig
from jaxml.errors import ConfigError
from jaxml.gallery import gallery_names, gallery_root
from jaxml.sweep import bar
from jaxml.sweep.execute import Progress
from tests.report.runs import card, cell, make_run, results

Claim = jaxml.Claim
SAID = {
    "statement": "Arm a has the larger loss.",
    "quantifier": "reference",
    "metric": "loss",
    "arms": {"claimed": {"arm": "a"}, "against": {"arm": "b"}},
    "margin": {"value": 0.5, "reason": "half a unit of loss"},
    "controls": {
        "negative": [{"name": "noise", "metric": "noise"}],
        "positive": [{"name": "less is asked", "margin": {"value": 0.1, "reason": "a tenth of a unit"}}],
    },
}


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    arm = np.tile(["a", "b"], 32)
    loss = random.normal(size=64) + 2.0 * (arm == "a")
    return {"arm": arm, "seed": np.arange(64) // 2, "loss": loss, "noise": random.normal(size=64) / 10}


def test_a_claim_in_python_and_one_in_yaml_are_the_same_object_and_print_as_each_other():
    kinds = set()
    raws = [read_document(gallery_root() / f"configs/{name}.yaml").value for name in gallery_names()[::6]]
    page = (gallery_root() / "docs/writing-a-claim.md").read_text()
    for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL):  # a claim of every kind
        claims = yaml.safe_load(block.replace("[...]", "[{name: left out}]")).get("claims", {})
        raws.append({"experiment": "auc", "title": "", "claims": claims})
    for raw in raws:
        for written in RunConfig.model_validate({**raw, "name": "name"}).claims.values():
            kinds.add(written.kind)
            made = eval(repr(written), {"Claim": Claim})
            assert made == written
            assert type(made) is type(written) is KINDS[written.kind].Claim
            assert (repr(made), str(made)) == (repr(written), str(written))
            again = yaml.safe_load(str(written))
            again |= {"relation": again.pop("as")} if "as" in again else {}
            assert Claim(**again) == written
    assert kinds == set(KINDS)
    bound = {key: value for key, value in SAID.items() if key != "margin"}
    bound |= {"arms": {"claimed": {"arm": "a"}}, "at_least": {"value": 0.5, "reason": "half a unit of loss"}}
    bound["controls"] = {side: [{"name": "the other", "arms": {"claimed": {"arm": "b"}}}] for side in SAID["controls"]}
    assert "margin" not in str(Claim(**bound))
    assert eval(repr(Claim(**bound))) == Claim(**bound)
    factor = Claim(**SAID | {"scale": "log_ratio", "margin": {"factor": 1.2, "reason": "a fifth of the loss"}})
    assert "margin: {reason: a fifth of the loss, factor: 1.2}" in str(factor)
    assert eval(repr(factor)) == factor


def test_a_mistake_in_a_claim_is_named_without_a_file():
    with pytest.raises(ConfigError, match=r"^Claim\.metrik: unknown key\. Did you mean 'metric'"):
        Claim(**SAID, metrik="loss")
    with pytest.raises(ConfigError, match=r"^Claim\.margin\.value: .*greater than 0"):
        Claim(**SAID | {"margin": {"value": 0, "reason": "half a unit of loss"}})
    with pytest.raises(ConfigError, match="expected claims by their ids"):
        jaxml.decide({}, Claim(**SAID))


def test_claims_are_decided_on_any_labelled_results_and_shown_in_one_line(table):
    found = jaxml.decide(table, {"A1": Claim(**SAID)}, registered="in this test")
    assert repr(found) == "Verdicts(confirmatory: A1 supported)"
    assert repr(found.findings) == "[Finding(A1: supported, 1 cell, 2 checks)]"
    assert jaxml.judge(table, {"claims": {"A1": SAID}, "registered": "in this test"}) == found
    paired = table["loss"][::2] - table["loss"][1::2]
    (row,) = found.to_dataframe().to_dict("records")
    assert (row["claim"], row["verdict"], row["cell_verdict"], row["seeds"]) == ("A1", "supported", "supported", 32)
    assert row["effect"] == pytest.approx(paired.mean())
    page = found._repr_html_()
    assert "SUPPORTED" in page
    assert "Yes: loss is larger with arm a than with arm b" in page
    late = jaxml.decide(table, {"A1": SAID})
    assert repr(late) == "Verdicts(exploratory: A1 exploratory)"
    assert "cell_verdict" not in late.to_dataframe()
    assert "fixed before these results were seen" in late._repr_html_()


def test_what_a_card_says_cannot_leave_it(table):
    named = Claim(**SAID | {"statement": "<script>alert(1)</script> has the larger loss"})
    assert "<script" not in jaxml.decide(table, {"A1": named})._repr_html_()


def test_a_sweep_is_decided_where_it_was_made():
    def trial(key, *, shift: float):
        loss = shift + jax.random.normal(key)
        return {"loss": loss, "noise": loss - shift}

    swept = jaxml.sweep(trial, seeds=32, shift=[0.0, 2.0])
    arms = {"claimed": {"shift": 2.0}, "against": {"shift": 0.0}}
    found = jaxml.decide(swept, {"A1": Claim(**SAID | {"arms": arms})})
    assert found.findings[0].cells[0].theta == pytest.approx([2.0] * 32, rel=1e-5)


def test_a_run_shows_a_figure_and_its_page_in_a_notebook(tmp_path):
    altair = pytest.importorskip("altair")
    from jaxml.pipeline import Run
    from jaxml.report import write_report
    from jaxml.runs.directory import RunDirectory

    figure = {"title": "kept", "y": "kept", "x": "lam", "lines": None, "panels": None, "log_x": False, "log_y": False}
    path = make_run(
        tmp_path / "20260101-120000-toy-0123abcd",
        [card([cell("supported", lam=0.1)])],
        held=results(),
        figures=(figure,),
    )
    write_report(path)
    run = Run(RunDirectory(path), RunDirectory(path).verdicts())
    assert len(repr(run)) < 200
    assert isinstance(run.figure(0), altair.HConcatChart)
    with pytest.raises(ConfigError, match="index: must be from 0 to 0"):
        run.figure(1)
    assert run.report()._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html')
    assert "SUPPORTED" in run._repr_html_()


def test_a_bar_follows_a_sweep_in_place(monkeypatch):
    heard = io.StringIO()
    monkeypatch.setattr("sys.stderr", heard)
    with bar.bar(True) as report:
        for done in (0, 5, 10):
            report(Progress(programs=1, compiled=1, trials=10, done=done, seconds=0.5))
    first, last = heard.getvalue().strip().split("\r")
    assert (first[0], last[:24]) == ("-", "█" * 24)
    assert last.endswith(" 10/10 trials, 1/1 programs, 0.5 s")
    with bar.bar(None) as report:
        assert report is None
    with bar.bar(print) as report:
        assert report is print
