"""What is shown of a timing: times as fast, cell by cell, and the machine that they are the times of."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxml.claims.finding import CellResult, Check, Finding
from jaxml.claims.told import CheckRow, Facts, Row, Told, domain_of, strip
from jaxml.claims.words import Unit, number, phrase, place, varying

UNIT = Unit("log_ratio", "larger", True)


def told_of(finding: Finding, decided: bool) -> Told:
    """A timing in words."""
    about, names = finding.detail, varying(finding.cells)
    margin = about["margin"]
    seconds = about["seconds"]
    cells = finding.cells
    rows = [
        _row(cell, place({n: cell.at[n] for n in names}) or _pair(finding), seconds[k], margin, cells, decided)
        for k, cell in enumerate(cells)
    ]
    checks = [
        CheckRow(
            name=check.name,
            role=check.role,
            must="must come out supported" if check.role == "positive control" else "must come out refuted",
            passed=check.passed,
            outcome=came_out(check) if decided else "",
            row=_row(check.cell, "", seconds[len(cells) + k], margin, [check.cell], decided),
        )
        for k, check in enumerate(finding.checks)
        if check.cell
    ]
    head, count = finding.headline, finding.verdict
    speed = f"{UNIT.shown(head.decision.estimate)} ({UNIT.interval(head.decision.low, head.decision.high)})"
    return Told(
        finding=finding,
        word=count.verdict if decided else "exploratory",
        answer=_answer(finding, decided),
        facts=_facts(finding),
        head="timed",
        rows=rows,
        checks=checks,
        margin=UNIT.shown(margin),
        levels=(margin,),
        unit=UNIT,
        summary={
            "times as fast": speed + (f" at {place({n: head.at[n] for n in names})}" if names else ""),
            "margin": UNIT.shown(margin),
            "cells": f"{count.supported} / {count.refuted} / {count.inconclusive + count.invalid}",
            "processes": str(max(cell.decision.seeds for cell in cells)),
            "controls": f"{sum(check.passed for check in finding.checks)} of {len(finding.checks)}",
            "machine": _machine(about["machine"]),
        },
    ).framed(decided)


def came_out(check: Check) -> str:
    """How a control was decided."""
    return check.cell.decision.verdict if check.cell else ""


def _pair(finding: Finding) -> str:
    return f"{phrase(finding.detail['faster'])} against {phrase(finding.detail['than'])}"


def _machine(held: Mapping[str, Any]) -> str:
    device = "" if held["device"] == "cpu" else f", {held['device']}"
    return f"{held['cpu']} with {held['cores']} core{'s' if held['cores'] != 1 else ''}{device}"


def time_of(seconds: float) -> str:
    """A time in the unit that suits it.

    >>> time_of(2.5), time_of(0.00123), time_of(4.56e-6), time_of(3e-8)
    ('2.5 s', '1.23 ms', '4.56 µs', '30 ns')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{number(seconds / size)} {unit}"
    return f"{number(seconds / 1e-9)} ns"


def _row(
    cell: CellResult,
    where: str,
    seconds: Sequence[float],
    margin: float,
    cells: Sequence[CellResult],
    decided: bool,
) -> Row:
    decision = cell.decision
    return Row(
        where=where,
        word=decision.verdict if decided else "",
        label=decision.label or "" if decided else "",
        shown={
            "times as fast": UNIT.shown(decision.estimate),
            "interval": "–" if decision.low is None else UNIT.interval(decision.low, decision.high),
            "margin": UNIT.shown(margin),
            "processes": number(decision.seeds),
            "one call": f"{time_of(seconds[0])} against {time_of(seconds[1])}",
        },
        strip=strip(cell, margin, UNIT, domain_of(cells, [margin])),
    )


def _facts(finding: Finding) -> Facts:
    about = finding.detail
    held, load = about["machine"], about["load"]
    software = f"jax {held['jax']}, jaxlib {held['jaxlib']}, {held['system']}"
    flags = f", XLA_FLAGS {held['flags']}" if held["flags"] else ""
    beside = "" if load is None else f"{number(load[0])} to {number(load[1])} on {held['cores']} cores, as each began"
    return [
        ("Claimed", f"{phrase(about['faster'])} is faster than {phrase(about['than'])}"),
        ("Timed", "in processes of their own, each call waiting for its result; the median over blocks, one a process"),
        ("Margin", f"{UNIT.shown(about['margin'])}. {about['margin_reason']}"),
        ("On this machine", f"{_machine(held)}; {software}{flags}"),
        ("Load average", beside),
    ]


def _answer(finding: Finding, decided: bool) -> str:
    about, verdict = finding.detail, finding.verdict
    if decided and verdict.verdict == "invalid":
        return f"No answer: {verdict.reason}."
    found = sorted(
        (c for c in finding.cells if c.decision.estimate is not None), key=lambda c: c.decision.estimate or 0
    )
    names = varying(finding.cells)
    ends = [found[0], found[-1]] if len(found) > 1 else found
    told = [
        UNIT.shown(c.decision.estimate) + (f" ({place({n: c.at[n] for n in names})})" if names else "") for c in ends
    ]
    first, second = phrase(about["faster"]), phrase(about["than"])
    words = f"{first} is {' to '.join(told)} as fast as {second}"
    if len(found) == 1:
        only = found[0].decision
        words += f" (interval {UNIT.interval(only.low, only.high)}, {only.seeds} processes)"
    words += f" on {_machine(about['machine'])}; the claim needs {UNIT.shown(about['margin'])}"
    if about["load"] and about["load"][1] > about["machine"]["cores"]:
        words += f". Other work ran beside: load {number(about['load'][1])} on {about['machine']['cores']} cores"
    head = {"supported": "Yes", "refuted": "No", "inconclusive": "Undecided"}
    return f"{head[verdict.verdict]}: {words}." if decided else f"Nothing is decided. {words}."
