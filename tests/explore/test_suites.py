"""Exact claims in a config: the same card, the same file, the same exit codes as any other claim."""

import json

import pytest

import jaxml
from jaxml.claims.card import Verdicts
from jaxml.config import json_schema, load_config
from jaxml.errors import ConfigError, RunError, TrialError
from jaxml.experiment import load_experiment
from jaxml.report import write_report
from jaxml.runner import judge_again
from jaxml.runner.suites import read_suites, run_suites
from jaxml.runs.comparison import changed_verdicts
from jaxml.runs.directory import RunDirectory
from tests.explore.planted import CONFIG, project

SUITES = """suites:
  rounding:
    statement: Rounding takes halves to the even neighbour.
    suite: whole
    source: IEEE 754
  upward:
    statement: Rounding takes halves upward, which is as near.
    suite: up
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("suites")
    return jaxml.run(project(root, SUITES), runs=root / "runs")


def test_exact_claims_are_decided_beside_the_others(finished):
    assert finished.verdicts.words == {"high": "supported", "rounding": "supported", "upward": "refuted"}
    right, wrong = finished.verdicts.suites
    assert right.report.mutants.keys() == {"floor", "half up", "one more"}
    assert all(right.report.mutants.values())
    assert wrong.report.counterexample in (0.5, -1.5)  # the smallest half that goes to the odd side
    assert wrong.report.violated == "halves go to the even side"
    assert right.verdict.quantifier == "exact"


def test_they_are_frozen_written_and_read_back(finished):
    spec = finished.directory.read_json("spec.json")["spec"]
    assert spec["suites"]["rounding"]["cases"] == 1000
    held = json.loads((finished.path / "verdicts.json").read_text())
    assert Verdicts.from_json(held) == finished.verdicts
    assert judge_again(finished.directory).suites == finished.verdicts.suites
    before = {**held, "suites": held["suites"][:1]}
    assert changed_verdicts(Verdicts.from_json(before), finished.verdicts) == {"upward": (None, "refuted")}
    assert Verdicts.from_json({k: v for k, v in held.items() if k != "suites"}).suites == []  # an older file


def test_another_master_key_draws_other_cases(tmp_path, finished, monkeypatch):
    from jaxml.claims import exact

    drawn = []
    monkeypatch.setattr(
        exact, "run_suite", lambda suite, *, cases, seed: drawn.append(seed) or finished.verdicts.suites[0].report
    )
    monkeypatch.setattr("jaxml.runner.suites.SuiteCard.to_json", lambda card: {})
    for key in ("planted", "planted", "planted, again"):
        loaded = load_config(project(tmp_path, SUITES + f"master_key: {key}\n"))
        run_suites(loaded, load_experiment("planted", tmp_path), RunDirectory(tmp_path))
    assert drawn[:2] == drawn[2:4]
    assert len(set(drawn)) == 2


def test_list_validate_and_plan_count_exact_claims(tmp_path, monkeypatch, capsys):
    from jaxml.cli.app import validate
    from jaxml.cli.listing import list_configs
    from jaxml.cli.tables import print_plan
    from jaxml.runner.planning import describe

    path = project(tmp_path, SUITES)
    assert list_configs(tmp_path) == [{"path": "configs/planted.yaml", "title": "Planted", "claims": 3}]
    validate(path)
    assert "1 claim, 2 exact claims." in " ".join(capsys.readouterr().out.split())
    plan = describe(path)
    assert plan["suites"][1] == {"id": "upward", "suite": "up", "cases": 1000}
    print_plan(plan)
    assert ["upward", "up", "1,000"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    with pytest.raises(ConfigError, match="the experiment has no 'upp'"):
        describe(project(tmp_path, SUITES.replace("suite: up", "suite: upp")))


def test_a_run_that_was_interrupted_names_its_exact_claims_as_not_decided(tmp_path, monkeypatch):
    from jaxml.runner import suites

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(suites, "run_suites", stop)
    with pytest.raises(KeyboardInterrupt):
        jaxml.run(project(tmp_path, SUITES), runs=tmp_path / "runs")
    (run,) = (tmp_path / "runs").iterdir()
    page = write_report(run).read_text()
    assert page.count("the run ended before this claim could be judged") == 3
    assert "Rounding takes halves upward" in page


def test_the_page_shows_the_counter_example_and_the_mutants(finished):
    page = (finished.path / "report.html").read_text()
    for words in (
        "Exact claims",
        "halves go to the even side",
        "mutant “half up”",
        "all 2 properties hold in 1,000 cases",
        "✓ caught",
        "✗ violated",
        "IEEE 754",
    ):
        assert words in page


def test_a_smoke_run_draws_fewer_cases(tmp_path):
    loaded = load_config(project(tmp_path, SUITES), smoke=True)
    assert {suite.cases for suite in loaded.config.suites.values()} == {100}
    assert (loaded.changes_spec, loaded.cut) == (True, "seeds 8 -> 2, cases of a suite 1000 -> 100")


@pytest.mark.parametrize("overrides", [(), ("lanes=4",)])
def test_no_smoke_run_decides_anything_however_small_its_config_is(tmp_path, overrides):
    config = CONFIG.replace("seeds: 8\nlooks: [8]", "seeds: 2\nlooks: [2]")
    for more in ("", SUITES):
        path = project(tmp_path, more, config)
        smoke = jaxml.run(path, overrides, smoke=True, runs=tmp_path / "runs")
        assert smoke.verdicts.status == "exploratory"
        assert set(smoke.verdicts.words.values()) == {"exploratory"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("suite: up", "suite: upp", r"line \d+: suites.upward.suite: the experiment has no 'upp'. Did you mean 'up'"),
        ("  upward:", "  high:", "suites.high: 'high' is the id of a claim already"),
        ("suite: up", "suite: up\n    cases: 10", "cases: input should be greater than or equal to 1000"),
    ],
)
def test_a_suite_that_cannot_be_run_is_refused(tmp_path, old, new, message):
    with pytest.raises(ConfigError, match=message):
        jaxml.run(project(tmp_path, SUITES.replace(old, new)), runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_what_is_no_suite_and_a_damaged_file_are_named(tmp_path, finished):
    loaded = load_config(project(tmp_path, SUITES.replace("suite: up", "suite: none")))
    experiment = load_experiment("planted", tmp_path)
    with pytest.raises(TrialError, match=r"suite 'none' must be a function that returns a jaxml.Suite, got 3"):
        run_suites(loaded, experiment, finished.directory)
    kept = (finished.path / "suites.json").read_text()
    (finished.path / "suites.json").write_text('{"suites": [{}]}')
    with pytest.raises(RunError, match=r"suites.json: cannot be read"):
        read_suites(finished.directory)
    (finished.path / "suites.json").write_text(kept)


def test_suites_cannot_be_changed_from_the_command_line_and_are_in_the_schema(tmp_path):
    with pytest.raises(ConfigError, match="'suites' is part of how a claim is decided"):
        load_config(project(tmp_path, SUITES), ["suites=1"])
    assert json_schema()["properties"]["suites"]["additionalProperties"] == {"$ref": "#/$defs/SuiteSpec"}
    assert load_config(project(tmp_path, config=CONFIG)).config.suites == {}
