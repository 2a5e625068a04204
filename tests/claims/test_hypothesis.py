"""Regions and combinations: p-values from their definitions, the rule for contrasts as a special case, error rates."""

import json
from typing import Any

import numpy as np
import pytest
from scipy.special import stdtr

from jaxml.claims.rule.decide import decide_apart, decide_cells
from jaxml.claims.rule.hypothesis import Hypothesis, at_least, at_most, decide, within
from jaxml.claims.rule.intervals import Tails, union_bounds, union_tails
from jaxml.claims.rule.power import seeds_of_each
from jaxml.claims.rule.rows import score
from jaxml.claims.rule.signs import sign_bounds, sign_tails
from jaxml.claims.rule.spending import look_levels
from jaxml.claims.rule.walk import Layout, Walk
from jaxml.claims.verdict import Decision

LOOKS = (16, 32, 64)
DELTA = 0.5
NOISE = np.random.default_rng(0).normal(size=64)


def hypothesis(rows, region, **options):
    return Hypothesis(**{"claim": "c", "rows": np.atleast_2d(rows), "region": region, **options})


def one(rows, region, looks=LOOKS, **options) -> Any:
    (decision,) = decide([hypothesis(rows, region, **options)], looks=looks)
    return decision


def test_single_rows_of_at_least_are_decided_as_cells_to_the_last_bit():
    generator = np.random.default_rng(3)
    theta = generator.normal(size=(30, 64)) + generator.choice([-0.5, 0.5, 1.0], size=(30, 1))
    failed = generator.random((30, 2, 64)) < 0.02
    ratio = generator.choice([0.0, 0.1], size=30)
    for n in (64, 40, 10):
        cells = decide_cells(theta[:, :n], margin=DELTA, looks=LOOKS, correction=ratio, nonfinite=failed[..., :n])
        found = decide(
            [
                hypothesis(row[:n], at_least(DELTA), failed=marks[:, :n], ratio=r, difference=True)
                for row, marks, r in zip(theta, failed, ratio, strict=True)
            ],
            looks=LOOKS,
        )
        assert found == cells


def test_at_most_is_at_least_with_both_signs_turned():
    generator = np.random.default_rng(4)
    theta = generator.normal(size=(12, 64)) + generator.choice([-1.0, 0.3, 1.0], size=(12, 1))
    turned = decide([hypothesis(-row, at_least(-0.3)) for row in theta], looks=LOOKS)
    found = decide([hypothesis(row, at_most(0.3)) for row in theta], looks=LOOKS)
    assert {d.verdict for d in found} == {"supported", "refuted", "inconclusive"}
    ours: Any
    theirs: Any
    for ours, theirs in zip(found, turned, strict=True):
        assert (ours.verdict, ours.seeds, ours.p_support) == (theirs.verdict, theirs.seeds, theirs.p_support)
        assert (ours.low, ours.high, ours.estimate) == (-theirs.high, -theirs.low, -theirs.estimate)
        assert (ours.median, ours.median_low) == (-theirs.median, -theirs.median_high)
        where = {"supported": "at or below 0.3", "refuted": "lies above 0.3"}.get(ours.verdict, "holds 0.3 after")
        assert where in ours.reason
        assert ours.label is None
    assert found[0].probability_positive == np.mean(theta[0, : found[0].seeds] > 0)


@pytest.mark.parametrize("mean", [-2.0, -0.6, -0.1, 0.0, 0.3, 0.7, 2.0])
def test_within_is_two_one_sided_tests(mean):
    theta = mean + NOISE
    cell = one(theta, within(DELTA), looks=(64,))
    up, down = union_tails(theta, DELTA), union_tails(theta, -DELTA)
    assert cell.p_support == pytest.approx(max(up.below, down.above), rel=1e-9)
    sums = (up.above + down.above) if theta.mean() > 0 else (down.below + up.below)
    assert cell.p_refute == pytest.approx(min(1, sums), rel=1e-9)
    expected = "supported" if cell.p_support <= 0.025 else "refuted" if cell.p_refute <= 0.025 else "inconclusive"
    assert cell.verdict == expected
    low, high = union_bounds(theta, 0.025, 0.025)
    assert (cell.low, cell.high) == pytest.approx((float(low), float(high)), abs=1e-6)
    words = {"supported": "lies within ±0.5", "refuted": "lies outside of ±0.5"}
    assert words.get(cell.verdict, "holds an end of ±0.5 after the last declared look (64 seeds)") in cell.reason


