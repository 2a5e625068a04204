"""Where an effect reaches a level: arm a scores 3 - x / 10, so that it meets 2.6 at x = 4."""

import numpy as np
import pytest

from jaxml.claims.given import Grid
from jaxml.claims.population import Population
from jaxml.errors import ConfigError
from jaxml.sweep.grid import Axis
from tests.claims.seeded import AXES, GRID, LOOKS, X, decided, read, told, world

CLAIM = """
kind: boundary
statement: The score of arm a falls to 2.6 at a dose of 4.
quantifier: reference
metric: score
along: x
rises: false
meets: 2.6
theory: 4.0
arms: {claimed: {arm: a}}
margin: {value: 0.5, reason: Half a dose is what one can set.}
controls:
  negative: [{name: the next arm, arms: {claimed: {arm: b}}}]
  positive: [{name: once more, arms: {claimed: {arm: a}}}]
"""
QUIET = world(sd=0.01)


def claim(old="", new="", *more):
    text = CLAIM.replace(old, new) if old else CLAIM
    for a, b in zip(more[::2], more[1::2], strict=True):
        text = text.replace(a, b)
    return text


def test_the_root_of_every_seed_lies_where_theory_has_it():
    found = decided(CLAIM, QUIET)
    assert found.verdict.verdict == "supported", found.verdict.reason
    score = QUIET.score.sel(arm="a", seed=slice(0, None)).values
    roots = []
    for column in score.T:
        (j,) = np.flatnonzero((column[:-1] >= 2.6) & (column[1:] < 2.6))
        roots.append(np.interp(-2.6, -column[j : j + 2], X[j : j + 2]))
    np.testing.assert_allclose(found.cells[0].theta, np.array(roots) - 4.0)
    assert found.cells[0].decision.estimate == pytest.approx(np.median(roots[: found.cells[0].decision.seeds]) - 4.0)
    assert found.cells[0].noted == {"theory": 4.0, "censored": 0, "of": 32}


@pytest.mark.parametrize(
    ("meets", "theory", "verdict"),
    [
        (2.6, 3.0, "refuted"),
        (2.6, 4.9, "refuted"),
        (2.95, 0.5, "supported"),
        (2.2, 8.0, "inconclusive"),  # half of the seeds meet it beyond the grid's last value
        (1.0, 8.0, "inconclusive"),  # it is known only that all lie beyond 8
        (1.0, 7.0, "refuted"),
        (3.5, -1.0, "inconclusive"),
        (3.5, 1.0, "refuted"),
    ],
)
def test_roots_beyond_the_grid_are_bounds(meets, theory, verdict):
    text = claim("meets: 2.6", f"meets: {meets}", "theory: 4.0", f"theory: {theory}")
    cell = decided(text, QUIET).cells[0]
    assert cell.decision.verdict == verdict, cell.decision.reason
    assert np.isfinite(cell.theta).all()
    assert cell.noted["censored"] == (32 if meets in (1.0, 3.5) else pytest.approx(16, abs=6) if meets == 2.2 else 0)


def test_what_was_found_is_shown_in_the_unit_of_the_axis():
    shown = told(decided(CLAIM, QUIET))
    assert shown.answer.startswith("Yes, where theory has it: the boundary lies at x 4")
    assert shown.answer.endswith("theory's at 4; 0.5 or more matters.")
    assert list(shown.rows[0].shown) == ["boundary", "interval", "theory", "seeds"]
    assert shown.summary["theory"] == "4"
    assert shown.checks[0].row.shown["interval"] == "−∞ to 0"  # arm b is below the level from the first value on
    assert shown.checks[0].row.notes == ("32 of 32 seeds are known by a bound only",)
    assert ("Claimed", "Along x the score falls to 2.6 at 4, at the reference cell") in shown.facts


