"""Every kind of claim on every surface: nothing that shows, plans or exports claims may forget one."""

import json

import numpy as np
import pytest

import jaxml
from jaxml.claims.finding import Verdicts
from jaxml.claims.kinds import KINDS, tell
from jaxml.claims.kinds.number import rounds_to
from jaxml.config import json_schema
from jaxml.report import write_report
from jaxml.runner import judge_again
from tests.explore.planted import CONFIG, EXPERIMENT, project

MORE = """
import dataclasses

tall, wide = jax.ShapeDtypeStruct((8, 4), "float32"), jax.ShapeDtypeStruct((8, 64), "float32")
experiment = dataclasses.replace(
    experiment,
    metrics={**experiment.metrics, "expected": lambda results: 25 + 0 * results.value.isel(step=0, drop=True)},
    numbers={"seventh": lambda: {"share": 20 / 7, "rest": 1 / 7}, "rounded": lambda: {"share": 3.0, "rest": 0.0}},
    programs={
        "tall": lambda: (lambda w: jax.lax.scan(lambda c, r: (c + r, r), jnp.zeros(4), w), tall),
        "wide": lambda: (lambda w: w.sum(), wide),
    },
    timings={"short": lambda size=1: (jnp.sum, jnp.ones(size)), "long": lambda size=1: (jnp.sum, jnp.ones(size))},
)
"""
BASE = CONFIG.replace("  y: [0.0]\n", "  y: [0.0]\n  step: [0, 50, 100]\n").replace("{x: 0.0}", "{x: 0.0, step: 0}")
CLAIMS = {
    "contrast": "",
    "equality": """  level:
    kind: equality
    statement: Arm b lies at 0, as far as it matters.
    quantifier: reference
    reference: {x: 0.0, step: 0}
    metric: value
    arms: {claimed: {arm: b}}
    equals: 0.0
    margin: {value: 0.5, reason: Half of the height at the origin.}
    controls:
      negative: [{name: the other arm, arms: {claimed: {arm: a}}}]
      positive: [{name: far out, where: {x: 2.0}}]
""",
    "several": """  beats:
    kind: several
    statement: The height of arm a is more than half of what the farther step brings it to.
    quantifier: reference
    reference: {x: 0.0}
    metric: value
    arms: {claimed: {arm: a, step: 0}, against: {arm: b, step: 0}}
    whole: {arm: a, step: 50}
    share: 0.5
    margin: {value: 1.0, reason: The whole effect is one and a half.}
    controls:
      negative: [{name: nothing, arms: {claimed: {arm: b, step: 50}, against: {arm: b, step: 0}}}]
      positive: [{name: all of it, arms: {claimed: {arm: a, step: 100}, against: {arm: b, step: 0}}}]
""",
    "trend": """  rises:
    kind: trend
    statement: The value rises with the step, by a hundredth each.
    quantifier: reference
    reference: {x: 0.0}
    metric: value
    along: step
    arms: {claimed: {arm: a}}
    margin: {value: 0.005, reason: Half a hundredth for each step.}
    controls:
      negative: [{name: five times as steep, margin: {value: 0.05, reason: Five times as steep as it is.}}]
      positive: [{name: far out, where: {x: 2.0}}]
""",
    "boundary": """  crosses:
    kind: boundary
    statement: The height of arm a passes 1.25 a quarter of the way.
    quantifier: reference
    reference: {x: 0.0}
    metric: value
    along: step
    meets: 1.25
    theory: expected
    arms: {claimed: {arm: a}}
    margin: {value: 20.0, reason: Less than half of the steps between two values.}
    controls:
      negative: [{name: the other arm, arms: {claimed: {arm: b}}}]
      positive: [{name: once more, where: {x: 0.0}}]
""",
    "suite": """  rounding:
    kind: suite
    statement: Rounding takes halves to the even neighbour.
    suite: whole
""",
    "number": """  seventh:
    kind: number
    statement: Twenty sevenths are 2.86, and 14.3 % are left.
    number: seventh
    told: {share: "2.86", rest: "14.3 %"}
    unlike: [rounded]
""",
    "program": """  small:
    kind: program
    statement: The tall one holds a sixteenth of the parameters of the wide one.
    program: tall
    count: parameters
    against: wide
    exactly: 0.0625
    unlike: [wide]
""",
    "timing": """  quick:
    kind: timing
    statement: The short one is twice as fast as the long one, whatever the size.
    faster: short
    than: long
    over: {size: [1, 10]}
    margin: {factor: 2.0, reason: A factor of two is what matters here.}
""",
    "fact": """  history:
    kind: fact
    of: H1
    does_not_show: What any other rounding mode does.
    as: weaker
    statement: Rounding halves to the even neighbour is what floating-point standards ask for.
    source: IEEE 754-2019, section 4.3.1
    status: stands
    why: roundTiesToEven is the default of every binary format since 1985
""",
}
CATALOGUE = "text: {H1: Halves are always rounded to even.}"
FACTS = {"history": "stands"}