def test_constants_at_the_ends_of_within_are_outside():
    values = (-0.5, 0.5, -0.1, 0.1, 0.0)
    cells = decide([hypothesis(np.full(64, v), within(DELTA), span=(-0.5, 0.5)) for v in values], looks=LOOKS)
    assert [c.verdict for c in cells[2:]] == ["supported"] * 3
    assert {c.verdict for c in cells[:2]} == {"inconclusive"}  # the mean may lie inside by what no seed showed


def test_within_never_takes_the_size_inside_a_seed():
    """Seeds that are far on either side have mean 0, and are the same on average."""
    assert one(np.tile([0.9, -0.9], 32), within(DELTA)).verdict == "supported"


ROWS = np.array([1.2, 0.9, 0.3])[:, None] + np.random.default_rng(5).normal(size=(3, 64))


@pytest.mark.parametrize("combine", ["all", "any"])
@pytest.mark.parametrize("region", [at_least(DELTA), at_most(DELTA), within(DELTA)])
def test_rows_are_combined_by_intersection_and_union(combine, region):
    cell = one(ROWS, region, looks=(64,), combine=combine)
    rows = [one(row, region, looks=(64,)) for row in ROWS]
    support, refute = [r.p_support for r in rows], [r.p_refute for r in rows]
    one_of = lambda p: min(1, 3 * min(p))  # noqa: E731
    expected = (max(support), one_of(refute)) if combine == "all" else (one_of(support), max(refute))
    assert (cell.p_support, cell.p_refute) == pytest.approx(expected, rel=1e-9)
    assert [r.p_support for r in cell.rows] == pytest.approx(support, rel=1e-9)
    shown = cell.rows[cell.row]
    assert (shown.estimate, shown.low, shown.high) == (cell.estimate, cell.low, cell.high)
    deciding = refute if cell.verdict == "refuted" else support
    hardest = (max, min)[(combine == "all") == (cell.verdict == "refuted")]
    assert deciding[cell.row] == hardest(deciding)
    assert Decision.from_json(json.loads(json.dumps(cell.to_json()))) == cell


def test_all_needs_each_and_falls_with_one():
    names = ("lasso", "ridge", "tree")
    beaten = one(2 + ROWS, at_least(DELTA), names=names)
    assert beaten.verdict == "supported"
    assert beaten.reason.startswith(f"the weakest of 3, {names[beaten.row]}: interval [")
    lost = one(ROWS - np.array([[0.0], [0.0], [3.0]]), at_least(DELTA), names=names)
    assert (lost.verdict, lost.row) == ("refuted", 2)
    assert lost.reason.startswith("tree does not: interval [")
    assert lost.high < DELTA


def test_any_needs_one_and_falls_with_all():
    won = one(ROWS + np.array([[3.0], [0.0], [-3.0]]), at_least(DELTA), combine="any", names=("a", "b", "c"))
    assert (won.verdict, won.row) == ("supported", 0)
    assert won.reason.startswith("a does: ")
    lost = one(ROWS - 3, at_least(DELTA), combine="any")
    assert lost.verdict == "refuted"
    assert lost.reason.startswith("the strongest of 3, row 1: ")


def test_intervals_agree_with_verdicts():
    generator = np.random.default_rng(6)
    rows = generator.normal(size=(60, 3, 64)) + generator.choice([-1.0, 0, 0.25, 0.5, 1.0], size=(60, 3, 1))
    regions = (at_least(DELTA), at_most(-DELTA), within(DELTA))
    asked = [
        hypothesis(row[: 1 + i % 3], regions[i % 4 % 3], combine=("all", "any")[i % 2]) for i, row in enumerate(rows)
    ]
    cell: Any
    for cell, h in zip(decide(asked, looks=LOOKS), asked, strict=True):
        held = {
            "at_least": (cell.low >= DELTA, cell.high < DELTA),
            "at_most": (cell.high <= -DELTA, cell.low > -DELTA),
            "within": (cell.low > -DELTA and cell.high < DELTA, cell.low >= DELTA or cell.high <= -DELTA),
        }[h.region.kind]
        assert held == (cell.verdict == "supported", cell.verdict == "refuted"), cell


