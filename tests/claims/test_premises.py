"""Premises, cells left out and capped times, on the planted grid, for every kind that is decided from trials."""

import numpy as np
import pytest

from jaxml.claims.given import Grid
from jaxml.claims.population import Population
from jaxml.claims.told import domain_of
from jaxml.errors import ConfigError
from tests.claims.seeded import GRID, LOOKS, decided, read, told, world

CLAIM = """
statement: Arm a scores more than arm b by half a point.
quantifier: QUANTIFIER
metric: score
arms: {claimed: {arm: a}, against: {arm: b}}
margin: {value: 0.5, reason: Half a point is what one would notice.}
controls: {negative: [{name: turned, direction: smaller, where: {x: 0.0}}], positive: [{name: plain, where: {x: 0.0}}]}
"""
PREMISE = "applies_if: {metric: edge, at_least: 0.5, seeds: 10}\n"


def claim(more="", quantifier="all"):
    reference = "" if quantifier == "all" else "reference: {x: 0.0}\n"
    return CLAIM.replace("QUANTIFIER", quantifier) + reference + more


def with_edge(share=0.5):
    """Half of the seeds have an edge; in the others arm a loses."""
    results = world()
    seeds = results.seed.values
    edge = np.where(seeds % 2 == 0, 1.0, 0.0) if share == 0.5 else np.where(seeds < 32 * share, 1.0, 0.0)
    results["edge"] = results.score * 0 + edge
    results["score"] = results.score - (results.arm == "a") * (1 - results.edge) * 5.0
    return results


def test_seeds_that_do_not_meet_the_premise_are_left_out_in_order():
    results = with_edge()
    assert decided(claim(), results).cells[0].decision.verdict == "refuted"
    found = decided(claim(PREMISE), results)
    assert found.verdict.verdict == "supported", found.verdict.reason
    difference = (results.score.sel(arm="a") - results.score.sel(arm="b")).sel(x=0.0, seed=range(0, 32, 2))
    np.testing.assert_allclose(found.cells[0].theta, difference)
    decision = found.cells[0].decision
    assert decision.seeds == 8  # of those that meet it
    assert decision.estimate == pytest.approx(float(difference[:8].mean()))
    assert found.cells[0].noted == {"met": 16, "seeds": 32}
    shown = told(found)
    assert "16 of 32 seeds meet the premise" in shown.rows[0].notes
    assert ("Premise", "Edge at least 0.5, in 10 seeds at least") in shown.facts


def test_looks_count_the_seeds_that_are_left():
    """With 16 of 32 seeds the look at 32 is not reached: what is open stays open, and nothing is invalid."""
    results = with_edge()
    results["score"] = results.score * 0
    results.score.loc[{"arm": "a"}] = 0.5 + np.random.default_rng(3).normal(size=36)
    decision = decided(claim(PREMISE), results).cells[0].decision
    assert (decision.verdict, decision.seeds, decision.look) == ("inconclusive", 16, 2)
    few = decided(claim(PREMISE.replace("10", "4")), with_edge(0.15)).cells[0].decision
    assert few.reason == "5 seeds, and the first declared look needs 8"


def test_a_cell_where_too_few_seeds_meet_it_is_left_out():
    results = with_edge()
    results.edge.loc[{"x": 8.0}] = 0.0
    found = decided(claim(PREMISE), results)
    assert found.verdict.verdict == "supported"
    assert found.verdict.supported == 4
    last = found.cells[-1].decision
    assert (last.verdict, last.reason) == ("invalid", "left out, edge at least 0.5 in 0 of 32 seeds, 10 are needed")
    assert told(found).rows[-1].notes[-1] == last.reason
    results.edge.loc[{"x": 0.0}] = 0.0
    alone = decided(claim(PREMISE, "reference"), results)
    assert alone.verdict.verdict == "invalid"


def test_a_saturated_cell_is_left_out_by_the_tuning_seeds():
    results = world()
    noise = 0.01 * np.random.default_rng(6).normal(size=results.score.shape)
    results.score.loc[{"x": 4.0}] = 9.0 + (results.score * 0 + noise).sel(x=4.0)  # both arms at the ceiling
    results.score.loc[{"x": 8.0, "arm": "a"}] = 9.0  # one of them: that is an effect
    rule = "leave_out: [{name: both at the ceiling, metric: score, at_least: 8.9}]"
    assert decided(claim(), results).verdict.verdict == "refuted"
    found = decided(claim(rule), results)
    assert found.verdict.verdict == "supported"
    assert found.cells[3].decision.reason == (
        "left out, both at the ceiling: mean score at least 8.9, 8.984 and 8.988 on the tuning seeds"
    )
    assert ("Leaves out", "Both at the ceiling (mean score at least 8.9)") in told(found).facts
    grid = Grid(GRID.axes, looks=LOOKS)
    untuned = decided(claim(rule), results.sel(seed=range(32)), grid)
    assert "for want of tuning seeds" in untuned.cells[3].decision.reason
    # It takes no part in the families: a claim on the other cells alone is decided at the same levels.
    four = decided(claim("where: {x: [0.0, 1.0, 2.0, 8.0]}"), results)
    assert found.cells[0].decision == four.cells[0].decision


