"""Trends on a planted grid: the score of arm a falls by a tenth of x, in steps of 0.1, 0.1, 0.2 and 0.4."""

import numpy as np
import pytest

from tests.claims.seeded import X, decided, world

CLAIM = """
kind: trend
statement: The score of arm a moves along x as is said below.
quantifier: reference
metric: score
along: x
form: FORM
direction: DIRECTION
arms: {claimed: {arm: a}}
margin: {value: MARGIN, reason: As far as a reading may be off.}
controls: {negative: [{name: turned, arms: {claimed: {arm: b}}}], positive: [{name: next, arms: {claimed: {arm: b}}}]}
"""


def cell(form, direction, margin, results=None):
    text = CLAIM.replace("FORM", form).replace("DIRECTION", direction).replace("MARGIN", str(margin))
    return decided(text, world(sd=0.02) if results is None else results).cells[0]


@pytest.mark.parametrize(
    ("direction", "tolerance", "verdict"),
    [
        ("larger", 0.6, "supported"),  # no step falls by more than that
        ("larger", 0.3, "refuted"),  # the last one does
        ("smaller", 0.05, "supported"),
        ("smaller", 0.6, "supported"),
    ],
)
def test_a_step_may_go_against_the_trend_by_the_tolerance(direction, tolerance, verdict):
    found = cell("steps", direction, tolerance).decision
    assert found.verdict == verdict, found.reason
    assert found.label is None
    if verdict == "refuted":
        assert found.reason.startswith("the step from 4 to 8 does not")
        assert found.estimate == pytest.approx(-0.4, abs=0.05)


def test_the_slope_is_that_of_least_squares_in_every_seed():
    results = world(sd=0.02)
    found = cell("slope", "smaller", 0.05, results)
    assert found.decision.verdict == "supported"
    score = results.score.sel(arm="a", seed=slice(0, None)).values
    np.testing.assert_allclose(found.theta, [-np.polyfit(X, column, 1)[0] for column in score.T])
    assert cell("slope", "smaller", 0.2, results).decision.label == "equivalent"
    assert cell("slope", "larger", 0.05, results).decision.label == "reversed"