def test_the_effect_of_two_arms_and_a_rising_one():
    """Twice the score of arm a less that of arm c turned round: rises from -2 by a tenth of x."""
    results = QUIET.copy(deep=True)
    results.score.loc[{"arm": "c"}] = 5.0
    text = claim(
        "rises: false",
        "rises: true",
        "meets: 2.6",
        "meets: 2.4",
        "{claimed: {arm: a}}",
        "{claimed: {arm: c}, against: {arm: a}}",
    )
    found = decided(text.replace("{claimed: {arm: b}}", "{claimed: {arm: c}, against: {arm: b}}"), results)
    assert found.verdict.verdict == "supported", found.verdict.reason


def test_a_logarithmic_axis_and_a_margin_by_factor():
    results = QUIET.assign_coords(x=[1.0, 2.0, 4.0, 8.0, 16.0])
    grid = Grid((AXES[0], Axis("x", tuple({"x": x} for x in results.x.values.tolist()))), 4, LOOKS)
    text = claim("rises: false", "rises: false\nlog: true", "value: 0.5", "factor: 1.2", "meets: 2.6", "meets: 2.7")
    half = np.sqrt(4.0 * 8.0)  # 2.8 at 4, 2.6 at 8
    found = decided(text.replace("theory: 4.0", f"theory: {half}"), results, grid)
    assert found.verdict.verdict == "supported"
    shown = told(found)
    assert shown.rows[0].shown["theory"] == "5.66"
    assert shown.answer.endswith("theory's at 5.66; a factor of 1.2 or more matters.")
    assert (
        decided(text.replace("theory: 4.0", f"theory: {half / 1.3}"), results, grid).cells[0].decision.verdict
        == "refuted"
    )
    with pytest.raises(ConfigError, match="must be positive, got -1"):
        decided(text.replace("theory: 4.0", "theory: -1.0"), results, grid)


def test_theory_may_be_an_metric_that_has_used_the_axis_up():
    critical = QUIET.score.mean("x") * 0 + 4.0
    found = decided(claim("theory: 4.0", "theory: critical"), QUIET.assign(critical=critical))
    assert found.verdict.verdict == "supported"
    failing = QUIET.assign(critical=critical).copy(deep=True)
    failing.nonfinite.loc[{"arm": "a", "seed": 20}] = True  # every trial of a seed
    assert decided(claim("theory: 4.0", "theory: critical"), failing).cells[0].noted["theory"] == 4.0
    with pytest.raises(ConfigError, match=r"claims.it.theory: 'critical' must give one finite number for each seed"):
        decided(claim("theory: 4.0", "theory: critical"), QUIET.assign(critical=QUIET.score))


def test_a_trial_that_failed_makes_its_seed_unknown():
    results = QUIET.copy(deep=True)
    results.nonfinite.loc[{"arm": "a", "x": 2.0, "seed": 20}] = True
    cell = decided(CLAIM, results).cells[0]
    assert cell.noted["censored"] == 1
    assert cell.theta[20] == pytest.approx(0.0)  # the middle of the grid


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("along: x", "along: y", "no axis of the grid is called 'y'"),
        ("along: x", "along: arm", "needs two or more increasing numbers on 'arm'"),
        ("along: x", "along: x\nlog: true", "must be positive, got 0.0"),
        ("value: 0.5", "factor: 1.2", "a margin by 'factor' needs scale log_ratio"),
    ],
)
def test_what_does_not_fit_is_named(old, new, message):
    with pytest.raises((ValueError, ConfigError), match=message):
        decided(claim(old, new), QUIET)


def test_population_are_refused_before_anything_runs():
    grid = Grid(GRID.axes, 4, LOOKS, population=[Population(of="law", rows=5, drawn=5, test=1)])
    with pytest.raises(ConfigError, match="sign tests, which know of no law behind a data set"):
        decided(CLAIM, QUIET, grid)


def test_it_is_planned_in_one_line():
    from jaxml.claims.kinds import KINDS

    kind = KINDS["boundary"]
    line = kind.planned(kind.plan(read(CLAIM), GRID, "claims.it"))
    assert line == "boundary along x at 4, the reference cell, margin 0.5 (difference), 2 controls"
