"""Verdict cards as the page shows them: a list of cells with their intervals drawn against the margin.

The intervals are plain SVG, placed in percent of their column: they need no script and shrink with the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxml.claims.card import CellResult, ClaimCard, ControlResult, Verdicts
from jaxml.claims.mapped import Mapped
from jaxml.report.answers import answer, control_unit, later_words, unit_of
from jaxml.report.boundary import Panel, map_panels
from jaxml.report.maps import Spec, cell_charts
from jaxml.report.words import MARKS, SCALES, Unit, number, phrase, place, sentence, varying

FEW = 24
"""So many cells are listed openly; more are folded away."""
QUANTIFIERS = {
    "exact": "exactly",
    "at_reference": "at the reference cell",
    "universal": "in every cell",
    "generic": "in at least 80 % of the cells",
    "existential": "in at least one cell",
}
Domain = tuple[float, float]


@dataclass(frozen=True)
class Strip:
    """One interval, its ends and marks in percent of the column; None where there is nothing finite to draw."""

    zero: float
    margin: float
    low: float | None
    high: float | None
    point: float | None
    words: str
    zero_words: str


@dataclass(frozen=True)
class Row:
    """One cell: where it lies, what was found, how it was decided."""

    where: str
    word: str
    label: str
    mark: str
    effect: str
    interval: str
    seeds: str
    look: str
    tuned: str
    later: str
    strip: Strip


@dataclass(frozen=True)
class Control:
    """One control: what it had to do and what it did."""

    name: str
    must: str
    outcome: str
    passed: bool
    estimand: str
    margin: str
    row: Row


@dataclass(frozen=True)
class Card:
    """One claim."""

    card: ClaimCard
    word: str
    label: str
    badge: str
    fragile: str
    answer: str
    margin: str
    facts: list[tuple[str, str]]
    rows: list[Row]
    folded: bool
    controls: list[Control]
    charts: list[tuple[str, Spec]]
    is_map: bool
    maps: list[Panel]


def make_cards(verdicts: Verdicts, claims: Mapping[str, Any], maps: Sequence[Mapped] = ()) -> list[Card]:
    """All claims of a run; `claims` are their specs, for what the controls measured, `maps` the maps of the run."""
    return [_make_card(card, verdicts, claims.get(card.id, {}), maps) for card in verdicts.claims]


def _make_card(card: ClaimCard, verdicts: Verdicts, spec: Mapping[str, Any], maps: Sequence[Mapped]) -> Card:
    decided = verdicts.status == "confirmatory"
    charts = cell_charts(card, exploratory=not decided)
    domain, unit, names = _domain(card.cells, card.margin), unit_of(card), varying(card.cells)
    rows = []
    for cell in card.cells:
        where = place({n: cell.at[n] for n in names} if names else cell.at) or "the whole grid"
        rows.append(_row(cell, where, card.margin, unit, domain, decided))
    return Card(
        card=card,
        word=verdicts.verdict_of(card),
        label=(card.verdict.label or "") if decided and card.verdict.verdict == "refuted" else "",
        badge=(card.verdict.badge or "") if decided else "",
        fragile=(card.fragile or "") if decided else "",
        answer=answer(card, verdicts),
        margin=unit.shown(card.margin),
        facts=_facts(card, decided),
        rows=rows,
        folded=bool(charts) or len(rows) > FEW,
        controls=[_control(control, card, spec, decided) for control in card.controls],
        charts=charts,
        is_map=len(names) > 1,
        maps=map_panels(card, maps, decided=decided),
    )


def _facts(card: ClaimCard, decided: bool) -> list[tuple[str, str]]:
    unit, names = unit_of(card), varying(card.cells)
    compared = f"{place(card.arms['claimed'])} against {place(card.arms.get('against'))}, paired by seed"
    common = {n: v for n, v in card.cells[0].at.items() if n not in names} if card.cells and names else {}
    than = "" if unit.compared else " than the margin"
    direction = f"{phrase(card.estimand)} is {card.direction}{than}, {QUANTIFIERS[card.verdict.quantifier]}"
    found = [
        ("Claimed", sentence(direction)),
        ("Compared" if unit.compared else "Measured", compared if unit.compared else place(card.arms["claimed"])),
        ("Throughout", place(common)),
        ("Effect as", sentence(SCALES.get(card.scale, card.scale)) if unit.compared else ""),
        ("Margin", f"{unit.shown(card.margin)}. {card.margin_reason}"),
        ("Decided", decided_words(card) if decided else ""),
        ("Fragile", sentence(card.fragile or "") if decided else ""),
        ("Source", card.source or ""),
    ]
    return [(name, words) for name, words in found if words]


def decided_words(card: ClaimCard) -> str:
    """Why the verdict is what it is; where the interval of a single cell decided, in the unit of its effects."""
    decision, unit = card.cells[0].decision, unit_of(card)
    low, high = decision.low, decision.high
    alone = len(card.cells) == 1 and card.verdict.reason == decision.reason  # no control stands in its place
    if not alone or not decision.look or not decision.sd or low is None or high is None:
        return card.verdict.reason
    outcome = "supported" if low >= card.margin else "refuted" if high < card.margin else "inconclusive"
    if outcome != decision.verdict:  # something else than the interval kept it open
        return card.verdict.reason
    how = {"supported": "lies at or beyond", "refuted": "falls short of", "inconclusive": "holds"}[outcome]
    meaning = {
        "reversed": ": the effect runs the other way",
        "null": ": no effect that matters, either way",
        "negligible": ": no effect that matters in the claimed direction",
    }.get(decision.label or "", "")
    return f"Interval {unit.interval(low, high)} {how} the margin {unit.shown(card.margin)}{meaning}"


def _row(cell: CellResult, where: str, margin: float, unit: Unit, domain: Domain, decided: bool) -> Row:
    decision = cell.decision
    word = decision.verdict if decided else "exploratory"
    return Row(
        where=where,
        word=word,
        label=decision.label or "",
        mark=MARKS[word],
        effect=unit.shown(decision.estimate),
        interval="–" if decision.low is None else unit.interval(decision.low, decision.high),
        seeds=number(decision.seeds),
        look=f"look {decision.look}" if decision.look else "",
        tuned=" against ".join(place(point) for point in cell.tuned.values()),
        later=later_words(decision, margin, unit) if decided else "",
        strip=_strip(cell, margin, unit, domain),
    )


def _control(control: ControlResult, card: ClaimCard, spec: Mapping[str, Any], decided: bool) -> Control:
    declared = next(
        (c for c in spec.get("controls", {}).get(control.kind, ()) if c.get("name") == control.name),
        {},
    )
    arms: dict[str, dict[str, Any]] = {"": {}, "claimed": {}, "against": {}}
    for name, value in control.cell.at.items():
        side, _, parameter = name.partition(" ")
        arms[side if side in arms and parameter else ""][parameter or name] = value
    unit = control_unit(control, card, spec)
    compared = " against ".join(place(arms[side]) for side in ("claimed", "against") if arms[side])
    decision, estimand = control.cell.decision, declared.get("estimand") or card.estimand
    row = _row(
        control.cell,
        "; ".join(part for part in (place(arms[""]), compared) if part),
        control.margin,
        unit,
        _domain([control.cell], control.margin),
        decided,
    )
    return Control(
        name=control.name,
        must=f"{control.kind} control, {'must' if control.kind == 'positive' else 'must not'} come out supported",
        outcome=decision.verdict + (f", {decision.label}" if decision.label else ""),
        passed=control.passed,
        estimand=phrase(estimand) if estimand != card.estimand else "effect",
        margin=unit.shown(control.margin),
        row=row,
    )


def _domain(cells: Sequence[CellResult], margin: float) -> Domain:
    """What the strip of intervals spans: zero, the margin and every interval, with room at both ends."""
    ends = [0.0, margin]
    for cell in cells:
        ends += [end for end in (cell.decision.low, cell.decision.high, cell.decision.estimate) if end is not None]
    pad = 0.06 * (max(ends) - min(ends))
    return min(ends) - pad, max(ends) + pad


def _strip(cell: CellResult, margin: float, unit: Unit, domain: Domain) -> Strip:
    first, last = domain

    def at(value: float) -> float:
        return round(100 * (value - first) / (last - first), 2)

    low, high, point = (
        None if v is None else at(v) for v in (cell.decision.low, cell.decision.high, cell.decision.estimate)
    )
    ends = "" if low is None else f", interval {unit.interval(cell.decision.low, cell.decision.high)}"
    words = f"effect {unit.shown(cell.decision.estimate)}{ends}, margin {unit.shown(margin)}"
    return Strip(at(0.0), at(margin), low, high, point, words, unit.shown(0.0))
