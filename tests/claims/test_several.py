"""Several arms: rivals, a share of an effect, an interaction; arms a, b, c, d score 3, 2, 1 and 1/2."""

import numpy as np
import pytest

from jaxml.claims.given import Grid
from jaxml.errors import ConfigError
from tests.claims.seeded import AXES, GRID, LOOKS, decided, read, told, world

CLAIM = """
kind: several
statement: Arm a compares with the other arms as is said below.
quantifier: reference
reference: {x: 0.0}
metric: score
FORM
margin: {value: MARGIN, reason: Half a point is what one would notice.}
controls: {negative: [{name: turned, direction: smaller}], positive: [{name: elsewhere, where: {x: 8.0}}]}
"""
RIVALS = "arms: {claimed: {arm: FIRST}}\nrivals: [{arm: ONE}, {arm: TWO}]\nbeats: HOW"
SHARE = "arms: {claimed: {arm: b}, against: {arm: d}}\nwhole: {arm: a}\nshare: SHARE"
INTERACTION = "arms: {claimed: {arm: a}, against: {arm: d}}\nalone: [{arm: b}, {arm: c}]"


def claim(form, margin=0.5, **words):
    for name, word in words.items():
        form = form.replace(name.upper(), str(word))
    return CLAIM.replace("FORM", form).replace("MARGIN", str(margin))


@pytest.mark.parametrize(
    ("first", "one", "two", "how", "margin", "verdict"),
    [
        ("a", "b", "c", "all", 0.5, "supported"),
        ("a", "b", "c", "all", 1.5, "refuted"),
        ("b", "a", "c", "all", 0.5, "refuted"),
        ("b", "a", "c", "any", 0.5, "supported"),
        ("b", "a", "c", "any", 1.5, "refuted"),
        ("a", "c", "b", "best", 0.5, "supported"),
        ("b", "c", "a", "best", 0.5, "refuted"),
    ],
)
def test_rivals(first, one, two, how, margin, verdict):
    found = decided(claim(RIVALS, margin, first=first, one=one, two=two, how=how))
    assert found.cells[0].decision.verdict == verdict, found.cells[0].decision.reason
    assert told(found).rows[0].word == verdict


def test_all_rivals_are_shown_and_the_one_that_decides_is_named():
    found = decided(claim(RIVALS, 1.5, first="a", one="b", two="c", how="all"))
    decision, shown = found.cells[0].decision, told(found)
    np.testing.assert_allclose([row.estimate or 0.0 for row in decision.rows], [1.0, 2.0], atol=0.1)
    assert decision.row == 0
    assert decision.reason.startswith("arm b does not: interval")
    assert shown.rows[0].notes[0].startswith("over arm b: 1")
    assert shown.rows[0].notes[1].startswith("over arm c: 2")
    assert ("Claimed", "Score is larger than with each of 2 rivals, at the reference cell") in shown.facts


def test_the_best_rival_is_the_one_of_the_tuning_seeds():
    results = world()
    text = claim(RIVALS, first="a", one="c", two="b", how="best")
    score = results.score.sel(x=0.0)
    found = decided(text, results).cells[0]
    assert found.tuned["picked"] == {"arm": "b"}
    np.testing.assert_allclose(found.theta, (score.sel(arm="a") - score.sel(arm="b")).sel(seed=slice(0, None)))
    results.score.loc[{"arm": "c", "seed": slice(-4, -1)}] += 5.0  # whoever reports best, the tuning seeds pick
    assert decided(text, results).cells[0].tuned["picked"] == {"arm": "c"}
    results.nonfinite.loc[{"arm": "c", "seed": -2}] = True  # what fails there is picked by nobody
    assert decided(text, results).cells[0].tuned["picked"] == {"arm": "b"}
    assert "picked on the tuning seeds, arm b" in told(decided(text, results)).rows[0].notes[0]


def test_equal_rivals_are_not_beaten_and_do_not_beat():
    """The best within each seed would win by one and a half standard deviations against an arm that is its equal."""
    rng = np.random.default_rng(1)
    results = world()
    results["score"] = results.score * 0 + rng.normal(size=results.score.shape)
    text = claim(RIVALS.replace("[", "[{arm: d}, "), 1.0, first="a", one="b", two="c", how="best")
    found = decided(text.replace("direction: smaller", "where: {x: 2.0}"), results).cells[0].decision
    assert found.estimate == pytest.approx(0.0, abs=0.8)


