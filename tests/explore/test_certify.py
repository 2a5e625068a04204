"""The certificate: a verdict on the margin is found fragile, and each check changes what it says."""

import dataclasses
import json
import subprocess

import numpy as np
import pytest

import jaxml
from jaxml.claims.certificate import MASTER_KEY, Certificate, Check, compared, marked, read_certificate
from jaxml.claims.finding import Verdicts
from jaxml.claims.given import Given, Grid
from jaxml.claims.kinds.suite import SuiteClaim, SuiteKind
from jaxml.claims.rule.intervals import union_interval
from jaxml.claims.rule.quantifier import decide_claim
from jaxml.claims.verdict import Decision, SuiteReport
from jaxml.errors import ConfigError
from jaxml.experiment import load_experiment
from jaxml.explore import certify
from jaxml.runner import judge_again
from jaxml.runner.judging import decided
from tests.commands import command
from tests.explore.planted import CONFIG, project


@pytest.fixture(scope="module")
def marginal(tmp_path_factory):
    """A run whose claim is supported with its seeds and not with those of the second key."""
    root = tmp_path_factory.mktemp("marginal")
    project(root)
    trial = load_experiment("planted", root).trial

    def low(key):
        value = jaxml.sweep(trial, seeds=8, master_key=key, arm=["a", "b"]).value
        return float(union_interval((value.sel(arm="a") - value.sel(arm="b")).values).low)

    lows = {key: low(key) for key in ("planted", "planted, again", "other", "other, again")}
    key = max(("planted", "other"), key=lambda name: lows[name] - lows[f"{name}, again"])
    assert lows[key] > lows[f"{key}, again"]
    margin = (lows[key] + lows[f"{key}, again"]) / 2
    config = CONFIG.replace("value: 0.5", f"value: {margin}") + f"master_key: {key}\n"
    config = config.replace(
        "negative: [{name: far out, where: {x: 2.0}}]", "negative: [{name: far out, where: {x: 2.0}}]"
    )
    config = config.replace(
        "{name: at the origin, where: {x: 0.0}}",
        "{name: at the origin, where: {x: 0.0}, margin: {value: 0.5, reason: Half of the height.}}",
    )
    return jaxml.run(project(root, config=config), runs=root / "runs")


def test_a_verdict_on_the_margin_is_fragile_and_stays_marked(marginal):
    config = marginal.path.parent.parent / "configs/planted.yaml"
    (card,) = marginal.verdicts.findings
    assert card.verdict.verdict == "supported"
    assert card.fragile is None
    done = certify.certify(config, (), marginal.directory, checks=("master key",))
    (check,) = done.checks
    assert check.name == "master key"
    assert check.flips == {"high": ["supported", "inconclusive"]}
    assert check.cells == 1
    (card,) = marginal.directory.verdicts().findings
    assert card.fragile == f"inconclusive under the master key '{check.setting}'"
    assert read_certificate(marginal.path) == done
    assert judge_again(marginal.directory).findings[0].fragile == card.fragile
    page = (marginal.path / "report.html").read_text()
    assert "FRAGILE" in page
    assert "Does it stand?" in page
    shown = command(marginal.path, "show", str(marginal.path)).stdout
    assert "FRAGILE: inconclusive under the master key" in shown.replace("\n", " ")


def test_each_check_changes_its_setting_alone(marginal, monkeypatch):
    asked = {}

    def fake(command, env, **_):
        overrides = [word for word in command[4:] if "=" in word]
        changed = {name: value for name, value in env.items() if before.get(name) != value}
        assert changed.pop(certify.REPLAY) == str(marginal.path)  # judged at the levels of the run
        asked[len(asked)] = overrides, changed
        return subprocess.CompletedProcess(command, 3, "", "a warning\nerror: no room left")

    import os

    before = dict(os.environ)
    monkeypatch.setattr(subprocess, "run", fake)
    monkeypatch.setattr(certify, "marked", lambda verdicts, _: verdicts)
    kept = (marginal.path / "certificate.json").read_text() if (marginal.path / "certificate.json").exists() else None
    done = certify.certify("planted.yaml", ["noise=0.2"], marginal.directory)
    if kept is not None:
        (marginal.path / "certificate.json").write_text(kept)
    assert {check.failed for check in done.checks if not check.skipped} == {"no room left"}
    (skipped,) = (check for check in done.checks if check.skipped)
    assert skipped.name == "matmul precision"
    chunks, double, path, key = asked.values()
    assert path[0] == ["noise=0.2"]
    assert "--xla_backend_optimization_level=0" in path[1]["XLA_FLAGS"].split()
    assert [len(overrides) for overrides, _ in asked.values()] == [2, 2, 1, 2]
    assert chunks[0][1].startswith("lanes=")
    assert "host_platform_device_count=2" in chunks[1]["XLA_FLAGS"]
    assert double[0][1] == "precision=float64"
    assert key[0][1].startswith("master_key='")


