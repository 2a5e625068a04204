"""Numbers as people write them, places on the grid in words, and the one-sentence answer to a claim.

Every sentence is made from the verdict card: nothing here knows what an experiment is about.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxml.claims.card import CellResult, ClaimCard, Verdicts

WORDS = {
    "supported": "Supported",
    "refuted": "Refuted",
    "inconclusive": "Inconclusive",
    "invalid": "Invalid",
    "exploratory": "EXPLORATORY",
    "interrupted": "Not decided",
}
MARKS = {
    "supported": "✓",
    "refuted": "✗",
    "inconclusive": "?",
    "invalid": "!",
    "exploratory": "~",
    "interrupted": "…",
}
QUANTIFIERS = {
    "exact": "exactly",
    "at_reference": "at the reference cell",
    "universal": "in every cell",
    "generic": "in at least 80 % of the cells",
    "existential": "in at least one cell",
}


def number(value: Any) -> str:
    """Three significant digits with a true minus sign; anything but a number as it is.

    >>> number(0.12345), number(-12345.6), number(None), number(1e-05), number("prox")
    ('0.123', '−12,346', '–', '1e−5', 'prox')
    """
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "−∞"}.get(value, "not finite")
    if isinstance(value, int) or abs(value) >= 1000:
        text = f"{value:,.0f}" if abs(value) < 1e7 else f"{value:.3g}"
    else:
        text = f"{value:.3g}"
    return text.replace("e-0", "e-").replace("e+0", "e").replace("-", "−")


def phrase(name: str) -> str:
    """A name as words: ``zero_fraction`` -> ``zero fraction``."""
    return name.replace("_", " ")


def place(at: Mapping[str, Any]) -> str:
    """Where a cell lies.

    >>> place({"problem": "planted", "lam": 0.1})
    'problem planted, lam 0.1'
    """
    return ", ".join(f"{phrase(name)} {number(value)}" for name, value in at.items())


def quantity(theta: float | None, scale: str) -> str:
    """An effect without its sign, in the unit of its scale.

    >>> quantity(-0.45, "difference"), quantity(math.log(2), "log_ratio"), quantity(3.0, "points")
    ('0.45', 'a factor of 2', '3 percentage points')
    """
    if theta is None:
        return "–"
    if scale == "points":
        return f"{number(abs(theta))} percentage points"
    if scale in ("log_ratio", "logit"):
        kind = "a factor" if scale == "log_ratio" else "an odds ratio"
        return f"{kind} of {number(math.exp(min(abs(theta), 700.0)))}"
    return number(abs(theta))


def interval(low: float | None, high: float | None) -> str:
    """An interval, its ends apart by a word so that minus signs stay readable."""
    return f"{number(low)} to {number(high)}"


def arm(pins: Mapping[str, Any] | None) -> str:
    """One arm of a comparison."""
    return ", ".join(f"{phrase(k)} {number(v)}" for k, v in (pins or {}).items())


def answer(card: ClaimCard, verdicts: Verdicts) -> str:
    """What was found, in one or two sentences."""
    word = verdicts.verdict_of(card)
    if word == "exploratory":
        return f"Nothing is decided: {verdicts.why}. Measured: {_measured(card, card.cells)}."
    if word == "invalid":
        return f"No answer: {card.verdict.reason}."
    if len(card.cells) == 1:
        return _answer_of_cell(card, card.cells[0])
    counts, n = card.verdict.cells, len(card.cells)
    if word == "supported":
        head = f"Yes, in {'all' if counts['supported'] == n else str(counts['supported']) + ' of'} {n} cells"
    elif word == "refuted":
        head = f"No: not so in {counts['refuted']} of {n} cells"
        if counts["supported"]:
            head += f", though it is in {counts['supported']}"
    else:
        head = f"Undecided: {', '.join(f'{c} {v}' for v, c in counts.items() if c)}, of {n} cells"
    where = boundary(card.cells) if card.verdict.badge else ""
    return f"{head}. {where}{_measured(card, card.cells)}; what matters begins at {_effect(card, card.margin)}."


def boundary(cells: Sequence[CellResult]) -> str:
    """Where a claim holds and where it breaks, for cells along one axis; empty when there are several.

    Runs of equal verdicts in grid order: ``depth 1 to 4: supported; depth 8 to 64: refuted. ``
    """
    axes = varying(cells)
    if len(axes) != 1:
        return ""
    runs: list[tuple[str, list[Any]]] = []
    for cell in cells:
        if not runs or runs[-1][0] != cell.decision.verdict:
            runs.append((cell.decision.verdict, []))
        runs[-1][1].append(cell.at[axes[0]])
    words = [f"{phrase(axes[0])} {_span(values)}: {verdict}" for verdict, values in runs]
    return "; ".join(words)[0].upper() + "; ".join(words)[1:] + ". "


def varying(cells: Iterable[CellResult]) -> list[str]:
    """The coordinates along which cells differ, in the order of the grid."""
    seen: dict[str, list[Any]] = {}
    for cell in cells:
        for name, value in cell.at.items():
            values = seen.setdefault(name, [])
            if value not in values:
                values.append(value)
    return [name for name, values in seen.items() if len(values) > 1]


def _span(values: Sequence[Any]) -> str:
    if len(values) == 1:
        return number(values[0])
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        return f"{number(values[0])} to {number(values[-1])}"
    return ", ".join(map(number, values))


def _answer_of_cell(card: ClaimCard, cell: CellResult) -> str:
    decision, least = cell.decision, _effect(card, card.margin)
    range_ = f"interval {interval(decision.low, decision.high)}, {decision.seeds} seeds"
    subject = phrase(card.estimand)
    against = f" than with {arm(card.arms['against'])}" if card.arms.get("against") else ""
    compared = f"{{}} with {arm(card.arms['claimed'])}{against}"
    if decision.verdict == "inconclusive":
        more = f"; about {number(decision.seeds_needed)} seeds would decide" if decision.seeds_needed else ""
        return f"Undecided: {_measured(card, [cell])} ({range_}), on neither side of {least}{more}."
    if not against:
        yes = "Yes" if decision.verdict == "supported" else "No"
        return f"{yes}: {_measured(card, [cell])} ({range_}); what matters begins at {least}."
    if decision.verdict == "supported":
        how = compared.format(card.direction)
        return f"Yes: {subject} is {how}, by {_effect(card, decision.estimate)} ({range_}); at least {least} matters."
    if decision.label == "reversed":
        other = "smaller" if card.direction == "larger" else "larger"
        by = _effect(card, decision.estimate)
        return f"No, the other way round: {subject} is {compared.format(other)}, by {by} ({range_})."
    kind = "no difference that matters" if decision.label == "null" else f"not {card.direction} by enough to matter"
    return f"No, {kind}: {_measured(card, [cell])} ({range_}); what matters begins at {least}."


def _effect(card: ClaimCard, theta: float | None) -> str:
    return quantity(theta, card.scale)


def _measured(card: ClaimCard, cells: Sequence[CellResult]) -> str:
    """The effect, or its extremes over the cells, oriented as the claim is."""
    found = [cell for cell in cells if cell.decision.estimate is not None]
    name = phrase(card.estimand)
    if not found:
        return f"no finite effect on {name}"
    if len(found) == 1:
        return f"{_kind(card)} is {signed(found[0].decision.estimate, card.scale)}"
    ordered = sorted(found, key=lambda cell: cell.decision.estimate or 0.0)
    ends = [f"{signed(c.decision.estimate, card.scale)} ({_short(c, found)})" for c in (ordered[0], ordered[-1])]
    if ends[0].split(" (")[0] == ends[1].split(" (")[0]:
        return f"{_kind(card)} is {signed(ordered[0].decision.estimate, card.scale)} in every cell"
    return f"{_kind(card)} runs from {ends[0]} to {ends[1]}"


def _kind(card: ClaimCard) -> str:
    if card.arms.get("against"):
        return f"the effect on {phrase(card.estimand)}"
    return phrase(card.estimand) if card.direction == "larger" else f"minus {phrase(card.estimand)}"


def _short(cell: CellResult, cells: Sequence[CellResult]) -> str:
    names = varying(cells)
    return place({name: value for name, value in cell.at.items() if name in names})


def signed(theta: float | None, scale: str) -> str:
    """An effect with its sign, in the unit of its scale."""
    if theta is None:
        return "–"
    if scale in ("log_ratio", "logit"):
        kind = "odds ratio " if scale == "logit" else ""
        return f"{kind}×{number(math.exp(max(min(theta, 700.0), -700.0)))}"
    return f"{number(theta)} points" if scale == "points" else number(theta)
