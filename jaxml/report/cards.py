"""Verdict cards as the page shows them: a list of cells with their intervals drawn against the margin.

The intervals are plain SVG, placed in percent of their column: they need no script and shrink with the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxml.claims.card import CellResult, ClaimCard, ControlResult, Verdicts
from jaxml.report.maps import Spec, cell_charts
from jaxml.report.words import MARKS, QUANTIFIERS, WORDS, answer, arm, interval, number, phrase, place, signed, varying

FEW = 24
"""So many cells are listed openly; more are folded away under the chart."""
SCALES = {
    "difference": "difference",
    "log_ratio": "logarithm of the ratio",
    "points": "percentage points",
    "logit": "difference of log odds",
}


@dataclass(frozen=True)
class Strip:
    """One interval in percent of its column; None where there is nothing finite to draw."""

    zero: float
    margin: float
    low: float | None
    high: float | None
    point: float | None
    words: str


@dataclass(frozen=True)
class Row:
    """One cell: where, what was found, and how it was decided."""

    where: str
    word: str
    label: str
    mark: str
    effect: str
    interval: str
    seeds: str
    reason: str
    tuned: list[str]
    strip: Strip


@dataclass(frozen=True)
class Control:
    """One control: what it had to do and what it did."""

    name: str
    kind: str
    must: str
    outcome: str
    passed: bool
    row: Row


@dataclass(frozen=True)
class Card:
    """One claim."""

    card: ClaimCard
    word: str
    answer: str
    facts: list[tuple[str, str]]
    rows: list[Row]
    folded: bool
    controls: list[Control]
    charts: list[tuple[str, Spec]]


def make_cards(verdicts: Verdicts) -> list[Card]:
    """All claims of a run."""
    return [_make_card(card, verdicts) for card in verdicts.claims]


def _make_card(card: ClaimCard, verdicts: Verdicts) -> Card:
    word, exploratory = verdicts.verdict_of(card), verdicts.status == "exploratory"
    charts = cell_charts(card, exploratory=exploratory)
    domain = _domain(card.cells, card.margin)
    names = varying(card.cells)
    rows = []
    for cell in card.cells:
        where = place({n: cell.at[n] for n in names} if names else cell.at) or "the whole grid"
        rows.append(_row(cell, where, card.margin, card.scale, domain, exploratory))
    return Card(
        card=card,
        word=word,
        answer=answer(card, verdicts),
        facts=_facts(card),
        rows=rows,
        folded=bool(charts) or len(rows) > FEW,
        controls=[_control(control, card, exploratory) for control in card.controls],
        charts=charts,
    )


def _facts(card: ClaimCard) -> list[tuple[str, str]]:
    against = card.arms.get("against")
    compared = f"{arm(card.arms['claimed'])} against {arm(against)}" if against else arm(card.arms["claimed"])
    names = varying(card.cells)
    common = {n: v for n, v in card.cells[0].at.items() if n not in names} if card.cells and names else {}
    found = [
        ("Claimed", f"{phrase(card.estimand)} is {card.direction}, {QUANTIFIERS[card.verdict.quantifier]}"),
        ("Compared" if against else "Measured", f"{compared}, paired by seed" if against else compared),
        ("Throughout", place(common)),
        ("Effect as", SCALES.get(card.scale, card.scale)),
        ("Margin", f"{number(card.margin)}. {card.margin_reason}"),
        ("Decided", card.verdict.reason),
        ("Source", card.source or ""),
    ]
    return [(name, words) for name, words in found if words]


def _row(
    cell: CellResult, where: str, margin: float, scale: str, domain: tuple[float, float], exploratory: bool
) -> Row:
    decision = cell.decision
    word = "exploratory" if exploratory else decision.verdict
    look = f" at look {decision.look}" if decision.look else ""
    ratio = scale in ("log_ratio", "logit") and decision.estimate is not None
    return Row(
        where=where,
        word=word,
        label="" if exploratory else decision.label or "",
        mark=MARKS[word],
        effect=f"{number(decision.estimate)} ({signed(decision.estimate, scale)})"
        if ratio
        else number(decision.estimate),
        interval=interval(decision.low, decision.high),
        seeds=f"{number(decision.seeds)}{look}",
        reason="" if exploratory else decision.reason,
        tuned=[f"{name}: {arm(point)}" for name, point in cell.tuned.items()],
        strip=_strip(cell, margin, domain),
    )


def _control(control: ControlResult, card: ClaimCard, exploratory: bool) -> Control:
    decision = control.cell.decision
    domain = _domain([control.cell], control.margin)
    at = control.cell.at
    where = place({name: at[name] for name in at})
    return Control(
        name=control.name,
        kind=control.kind,
        must="must come out supported" if control.kind == "positive" else "must not come out supported",
        outcome=f"came out {decision.verdict}" + (f" ({decision.label})" if decision.label else ""),
        passed=control.passed,
        row=_row(control.cell, where, control.margin, card.scale, domain, exploratory),
    )


def _domain(cells: Sequence[CellResult], margin: float) -> tuple[float, float]:
    """What the strip of intervals spans: zero, the margin and every interval, with room at both ends."""
    ends = [0.0, margin]
    for cell in cells:
        ends += [end for end in (cell.decision.low, cell.decision.high, cell.decision.estimate) if end is not None]
    pad = 0.06 * (max(ends) - min(ends))
    return min(ends) - pad, max(ends) + pad


def _strip(cell: CellResult, margin: float, domain: tuple[float, float]) -> Strip:
    first, last = domain

    def at(value: float | None) -> float | None:
        return None if value is None else round(100 * (value - first) / (last - first), 2)

    decision = cell.decision
    words = (
        f"effect {number(decision.estimate)}, interval {interval(decision.low, decision.high)}, margin {number(margin)}"
    )
    return Strip(at(0.0) or 0.0, at(margin) or 0.0, at(decision.low), at(decision.high), at(decision.estimate), words)


def undecided(claims: dict[str, Any]) -> list[tuple[str, str]]:
    """The claims of a spec that no verdict was reached for: id and statement."""
    return [(name, str(claim.get("statement", ""))) for name, claim in claims.items()]


__all__ = ["WORDS", "Card", "Control", "Row", "Strip", "make_cards", "undecided"]