def test_the_order_of_hypotheses_does_not_matter_and_controls_are_decided_alone():
    generator = np.random.default_rng(7)
    rows = generator.normal(size=(8, 3, 64)) + generator.choice([-0.7, 0, 0.7, 1.2], size=(8, 1, 1))
    asked = [hypothesis(row[: 1 + i % 3], (at_least, within)[i % 2](DELTA)) for i, row in enumerate(rows)]
    control = hypothesis(0.9 + NOISE, at_least(DELTA), control="negative")
    together = decide([*asked, control], looks=LOOKS)
    close: Any = lambda d: (d.verdict, d.seeds, pytest.approx(d.level), pytest.approx(d.low))  # noqa: E731
    assert list(map(close, decide(asked[::-1], looks=LOOKS)[::-1])) == [
        (d.verdict, d.seeds, d.level, d.low) for d in together[:-1]
    ]
    assert close(together[-1]) == (lambda d: (d.verdict, d.seeds, d.level, d.low))(
        one(0.9 + NOISE, at_least(DELTA), looks=(32, 64))  # a run of so many takes no look at 16
    )


def test_labels_only_where_zero_means_no_effect():
    assert one(-3 + NOISE, at_least(DELTA), difference=True).label == "reversed"
    for options in ({"region": at_least(DELTA)}, {"region": within(DELTA), "difference": True}):
        cell = one(-3 + NOISE, **options)
        assert (cell.verdict, cell.label) == ("refuted", None)


def test_against_nothing_there_is_no_precision_in_margins():
    cell = one(3 + NOISE, at_least(0))
    assert (cell.verdict, cell.half_width_over_margin) == ("supported", None)
    assert "lies at or above 0" in cell.reason


@pytest.mark.parametrize("region", [at_least(DELTA), at_most(DELTA), within(DELTA)])
def test_a_failed_trial_is_the_worst_for_support_and_the_best_for_refutation(region):
    theta, failed = 0.4 + NOISE.copy(), np.zeros((2, 64), bool)
    theta[40], failed[1, 40] = np.nan, True
    cell = one(theta, region, looks=(32, 64), failed=failed)
    first = theta[:32]
    filled = lambda value: np.where(failed[1], value, theta)  # noqa: E731
    least, most, far = first.min(), first.max(), np.abs(first).max()
    if region.kind == "within":
        support = max(union_tails(filled(far), DELTA).below, union_tails(filled(-far), -DELTA).above)
        best = filled(first[np.abs(first).argmin()])
        refute = union_tails(best, DELTA).above + union_tails(best, -DELTA).above
    elif region.kind == "at_least":
        support, refute = union_tails(filled(least), DELTA).above, union_tails(filled(most), DELTA).below
    else:
        support, refute = union_tails(filled(most), DELTA).below, union_tails(filled(least), DELTA).above
    assert (cell.p_support, cell.p_refute) == pytest.approx((support, min(1, refute)), rel=1e-9)
    assert cell.verdict == "inconclusive"
    assert cell.low < DELTA < cell.high
    # Of 32 seeds one is allowed, of 16 it is too many.
    failed[:], failed[0, :3] = False, True
    assert one(np.where(failed[0], np.nan, theta), region, failed=failed).verdict == "invalid"
    assert "not finite" in one(theta, region, looks=(64,)).reason


def test_seeds_that_would_show_two_things_to_be_the_same():
    """Known variance needs ((z_c + z_0.95) sd / delta)^2 = 63 and 174 at the level of three looks; t a few more."""
    assert seeds_of_each([0.5, 0.3], other_sd=[0.5, 0.3], level=look_levels(LOOKS)[-1]) == [63, 169]
    cell = one(np.tile([0.1 + 1.5, 0.1 - 1.5], 32), within(DELTA))
    assert cell.verdict == "inconclusive"
    assert cell.seeds_needed == seeds_of_each(0.4 / cell.sd, other_sd=0.6 / cell.sd, level=cell.level)[0]


@pytest.mark.parametrize("sign", [1, -1])
def test_later_seeds_that_leave_the_region_are_kept_beside_it(sign):
    theta = sign * (np.where(np.arange(64) < 16, 0.0, 0.8) + 0.1 * NOISE)
    later = one(theta, within(DELTA)).later
    assert sign * later.estimate == pytest.approx(sign * theta[16:].mean())
    assert one(theta, at_most(DELTA)).later == (later if sign == 1 else None)


# --- thetas between bounds


def capped(theta, cap):
    """Seeds above the cap are known to be at least there."""
    return np.minimum(theta, cap), np.where(theta >= cap, np.inf, theta)


