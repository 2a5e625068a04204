"""Whoever tries to bend a verdict gains no more than is declared, and would gain much without a ledger."""

import dataclasses

import pytest

from jaxml.runs.adversaries import ADVERSARIES, bend
from jaxml.runs.history import why_amended


@pytest.mark.parametrize("adversary", ADVERSARIES, ids=lambda each: each.does)
def test_an_adversary_gains_no_more_than_is_declared(adversary):
    bent = bend(adversary, replications=200)
    assert bent.holds, bent
    assert bent.alone > bent.caught, bent
    assert bent.why.startswith(("exploratory: ", "attempt 10 of "))


def test_without_the_ledger_the_adversaries_would_win(monkeypatch):
    monkeypatch.setattr("jaxml.runs.adversaries.why_amended", lambda entries, spec: "")
    bent = bend(ADVERSARIES[1], replications=200)
    assert bent.caught > 0.15
    assert not bent.holds


def test_fresh_draws_for_a_changed_claim_are_a_second_attempt():
    first, second = ADVERSARIES[0].tries
    fresh = dataclasses.replace(ADVERSARIES[0], tries=(first, dataclasses.replace(second, key="b")))
    assert bend(fresh, replications=100).why.startswith("attempt 2 of claim")
    assert why_amended([], {}) == ""
