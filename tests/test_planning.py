"""What is said before there is any data: outcomes that cannot happen, and what a pilot sees."""

import numpy as np
import pytest

import jaxml
from jaxml.claims.asking import Asked
from jaxml.claims.measure import Effects
from jaxml.claims.rule.hypothesis import Hypothesis, Region
from jaxml.config import load_study
from jaxml.errors import ConfigError
from jaxml.runner.pilot import _part, pilot
from jaxml.runner.reach import unreachable
from jaxml.scaffold import scaffold


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("planned")
    scaffold("demo", root)
    text = (root / "configs/demo.yaml").read_text().replace("linspace: [0.0, 0.4, 9]", "values: [0.0, 0.1, 0.4]")
    (root / "configs/demo.yaml").write_text(text.replace("{values: [0.0, 0.1, 0.4]}", "[0.0, 0.1, 0.4]"))
    return root


def changed(project, name, *pairs):
    text = (project / "configs/demo.yaml").read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    (project / f"configs/{name}.yaml").write_text(text)
    return project / f"configs/{name}.yaml"


def test_what_can_come_out_either_way_is_not_refused(project):
    assert list(unreachable(load_study(project / "configs/demo.yaml"))) == []


def test_a_margin_beyond_the_range_is_refused_by_plan_and_run(project):
    config = changed(
        project, "beyond", ("metric: error", "metric: error\n    range: [0.0, 9.0]"), ("value: 0.1", "value: 9.5")
    )
    (told,) = unreachable(load_study(config))
    assert "can never come out supported: 64 seeds with the clearest values of 'error', whose range is 0 to 9" in told
    with pytest.raises(ConfigError, match="never come out supported"):
        jaxml.run(config, runs=project / "none")
    assert not (project / "none").exists()
    assert jaxml.run(config, runs=project / "runs", anyway=True).verdicts.finding("median-resists").cells


def test_bounds_that_too_few_seeds_can_decide_are_refused(project):
    more = "metric: error\n    kind: boundary\n    along: outliers\n    theory: 0.05"
    config = changed(
        project,
        "few",
        ("metric: error", more),
        ("quantifier: reference\n    reference: {outliers: 0.1}", "quantifier: all"),
        ("value: 0.1", "value: 0.01"),
        ("          where: {outliers: 0.0}", "          margin: {value: 0.001, reason: Hardly anything at all.}"),
        ("          where: {outliers: 0.4}", "          margin: {value: 0.1, reason: A coarse step of the grid.}"),
        ("seeds: 64", "seeds: 4"),
        ("looks: [16, 32, 64]", "looks: [4]"),
    )
    told = list(unreachable(load_study(config)))
    assert any("never come out supported: 4 seeds" in each for each in told), told


@pytest.mark.parametrize(
    ("kind", "mean", "holds"), [("within", -3.0, False), ("at_least", 1.5, True), ("at_most", 1.5, False)]
)
def test_what_a_negative_control_must_not_show_depends_on_what_is_claimed(kind, mean, holds):
    """Of an equality a large effect is just what its negative control is for."""
    rows = mean + np.asarray([[-0.1, 0.0, 0.1]])
    hypothesis = Hypothesis(claim="", at={}, rows=rows, region=Region(kind, 1.0), control="negative")
    asked = Asked({}, Effects(rows[0], np.zeros((1, 3), bool)), hypothesis, "negative control")
    assert ("the claim holds in it, which it must not" in _part([asked], 0.05, 64)["notes"]) == holds


def test_a_pilot_uses_seeds_that_no_run_reports_and_sees_what_is_odd(project):
    larger = ("where: {outliers: 0.4}", "where: {outliers: 0.4}\n          margin: {value: 3.0, reason: Nearly all.}")
    config = changed(project, "odd", larger)
    rows = {row["part"] or row["claim"]: row for row in pilot(load_study(config), seeds=6)}
    own = rows["median-resists"]
    assert own["cells"] == 1
    assert own["effect"] > 0
    assert own["seeds"] is None or own["seeds"] > 1
    assert rows["positive control: many outliers"]["notes"] == ["a known effect should be 2.5 to 10 margins"]
    assert rows["negative control: without outliers the mean is as good"]["notes"] == []
    again = {row["part"] or row["claim"]: row for row in pilot(load_study(config), seeds=6)}
    assert again == rows
