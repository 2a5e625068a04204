"""What a config says of ranges and populations, and what the card then says: tipping points among it."""

import dataclasses

import numpy as np
import pytest
import xarray
import yaml
from pydantic import ValidationError

from jaxml.claims.given import Grid
from jaxml.claims.judge import judge
from jaxml.claims.kinds import KINDS
from jaxml.claims.population import Population
from jaxml.claims.tipping import tipping_point
from jaxml.errors import ConfigError
from jaxml.sweep.grid import Axis

CLAIM = """
statement: The first arm fails more often than the second.
quantifier: reference
metric: failed
arms: {claimed: {arm: a}, against: {arm: b}}
margin: {value: 0.15, reason: About one run in seven.}
controls:
  negative: [{name: turned, direction: smaller}]
  positive: [{name: same, margin: {value: 0.01, reason: Hardly any.}}]
"""
AXES = [Axis("arm", ({"arm": "a"}, {"arm": "b"}))]
LOOKS = (16, 32, 64)


def claim(more="", kind="contrast"):
    return KINDS[kind].Claim.model_validate(yaml.safe_load(CLAIM + more) | {"kind": kind}, strict=False)


def results(first, second, seeds=64):
    data = np.stack([np.broadcast_to(first, seeds), np.broadcast_to(second, seeds)]).astype(float)
    return xarray.Dataset({"failed": (("arm", "seed"), data)}, {"arm": ["a", "b"], "seed": range(seeds)})


def told(finding):
    return KINDS[finding.kind].tell(finding, True)


def decided(claim, results, **grid):
    return judge({"it": claim}, Grid(AXES, looks=LOOKS, **grid), results)[0]


def test_a_range_lets_seeds_that_agree_decide():
    nothing = results(0.0, 0.0)
    assert decided(claim(), nothing).cells[0].decision.verdict == "inconclusive"
    found = decided(claim("range: [0, 1]"), nothing)
    assert (found.cells[0].decision.verdict, found.cells[0].decision.seeds) == ("refuted", 32)
    assert found.detail["range"] == [0.0, 1.0]
    assert ("Range", "0 to 1, by what it measures") in told(found).facts


def test_the_range_of_an_effect_follows_from_that_of_the_metric():
    both, alone = claim("range: [-1, 3]"), claim("range: [-1, 3]\n")
    assert both.span == (-4.0, 4.0)
    one = both.model_copy(update={"arms": both.arms.model_copy(update={"against": None})})
    assert (one.span, one.model_copy(update={"direction": "smaller"}).span) == ((-1.0, 3.0), (-3.0, 1.0))
    assert alone.model_copy(update={"scale": "points"}).span == (-400.0, 400.0)
    assert claim().span is None
    assert "range" not in claim().model_dump()  # a spec that says nothing of it keeps its hash


@pytest.mark.parametrize(
    ("more", "kind", "message"),
    [
        ("range: [1, 0]", "contrast", "the lowest value of the metric, then the highest"),
        ("range: [0, .inf]", "contrast", "finite"),
        ("range: [0, 1]\nscale: log_ratio", "contrast", "effects on the scale log_ratio have no range"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(more, kind, message):
    with pytest.raises(ValidationError, match=message):
        claim(more, kind)


def test_values_outside_of_their_range_are_refused():
    with pytest.raises(ValueError, match="theta must lie in its span, -1 to 1, got 2 to 2"):
        decided(claim("range: [0, 1]"), results(2.0, 0.0))


def test_a_range_is_for_independent_seeds():
    law = Population(of="law", rows=100, drawn=50)
    with pytest.raises(ConfigError, match=r"it\.range: what a range tells of rare values holds for independent seeds"):
        decided(claim("range: [0, 1]"), results(0.0, 0.0), population=[law])
    rows = Population(of="data_set", rows=100)
    found = decided(claim("range: [0, 1]"), results(0.0, 0.0), population=[rows])
    assert found.cells[0].decision.verdict == "refuted"
    assert "about these 100 rows" in told(found).rows[0].notes


def test_a_law_widens_the_interval_by_what_seeds_share():
    drawn = np.random.default_rng(0).normal(size=64)
    widths = []
    for population in ([], [Population(of="data_set", rows=100)], [Population(of="law", rows=100, drawn=20)]):
        decision = decided(claim(), results(drawn, 0.0), population=population).cells[0].decision
        widths.append(decision.high - decision.low if decision.seeds == 64 else np.nan)
    assert widths[1] == widths[0]
    assert widths[2] == pytest.approx(widths[0] * np.sqrt(1 + 64 * 0.25), rel=1e-9)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"of": "data_set", "rows": 9, "drawn": 3}, "only its 'rows' matter"),
        ({"of": "law", "rows": 9}, "'drawn' says how many of the 9 rows a seed uses"),
        ({"of": "law", "rows": 9, "drawn": 10}, "'drawn' says how many"),
        ({"of": "law", "rows": 9, "drawn": 9}, "'test' says how many rows a seed tests on"),
        ({"of": "law", "rows": 9, "drawn": 5, "test": 2}, "and only there"),
    ],
)
def test_populations_are_whole(given, message):
    with pytest.raises(ValidationError, match=message):
        Population(**given)


@pytest.mark.parametrize("shift", [3.0, -3.0])
def test_at_the_tipping_point_the_interval_ends_at_the_margin(shift):
    """A share of runs that no seed showed, as bad as the card says, moves the mean by what the verdict has to spare."""
    found = decided(claim(), results(shift + np.random.default_rng(1).normal(size=64), 0.0))
    decision = found.cells[0].decision
    assert decision.verdict == ("supported" if shift > 0 else "refuted")
    found = dataclasses.replace(found, verdict=dataclasses.replace(found.verdict, verdict=decision.verdict))
    words = tipping_point(found)
    q = 1 - 0.025 ** (1 / decision.seeds)
    end = decision.low if shift > 0 else decision.high
    effect = decision.estimate - (end - 0.15) / q
    assert (1 - q) * decision.estimate + q * effect == pytest.approx(decision.estimate - (end - 0.15))
    side = "below" if shift > 0 else "above"
    assert words.startswith(
        f"Up to 20.6 % of runs may be of a kind that none of {decision.seeds} seeds showed; were their"
    )
    assert f"effect {side} {effect:.3g}".replace("-", "−") in words
    assert ("Tipping point", words) in told(found).facts
    assert tipping_point(decided(claim("range: [-9, 9]"), results(shift, 0.0))) == ""