@pytest.mark.parametrize("region", [at_least(DELTA), at_most(DELTA), within(DELTA)])
@pytest.mark.parametrize("shift", [-1.5, 0.0, 0.6, 1.5])
def test_what_is_known_between_bounds_is_decided_by_sign_tests(region, shift):
    low, high = capped(shift + NOISE, shift + 0.4)
    cell = one(low, region, looks=(64,), upper=high[None])
    up, down = sign_tails(low, high, DELTA), sign_tails(low, high, -DELTA)
    support, refute = {
        "at_least": (up.above, up.below),
        "at_most": (up.below, up.above),
        "within": (max(up.below, down.above), min(1, up.above + down.above, up.below + down.below)),
    }[region.kind]
    assert (cell.p_support, cell.p_refute) == (support, refute)
    assert cell.verdict == ("supported" if support <= 0.025 else "refuted" if refute <= 0.025 else "inconclusive")
    ends = sign_bounds(low, high, 0.025, 0.025)
    assert [cell.low, cell.high] == [float(end) if np.isfinite(end) else None for end in ends]
    assert cell.estimate == pytest.approx(np.median(shift + NOISE))
    assert cell.sd is None
    assert "the median's interval [" in cell.reason


def test_caps_alone_never_refute_and_a_failed_trial_says_nothing():
    low, high = capped(2 + NOISE, 0.2)
    assert one(low + 1e-3 * NOISE, at_least(DELTA)).verdict == "refuted"
    cell = one(low, at_least(DELTA), upper=high[None])
    assert (cell.verdict, cell.high, cell.estimate) == ("inconclusive", None, None)
    failed = np.zeros((1, 64), bool)
    failed[0, 40] = True
    theta = 0.1 + NOISE
    cell = one(theta, at_least(DELTA), looks=(64,), upper=theta[None], failed=failed)
    lowest, highest = (np.where(failed[0], end, theta) for end in (-np.inf, np.inf))
    assert cell.p_support == sign_tails(lowest, highest, DELTA).above
    assert cell.p_refute == sign_tails(lowest, highest, DELTA).below
    theta[3] = np.nan
    assert one(theta, at_least(DELTA), upper=theta[None]).verdict == "invalid"


def test_censored_and_known_rows_are_decided_side_by_side():
    low, high = capped(1.5 + NOISE, 1.0)
    asked = [hypothesis(low, at_least(DELTA), upper=high[None]), hypothesis(1.5 + NOISE, at_least(DELTA))]
    both = decide(asked, looks=LOOKS)
    assert both == decide(asked[::-1], looks=LOOKS)[::-1]
    assert [cell.verdict for cell in both] == ["supported", "supported"]


def test_error_rate_where_two_in_five_are_capped():
    """Skewed times, whose median lies at the margin: neither side is decided more often than declared."""
    theta = np.random.default_rng(17).exponential(size=(4_000, 1, 64)) - np.log(2) + DELTA
    low, high = capped(theta, DELTA + 0.2)
    asked = Layout.single(1)
    scored = score(low, None, asked.within, LOOKS[0], high)
    verdict = Walk(scored, asked, np.full((4_000, 1), DELTA), np.zeros((4_000, 1)), LOOKS, 0.05).through().verdict
    for outcome in (1, -1):
        assert np.mean(verdict == outcome) <= 0.025 + 4 * np.sqrt(0.025 * 0.975 / 4_000)
    assert np.mean(high == np.inf) == pytest.approx(0.41, abs=0.01)


# --- error rates, over all looks

RUNS = 4_000


@pytest.fixture
def by_t(monkeypatch):
    """The t test alone, which is exact here: the union that decides otherwise errs no more often."""

    def tails(theta, value, ratio, span):
        n = theta.shape[-1]
        t = (theta.mean(-1) - value) / theta.std(-1, ddof=1) * np.sqrt(n)
        return Tails(stdtr(n - 1, -t), stdtr(n - 1, t))

    monkeypatch.setattr("jaxml.claims.rule.rows.tails", tails)


def verdicts(theta, value, asked):
    scored = score(theta, None, asked.within[asked.owner], LOOKS[0])
    values, none = np.full(theta.shape[:2], value), np.zeros(theta.shape[:2])
    return Walk(scored, asked, values, none, LOOKS, 0.05).through().verdict


def layout(rows, *, near=False, every=True):
    return Layout(
        np.array([rows]),
        within=np.array([near]),
        every=np.array([every]),
        alone=np.array([False]),
        support=np.array([0]),
        refute=np.array([0]),
    )


