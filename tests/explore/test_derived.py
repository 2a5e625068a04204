"""Derived metrics at single points: what they need lies beside them, and what they would lack is found out."""

import numpy as np
import pytest
import xarray

import jaxml
from jaxml.claims.mapped import read_maps
from jaxml.config import load_study
from jaxml.errors import ConfigError, TrialError
from jaxml.experiment import load_experiment
from jaxml.explore.derived import asked
from jaxml.explore.falsify import falsify
from tests.explore.planted import CONFIG, project

MAP = "map:\n  high:\n    axes: {x: {linspace: [0.0, 2.0, 17]}, y: {linspace: [0.0, 2.0, 17]}}\n"
DOMAIN = "domain:\n  high:\n    axes: {x: {low: 0.0, high: 2.0}, y: {low: 0.0, high: 2.0}}\n"
ALONE = CONFIG.replace("arms: {claimed: {arm: a}, against: {arm: b}}", "arms: {claimed: {arm: a}}")


def derived_points(folder, metric, config=CONFIG):
    path = project(folder, MAP, config.replace("metric: value", f"metric: {metric}"))
    study = load_study(path)
    return asked(study, study.maps[0].posed, "map.high", master="planted")


def test_it_is_what_the_metric_says_of_a_grid_that_holds_the_point(tmp_path):
    points = derived_points(tmp_path, "sunk", ALONE)
    cells, seeds = [(0.5, 1.5), (0.0, 0.0), (0.0, 1.0)], [-1, 0, 1]
    found = points(cells, seeds).sunk
    trial = load_experiment("planted", tmp_path).trial
    given = {"arm": "a", "x": [0.0, 0.5], "y": [0.0, 1.0, 1.5], "noise": 0.1}
    value = jaxml.sweep(trial, seeds=seeds, master_key="planted", **given).value
    for i, (x, y) in enumerate(cells):
        expected = (1 - value.sel(x=0.0, y=0.0)) / 2 + value.sel(x=x, y=y)
        np.testing.assert_allclose(found[0, i], expected, rtol=1e-5)


def test_a_map_of_a_derived_quantity_has_its_boundary(tmp_path):
    """Twice the height of one arm over the other is 1 on the circle of radius sqrt 2."""
    double = CONFIG.replace("metric: value", "metric: derived").replace("value: 0.5", "value: 1.0")
    run = jaxml.run(project(tmp_path, MAP, double), runs=tmp_path / "runs")
    (held,) = read_maps(run.path)
    for cell in held.cells:
        radius = np.hypot(held.x.values[cell.i], held.y.values[cell.j])
        if abs(radius - np.sqrt(2)) > 0.3:
            assert cell.verdict == ("supported" if radius < np.sqrt(2) else "refuted")
    assert {cell.verdict for cell in held.cells} >= {"supported", "refuted"}


def test_a_search_finds_a_counter_example_to_a_claim_about_a_derived_quantity(tmp_path):
    (report,) = falsify(project(tmp_path, DOMAIN, ALONE.replace("metric: value", "metric: sunk")), points=64)
    assert report.gradient == "not used: the quantity is derived"
    assert report.found is not None
    assert np.hypot(report.found.point["x"], report.found.point["y"]) == pytest.approx(np.sqrt(2), abs=0.3)


@pytest.mark.parametrize(
    ("metric", "config", "message"),
    [
        ("lifted", CONFIG, "'lifted' needs several values of 'arm', which is static"),
        ("mean_value", CONFIG, r"'mean_value' finds at a single point only what its inputs name: .*'x'"),
        ("whole", CONFIG, r"'whole' is derived from the whole grid. Make it a jaxml.Metric"),
    ],
)
def test_what_cannot_be_asked_at_a_point_is_refused_before_the_first_trial(tmp_path, metric, config, message):
    with pytest.raises(ConfigError, match=message):
        derived_points(tmp_path, metric, config)
    path = tmp_path / "configs/planted.yaml"
    with pytest.raises(ConfigError, match=r"planted.yaml, line \d+: map.high: " + message[:10]):
        jaxml.run(path, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_whole_axis_is_computed_at_every_point(tmp_path):
    points = derived_points(tmp_path, "spread", ALONE)
    found = points([(7.0, 0.5), (0.0, 1.0)], [0, 1]).spread
    trial = load_experiment("planted", tmp_path).trial
    value = jaxml.sweep(trial, seeds=2, master_key="planted", arm="a", x=[0.0, 2.0], y=[0.5, 1.0]).value
    np.testing.assert_allclose(found[0], (value.max("x") - value.min("x")).transpose("y", "seed"), rtol=1e-5)


def test_a_metric_names_what_the_grid_lacks():
    results = xarray.Dataset({"value": (("x", "seed"), np.ones((2, 1)))}, {"x": [0.0, 1.0], "seed": [0]})
    for pins, message in (
        ({"y": 1.0}, "needs several values of 'y'"),
        ({"x": 3.0}, "needs x = 3.0, which is not on the grid"),
    ):
        with pytest.raises(TrialError, match=message):
            jaxml.Metric(lambda other: other.value, inputs={"other": pins})(results)


def test_a_claim_that_tunes_by_a_derived_quantity_is_refused(tmp_path):
    tuned = CONFIG.replace("  y: [0.0]", "  y: [0.0]\n  step: [0, 1]\ntuning_seeds: 2")
    tuned = tuned.replace("    margin:", "    tune: {over: [step], maximise: derived}\n    margin:")
    with pytest.raises(ConfigError, match=r"map.high: 'derived' is derived, and a claim that tunes"):
        derived_points(tmp_path, "value", tuned)