def test_what_leaves_out_cells_leaves_out_no_control():
    found = decided(claim("leave_out: [{name: always, metric: score, at_most: 99.0}]"), world())
    assert {cell.decision.verdict for cell in found.cells} == {"invalid"}
    assert [c.cell.decision.verdict for c in found.checks if c.cell] == ["refuted", "supported"]
    low, high = domain_of([], [0.0])  # of a margin of 0 where every cell is left out: the column still has a width
    assert low < 0 < high


@pytest.mark.parametrize("scale", ["difference", "log_ratio"])
def test_capped_times_are_counted_and_beyond_five_percent_tested_by_bounds(scale):
    """Arm a takes longer than arm b by a factor; at the cap the difference cannot be seen and refutes nothing."""
    rng = np.random.default_rng(0)
    results = world()
    times = np.exp(rng.normal(size=results.score.shape) * 0.3 + 1.0 * (results.arm.values == "a")[:, None, None])
    results["score"] = (results.score.dims, times)
    text = claim(f"scale: {scale}\ncap: CAP", "reference").replace("value: 0.5", "value: 0.7")
    free = decided(text.replace("CAP", "1000.0"), results).cells[0]
    assert (free.noted, free.decision.verdict) == ({"censored": 0, "of": 32}, "supported")
    cut = decided(text.replace("CAP", "1.5"), results).cells[0]
    assert cut.noted["censored"] > 24
    assert cut.decision.verdict != "refuted"
    assert cut.decision.reason.startswith("the median's interval")
    naive = results.assign(score=np.minimum(results.score, 1.5))
    assert decided(text.replace("cap: CAP", ""), naive).cells[0].decision.verdict == "refuted"
    shown = told(decided(text.replace("CAP", "1.5"), results))
    assert f"{cut.noted['censored']} of 32 seeds are known by a bound only" in shown.rows[0].notes


def test_bounds_are_those_of_interval_arithmetic():
    from jaxml.claims.premises import capped

    marks, (low, high) = capped([np.array([1.0, 9.0, 3.0]), np.array([9.0, 2.0, 9.5])], read(claim()), 9.0)
    assert marks.tolist() == [[False, True, False], [True, False, True]]
    np.testing.assert_array_equal(low, [-np.inf, 7.0, -np.inf])
    np.testing.assert_array_equal(high, [-8.0, np.inf, -6.0])
    _, (low, high) = capped([np.array([1.0])], read(claim("direction: smaller")), 9.0)
    assert (low.tolist(), high.tolist()) == ([-1.0], [-1.0])


@pytest.mark.parametrize("kind", ["equality", "trend", "several", "boundary"])
def test_every_kind_has_premises_and_leaves_cells_out(kind):
    more = {
        "equality": "kind: equality",
        "trend": "kind: trend\nalong: x",
        "several": "kind: several\nrivals: [{arm: b}, {arm: c}]",
        "boundary": "kind: boundary\nalong: x\ntheory: 4.0\nrises: false\nmeets: 1.0",
    }[kind]
    text = claim(f"{more}\n{PREMISE}", "reference").replace("direction: smaller, ", "")
    if kind in ("trend", "several"):
        text = text.replace(", against: {arm: b}", "")
    if kind in ("trend", "boundary"):
        text = text.replace("reference: {x: 0.0}\n", "").replace(", where: {x: 0.0}", "")
    found = decided(text, with_edge()).cells[0]
    assert (len(found.theta), found.noted["met"]) == (16, 16)
    rule = "leave_out: [{name: always, metric: edge, at_most: 9.0}]"
    assert decided(text.replace(PREMISE, rule), with_edge()).cells[0].decision.reason.startswith("left out, always")


def test_what_says_nothing_of_them_has_the_same_spec():
    assert not {"applies_if", "leave_out", "cap"} & set(read(claim()).model_dump())
    assert {"applies_if", "cap"} <= set(read(claim(PREMISE + "cap: 3.0")).model_dump())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("applies_if: {metric: score, seeds: 8}", "give either 'at_least' or 'at_most'"),
        ("applies_if: {metric: score, at_most: 1.0}", "seeds\n.*required"),
        (
            "applies_if: {metric: wrong, at_most: 1.0, seeds: 8}",
            "claims.it.applies_if.metric: the trial returns no 'wrong'",
        ),
        (
            "leave_out: [{name: odd, metric: wrong, at_most: 1.0}]",
            "leave_out.0.metric: the trial returns no 'wrong'",
        ),
        ("kind: equality\ncap: 1.0\nequals: 2.0", "must lie below the cap|either arms.against"),
    ],
)
def test_what_does_not_fit_is_named(more, message):
    with pytest.raises((ValueError, ConfigError), match=message):
        decided(claim(more).replace("direction: smaller, ", ""))


def test_capped_times_of_population_are_refused():
    grid = Grid(GRID.axes, 4, LOOKS, population=[Population(of="law", rows=5, drawn=5, test=1)])
    with pytest.raises(ConfigError, match="which know of no law behind a data set"):
        decided(claim("cap: 2.5"), grid=grid)