@pytest.mark.parametrize(
    ("name", "means", "value", "asked", "wrong"),
    [
        ("equality at the margin", [DELTA], DELTA, layout(1, near=True), (1, -1)),
        ("equality at the other end", [-DELTA], DELTA, layout(1, near=True), (1, -1)),
        ("a wide margin's far side", [0.1], 0.1, layout(1, near=True), (1, -1)),
        ("a trend with one step too small", [2.0, -0.3, 2.0], -0.3, layout(3), (1,)),
        ("a trend with all steps at the tolerance", [-0.3] * 3, -0.3, layout(3), (1, -1)),
        ("all rivals at the margin", [DELTA] * 4, DELTA, layout(4), (1, -1)),
        ("one rival at the margin", [3.0, 3.0, DELTA], DELTA, layout(3), (1,)),
        ("any of rivals at the margin", [DELTA] * 4, DELTA, layout(4, every=False), (1, -1)),
        ("one that does, at the margin", [-2.0, -2.0, DELTA], DELTA, layout(3, every=False), (-1,)),
        ("a share", [0.0], 0.0, layout(1), (1, -1)),
    ],
)
def test_error_rates(by_t, name, means, value, asked, wrong):
    """Rows share seeds: correlated as differences against one arm are."""
    generator = np.random.default_rng(11)
    shape = (RUNS, len(means), 64)
    noise = np.sqrt(0.5) * (generator.normal(size=(RUNS, 1, 64)) + generator.normal(size=shape))
    verdict = verdicts(np.asarray(means)[:, None] + noise, value, asked)
    for outcome in wrong:
        assert np.mean(verdict == outcome) <= 0.025 + 4 * np.sqrt(0.025 * 0.975 / RUNS), name


def test_power_for_the_same(by_t):
    """63 seeds at delta = 0.5 sd are to show equality in 90 % of runs."""
    noise = np.random.default_rng(13).normal(size=(RUNS, 1, 64))
    verdict = verdicts(noise, DELTA, layout(1, near=True))
    assert np.mean(verdict == 1) == pytest.approx(0.9, abs=0.04)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: within(0.0), "'value' of within must be finite and positive, got 0.0"),
        (lambda: at_least(np.nan), "'value' of at_least must be finite, got nan"),
        (lambda: Hypothesis(claim="c", rows=NOISE, region=at_least(1)), r"'rows' must have shape .* got \(64,\)"),
        (lambda: hypothesis(NOISE, at_least(1), failed=NOISE > 0), r"'failed' must have shape \(arms, 64\), got"),
        (lambda: hypothesis(NOISE, at_least(1), upper=NOISE), r"'upper' must have the shape of 'rows', \(1, 64\)"),
        (lambda: hypothesis(NOISE, at_least(1), names=("a", "b")), "'names' must hold one for each of 1 rows"),
        (
            lambda: decide([hypothesis(NOISE, at_least(1)), hypothesis(NOISE[:9], at_least(1))], looks=LOOKS),
            r"the same number of seeds, got \[9, 64\]",
        ),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_no_hypotheses_no_decisions():
    assert decide([], looks=LOOKS) == []


def test_rows_with_levels_of_their_own_are_each_held_against_theirs():
    rows = np.array([[3.0], [0.3]]) + 0.1 * np.random.default_rng(4).normal(size=(2, 16))
    for levels, verdict, row in (((1.0, 0.0), "supported", 1), ((1.0, 0.6), "refuted", 1), ((4.0, 0.0), "refuted", 0)):
        (found,) = decide([Hypothesis(claim="x", rows=rows, region=at_least(1.0), levels=levels)], looks=(16,))
        assert (found.verdict, found.row) == (verdict, row)
    alone = decide([Hypothesis(claim="x", rows=rows[1:], region=at_least(0.0))], looks=(16,))[0]
    together = decide([Hypothesis(claim="x", rows=rows, region=at_least(1.0), levels=(1.0, 0.0))], looks=(16,))[0]
    assert together.p_support == alone.p_support
    with pytest.raises(ValueError, match="'levels' must hold one for each of 2 rows"):
        Hypothesis(claim="x", rows=rows, region=at_least(1.0), levels=(1.0,))


def test_a_quantity_alone_may_be_held_against_any_number_on_a_map_too():
    theta = -0.2 + 0.01 * np.random.default_rng(5).normal(size=(1, 16))
    for margin, verdict in ((-0.3, 1), (0.0, -1)):
        assert decide_apart(theta, margin=margin, looks=(16,), compared=False)["verdict"] == verdict
    assert decide_cells(theta, margin=0.0, looks=(16,), compared=False)[0].label is None