@pytest.fixture(autouse=True, scope="module")
def timed():
    """Processes that time nothing: the long one takes three times as long. test_timing.py begins real ones."""
    from jaxml.claims.kinds import timing

    def in_process(task, keep, scratch, limit):
        noise = 0.01 * np.random.default_rng(task["process"]).normal(size=len(task["pairs"]))
        ratios = [(3.0 if pair["than"] == "long" else 1.0) * pair["done"][1] for pair in task["pairs"]]
        machine = {
            "cpu": "Babbage",
            "cores": 2,
            "device": "cpu",
            "system": "Steam",
            "jax": "0",
            "jaxlib": "0",
            "flags": "",
        }
        return {
            "log_ratios": (np.log(ratios) + noise).tolist(),
            "seconds": [[1e-3, 1e-3 * ratio] for ratio in ratios],
            "load": 2.5,
            "machine": machine | {"jax": "0", "jaxlib": "0", "flags": ""},
        }

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "in_process", in_process)
        patch.setattr(timing, "LEAST_PROCESSES", 8)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with a claim of every kind."""
    root = tmp_path_factory.mktemp("kinds")
    path = project(root, "".join(CLAIMS.values()), BASE)
    (root / "experiments/planted.py").write_text(EXPERIMENT + MORE)
    (root / "catalogue.yaml").write_text(CATALOGUE)
    return jaxml.run(path, runs=root / "runs"), path


def test_a_run_holds_every_kind(finished):
    assert set(CLAIMS) == set(KINDS)
    run, _ = finished
    assert [finding.kind for finding in run.verdicts.findings] == list(CLAIMS)
    claims = [finding.id for finding in run.verdicts.findings if finding.id not in FACTS]
    assert run.verdicts.words == dict.fromkeys(claims, "supported") | FACTS
    for finding in run.verdicts.findings:
        assert finding.is_fact == (finding.id in FACTS)
        assert all(check.passed for check in finding.checks)
        assert bool(finding.checks) != finding.is_fact


def test_findings_survive_json_and_judging_again(finished):
    run, _ = finished
    assert Verdicts.from_json(json.loads((run.path / "verdicts.json").read_text())) == run.verdicts
    assert judge_again(run.directory) == run.verdicts


def test_every_kind_is_planned_and_validated(finished, capsys):
    from jaxml.cli.tables import print_plan
    from jaxml.runner.planning import describe

    plan = describe(finished[1])
    assert [claim["kind"] for claim in plan["claims"]] == list(CLAIMS)
    json.dumps(plan["claims"])
    print_plan(plan)
    text = " ".join(capsys.readouterr().out.split())
    for words in (
        "parameters of tall over those of wide: exactly 0.0625",
        "seventh, told as 2.86, 14.3 %",
        "short against long, 2 settings, margin ×2, 8 processes of 20 blocks, on this machine",
        "nothing: a fact, status stands",
    ):
        assert words in text


@pytest.mark.parametrize("decided", [True, False])
def test_every_kind_is_told_in_full(finished, decided):
    status = "confirmatory" if decided else "exploratory"
    verdicts = Verdicts(status=status, why="", spec_sha256="", findings=finished[0].verdicts.findings)
    for told in tell(verdicts):
        assert told.answer.endswith(".")
        assert told.rows
        assert told.summary
        assert {len(row.shown) for row in told.rows} == {len(told.columns)}
        if told.finding.is_fact:
            assert (told.word, told.answer.startswith("It stands: roundTiesToEven")) == ("stands", True)
            continue
        assert ("Yes" in told.answer) == decided
        assert told.word == ("supported" if decided else "exploratory")


def test_page_and_terminal_show_every_claim(finished, capsys):
    from jaxml.cli.tables import print_verdicts

    run, _ = finished
    print_verdicts(run.verdicts)
    shown = " ".join(capsys.readouterr().out.split()), write_report(run.path).read_text()
    for text in shown:
        for words in (
            "2.8571",
            "14.286 %",
            "halves go to the even side",
            "32",
            "IEEE 754-2019",
            "×3",
        ):
            assert words in text
        assert (
            "as fast as long on Babbage with 2 cores; the claim needs ×2. Other work ran beside: load 2.5 on 2" in text
        )
        assert "H1 (Halves are always rounded to even.), a weaker form" in text
        assert "What any other rounding mode does." in text
    assert "1 ms against 3 ms" in shown[1]
    for finding in run.verdicts.findings:
        assert finding.statement in shown[1]


def test_where_a_claim_comes_from_is_kept_beside_its_spec_and_can_be_put_right(finished, tmp_path):
    from jaxml.config import load_study

    run, path = finished
    assert run.directory.lineage()["history"].to_json() == {
        "of": "H1",
        "relation": "weaker",
        "title": "Halves are always rounded to even.",
        "does_not_show": "What any other rounding mode does.",
    }
    assert run.verdicts.findings[-1].lineage == run.directory.lineage()["history"]
    other = path.with_name("other.yaml")
    other.write_text(
        path.read_text().replace("as: weaker", "as: part").replace("mode does", "mode would do") + "name: planted\n"
    )
    assert load_study(other).spec == run.directory.spec()


def test_a_smoke_run_has_every_kind_and_decides_none(finished, tmp_path):
    smoke = jaxml.run(finished[1], smoke=True, runs=tmp_path)
    assert smoke.verdicts.words == dict.fromkeys(smoke.verdicts.words, "exploratory") | FACTS
    assert len(smoke.verdicts.findings) == len(KINDS)


def test_the_schema_knows_every_kind():
    options = json_schema()["properties"]["claims"]["additionalProperties"]["oneOf"]
    assert {option["$ref"].rpartition("/")[2] for option in options} == {k.Claim.__name__ for k in KINDS.values()}


@pytest.mark.parametrize(
    ("claim", "old", "new", "message"),
    [
        ("equality", "    equals: 0.0\n", "", "needs either arms.against or a number under 'equals'"),
        ("equality", "equals: 0.0", "equals: 0.0\n    direction: smaller", "has no direction"),
        ("trend", "along: step", "along: stop", "no axis of the grid is called 'stop'. Did you mean 'step'"),
        ("trend", "along: step", "along: x", "three or more increasing numbers on 'x'"),
        ("trend", "along: step", "along: step\n    log: true", "must be positive, got 0"),
        ("trend", "{claimed: {arm: a}}", "{claimed: {arm: a}, against: {arm: b}}", "a trend has one arm"),
        ("number", "number: seventh", "number: sevent", "the experiment computes no 'sevent'. Did you mean 'seventh'"),
        ("number", '"2.86"', '"about 3"', "a figure is written as text"),
        ("number", 'share: "2.86"', 'part: "2.86"', "'seventh': it is told 'part', and computes 'share', 'rest'"),
        ("program", "program: tall", "program: tal", "has no program 'tal'. Did you mean 'tall'"),
        ("program", "exactly: 0.0625", "exactly: 1.0\n    at_most: 2.0", "give one of"),
        ("program", "count: parameters", "count: parameter", "input should be 'parameters'"),
        ("timing", "than: long", "than: short", "name the same timing"),
        (
            "timing",
            "than: long",
            "than: lng",
            "quick.than: the experiment has no timing 'lng'. Did you mean 'long'",
        ),
        (
            "timing",
            "{size: [1, 10]}",
            "{size: [1, 10]}\n    quantifier: reference",
            "all, most or some",
        ),
        ("fact", "status: stands", "status: true", "status: input should be 'stands', 'dated' or 'wrong'"),
        ("fact", "    source: IEEE 754-2019, section 4.3.1\n", "", "a fact rests on its source"),
        ("fact", "of: H1", "of: H2", "line 23: claims.history.of: catalogue.yaml has no entry 'H2'. Did you mean 'H1'"),
        ("fact", "    as: weaker\n", "", "'of' names an entry of the catalogue and 'as' how the claim relates"),
        ("fact", "as: weaker", "as: weak", "input should be 'written', 'weaker', 'stronger', 'reversed' or 'part'"),
        ("fact", "as: weaker", "has: weaker", "unknown key. Did you mean 'as'"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, claim, old, new, message):
    from jaxml.errors import JaxmlError

    path = project(tmp_path, CLAIMS[claim].replace(old, new), BASE)
    (tmp_path / "experiments/planted.py").write_text(EXPERIMENT + MORE)
    (tmp_path / "catalogue.yaml").write_text(CATALOGUE)
    with pytest.raises(JaxmlError, match=message):
        jaxml.run(path, runs=tmp_path / "runs")


@pytest.mark.parametrize(
    ("claim", "old", "new", "verdict"),
    [
        ("number", '"14.3 %"', '"14.2 %"', "refuted"),
        ("number", 'told: {share: "2.86", rest: "14.3 %"}', 'told: {share: "3"}', "invalid"),
        ("program", "exactly: 0.0625", "at_most: 0.05", "refuted"),
        ("program", "exactly: 0.0625", "at_least: 2.0", "refuted"),
        ("program", "exactly: 0.0625", "at_most: 1.0", "invalid"),
        ("timing", "factor: 2.0", "factor: 4.0", "refuted"),
        ("timing", "factor: 2.0", "factor: 1.001", "invalid"),  # the negative control cannot be told from the margin
        ("equality", "margin: {value: 0.5", "margin: {value: 1.5", "invalid"),
        ("trend", "value: 0.005", "value: 0.02", "invalid"),
        ("trend", "along: step", "along: step\n    form: steps\n    direction: smaller", "invalid"),
    ],
)
def test_what_is_wrong_is_refuted_and_what_cannot_fail_is_invalid(tmp_path, claim, old, new, verdict):
    path = project(tmp_path, CLAIMS[claim].replace(old, new), BASE)
    (tmp_path / "experiments/planted.py").write_text(EXPERIMENT + MORE)
    found = jaxml.run(path, runs=tmp_path / "runs").verdicts.findings[1]
    assert found.verdict.verdict == verdict, found.verdict.reason


def test_a_trend_is_the_slope_of_every_seed(finished):
    trend = next(finding for finding in finished[0].verdicts.findings if finding.kind == "trend")
    value = finished[0].results.value.sel(arm="a", x=0.0, y=0.0)
    slopes = [np.polyfit([0.0, 50.0, 100.0], value.sel(seed=seed).values, 1)[0] for seed in range(8)]
    np.testing.assert_allclose(trend.cells[0].theta, slopes, rtol=1e-5)
    told = next(told for told in tell(finished[0].verdicts) if told.finding.kind == "trend")
    assert told.answer.startswith(f"Yes: the slope of value along step is {told.unit.shown(np.mean(slopes))} (interval")


def test_steps_hold_where_none_goes_against_them(tmp_path):
    steps = CLAIMS["trend"].replace("along: step", "along: step\n    form: steps").replace("0.005", "0.2")
    steps = steps.replace(
        "{claimed: {arm: b}}",
        "{claimed: {arm: a}}, metric: cost, direction: larger, margin: {value: 0.01, reason: A hundredth of it.}",
    )
    found = jaxml.run(project(tmp_path, steps, BASE), runs=tmp_path / "runs").verdicts.findings[1]
    assert found.cells[0].decision.verdict == "supported", found.cells[0].decision.reason
    assert len(found.cells[0].decision.rows) == 2
    assert found.detail["margin"] == -0.2


def test_an_equality_with_a_number_far_away_is_refuted(tmp_path):
    path = project(tmp_path, CLAIMS["equality"].replace("equals: 0.0", "equals: 3.0"), BASE)
    found = jaxml.run(path, runs=tmp_path / "runs").verdicts.findings[1]
    assert found.verdict.verdict == "invalid"  # its positive control is the same quantity, which is as far away
    assert found.cells[0].decision.verdict == "refuted"
    assert found.cells[0].decision.estimate == pytest.approx(-3.0, abs=0.2)


def test_figures_round_as_people_write_them():
    for value in np.random.default_rng(0).uniform(0.001, 1000, 200):
        for digits in (0, 1, 3):
            figure = f"{value:.{digits}f}"
            assert rounds_to(float(value), figure)
            assert not rounds_to(float(value) + 1.01 * 10.0**-digits, figure)


@pytest.mark.parametrize("form", ["csv", "netcdf"])
def test_a_run_that_is_exported_and_judged_elsewhere_gives_the_same_verdicts(finished, tmp_path, form):
    import yaml

    from jaxml.runs.comparison import export

    run, path = finished
    seeded = {finding.id for finding in run.verdicts.findings if KINDS[finding.kind].seeded}
    config = yaml.safe_load(path.read_text())
    claims = {"claims": {id: claim for id, claim in config["claims"].items() if id in seeded}, "looks": config["looks"]}
    results = export(run.directory, form, tmp_path / f"results.{'csv' if form == 'csv' else 'nc'}")
    given = jaxml.judge(results, claims | {"registered": "here, today", "axes": ["arm", "x", "y", "step"]})
    for finding in given.findings:
        before = next(each for each in run.verdicts.findings if each.id == finding.id)
        assert finding.verdict.verdict == before.verdict.verdict == "supported"
        for cell, other in zip(finding.cells, before.cells, strict=True):
            np.testing.assert_allclose(cell.theta, other.theta, rtol=1e-6, atol=1e-5)
    assert len(given.findings) == len(seeded) >= 3


def test_what_was_timed_on_this_machine_is_taken_over_and_not_timed_again(finished, tmp_path, monkeypatch):
    from jaxml.claims.certificate import Check
    from jaxml.claims.kinds import timing
    from jaxml.explore import certify

    run, path = finished
    monkeypatch.setattr(timing, "in_process", None)
    again = []

    def check(config, overrides, change, before):
        with monkeypatch.context() as patch:
            for name, value in change.environment.items():
                patch.setenv(name, value)
            again.append(jaxml.run(path, ["precision=float64"], runs=tmp_path).verdicts)
        return Check(name=change.name, setting=change.setting)

    monkeypatch.setattr(certify, "_check", check)
    certificate = certify.certify(path, (), run.directory, checks=("float64",))
    (verdicts,) = again
    for finding, other in zip(run.verdicts.findings, verdicts.findings, strict=True):
        if finding.kind == "timing":  # the levels of its intervals hang on what else is decided
            assert [cell.theta for cell in finding.cells] == [cell.theta for cell in other.cells]
            assert finding.detail == other.detail
    assert (
        certificate.checks[-1].outcome
        == "quick: what was timed on this machine is not timed again under other settings"
    )


def test_where_only_this_machine_was_timed_there_is_nothing_to_certify(finished, monkeypatch):
    import dataclasses

    from jaxml.errors import ConfigError
    from jaxml.explore.certify import certify
    from jaxml.runs.directory import RunDirectory

    run, path = finished
    alone = [finding for finding in run.verdicts.findings if finding.kind in ("timing", "fact")]
    monkeypatch.setattr(RunDirectory, "verdicts", lambda self: dataclasses.replace(run.verdicts, findings=alone))
    with pytest.raises(ConfigError, match="certify: quick: timed on this machine, and nothing else is decided here"):
        certify(path, (), run.directory)
