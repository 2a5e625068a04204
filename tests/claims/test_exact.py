"""Exact suites: what passes, what is refuted with which counter-example, and what makes a suite invalid."""

import json
from fractions import Fraction

import numpy as np
import pytest

from jaxml.claims.exact import Suite, hard_vectors, run_suite
from jaxml.claims.shrink import plain, shrink, weight
from jaxml.claims.verdict import SuiteReport


def auc(scores, labels):
    """By ranks, ties sharing theirs."""
    order = np.sort(scores)
    rank = (np.searchsorted(order, scores, "left") + np.searchsorted(order, scores, "right") + 1) / 2
    positives = labels.sum()
    return (rank[labels].sum() - positives * (positives + 1) / 2) / (positives * (~labels).sum())


def pairs(case):
    gap = case["scores"][case["labels"]][:, None] - case["scores"][~case["labels"]][None, :]
    return np.mean((gap > 0) + 0.5 * (gap == 0))


def draw(generator, size):
    scores = np.round(generator.normal(size=size + 2), 1)
    return {"scores": scores, "labels": np.arange(size + 2) % 2 == generator.integers(2)}


def both_classes(case):
    return case["labels"].any() and not case["labels"].all()


MUTANTS = {
    "ties count whole": lambda scores, labels: pairs({"scores": scores + 1e-9 * labels, "labels": labels}),
    "drop the +1": lambda scores, labels: auc(scores, labels) + 0.5 / (~labels).sum(),
    "classes swapped": lambda scores, labels: auc(scores, ~labels),
}
AUC = {
    "draw": draw,
    "valid": both_classes,
    "properties": {
        "is the chance of a right pair": lambda f, case: (f(**case), pairs(case), 1.0),
        "negation inverts": lambda f, case: (f(-case["scores"], case["labels"]), 1 - f(**case), 1.0),
    },
    "mutants": MUTANTS,
}


def test_a_true_definition_is_supported():
    ties = [{"scores": v, "labels": np.arange(len(v)) % 2 == 0} for v in hard_vectors((2, 7))]
    report = run_suite(Suite(subject=auc, adversarial=ties, **AUC))
    assert report.verdict.verdict == "supported"
    assert report.verdict.quantifier == "exact"
    assert report.counterexample is None
    assert set(report.mutants) == set(MUTANTS)
    assert None not in report.mutants.values()
    assert report.properties["negation inverts"].seeds == 1_000 + len(ties)
    assert SuiteReport.from_json(json.loads(json.dumps(report.to_json(), allow_nan=False))) == report


def test_a_false_one_is_refuted_by_the_smallest_case():
    report = run_suite(Suite(subject=MUTANTS["ties count whole"], reference=auc, **AUC))
    assert report.verdict.verdict == "refuted"
    assert report.counterexample == {"scores": [0.0, 0.0], "labels": [True, False]} or report.counterexample == {
        "scores": [0.0, 0.0],
        "labels": [False, True],
    }
    assert "got 1.0, expected 0.5" in report.verdict.reason


def test_a_surviving_mutant_makes_it_invalid():
    blind = AUC | {"properties": {"lies in [0, 1]": lambda f, case: bool(-1e-9 <= f(**case) <= 1 + 1e-9)}}
    report = run_suite(Suite(subject=auc, **blind), cases=50)
    assert report.verdict.verdict == "invalid"
    assert "mutant 'ties count whole' survived 50 cases" in report.verdict.reason
    assert report.mutants["ties count whole"] is None


def test_a_reference_that_fails_makes_it_invalid():
    report = run_suite(Suite(subject=auc, reference=MUTANTS["classes swapped"], **AUC), cases=50)
    assert report.verdict.verdict == "invalid"
    assert "the reference itself fails" in report.verdict.reason


