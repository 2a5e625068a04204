"""What earlier entries of a ledger make of a run, as pure functions of plain entries: no run is made."""

import copy

import pytest

from jaxml.runs.designs import changes, dropped, share_trials
from jaxml.runs.history import attempts, registration, why_amended

FRESH = "Fresh seeds (another master_key) make it confirmatory again"


def spec(**more):
    control = {"name": "none", "margin": {"value": 0.1, "reason": "as above"}}
    claim = {
        "statement": "It helps.",
        "direction": "larger",
        "metric": "gain",
        "arms": {"claimed": {"dose": 1.0}, "against": {"dose": 0.0}},
        "margin": {"value": 0.1, "reason": "a tenth"},
        "controls": {"negative": [control], "positive": []},
    }
    held = {
        "name": "c",
        "experiment": "e",
        "experiment_sha256": "1",
        "axes": {"dose": [{"dose": 0.0}, {"dose": 1.0}], "n": [{"n": 50}, {"n": 100}]},
        "fixed": {"noise": 0.1},
        "seeds": 16,
        "tuning_seeds": 0,
        "master_key": "a",
        "precision": "float32",
        "looks": [16],
        "alpha": 0.05,
        "population": [],
        "claims": {"R9": claim},
    }
    return copy.deepcopy(held | more)


def changed(*path, to, of=None):
    """The spec with one value changed."""
    held = spec() if of is None else copy.deepcopy(of)
    *way, last = path
    place = held
    for key in way:
        place = place[key]
    place[last] = to
    return held


def started(run, held, why="", config="c", **of):
    return {"entry": "started", "run": run, "config": config, "why": why, "of": of, "spec": held, "time": "2026-11-28T"}


def ended(run, verdict="inconclusive", numbers="x"):
    return {"entry": "ended", "run": run, "claims": {"R9": {"verdict": verdict, "numbers": numbers}}}


def attempt(entries, held, config="c", numbers="y", **of):
    return attempts(entries, held, config, of)["R9"].attempt(numbers)


@pytest.mark.parametrize(
    ("path", "to", "words"),
    [
        (("margin", "value"), 0.05, "the margin was 0.1"),
        (("direction",), "smaller", "the direction was larger"),
        (("statement",), "It does not.", "the statement was 'It helps.'"),
        (("arms", "claimed", "dose"), 0.5, "the claimed arm's dose was 1"),
        (("controls", "negative", 0, "name"), "another", "it had the negative control 'none', it had no negative"),
        (("controls", "negative", 0, "margin", "value"), 1.0, "the negative control 'none' margin was 0.1"),
        (("range",), [0, 1], "it had no range 0, 1"),
        (("margin", "reason"), "another", ""),
        (("source",), "a book", ""),
    ],
)
def test_a_claim_changed_after_its_data_were_seen_decides_nothing_and_says_what_it_was(path, to, words):
    now = changed("claims", "R9", *path, to=to)
    why = why_amended([started("RUN", spec())], now)
    assert why.startswith(f"claim R9: {words}") if words else why == ""
    if words:
        assert f"in RUN; its data had been seen then. {FRESH}" in why
        fresh = changed("master_key", to="b", of=now)
        assert why_amended([started("RUN", spec())], fresh) == ""
        assert attempt([started("RUN", spec())], fresh).number == 2


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (changed("axes", "n", to=[{"n": 100}]), "claim R9: it had the cell n=50"),
        (changed("axes", "n", to=[{"n": 50}, {"n": 100}, {"n": 200}]), "claim R9: it had no cell n=200"),
        (changed("looks", to=[16, 32]), "claim R9: the looks were 16"),
        (changed("claims", to={}), "it had the claim R9"),
        (changed("claims", "more", to=spec()["claims"]["R9"]), "it had no claim more"),
        (changed("claims", to={"other": spec()["claims"]["R9"]}), ""),
        (changed("experiment_sha256", to="2", of=changed("alpha", to=0.1)), "claim R9: the alpha was 0.05"),
        (changed("axes", "n", to=[{"n": 70}]), ""),
        (changed("fixed", to={"noise": 0.1, "new": 1}), ""),
        (changed("precision", to="float64", of=changed("alpha", to=0.1)), ""),
        (
            changed("experiment", to="f", of=changed("experiment_sha256", to="2", of=changed("alpha", to=0.1))),
            "claim R9: the alpha",
        ),
        (changed("without_trials", to=True, of=changed("alpha", to=0.1)), ""),
        (changed("experiment", to="copy", of=changed("name", to="d", of=changed("alpha", to=0.1))), "claim R9"),
        (changed("axes", to={"pair": [{"n": 50, "noise": 0.1}]}, of=changed("fixed", to={"dose": 1.0})), "claim R9"),
    ],
)
def test_what_counts_as_the_same_data_and_as_another_claim(now, words):
    why = why_amended([started("RUN", spec())], now)
    assert why.startswith(words) if words else why == ""


def test_a_design_that_was_there_before_its_data_stays_confirmatory():
    edited = changed("claims", "R9", "margin", "value", to=0.05)
    assert why_amended([started("A", spec()), started("B", edited, why="amended")], spec()) == ""
    assert "in A" in why_amended([started("A", spec()), started("B", edited, why="amended")], edited)
    few = started("A", changed("seeds", to=8, of=changed("looks", to=[8])), why="the command line changed")
    assert why_amended([few], spec()) == ""  # it tried the same claim on some of its data
    tried = started("A", edited, why="the command line changed")
    assert "the margin was 0.05" in why_amended([tried], spec())
    registered = {"entry": "registered", "config": "c", "spec": spec(), "time": "2026-11-28T"}
    assert why_amended([registered, tried], spec()) == ""


