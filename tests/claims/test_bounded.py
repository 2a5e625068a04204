"""Means within a range: against the definitions, exact tables and planted rare events."""

import numpy as np
import pytest
from scipy import stats

from jaxml.claims.rule.bounded import STAKED, bounded_ends, bounded_tails, off_the_mode, unseen_share
from jaxml.claims.rule.decide import decide_runs
from jaxml.claims.rule.family import Family
from jaxml.claims.rule.hypothesis import Hypothesis, at_least, at_most, decide, within
from jaxml.claims.rule.intervals import Interval, Tails
from jaxml.claims.rule.primary import ends, tails

LOOKS = (16, 32, 64)
NOTHING = Tails(np.zeros(1), np.zeros(1)), Interval(np.full(1, np.inf), np.full(1, -np.inf))


def spanned(low, high, rows=1):
    return np.repeat([[float(low)], [float(high)]], rows, 1)


@pytest.mark.parametrize("k", [0, 1, 3, 15, 16])
def test_two_values_are_binomial(k):
    rows = np.where(np.arange(16) < k, 3.0, -1.0)[None]
    for v in (-1.0, -0.5, 0.3, 2.0, 3.0):
        u = (v + 1) / 4
        above, below = bounded_tails(rows, np.array([v]), spanned(-1, 3), NOTHING[0])
        assert above[0] == pytest.approx(stats.binom.sf(k - 1, 16, u), abs=1e-12)
        assert below[0] == pytest.approx(stats.binom.cdf(k, 16, u), abs=1e-12)
    low, high = bounded_ends(rows, np.array([0.02]), np.array([0.02]), spanned(-1, 3), NOTHING[1])
    theirs = stats.binomtest(k, 16).proportion_ci(0.96)
    assert (low[0], high[0]) == pytest.approx((4 * theirs.low - 1, 4 * theirs.high - 1), abs=1e-9)


def capital(values, u):
    """The bets, one after the other, from the paper's formula."""
    money, most, total, spread = 1.0, 1.0, 0.5, 0.25
    variance, n = 0.25, len(values)
    for i, y in enumerate(values, 1):
        money *= 1 + min(np.sqrt(2 * np.log(1 / STAKED) / (variance * n)), 0.75 / u) * (y - u)
        most = max(most, money)
        total += y
        spread += (y - total / (i + 1)) ** 2
        variance = spread / (i + 1)
    return most


def test_betting_is_its_definition():
    values = np.random.default_rng(0).uniform(size=40)
    for u in (0.1, 0.5, 0.9):
        above, below = bounded_tails(10 * values[None], np.array([10 * u]), spanned(0, 10), NOTHING[0])
        assert above[0] == pytest.approx(1 / capital(values, u), rel=1e-9)
        assert below[0] == pytest.approx(1 / capital(1 - values, 1 - u), rel=1e-9)


def test_what_was_not_seen_may_lie_at_the_end_of_the_range():
    rows = np.r_[np.zeros(14), 0.5, 0.5][None]
    mean = 1 / 16
    above, below = bounded_tails(rows, np.array([0.2]), spanned(-1, 2), NOTHING[0])
    share = (0.2 - mean) / (2 - 0.5)  # that would lift the mean to 0.2
    assert below[0] == pytest.approx((1 - share) ** 16)
    assert above[0] == 1.0
    low, high = bounded_ends(rows, np.array([0.01]), np.array([0.02]), spanned(-1, 2), NOTHING[1])
    assert high[0] == pytest.approx(mean + unseen_share(16, 0.02) * 1.5)
    assert low[0] == pytest.approx(mean - unseen_share(16, 0.01) * 1.0)


