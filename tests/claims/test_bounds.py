"""One arm against a number, in both directions."""

import numpy as np
import pytest

from tests.claims.seeded import decided, read, told, world

CLAIM = """
statement: The rate of arm a lies below three tenths.
quantifier: reference
reference: {x: 0.0}
metric: rate
arms: {claimed: {arm: a}}
BOUND: {value: NUMBER, reason: A guess is right in three of ten cases.}
controls:
  negative: [{name: scores, metric: score}]
  positive: [{name: elsewhere, where: {x: 8.0}}]
"""


def claim(bound, number, more=""):
    turned = (
        CLAIM
        if bound == "at_most"
        else CLAIM.replace("metric: score", "at_least: {value: 9.0, reason: Beyond every rate.}")
    )
    return turned.replace("BOUND", bound).replace("NUMBER", str(number)) + more


@pytest.mark.parametrize(
    ("bound", "number", "verdict"),
    [
        ("at_most", 0.3, "supported"),
        ("at_most", 0.15, "refuted"),
        ("at_least", 0.15, "supported"),
        ("at_least", 0.3, "refuted"),
    ],
)
def test_either_direction_is_decided_by_the_number(bound, number, verdict):
    cell = decided(claim(bound, number)).cells[0].decision
    assert cell.verdict == verdict
    assert cell.label is None  # 0 does not mean "no effect" where one arm is held against a number
    sign = 1 if bound == "at_least" else -1
    assert cell.estimate is not None
    assert cell.estimate * sign == pytest.approx(0.2, abs=0.01)


def test_a_level_below_zero_and_zero_itself_may_be_claimed():
    results = world()
    results["rate"] = results.rate - 0.4
    assert decided(claim("at_most", -0.1), results).verdict.verdict == "supported"
    assert decided(claim("at_most", 0), results).cells[0].decision.verdict == "supported"
    assert decided(claim("at_least", 0), results).cells[0].decision.verdict == "refuted"


@pytest.mark.parametrize(
    ("scale", "value"),
    [("difference", 0.3), ("points", 30.0), ("log_ratio", np.log(0.3)), ("logit", np.log(0.3 / 0.7))],
)
def test_the_number_is_given_in_the_unit_of_the_quantity(scale, value):
    said = read(claim("at_most", 0.3, f"scale: {scale}"))
    assert (said.direction, said.margin.value) == ("smaller", pytest.approx(-value))
    assert decided(claim("at_most", 0.3, f"scale: {scale}")).cells[0].decision.verdict == "supported"


def test_other_kinds_have_no_bounds():
    said = claim("at_most", 0.3).replace("at_most: {", "kind: equality\nequals: 0.2\nmargin: {")
    with pytest.raises(ValueError, match="negative control 'scores': only a contrast has 'at_least' and 'at_most'"):
        read(said.replace("metric: score", "at_most: {value: 9.0, reason: Beyond every rate.}"))


def test_it_is_told_with_the_number_that_was_given():
    shown = told(decided(claim("at_most", 0.3)))
    assert shown.answer == (
        "Yes: rate with arm a is 0.2 (interval 0.188 to 0.215, 8 seeds); the claim needs 0.3 or less."
    )
    assert ("Claimed", "Rate is at most 0.3, at the reference cell") in shown.facts
    assert shown.summary["margin"] == "0.3"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{claimed: {arm: a}}", "{claimed: {arm: a}, against: {arm: b}}", "'at_most' holds one arm against a number"),
        ("metric: rate", "metric: rate\ndirection: larger", "give one of 'at_least', 'at_most' and 'margin'"),
        ("metric: rate", "metric: rate\nscale: logit", "at_most.value must lie between 0 and 1 on the scale logit"),
        ("value: 3.0", "value: high", "at_most.value\n.*valid number"),
        ("where: {x: 8.0}", "arms: {claimed: {arm: a}, against: {arm: b}}", "leave arms.against out, or give a margin"),
    ],
)
def test_what_does_not_go_with_a_bound_is_named(old, new, message):
    with pytest.raises(ValueError, match=message):
        read(claim("at_most", 3.0).replace(old, new))