@pytest.mark.parametrize(("share", "verdict"), [(0.5, "supported"), (0.7, "refuted")])
def test_a_share_of_an_effect(share, verdict):
    """The part brings 1.5 of 2.5."""
    found = decided(claim(SHARE, share=share))
    cell, results = found.cells[0], world().score.sel(x=0.0, seed=slice(0, None))
    assert cell.decision.verdict == verdict
    a, b, d = (results.sel(arm=arm).values for arm in "abd")
    np.testing.assert_allclose(cell.theta, (b - d) - share * (a - d))
    shown = told(found)
    if verdict == "supported":
        part = f"{0.5 + (cell.decision.estimate or 0) / (cell.decision.rows[0].estimate or 1):.3g}"
        assert f"arm a brings 2.48 over arm d, arm b brings {part} of it; what is beyond 0.5 of it is" in shown.answer
    assert shown.summary["margin"] == "0"
    assert shown.rows[0].shown["margin"] == "0"


def test_a_share_of_what_is_not_there_is_refuted_by_the_whole():
    found = decided(claim(SHARE, 3.0, share=0.5))
    assert found.cells[0].decision.verdict == "refuted"
    assert found.cells[0].decision.reason.startswith("the whole effect does not: interval")
    assert told(found).rows[0].shown["margin"] == "3"


@pytest.mark.parametrize(("margin", "verdict"), [(0.3, "supported"), (0.7, "refuted")])
def test_an_interaction_is_a_difference_of_differences(margin, verdict):
    """(3 - 2) - (1 - 1/2)."""
    found = decided(claim(INTERACTION, margin))
    assert found.cells[0].decision.verdict == verdict
    assert found.cells[0].decision.estimate == pytest.approx(0.5, abs=0.1)
    if verdict == "supported":
        assert "more than arm b and arm c add up to" in told(found).answer


def test_a_failed_trial_of_any_arm_is_scored_and_counted():
    results = world()
    results.nonfinite.loc[{"arm": "c", "x": 0.0, "seed": 3}] = True
    cell = decided(claim(INTERACTION), results).cells[0]
    assert np.isfinite(cell.theta).all()
    assert cell.theta[3] == min(cell.theta[:8])
    every = decided(claim(RIVALS, first="a", one="b", two="c", how="all"), results).cells[0]
    assert (every.decision.seeds, every.decision.verdict) == (32, "supported")  # 1 of 16 is more than 5 %


def test_on_a_scale_effects_are_factors_and_directions_turn():
    text = claim(SHARE, share=0.7).replace("metric: score", "metric: score\nscale: log_ratio")
    found = decided(text).cells[0].decision  # (ln 4) against 0.7 ln 6
    assert found.estimate == pytest.approx(np.log(4) - 0.7 * np.log(6), abs=0.1)
    turned = claim(RIVALS, first="d", one="b", two="c", how="all", margin=0.2)
    turned = turned.replace("metric: score", "metric: score\ndirection: smaller").replace(
        "turned, direction: smaller", "turned, direction: larger"
    )
    assert decided(turned).verdict.verdict == "supported"


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("arms: {claimed: {arm: a}}\nrivals: [{arm: b}]", "one rival is a contrast"),
        ("arms: {claimed: {arm: a}, against: {arm: d}}\nrivals: [{arm: b}, {arm: c}]", "leave arms.against out"),
        ("arms: {claimed: {arm: a}}\nrivals: [{arm: a}, {arm: c}]", "listed beside itself"),
        ("arms: {claimed: {arm: a}, against: {arm: d}}\nshare: 0.5", "give both"),
        ("arms: {claimed: {arm: a}}\nwhole: {arm: b}\nshare: 0.5", "give arms.against: it has none"),
        ("arms: {claimed: {arm: a}, against: {arm: b}}", "give one of 'rivals', 'whole' with 'share', and 'alone'"),
        ("arms: {claimed: {arm: a}}\nrivals: [{arm: b}, {arm: e}]", "'e' is not on the grid"),
        ("arms: {claimed: {arm: a}}\nrivals: [{arm: b}, {x: 1.0}]", "both arms must pin the same axes"),
    ],
)
def test_what_does_not_fit_is_named(form, message):
    with pytest.raises((ValueError, ConfigError), match=message):
        decided(claim(form))


def test_the_best_rival_needs_tuning_seeds():
    with pytest.raises(ConfigError, match="set tuning_seeds"):
        decided(claim(RIVALS, first="a", one="b", two="c", how="best"), grid=Grid(AXES, looks=LOOKS))


def test_it_is_planned_in_one_line():
    from jaxml.claims.kinds import KINDS

    kind = KINDS["several"]
    lines = [
        kind.planned(kind.plan(read(text), GRID, "claims.it"))
        for text in (claim(RIVALS, first="a", one="b", two="c", how="any"), claim(SHARE, share=0.5), claim(INTERACTION))
    ]
    assert [line.partition(", the reference")[0] for line in lines] == [
        "against any of 2 rivals",
        "a share of an effect",
        "an interaction",
    ]