def test_an_exception_is_a_violation_and_a_rare_one_is_found_by_adversarial_cases():
    def mean(v):
        return v.sum() / (len(v) if len(v) else 0 // len(v))

    suite = Suite(
        subject=mean,
        draw=lambda generator, size: generator.normal(size=size),
        adversarial=hard_vectors(),
        properties={"mean": lambda f, v: (f(v), np.mean(v) if len(v) else 0.0, np.max(np.abs(v), initial=1.0))},
        mutants={"sum": np.sum, "max": lambda v: np.max(v, initial=0), "n + 1": lambda v: v.sum() / (len(v) + 1)},
    )
    report = run_suite(suite, cases=100)
    assert report.verdict.verdict == "refuted"
    assert report.counterexample == []
    assert "ZeroDivisionError" in report.verdict.reason


def test_errors_beyond_50_eps_of_the_scale_are_seen_and_smaller_ones_are_not():
    def suite(error):
        return Suite(
            subject=lambda v: v * (1 + error),
            draw=lambda generator, size: 1 + generator.random(size),
            properties={"identity": lambda f, v: (f(v), v)},
            mutants={"negative": lambda v: -v, "twice": lambda v: 2 * v, "shift": lambda v: v + 1e-9},
        )

    eps = np.finfo(float).eps
    assert run_suite(suite(20 * eps), cases=20).verdict.verdict == "supported"
    assert run_suite(suite(120 * eps), cases=20).verdict.verdict == "refuted"


def test_fractions_whole_numbers_and_non_finite_values_are_exact():
    def outcome(actual, expected):
        suite = Suite(
            subject=lambda: actual,
            draw=lambda generator, size: 0,
            properties={"equal": lambda f, _: (f(), expected)},
            mutants=dict.fromkeys("abc", lambda: "other"),
        )
        return run_suite(suite, cases=1).verdict.verdict

    assert outcome(Fraction(1, 3), Fraction(2, 6)) == "supported"
    assert outcome(Fraction(1, 3), Fraction(333_333_333, 10**9)) == "refuted"
    assert outcome(10**17, 10**17 + 1) == "refuted"
    assert outcome(np.array([np.inf, np.nan, 1.0]), np.array([np.inf, np.nan, 1.0])) == "supported"
    assert outcome(np.array([np.inf]), np.array([1.0])) == "refuted"
    assert outcome(np.array([np.nan]), np.array([1.0])) == "refuted"
    assert outcome(np.ones(2), np.ones(3)) == "refuted"
    assert outcome(0.0, 1e-300) == "refuted"


def test_shrinking_keeps_arrays_aligned_and_the_kind_of_failure():
    case = {"x": np.arange(30.0).reshape(10, 3) / 7, "y": np.arange(10), "name": "rows", "scale": 3.7}

    def fails(c):
        assert len(c["x"]) == len(c["y"])
        return np.any(c["x"] > 3) and c["scale"] > 2

    small = shrink(case, fails)
    assert fails(small)
    assert small["x"].size == 1
    assert small["y"].shape == (1,)
    assert small["scale"] == 4.0
    assert small["name"] == "rows"
    assert weight(small) < weight(case)


def test_shrinking_stops_at_its_budget():
    calls = []
    shrink(np.arange(50.0), lambda v: bool(calls.append(0)) or True, budget=7)
    assert len(calls) <= 7


def test_plain_values():
    assert plain({"a": np.array([1.0, np.inf]), "b": (np.float64(2), True, None)}) == {
        "a": [1.0, "inf"],
        "b": [2.0, True, None],
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mutants": {}}, "'mutants' must hold at least 3, got 0. Break the subject"),
        ({"properties": {}}, "'properties' must hold at least one, got none"),
        ({"valid": lambda case: False}, "no case is valid"),
        ({"properties": {"p": lambda f, c: (np.float32(1), 1.0)}}, "'p' must compute in float64, got float32"),
        (
            {"properties": {"p": lambda f, score, labels: True}},
            "property 'p' asks for 'score', and cases hold 'scores', 'labels'",
        ),
        ({"valid": lambda label, score: True}, "'valid' asks for 'label', and cases hold 'scores', 'labels'"),
    ],
)
def test_messages(change, message):
    with pytest.raises(ValueError, match=message):
        run_suite(Suite(**{"subject": auc, **AUC, **change}), cases=5)


def test_a_property_asks_for_the_inputs_that_it_needs_by_name_or_for_the_whole_case():
    asked = []

    def suite(draw, **properties):
        return Suite(
            subject=lambda low, high: (low + high) / 2,
            draw=draw,
            valid=lambda high: asked.append(high) or high < 0.9,
            properties={
                "lies between": lambda f, low, high: (low <= f(low, high)) & (f(low, high) <= high),
                **properties,
            },
            mutants={
                "sum": lambda low, high: low + high + 1,
                "low": lambda low, high: low - 1,
                "none": lambda *_: -1.0,
            },
        )

    def draw(generator):
        low, high = np.sort(generator.random(2))
        return {"low": low, "high": high}

    held = suite(
        draw, whole=lambda f, case: f(**case) <= case["high"], low=lambda f, low, share=0.5: f(low, low) == low
    )
    assert run_suite(held, cases=20).verdict.verdict == "supported"
    drawn = np.random.default_rng(0).random((20, 2)).max(1)  # the same draws as with a size
    np.testing.assert_array_equal(asked, drawn)
    report = run_suite(suite(draw, constant=lambda f: (f(0.0, 1.0), 0.25)), cases=20)
    assert report.violated == "constant"
    assert report.counterexample == {"low": 0.0, "high": 0.0}


