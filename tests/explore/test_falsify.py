"""The search for counter-examples, in a world where the smallest one is known."""

import json
import math

import numpy as np
import pytest

from jaxml.claims.falsification import Falsification
from jaxml.config import json_schema, load_study
from jaxml.errors import ConfigError
from jaxml.explore.falsify import Domain, falsify
from tests.commands import command
from tests.explore.planted import CONFIG, project

WIDE = "domain:\n  high:\n    axes: {x: {low: 0.0, high: 2.0}, y: {low: 0.0, high: 2.0}}\n"
CORNER = WIDE.replace("high: 2.0", "high: 1.05")
QUIET = CONFIG.replace("  y: [0.0]", "  y: [0.0]\n  noise: [0.005]")
ALL = CONFIG.replace("  y: [0.0]", "  y: [0.0]\n  noise: [0.005]\n  step: [0]")


def test_the_smallest_counter_example_lies_at_the_known_boundary(tmp_path):
    (report,) = falsify(project(tmp_path, WIDE, QUIET), points=64)
    found = report.found
    assert found is not None
    assert found.decision.verdict == "refuted"
    radius = math.hypot(found.point["x"], found.point["y"])
    assert math.sqrt(2) < radius < 1.05 * math.sqrt(2)
    assert found.distance == pytest.approx(radius / 2, rel=1e-3)  # a side of the domain is 2
    share = 1 - math.pi * 2 / 4 / 4  # outside the quarter of a disc of radius sqrt 2
    assert report.failing / 64 == pytest.approx(share, abs=0.2)
    assert report.failing / 64 < report.volume < 1
    assert report.reference == {"x": 0.0, "y": 0.0}
    assert Falsification.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_the_gradient_finds_a_corner_that_few_points_miss_and_fresh_seeds_confirm_it(tmp_path):
    (report,) = falsify(project(tmp_path, CORNER, QUIET), points=8)
    assert report.failing == 0
    assert report.volume == pytest.approx(1 - 0.05 ** (1 / 8))
    assert "down the gradient" in report.gradient
    assert report.found is not None
    assert math.hypot(*report.found.point.values()) > math.sqrt(2)
    assert len(report.found.theta) == 8


def test_where_the_claim_holds_the_searched_volume_is_told(tmp_path):
    inside = WIDE.replace("high: 2.0", "high: 0.9")
    (report,) = falsify(project(tmp_path, inside, QUIET), points=40)
    assert report.found is None
    assert (report.failing, report.tested) == (0, 0)
    assert report.volume == pytest.approx(1 - 0.05 ** (1 / 40))
    assert report.computed > 40  # the gradient's points too


def test_whole_numbers_are_searched_without_a_gradient(tmp_path):
    domain = "domain:\n  high:\n    axes: {step: {low: -200, high: 0}}\n    at: {x: 0.0}\n    reference: {step: 0}\n"
    (report,) = falsify(project(tmp_path, domain, ALL), points=64)
    assert report.gradient == "not used: all sides are whole numbers"
    assert report.found is not None  # theta = 1 + step / 100, so that it falls below a half at -50
    assert isinstance(report.found.point["step"], int)
    assert -60 < report.found.point["step"] < -50  # by as much as a slope that varies by a tenth leaves open


def test_a_domain_maps_to_its_cube_and_back():
    config = "axes: {x: {low: 0.1, high: 10.0, log: true}, step: {low: 2, high: 6}}"
    import yaml

    from jaxml.config.models import DomainSpec

    domain = Domain(DomainSpec.model_validate(yaml.safe_load(config)), [False, True])
    values = domain.values(np.asarray([[0.0, 0.0], [0.5, 0.5], [1.0, 0.9]]))
    assert values == [(pytest.approx(0.1), 2), (pytest.approx(1.0), 4), (pytest.approx(10.0), 6)]
    np.testing.assert_allclose(domain.places(values), [[0, 0], [0.5, 0.5], [1, 1]], atol=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("high:\n    axes", "hgh:\n    axes", "domain.hgh: there is no claim 'hgh'. Did you mean 'high'"),
        ("low: 0.0, high: 2.0}, y", "low: 3.0, high: 2.0}, y", "'low' must lie below 'high'"),
        ("low: 0.0, high: 2.0}, y", "low: 0.0, high: 2.0, log: true}, y", "above 0 where log is true"),
        ("x: {low", "arm: {low", "domain.high.axes.arm.low: expected str, got 0.0"),
        ("x: {low", "z: {low", "no parameter 'z'"),
        ("    axes", "    reference: {x: 3.0}\n    axes", "reference.x: 3.0 lies outside the domain"),
        ("    axes", "    reference: {z: 3.0}\n    axes", "reference.z: this is no side of the domain"),
    ],
)
def test_a_domain_that_cannot_be_searched_is_refused_with_its_place(tmp_path, old, new, message):
    assert old in WIDE
    with pytest.raises(ConfigError, match=message) as caught:
        load_study(project(tmp_path, WIDE.replace(old, new, 1)))
    assert "planted.yaml" in str(caught.value)


def test_without_a_domain_there_is_nothing_to_search(tmp_path):
    with pytest.raises(ConfigError, match="there is no 'domain' section"):
        falsify(project(tmp_path))
    with pytest.raises(ConfigError, match=r"claim 'hi' has no domain. Did you mean 'high'"):
        falsify(project(tmp_path, WIDE), claims=["hi"])
    with pytest.raises(ConfigError, match="at least one point is needed, got 0"):
        falsify(project(tmp_path, WIDE), points=0)


def test_the_command(tmp_path):
    config = project(tmp_path, CORNER, QUIET)
    arguments = ["falsify", str(config), "--points", "8"]
    done = command(tmp_path, *arguments, "--strict")
    assert done.returncode == 1, done.stderr
    assert "COUNTER-EXAMPLE  high: Arm a is higher" in done.stdout
    assert "with 95 % confidence at most 31.23% of the domain" in done.stdout
    assert "8 points over the domain" in done.stderr
    wrong = command(tmp_path, *arguments, "--claim", "hi")
    assert (wrong.returncode, "Did you mean 'high'" in wrong.stderr) == (2, True)


def test_the_published_schema_knows_maps_and_domains():
    properties = json_schema()["properties"]
    assert properties["map"]["additionalProperties"] == {"$ref": "#/$defs/MapSpec"}
    assert properties["domain"]["additionalProperties"] == {"$ref": "#/$defs/DomainSpec"}
