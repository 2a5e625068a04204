"""Exact claims in a config: the same card, the same file, the same exit codes as any other claim."""

import json
from types import SimpleNamespace

import pytest

import jaxml
from jaxml.claims.finding import Verdicts
from jaxml.config import json_schema, load_study
from jaxml.errors import ConfigError, RunError, TrialError
from jaxml.report import write_report
from jaxml.runner import judge_again
from jaxml.runner.evidence import collect
from jaxml.runs.comparison import changed_verdicts
from jaxml.runs.directory import RunDirectory
from tests.explore.planted import CONFIG, project

SUITES = """  rounding:
    kind: suite
    statement: Rounding takes halves to the even neighbour.
    suite: whole
    source: IEEE 754
  upward:
    kind: suite
    statement: Rounding takes halves upward, which is as near.
    suite: up
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("suites")
    return jaxml.run(project(root, SUITES), runs=root / "runs")


def test_exact_claims_are_decided_beside_the_others(finished):
    assert finished.verdicts.words == {"high": "supported", "rounding": "supported", "upward": "refuted"}
    _, right, wrong = finished.verdicts.findings
    assert [check.name for check in right.checks] == ["floor", "half up", "one more"]
    assert all(check.passed for check in right.checks)
    assert wrong.detail["counterexample"] in (0.5, -1.5)  # the smallest half that goes to the odd side
    assert wrong.detail["violated"] == "halves go to the even side"
    assert right.verdict.quantifier == "exact"


def test_they_are_frozen_written_and_read_back(finished):
    spec = finished.directory.read_json("spec.json")["spec"]
    assert spec["claims"]["rounding"]["cases"] == 1000
    held = json.loads((finished.path / "verdicts.json").read_text())
    assert Verdicts.from_json(held) == finished.verdicts
    assert judge_again(finished.directory).findings == finished.verdicts.findings
    before = {**held, "findings": held["findings"][:2]}
    assert changed_verdicts(Verdicts.from_json(before), finished.verdicts) == {"upward": (None, "refuted")}


def test_another_master_key_draws_other_cases(tmp_path, finished, monkeypatch):
    from jaxml.claims import exact

    drawn = []
    report = SimpleNamespace(to_json=dict)
    monkeypatch.setattr(exact, "run_suite", lambda suite, *, cases, seed: drawn.append(seed) or report)
    for key in ("planted", "planted", "planted, again"):
        study = load_study(project(tmp_path, SUITES + f"master_key: {key}\n"))
        collect(study, RunDirectory(tmp_path))
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
    assert ", 3 claims." in " ".join(capsys.readouterr().out.split())
    plan = describe(path)
    assert plan["claims"][2] == {"id": "upward", "kind": "suite", "suite": "up", "cases": 1000}
    print_plan(plan)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "upward suite suite up, 1,000 random cases" in lines
    with pytest.raises(ConfigError, match="the experiment has no 'upp'"):
        describe(project(tmp_path, SUITES.replace("suite: up", "suite: upp")))


def test_a_run_that_was_interrupted_names_its_exact_claims_as_not_decided(tmp_path, monkeypatch):
    from jaxml.runner import session

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "collect", stop)
    with pytest.raises(KeyboardInterrupt):
        jaxml.run(project(tmp_path, SUITES), runs=tmp_path / "runs")
    (run,) = [path for path in (tmp_path / "runs").iterdir() if path.is_dir()]
    page = write_report(run).read_text()
    assert page.count("the run ended before this claim could be judged") == 3
    assert "Rounding takes halves upward" in page


def test_the_page_shows_the_counter_example_and_the_mutants(finished):
    page = (finished.path / "report.html").read_text()
    for words in (
        "Mutants",
        "halves go to the even side",
        "half up",
        "all 2 properties hold in 1,000 cases",
        "caught. by",
        "violated",
        "IEEE 754",
    ):
        assert words in page


def test_a_smoke_run_draws_fewer_cases(tmp_path):
    study = load_study(project(tmp_path, SUITES), smoke=True)
    assert {claim.cases for claim in study.config.claims.values() if claim.kind == "suite"} == {100}
    assert (study.changes_spec, study.cut) == (True, "seeds 8 -> 2, cases of a suite 1000 -> 100")


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
        ("suite: up", "suite: upp", r"line \d+: claims.upward.suite: the experiment has no 'upp'. Did you mean 'up'"),
        (
            "kind: suite",
            "kind: suit",
            r"claims.rounding: there is no kind of claim called 'suit'. Did you mean 'suite'",
        ),
        ("suite: up", "suit: up", r"claims.upward.*: unknown key. Did you mean 'suite'"),
        ("suite: up", "suite: up\n    cases: 10", "cases: a suite needs at least 1000 cases, got 10"),
    ],
)
def test_a_suite_that_cannot_be_run_is_refused(tmp_path, old, new, message):
    with pytest.raises(ConfigError, match=message):
        jaxml.run(project(tmp_path, SUITES.replace(old, new)), runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_what_is_no_suite_and_a_damaged_file_are_named(tmp_path, finished):
    study = load_study(project(tmp_path, SUITES.replace("suite: up", "suite: none")))
    with pytest.raises(TrialError, match=r"suite 'none' must be a function that returns a jaxml.Suite, got 3"):
        collect(study, finished.directory)
    kept = (finished.path / "evidence.json").read_text()
    (finished.path / "evidence.json").write_text('{"rounding": ')
    with pytest.raises(RunError, match=r"evidence.json"):
        judge_again(finished.directory)
    (finished.path / "evidence.json").write_text(kept)


def test_a_section_of_suites_is_a_thing_of_the_past_and_kinds_are_in_the_schema(tmp_path):
    with pytest.raises(ConfigError, match=r"suites: a suite is a claim like any other now. .* 'kind: suite'"):
        load_study(project(tmp_path, "suites: {a: {suite: up, statement: It rounds upward.}}\n"))
    claims = json_schema()["properties"]["claims"]["additionalProperties"]["oneOf"]
    assert {"$ref": "#/$defs/SuiteClaim"} in claims