def test_of_an_array_of_truth_values_all_must_hold():
    import jax.numpy as jnp

    def suite(array):
        return Suite(
            subject=lambda v: v,
            draw=lambda generator, size: generator.normal(size=size),
            properties={"not negative": lambda f, v: array(f(v) ** 2 >= 0), "as it was": lambda f, v: array(f(v) == v)},
            mutants={"sign": lambda v: -v, "first alone": lambda v: v * (np.arange(len(v)) == 0), "one": np.ones_like},
        )

    assert run_suite(suite(np.asarray), cases=20).verdict.verdict == "supported"
    assert run_suite(suite(jnp.asarray), cases=20).verdict.verdict == "supported"


def first_wrong(boxes, threshold):
    """Widths, but for the widest box."""
    widths = boxes[:, 2] - boxes[:, 0]
    return np.where(widths > threshold, 0.0, widths)


def box_suite(**more):
    def draw(generator, size):
        return {"boxes": np.sort(generator.uniform(0, 9, (size, 4)), 1), "threshold": 3.0 + generator.random()}

    return Suite(
        draw=draw,
        properties={
            "widths": lambda f, case: (f(case["boxes"], case["threshold"]), case["boxes"][:, 2] - case["boxes"][:, 0])
        },
        mutants={name: lambda boxes, threshold, n=n: boxes[:, n] for n, name in enumerate("abc")},
        **{"subject": first_wrong, **more},
    )


def test_a_counter_example_keeps_axes_that_never_vary():
    report = run_suite(box_suite(), cases=60)
    (box,) = report.counterexample["boxes"]
    assert len(box) == 4
    assert box[2] - box[0] > report.counterexample["threshold"]


def test_only_the_inputs_that_are_named_are_made_smaller():
    case = run_suite(box_suite(shrink=["boxes"]), cases=60).counterexample
    assert 3.0 < case["threshold"] < 4.0
    assert case["threshold"] not in (3.0, 4.0)
    assert len(case["boxes"]) == 1
    assert run_suite(box_suite(shrink=["threshold"]), cases=60).counterexample["threshold"] < 3.0
    with pytest.raises(ValueError, match="'shrink' names 'box', and cases hold 'boxes', 'threshold'"):
        run_suite(box_suite(shrink=["box"]), cases=2)


def test_a_compiled_suite_keeps_shapes_and_says_what_cannot_be_compiled():
    import jax
    import jax.numpy as jnp

    traced = []

    def subject(boxes, threshold):
        traced.append(boxes.shape)
        widths = boxes[:, 2] - boxes[:, 0]
        return jnp.where(widths > threshold, 0.0, widths)

    with jax.enable_x64(True):
        report = run_suite(box_suite(subject=subject, jit=True, sizes=(2, 3)), cases=60)
        assert report.verdict.verdict == "refuted"
        assert sorted(traced) == [(2, 4), (3, 4)]  # compiled once for each shape, shrinking included
        assert len(report.counterexample["boxes"]) == 2
        with pytest.raises(ValueError, match=r"'subject' cannot be compiled: .* Write it in JAX, or leave 'jit' out"):
            run_suite(box_suite(jit=True, sizes=(2,)), cases=2)
        with pytest.raises(ValueError, match="may come in 32 shapes, and these come in 40"):
            run_suite(box_suite(subject=subject, jit=True, sizes=range(1, 41)), cases=40)
    with pytest.raises(ValueError, match="'jit' compiles functions, and 'subject' is 3"):
        box_suite(subject=3, jit=True)


def test_a_property_that_never_could_be_computed_refutes_nothing():
    def suite(properties):
        return Suite(
            subject=np.abs,
            draw=lambda generator, size: float(generator.normal()),
            properties={"not below 0": lambda f, x: f(x) >= 0, **properties},
            mutants={"itself": lambda x: x, "minus one": lambda x: np.abs(x) - 1, "turned": lambda x: -np.abs(x)},
        )

    broken = run_suite(suite({"wrong": lambda f, x: f(x) + len(x)}), cases=20)
    assert broken.verdict.verdict == "invalid"
    assert "'wrong' could be computed in none of 20 cases: TypeError" in broken.verdict.reason
    sometimes = run_suite(suite({"positive": lambda f, x: 1 / (x > 0) > 0}), cases=20)
    assert sometimes.verdict.verdict == "refuted"


def test_a_truth_value_of_jax_is_one_and_a_gap_from_0_is_no_warning():
    import jax.numpy as jnp

    report = run_suite(
        Suite(
            subject=np.abs,
            draw=lambda generator, size: float(generator.normal()),
            properties={
                "not below 0": lambda f, x: jnp.asarray(f(x) >= 0),
                "no gap": lambda f, x: (min(float(f(x)), 0.0), 0.0),
            },
            mutants={"itself": lambda x: x, "minus one": lambda x: np.abs(x) - 1, "turned": lambda x: -1e300 * abs(x)},
        ),
        cases=20,
    )
    assert report.verdict.verdict == "supported"