def test_the_first_look_alone_decides_as_a_run_that_plans_no_more_does(marginal, tmp_path):
    text = (marginal.path.parent.parent / "configs/planted.yaml").read_text()
    config = project(tmp_path, config=text.replace("seeds: 8\nlooks: [8]", "seeds: 16\nlooks: [8, 16]"))
    longer = jaxml.run(config, runs=tmp_path / "runs", maps=False)
    (alone,), (planned,) = decided(longer.directory, seeds=8).findings, marginal.verdicts.findings
    assert alone.cells == planned.cells
    assert alone.checks == planned.checks
    assert [change.seeds for change in certify.changes(longer.directory)] == [8, 8, 8, 8, None]
    assert {change.seeds for change in certify.changes(marginal.directory)} == {None}


def test_only_what_was_decided_can_be_certified(marginal, tmp_path):
    smoke = jaxml.run(marginal.path.parent.parent / "configs/planted.yaml", ["noise=0.2"], runs=tmp_path)
    with pytest.raises(ConfigError, match="nothing was decided"):
        certify.certify("planted.yaml", (), smoke.directory)


def test_a_certificate_goes_to_json_and_back_and_marks_nothing_when_all_stands(marginal):
    same = compared("float64", "precision=float64", marginal.verdicts, marginal.verdicts)
    assert same == Check(name="float64", setting="precision=float64", moved=0.0)
    assert same.outcome == "every verdict stands; effects move by less than 0.0001 standard errors"
    held = Certificate(
        checks=[Check(name="float64", setting="precision=float64", flips={"high": ["supported", "refuted"]})]
    )
    assert Certificate.from_json(json.loads(json.dumps(held.to_json()))) == held
    assert held.fragile == {}  # a flip by rounding is named, and is not the draw of seeds
    assert marked(marginal.verdicts, held).findings[0].fragile is None
    assert np.all([check.outcome == "high was supported, is refuted" for check in held.checks])


def exact(fails, mutants=("caught", "caught")):
    """The card of a suite of two properties and two mutants."""
    properties = {
        name: Decision(verdict="refuted" if name in fails else "supported", reason="") for name in ("adds up", "sorts")
    }
    verdict = decide_claim(list(properties.values()), quantifier="exact")
    killers = {f"mutant {i}": "sorts" if outcome == "caught" else None for i, outcome in enumerate(mutants)}
    report = SuiteReport(verdict=verdict, properties=properties, mutants=killers)
    claim = SuiteClaim(kind="suite", statement="Exactly so.", suite="exact")
    return SuiteKind().conclude("M1", claim, Given(Grid(()), evidence={"M1": report.to_json()}), [])


def test_exact_claims_are_compared_too_and_other_cases_make_one_fragile():
    run = Verdicts(status="confirmatory", why="", spec_sha256="", findings=[exact(fails=())])
    other = dataclasses.replace(run, findings=[exact(fails=("sorts",), mutants=("caught", "survived"))])
    check = compared(MASTER_KEY, "again", run, other)
    assert check.outcome == "M1 was supported, is refuted; 1 cell came out otherwise; 1 check came out otherwise"
    (card,) = marked(run, Certificate(checks=[check])).findings
    assert card.fragile == "refuted under the master key 'again'"
    part = compared("float64", "", other, dataclasses.replace(run, findings=[exact(fails=("sorts", "adds up"))]))
    assert (part.flips, part.cells + part.checks) == ({}, 2), "it stays refuted, by other properties"