GENERATOR = np.random.default_rng(1)
ROWS = {
    "two values": GENERATOR.integers(0, 2, size=(5, 32)).astype(float),
    "spread": GENERATOR.uniform(size=(5, 32)),
    "narrow": 0.5 + 0.05 * GENERATOR.normal(size=(5, 32)),
    "nearly the same": np.where(GENERATOR.random((5, 32)) < 0.06, 0.4, 0.2),
    "all the same": np.full((5, 32), 0.3),
}


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("tail", [0.025, 1e-4])
def test_p_values_invert_the_ends_and_mirror(rows, tail):
    span, none, level = spanned(0, 1, 5), np.zeros(5), np.full(5, tail)
    low, high = ends(rows, level, level, none, span)
    assert np.all((low >= 0) & (high <= 1) & (low <= rows.mean(-1)) & (rows.mean(-1) <= high))
    inside, outside = 1e-6, -1e-6
    for at, side in ((low, -1), (high, 1)):
        open_ = (at > 1e-3) & (at < 1 - 1e-3)  # at the ends of the range the mean itself ends
        p = [np.asarray(tails(rows, at + side * step, none, span)[(1 + side) // 2]) for step in (inside, outside)]
        assert np.all((p[0] <= tail * (1 + 1e-3))[open_])
        assert np.all((p[1] >= tail * (1 - 1e-3))[open_])
    mirrored = ends(-rows, level, level, none, -span[::-1])
    np.testing.assert_allclose((-mirrored.high, -mirrored.low), (low, high), atol=1e-9)


def test_seeds_off_the_mode_are_counted_to_rounding():
    assert off_the_mode(np.array([1.0, 1.0 + 2e-16, 3.0, 1.0 - 2e-16])) == 1
    assert off_the_mode(np.arange(7.0)) == 6
    assert off_the_mode(np.zeros((2, 0, 5))).shape == (2, 0)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1, 0.5])
@pytest.mark.parametrize("ranged", [True, False])
def test_rare_events_are_not_decided_too_soon(share, ranged):
    """The mean of events lies at the margin: the t test refutes it in up to 44 % of runs at the first look."""
    hits = np.random.default_rng(3).random((3_000, 1, 64)) < share
    from jaxml.claims.rule.decide import walked

    walk = walked(hits * 1.0, None, margin=share, looks=LOOKS, span=(0.0, 1.0) if ranged else None)
    room = 4 * np.sqrt(0.025 * 0.975 / 3_000)
    assert np.mean(walk.verdict == 1) < 0.025 + room
    assert np.mean(walk.verdict == -1) < 0.025 + room


def test_cells_that_count_only_together_are_tested_at_the_whole_level():
    theta = 0.5 + 0.7 + np.random.default_rng(4).normal(size=(6, 64))
    asked = [Hypothesis(claim="c", rows=row[None], region=at_least(0.5)) for row in theta]
    apart = decide(asked, looks=(64,))
    together = decide(
        [Hypothesis(claim="c", rows=r[None], region=at_least(0.5), joint="support") for r in theta], looks=(64,)
    )
    alone = decide([Hypothesis(claim="c", rows=theta[:1], region=at_least(0.5))], looks=(64,))
    level = lambda cell: cell.level  # noqa: E731
    assert together[0].verdict == "supported"
    assert max(map(level, apart)) < level(together[0]) or together[0].low == alone[0].low
    assert {cell.low for cell in together} >= {alone[0].low}


def test_a_family_of_joint_claims_errs_no_more_than_declared():
    """Two claims about all of four cells, each with one false cell at the margin and three that are sure."""
    runs, effects = 6_000, np.array([3.0, 3.0, 3.0, 0.0] * 2)
    p = stats.norm.sf(effects + np.random.default_rng(5).normal(size=(runs, 8)))
    family = Family(np.repeat([0, 1], 4), np.zeros(8, bool), (64,), 0.05, np.ones(8))
    passed, _ = family.decided(0, p, np.zeros((runs, 8), bool))
    false = passed.reshape(runs, 2, 4).all(-1).any(-1)
    assert np.mean(false) <= 0.025 + 4 * np.sqrt(0.025 / runs)
    assert np.mean(false) > 0.008  # each claim at half the error, not each cell at an eighth


def test_ranges_turn_with_the_region_and_are_checked():
    rows = np.zeros((1, 64))
    for region in (at_least(0.2), at_most(-0.2)):
        (cell,) = decide([Hypothesis(claim="c", rows=rows, region=region, span=(-0.5, 0.3))], looks=(64,))
        assert cell.verdict == "refuted"
        q = unseen_share(64, 0.025)
        assert (cell.low, cell.high) == pytest.approx((-0.5 * q, 0.3 * q), rel=1e-9)
    (cell,) = decide([Hypothesis(claim="c", rows=rows, region=within(0.1), span=(-1.0, 1.0))], looks=(64,))
    assert cell.verdict == "supported"
    for options, message in (
        ({"span": (1.0, 0.0)}, "two rising numbers"),
        ({"span": (0.0, 1.0), "ratio": 0.1}, "'ratio' must be 0"),
        ({"span": (1.0, 2.0)}, "theta must lie in its span, 1 to 2, got 0 to 0"),
    ):
        with pytest.raises(ValueError, match=message):
            Hypothesis(claim="c", rows=rows, region=at_least(0.2), **options)


def test_ten_thousand_cells_are_judged_in_seconds():
    import time

    theta = np.random.default_rng(6).normal(size=(1, 10_000, 64))
    decide_runs(theta[:, :10], margin=0.5, looks=LOOKS)
    start = time.process_time()
    decide_runs(theta, margin=0.5, looks=LOOKS)
    assert time.process_time() - start < 3