def test_attempts_are_counted_over_keys_designs_and_configs_and_not_over_reruns():
    first, other = [started("A", spec()), ended("A")], changed("master_key", to="b")
    assert attempt([], spec()).number == 1
    assert attempt(first, spec()).number == 1
    second = attempt(first, other)
    assert (second.number, second.share, second.changed) == (2, 0.5, ["another master key"])
    assert second.words("R9") == (
        "attempt 2 of R9 (before: inconclusive, 2026-11-28): judged at half the level; changed: another master key"
    )
    third = changed("axes", "n", to=[{"n": 100}], of=changed("master_key", to="c"))
    entries = [*first, started("B", other), *first]
    assert attempt(entries, third).number == 3
    assert attempt(entries, third).dropped == ["n=50"]
    assert "1/4 of the level" in attempt(entries, third).words("R9")
    assert "(before: inconclusive, 2026-11-28; not finished, 2026-11-28)" in attempt(entries, third).words("R9")
    assert attempt(entries, other).number == 2
    assert attempt(entries, spec()).number == 1
    assert attempt([started("A", spec(), why="amended")], other).number == 1
    assert attempt(first, other, config="copied").number == 2
    edited = changed("claims", "R9", "margin", "value", to=0.05, of=other)
    assert attempt(first, edited, config="copied").number == 2  # of one experiment
    elsewhere = changed("experiment", to="f", of=changed("experiment_sha256", to="3", of=edited))
    assert attempt(first, elsewhere, config="copied").number == 2  # it measures the same
    elsewhere = changed("claims", "R9", "metric", to="loss", of=elsewhere)
    assert attempt(first, elsewhere, config="copied").number == 1
    foreign = changed("experiment", to="f", of=changed("experiment_sha256", to="3", of=other))
    foreign = changed("claims", to={"new": spec()["claims"]["R9"]}, of=foreign)
    assert attempts(first, foreign, "copied", {})["new"].attempt("").number == 2  # word for word, by another id
    linked = [started("A", spec(), R9="M1"), ended("A")]
    assert attempt(linked, elsewhere, config="copied", R9="M1").number == 2
    renamed = changed("claims", to={"new": edited["claims"]["R9"]}, of=other)
    assert attempts(first, renamed, "c", {})["new"].attempt("").changed[-2:] == ["id R9 -> new", "another master key"]


def test_new_code_that_computes_the_same_numbers_is_no_new_attempt():
    entries = [started("A", spec()), ended("A", numbers="x")]
    refactored = changed("experiment_sha256", to="2")
    assert attempt(entries, refactored, numbers="x").number == 1
    assert attempt(entries, refactored, numbers="y").number == 2
    assert attempt(entries, refactored, numbers="y").changed == ["the experiment's code"]
    assert attempt([started("A", spec())], refactored, numbers="").number == 2
    assert attempt(entries, spec(), numbers="y").number == 1  # by another state of jaxml, or on another machine


def test_a_run_that_stopped_before_its_first_result_has_shown_nothing():
    stopped = [started("A", spec()), {"entry": "ended", "run": "A", "claims": {}, "unseen": True}]
    assert attempt(stopped, changed("master_key", to="b")).number == 1
    assert why_amended(stopped, changed("alpha", to=0.1)) == ""
    assert attempt([*stopped, ended("A")], changed("master_key", to="b")).number == 2


def test_exact_claims_have_no_attempts():
    exact = {"kind": "suite", "statement": "It is so."}
    assert attempts([], spec(claims={"M1": exact}), "c", {}) == {}
    edited = spec(claims={"M1": exact | {"statement": "It is."}, "R9": spec()["claims"]["R9"]})
    assert why_amended([started("A", spec(claims={"M1": exact, "R9": spec()["claims"]["R9"]}))], edited) == ""


def test_a_registered_design_is_named_and_any_other_is_not_confirmatory():
    entry = {"entry": "registered", "config": "c", "spec": spec(), "time": "2026-11-28T"}
    assert registration([entry], spec(), "c") == ("2026-11-28", "")
    assert registration([entry], spec(), "d") == ("", "")
    date, why = registration([entry], changed("claims", "R9", "direction", to="smaller"), "c")
    assert (date, why.split(". ")[0]) == (
        "",
        "it is not what was registered on 2026-11-28: claim R9: the direction was larger",
    )
    assert "the master key was a" in registration([entry], changed("master_key", to="b"), "c")[1]
    assert "code" in registration([entry], changed("experiment_sha256", to="2"), "c")[1]


def test_zipped_axes_share_trials_where_they_share_a_point():
    first = changed("axes", to={"pair": [{"dose": 0.0, "n": 1}, {"dose": 1.0, "n": 2}]})
    second = changed("axes", to={"pair": [{"dose": 0.0, "n": 2}, {"dose": 1.0, "n": 1}]})
    assert share_trials(first, first)
    assert not share_trials(first, second)
    assert dropped(first, second) == ["dose=0, n=1", "dose=1, n=2"]
    assert [each.words for each in changes(first, second, "R9")][:2] == [
        "cell dose=0, n=1 removed",
        "cell dose=1, n=2 removed",
    ]
