"""Decisions: the rule, looks, Holm, quantifiers and controls."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from jaxml.claims.rule.controls import with_controls
from jaxml.claims.rule.decide import decide_cells, decide_runs
from jaxml.claims.rule.family import step_down
from jaxml.claims.rule.intervals import union_interval, union_tails
from jaxml.claims.rule.quantifier import decide_claim
from jaxml.claims.rule.spending import look_levels
from jaxml.claims.verdict import ClaimVerdict, Decision, SuiteReport

LOOKS = (16, 32, 64)
NOISE = np.random.default_rng(0).normal(size=64)


def decide(theta, **options):
    return decide_cells(np.atleast_2d(theta), **{"margin": 0.5, "looks": LOOKS, **options})


@pytest.mark.parametrize(
    ("mean", "verdict", "label"),
    [
        (3.0, "supported", None),
        (0.0, "refuted", "equivalent"),
        (-3.0, "refuted", "reversed"),
        (0.5, "inconclusive", None),
    ],
)
def test_the_rule(mean, verdict, label):
    (cell,) = decide(mean + 0.3 * np.tile([1.0, -1.0], 32))
    assert (cell.verdict, cell.label) == (verdict, label)
    assert cell.low is not None
    assert cell.high is not None
    assert {"supported": cell.low >= 0.5, "refuted": cell.high < 0.5}.get(verdict, cell.low < 0.5 <= cell.high)
    assert (cell.seeds, cell.look) == ((64, 3) if verdict == "inconclusive" else (16, 1))


def test_negligible_is_refuted_without_equivalence():
    theta = -0.45 + 0.4 * (NOISE - NOISE[:16].mean()) / NOISE[:16].std(ddof=1)
    (cell,) = decide(theta)
    assert (cell.verdict, cell.label) == ("refuted", "negligible")
    assert "claimed direction" in cell.reason


def test_beating_zero_is_not_enough():
    (cell,) = decide(0.25 + 0.1 * NOISE)
    assert cell.low is not None
    assert cell.low > 0
    assert cell.verdict == "refuted"


def test_the_interval_is_the_union_at_the_level_of_the_look():
    theta = 0.45 + NOISE
    (cell,) = decide(theta)
    assert cell.level == pytest.approx(look_levels(LOOKS)[-1])
    assert (cell.low, cell.high) == pytest.approx(union_interval(theta, level=cell.level), rel=1e-12)
    assert cell.estimate == pytest.approx(theta.mean())
    assert cell.sd == pytest.approx(theta.std(ddof=1))
    assert cell.probability_positive == np.mean(theta > 0)
    assert cell.half_width_over_margin == pytest.approx((cell.high - cell.low) / 2 / 0.5)
    assert (cell.p_support, cell.p_refute) == pytest.approx(union_tails(theta, 0.5))


def test_seeds_beyond_the_deciding_look_change_nothing():
    generator = np.random.default_rng(2)
    theta = generator.normal(0.4, 0.8, size=(7, 64)) + np.linspace(-1, 1, 7)[:, None]
    full = decide(theta)
    assert {cell.look for cell in full} == {1, 2, 3}
    for look, seeds in enumerate(LOOKS, 1):
        spoiled = theta.copy()
        spoiled[:, seeds:] = 1e6
        for cell, other, short in zip(full, decide(spoiled), decide(theta[:, :seeds]), strict=True):
            if cell.verdict != "inconclusive" and cell.look <= look:
                assert replace(cell, later=None) == replace(other, later=None) == short


def test_between_looks_the_surplus_seeds_wait():
    assert decide((0.4 + NOISE)[:40]) == decide((0.4 + NOISE)[:32])


def test_before_the_first_look_nothing_is_decided_and_the_interval_is_shown():
    (cell,) = decide(9.0 + NOISE[:8])
    assert (cell.verdict, cell.look, cell.seeds) == ("inconclusive", None, 8)
    assert cell.low is not None
    assert cell.reason == "8 seeds, and the first declared look needs 16"


def test_seeds_that_agree_say_nothing_of_rarer_ones():
    (same,), (seven,) = decide(np.full(64, 0.6)), decide(np.r_[np.arange(7.0), np.zeros(57)])
    assert [(c.verdict, c.low, c.seeds_needed) for c in (same, seven)] == [("inconclusive", None, None)] * 2
    assert same.reason == (
        "all 64 seeds agree, which says nothing of rarer ones: declare the metric's range, or decide a number"
    )
    assert seven.reason.startswith("only 6 of 64 seeds differ from the most frequent value")


def test_in_a_declared_range_seeds_that_agree_leave_room_for_a_share_of_others():
    (short,), (enough,) = (decide(np.zeros(n), looks=(n,), span=(-1.0, 1.0)) for n in (4, 16))
    assert (short.verdict, enough.verdict, enough.label) == ("inconclusive", "refuted", "equivalent")
    assert (enough.low, enough.high) == pytest.approx((-(1 - 0.025 ** (1 / 16)), 1 - 0.025 ** (1 / 16)))


def test_scale_and_order_of_cells_do_not_matter():
    theta = np.random.default_rng(5).normal(0.6, 1.0, size=(12, 64)) + np.linspace(-1, 1, 12)[:, None]
    cells = decide(theta)
    assert [c.verdict for c in decide(1e-6 * theta, margin=0.5e-6)] == [c.verdict for c in cells]
    assert decide(theta[::-1])[::-1] == cells
    assert decide(theta, margin=np.full(12, 0.5)) == cells


def test_mirrored_theta_swaps_support_for_reversal():
    theta = np.random.default_rng(6).normal(0.0, 1.0, size=(8, 64)) + np.linspace(-2, 2, 8)[:, None]
    for cell, mirror in zip(decide(theta), decide(-theta), strict=True):
        if cell.verdict == "supported":
            assert mirror.verdict == "refuted"


# --- Holm


def holm(p, alpha):
    """The textbook: reject the smallest while p_(k) <= alpha / (m - k + 1)."""
    rejected = np.zeros(len(p), bool)
    for k, i in enumerate(np.argsort(p)):
        if p[i] > alpha / (len(p) - k):
            break
        rejected[i] = True
    return rejected


def test_step_down_is_holms():
    generator = np.random.default_rng(1)
    p = generator.beta(0.3, 3.0, size=(200, 7)) * 0.2
    tails = 0.05 / (7 - np.arange(7))
    rejected, level = step_down(p, np.zeros(200, int), tails)
    np.testing.assert_array_equal(rejected, [holm(row, 0.05) for row in p])
    assert 0 < rejected.mean() < 1
    np.testing.assert_array_equal(rejected, p <= level)


def test_step_down_goes_on_from_earlier_looks():
    tails = 0.05 / (3 - np.arange(3))
    rejected, level = step_down(np.array([[np.inf, 0.02, 0.04]]), np.array([1]), tails)
    assert rejected.tolist() == [[False, True, True]]
    assert level[0, 1:].tolist() == [0.025, 0.05]


def test_one_look_of_many_cells_is_holm_on_union_p_values():
    theta = np.random.default_rng(8).normal(1.1, 1.0, size=(20, 32))
    cells = decide(theta, looks=(32,))
    expected = holm(union_tails(theta, 0.5).above, 0.025)
    assert [c.verdict == "supported" for c in cells] == expected.tolist()
    assert 3 < expected.sum() < 20
    # Some are decided only because others were: a plain Bonferroni bound finds fewer.
    assert expected.sum() > np.sum(union_tails(theta, 0.5).above <= 0.025 / 20)


def test_more_cells_need_more_evidence():
    theta = 0.5 + 1.0 * NOISE + 0.6
    alone, *_ = decide(theta)
    crowded, *_ = decide(np.vstack([theta, np.tile(0.5 + NOISE, (60, 1))]))
    assert alone.level is not None
    assert crowded.level is not None
    assert crowded.level < alone.level
    assert crowded.seeds > alone.seeds


def test_what_was_decided_at_an_earlier_look_relaxes_the_bound_of_the_rest():
    at_margin = 0.5 + 0.3 * np.tile([1.0, -1.0], 32)
    *early, late = decide(np.stack([3 + NOISE, 4 + NOISE, at_margin]))
    assert [cell.look for cell in early] == [1, 1]
    # Upwards the last of three hypotheses is left, downwards still all three.
    assert late.level == pytest.approx(look_levels(LOOKS, 0.05)[-1] / 2 + look_levels(LOOKS, 0.05 / 3)[-1] / 2)


def test_runs_are_independent_of_one_another():
    theta = np.random.default_rng(9).normal(0.9, 1.0, size=(5, 6, 64))
    together = decide_runs(theta, margin=0.5, looks=LOOKS)
    for run in range(5):
        alone = decide_runs(theta[run : run + 1], margin=0.5, looks=LOOKS)
        for name, column in alone.items():
            np.testing.assert_allclose(together[name][run], column[0], rtol=1e-10)


# --- robustness


def test_median_companion_is_reported_at_95_percent():
    (cell,) = decide(0.4 + NOISE[:32], looks=(32,), margin=0.5)
    ordered = np.sort(0.4 + NOISE[:32])
    assert (cell.median_low, cell.median_high) == (ordered[9], ordered[22])


@pytest.mark.parametrize("shape", ["share", "seeds", "arms"])
def test_failed_trials_make_a_cell_invalid(shape):
    marks = np.zeros((2, 2, 64), bool)
    marks[0, 1, :12] = True
    given = {"share": marks.mean(-1).max(-1), "seeds": marks.any(1), "arms": marks}[shape]
    bad, good = decide(np.tile(3.0 + NOISE, (2, 1)), nonfinite=given)
    assert bad.verdict == "invalid"
    assert "more than 5% of an arm's trials" in bad.reason
    assert good.verdict == "supported"


def test_marks_are_judged_at_each_look_and_a_share_of_five_percent_is_allowed():
    marks = np.zeros((1, 64), bool)
    marks[0, 3] = True  # 1 of 16 is too many, 1 of 32 is not
    (cell,) = decide(3.0 + NOISE, nonfinite=marks)
    assert (cell.verdict, cell.look) == ("supported", 2)
    (cell,) = decide(3.0 + NOISE, nonfinite=[0.05])
    assert cell.verdict == "supported"


def test_theta_that_is_not_finite_is_invalid_not_dropped():
    theta = np.tile(3.0 + NOISE, (2, 1))
    theta[0, 5], theta[1, 40] = np.nan, np.inf
    broken, early = decide(theta)
    assert (broken.verdict, broken.estimate) == ("invalid", None)
    assert "not finite" in broken.reason
    assert early.verdict == "supported"  # at 16 seeds, before the broken one
    json.dumps(broken.to_json(), allow_nan=False)


def test_correction_widens_and_can_be_given_for_each_cell():
    theta = np.tile(1.1 + NOISE, (2, 1))
    splits, fresh = decide(theta, correction=np.array([0.25, 0.0]))
    assert fresh.verdict == "supported"
    assert splits.verdict == "inconclusive"
    assert splits.seeds_needed is None  # more splits of the same data would never do


def test_seeds_needed_is_named_when_undecided():
    (cell,) = decide(0.8 + 1.2 * (NOISE - NOISE.mean()))
    assert cell.verdict == "inconclusive"
    assert cell.seeds_needed is not None
    assert cell.sd is not None
    effect = abs(0.8 - 0.5) / cell.sd * np.sqrt(cell.seeds_needed)
    assert stats.norm.cdf(effect - stats.norm.isf(look_levels(LOOKS)[-1] / 2)) == pytest.approx(0.9, abs=0.02)


def test_familywise_error_over_dependent_cells():
    """Any false support among six cells at the margin that share their seeds: at most alpha / 2."""
    generator = np.random.default_rng(12)
    noise = 0.6 * generator.normal(size=(400, 1, 64)) + 0.8 * generator.normal(size=(400, 6, 64))
    verdict = decide_runs(0.5 + noise, margin=0.5, looks=LOOKS)["verdict"]
    for outcome in (1, -1):
        assert np.mean((verdict == outcome).any(-1)) < 0.025 + 3 * np.sqrt(0.025 / 400)


# --- claims


def cells(text):
    names = {"s": "supported", "r": "refuted", "i": "inconclusive", "x": "invalid"}
    labels = {"r": "equivalent"}
    return [Decision(verdict=names[c], label=labels.get(c), reason=c) for c in text]


@pytest.mark.parametrize(
    ("quantifier", "text", "verdict", "badge"),
    [
        ("all", "ssss", "supported", None),
        ("all", "sssi", "inconclusive", None),
        ("all", "ssri", "refuted", "MIXED"),
        ("all", "sxss", "invalid", None),
        ("all", "rxii", "refuted", None),
        ("exact", "ss", "supported", None),
        ("exact", "sr", "refuted", "MIXED"),
        ("most", "ssssr", "supported", "MIXED"),  # 80 % and 20 %: neither more nor less
        ("most", "sssrr", "refuted", "MIXED"),
        ("most", "sssii", "inconclusive", None),
        ("most", "sssir", "inconclusive", "MIXED"),
        ("most", "sssxi", "invalid", None),
        ("some", "rrrs", "supported", "MIXED"),
        ("some", "rrr", "refuted", None),
        ("some", "rri", "inconclusive", None),
        ("some", "rrx", "invalid", None),
        ("some", "sx", "supported", None),
    ],
)
def test_quantifiers(quantifier, text, verdict, badge):
    claim = decide_claim(cells(text), quantifier=quantifier)
    assert (claim.verdict, claim.badge, claim.quantifier) == (verdict, badge, quantifier)
    assert claim.cells == {
        "supported": text.count("s"),
        "refuted": text.count("r"),
        "inconclusive": text.count("i"),
        "invalid": text.count("x"),
    }


def test_reference_reads_one_cell_and_still_shows_the_regime():
    claim = decide_claim(cells("srix"), quantifier="reference", reference=1)
    assert (claim.verdict, claim.label, claim.badge) == ("refuted", "equivalent", "MIXED")
    assert decide_claim(cells("srix"), quantifier="reference", reference=0).verdict == "supported"
    assert decide_claim(cells("srix"), quantifier="reference", reference=2).verdict == "inconclusive"
    assert decide_claim(cells("srix"), quantifier="reference", reference=3).verdict == "invalid"


def test_label_of_a_claim_is_its_refuted_cells_common_one():
    null, other = cells("rr")
    assert decide_claim([null, other], quantifier="some").label == "equivalent"
    mixed = [null, replace(other, label="reversed")]
    assert decide_claim(mixed, quantifier="some").label is None


def test_controls():
    good = decide_claim(cells("s"), quantifier="all")
    found, gone, unsure, broken = (replace(cell, estimate=0.1, sd=0.3) for cell in cells("srix"))
    constant = replace(gone, estimate=0.0, sd=0.0)
    almost = replace(gone, estimate=0.0, sd=1e-9)
    assert with_controls(good, {"shuffled": (gone, 0.5), "swapped": (unsure, 0.5)}, {"known": found}) == good
    sabotaged = with_controls(good, {"fair": (gone, 0.5), "shuffled labels": (found, 0.5)}, {})
    assert sabotaged.verdict == "invalid"
    assert "negative control 'shuffled labels' came out supported" in sabotaged.reason
    for failing in (gone, unsure, broken):
        missed = with_controls(good, {"fair": (gone, 0.5)}, {"planted signal": failing})
        assert missed.verdict == "invalid"
        assert "positive control 'planted signal'" in missed.reason
    assert with_controls(good, {"fair": (gone, 0.5), "shuffled": (broken, 0.5)}, {}).verdict == "invalid"
    for idle, word in ((constant, "vacuous"), (almost, "vacuous"), (unsure, "uninformative")):
        alone = with_controls(good, {"idle": (idle, 0.5)}, {"known": found})
        assert alone.verdict == "invalid"
        assert f"'idle' is {word}" in alone.reason
        assert with_controls(good, {"idle": (idle, 0.5), "fair": (gone, 0.5)}, {"known": found}) == good
    assert with_controls(good, {}, {"known": found}).verdict == "invalid"


# --- records and messages


def test_records_go_to_json_and_back():
    for cell in decide(np.stack([3 + NOISE, 0.5 + NOISE])):
        assert Decision.from_json(json.loads(json.dumps(cell.to_json(), allow_nan=False))) == cell
    claim = decide_claim(cells("sr"), quantifier="all")
    assert ClaimVerdict.from_json(json.loads(json.dumps(claim.to_json()))) == claim
    report = SuiteReport(verdict=claim, properties={"law": cells("s")[0]}, mutants={"drop": "law"})
    assert SuiteReport.from_json(json.loads(json.dumps(report.to_json()))) == report
    with pytest.raises(ValueError, match="Decision: unknown field 'colour'"):
        Decision.from_json({"verdict": "supported", "reason": "", "colour": "red"})
    with pytest.raises(ValueError, match=r"Decision: .*missing .*'reason'.* The file is incomplete"):
        Decision.from_json({"verdict": "supported"})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: decide_cells(NOISE, margin=1, looks=LOOKS), r"'theta' must have shape \(cells, n\), got \(64,\)"),
        (lambda: decide(NOISE[:1]), r"n >= 2 seeds, got \(1, 1, 1\). Declare a grid"),
        (lambda: decide(np.zeros((0, 16))), r"at least one cell .* got \(1, 0, 16\)"),
        (lambda: decide(NOISE, margin=0.0), "'margin' must be positive and finite, got 0.0. State the smallest"),
        (lambda: decide(NOISE, looks=(16, 16)), r"'looks' must be .* got \[16, 16\]"),
        (lambda: decide(NOISE, correction=-0.1), "'correction' must be n_test / n_train >= 0"),
        (lambda: decide(NOISE, nonfinite=np.zeros((1, 3))), r"'nonfinite' must have shape \(1,\), \(1, 64\) or"),
        (lambda: decide_claim([], quantifier="all"), "at least one cell, got none"),
        (lambda: decide_claim(cells("s"), quantifier="mostly"), "'quantifier' must be one of .* got 'mostly'"),
        (lambda: decide_claim(cells("s"), quantifier="reference"), "'reference' must be a cell index .* got None"),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("sign", [1, -1])
def test_later_seeds_that_do_not_bear_a_decision_out_are_kept_beside_it(sign):
    """They are judged alone: the seeds of the decision were chosen by it. Nothing of the decision changes."""
    theta = 0.5 + sign * (np.where(np.arange(64) < 16, 2.0, -0.2) + 0.1 * NOISE)
    (cell,), (first,) = decide(theta), decide(theta[:16])
    assert cell.verdict == ("supported" if sign == 1 else "refuted")
    assert replace(cell, later=None) == first
    later = cell.later
    assert later is not None
    assert (later.first, later.last) == (17, 64)
    assert later.estimate == pytest.approx(theta[16:].mean(), abs=1e-12)
    low, high = union_interval(theta[16:], level=cell.level)
    assert (later.low, later.high) == pytest.approx((float(low), float(high)))
    assert sign * (0.5 - later.estimate) > 0


@pytest.mark.parametrize(
    "theta",
    [
        np.where(np.arange(64) < 16, 2.0, 0.6) + 0.1 * NOISE,  # smaller, and beyond the margin all the same
        np.full(64, 0.5),  # at the margin: a sum of halves may round below
        np.r_[2.0 + 0.1 * NOISE[:16], -2.0],  # one seed has no interval
        0.5 + NOISE,  # undecided at the last look
    ],
)
def test_later_seeds_that_bear_it_out_are_not_mentioned(theta):
    assert decide(theta)[0].later is None
