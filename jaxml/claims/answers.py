"""What is told of a seeded claim, in one or two sentences made from the numbers of its finding.

Nothing here knows what an experiment is about: the words are the claim's own names and the rule's outcomes.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxml.claims.finding import CellResult, Finding
from jaxml.claims.mapped import Mapped
from jaxml.claims.verdict import Decision
from jaxml.claims.words import Unit, number, numeric, phrase, place, sentence, varying

MOST_ROWS = 6
"""So many values of a second axis are told one by one."""


@dataclass(frozen=True)
class Measured:
    """What a seeded claim, or one of its controls, measures: the `detail` of its finding or check."""

    metric: str
    direction: str
    scale: str
    arms: Mapping[str, Any]
    margin: float
    margin_reason: str = ""
    equals: float | None = None
    along: str = ""
    form: str = ""
    meets: float = 0.0
    rises: bool = True
    theory: float | str = 0.0
    of_scale: str = ""
    share: float = 0.0
    levels: Sequence[float] = ()
    premise: str = ""
    leaves_out: str = ""
    cap: float | None = None
    range: Sequence[float] = ()
    tuned: str = ""

    @property
    def unit(self) -> Unit:
        """How its effects are told."""
        compared = self.equals is not None or bool(self.form) or bool(self.arms.get("against"))
        return Unit(self.scale, self.direction, compared)

    def level(self, decision: Decision) -> float:
        """The margin of the theta that is shown, where several are held together."""
        return self.levels[decision.row] if self.levels and decision.row is not None else self.margin


def measured(finding: Finding) -> Measured:
    """What a seeded claim measures."""
    return Measured(**finding.detail)


def answer(finding: Finding, decided: bool) -> str:
    """What was found, in plain words."""
    if not decided:
        return f"Nothing is decided. {sentence(effects(finding, finding.cells))}."
    word = finding.verdict.verdict
    if word == "invalid":
        return f"No answer: {finding.verdict.reason}."
    found = _of_one(finding, finding.cells[0]) if len(finding.cells) == 1 else _of_many(finding, word)
    return " ".join([found, *not_borne_out(finding)[:1]])


HEADS = {"supported": "Yes", "refuted": "No", "inconclusive": "Undecided"}


def concluded(finding: Finding, decided: bool, found: str, heads: Mapping[str, str] = HEADS) -> str:
    """The answer of a claim whose verdict is one word, with what was found."""
    if decided and finding.verdict.verdict == "invalid":
        return f"No answer: {finding.verdict.reason}."
    if not decided or not found:
        return f"Nothing is decided. {sentence(found)}" if found else "Nothing finite was measured."
    refuted, cells = finding.verdict.cells["refuted"], len(finding.cells)
    some = f" in {refuted} of {cells} cells" if 0 < refuted < cells else ""
    return f"{heads[finding.verdict.verdict]}{some}: {found}"


def extreme(finding: Finding, size: Callable[[float], float] = lambda estimate: estimate) -> CellResult | None:
    """The cell of the least estimate, or of the least `size` of one; None where no cell has any."""
    known = [cell for cell in finding.cells if cell.decision.estimate is not None]
    return min(known, key=lambda cell: size(cell.decision.estimate or 0.0), default=None)


def at_cell(finding: Finding, cell: CellResult) -> str:
    """Where a cell lies among those of its claim; empty where there is only one."""
    return place({name: cell.at[name] for name in varying(finding.cells)})


def not_borne_out(finding: Finding) -> list[str]:
    """Sentences on the cells whose later seeds, computed and never judged, do not bear the decision out."""
    cells = [cell for cell in finding.cells if cell.decision.later]
    if not cells:
        return []
    names, about = varying(finding.cells), measured(finding)
    unit, told = about.unit, []
    for cell in cells:
        where = place({name: cell.at[name] for name in names})
        told.append(
            (f"At {where}, " if where else "But ") + later_words(cell.decision, about.level(cell.decision), unit) + "."
        )
    if len(cells) > 1:
        told.insert(0, f"In {len(cells)} of {len(finding.cells)} cells the seeds computed later do not bear this out.")
    return told


def later_words(decision: Decision, margin: float, unit: Unit) -> str:
    """What the seeds beyond those that decided say, where they do not bear the decision out; else nothing."""
    later = decision.later
    if later is None:
        return ""
    contradicted = later.high < margin if decision.verdict == "supported" else later.low >= margin
    verb = "contradict this" if contradicted else "do not bear this out"
    found = f"{unit.shown(later.estimate)} (interval {unit.interval(later.low, later.high)})"
    return f"seeds {later.first} to {later.last} {verb}: {found}"


def against_words(finding: Finding, held: Mapped) -> str:
    """A sentence on the cells of a claim that its map contradicts; empty when there are none."""
    found, names = held.against(finding.cells), varying(finding.cells)
    if not found:
        return ""
    told = [
        f"{place({n: cell.at[n] for n in names} if names else cell.at)} ({cell.decision.verdict} there, {shown} here)"
        for cell, shown in found
    ]
    return f"The map disagrees with the verdict at {'; '.join(told)}."


def _of_one(finding: Finding, cell: CellResult) -> str:
    decision = cell.decision
    found = effects(finding, [cell])
    if decision.estimate is not None:
        found += f" (interval {measured(finding).unit.interval(decision.low, decision.high)}, {decision.seeds} seeds)"
    if decision.verdict == "supported":
        return f"Yes: {found}; {_matters(finding)}."
    if decision.verdict == "refuted":
        how = ", the other way round" if decision.label == "reversed" else ", not by enough to matter"
        return f"No{how if measured(finding).unit.compared else ''}: {found}; {_matters(finding)}."
    more = f" About {number(decision.seeds_needed)} seeds would decide it." if decision.seeds_needed else ""
    return f"Undecided: {found}; {_matters(finding)}.{more}"


def _of_many(finding: Finding, word: str) -> str:
    counts, n = finding.verdict.cells, len(finding.cells)
    supported, refuted = counts["supported"], counts["refuted"]
    if word == "supported":
        head = f"Yes, in {_all(n) if supported == n else f'{supported} of {n} cells'}."
    elif word == "refuted" and refuted == n:
        head = f"No, in {'neither cell' if n == 2 else f'none of the {n} cells'}."
    elif word == "refuted":
        head = f"No: it fails in {refuted} of {n} cells" + (f" and holds in {supported}." if supported else ".")
    else:
        head = f"Undecided: {', '.join(f'{count} {name}' for name, count in counts.items() if count)} of {n} cells."
    where = boundary(finding.cells) if supported and supported < n else ""
    return " ".join(
        part for part in (head, where, f"{sentence(effects(finding, finding.cells))}; {_matters(finding)}.") if part
    )


def _all(n: int) -> str:
    return "both cells" if n == 2 else f"all {n} cells"


def boundary(cells: Sequence[CellResult]) -> str:
    """Where a claim holds and where it breaks, for cells along one axis or two; empty when there are more.

    Runs of equal verdicts in grid order, such as "Supported at depth 1 to 4; refuted at depth 8 to 64."
    """
    axes = varying(cells)
    if len(axes) == 2:
        return _boundary_by_row(cells, axes)
    if len(axes) != 1:
        return ""
    runs: list[tuple[str, list[Any]]] = []
    for cell in cells:
        if not runs or runs[-1][0] != cell.decision.verdict:
            runs.append((cell.decision.verdict, []))
        runs[-1][1].append(cell.at[axes[0]])
    return sentence("; ".join(f"{verdict} at {phrase(axes[0])} {_span(values)}" for verdict, values in runs)) + "."


def _boundary_by_row(cells: Sequence[CellResult], axes: Sequence[str]) -> str:
    """Along the longer axis of numbers, for each value of the other one; empty when there are too many to list."""
    values = {name: list(dict.fromkeys(cell.at[name] for cell in cells)) for name in axes}
    inner = max(axes, key=lambda name: (numeric(values[name]), len(values[name])))
    outer = next(name for name in axes if name != inner)
    if not numeric(values[inner]) or len(values[outer]) > MOST_ROWS:
        return ""
    rows: dict[str, list[str]] = {}
    for value in values[outer]:
        row = [cell for cell in cells if cell.at[outer] == value]
        runs = itertools.groupby(row, lambda cell: cell.decision.verdict == "supported")
        spans = [[cell.at[inner] for cell in run] for supported, run in runs if supported]
        where = f"at {phrase(inner)} {' and '.join(map(_span, spans))}" if spans else "nowhere"
        where = "throughout" if sum(map(len, spans)) == len(row) else where
        rows.setdefault(where, []).append(number(value))
    told = (f"with {phrase(outer)} {_listed(names)} {where}" for where, names in rows.items())
    return f"Supported {'; '.join(told)}."


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _span(values: Sequence[Any]) -> str:
    if len(values) > 2 and numeric(values):
        return f"{number(values[0])} to {number(values[-1])}"
    return ", ".join(map(number, values))


def effects(finding: Finding, cells: Sequence[CellResult]) -> str:
    """What was measured: the effect, or its extremes over the cells and where they lie."""
    found = sorted((c for c in cells if c.decision.estimate is not None), key=lambda c: c.decision.estimate or 0.0)
    name, unit = phrase(measured(finding).metric), measured(finding).unit
    if not found:
        return f"no finite effect on {name} was measured"
    low, high = found[0].decision.estimate or 0.0, found[-1].decision.estimate or 0.0
    if not unit.compared:
        arm = place(measured(finding).arms["claimed"])
        return f"{name}{f' with {arm}' if arm else ''} is {_ends(found, unit.shown, cells)}"
    claimed, against = contrast(measured(finding).arms)
    if low == high == 0:
        return f"{name} is the same with {claimed} and with {against}"
    if low < 0 < high:
        return f"the effect of {claimed} over {against} on {name} is {_ends(found, unit.shown, cells)}"
    other = "smaller" if measured(finding).direction == "larger" else "larger"
    found = found if high > 0 else found[::-1]
    by = _ends(found, unit.amount, cells)
    return f"{name} is {measured(finding).direction if high > 0 else other} with {claimed} than with {against} by {by}"


def contrast(arms: Mapping[str, Any]) -> tuple[str, str]:
    """Both arms by what tells them apart, where something that both of them pin does; else by all they pin.

    >>> contrast({"claimed": {"block": "residual"}, "against": {"block": "plain", "depth": 64}})
    ('block residual', 'block plain')
    """
    claimed, against = arms["claimed"], arms["against"]
    telling = [name for name in claimed if name in against and claimed[name] != against[name]]
    both = [{n: arm[n] for n in telling} if telling else arm for arm in (claimed, against)]
    return place(both[0]), place(both[1])


def _ends(found: Sequence[CellResult], words: Any, cells: Sequence[CellResult]) -> str:
    """The first and the last of ordered effects, each with its cell."""
    first, last = (words(cell.decision.estimate) for cell in (found[0], found[-1]))
    if first == last:
        return first
    names = varying(cells)
    where = [place({name: cell.at[name] for name in names}) for cell in (found[0], found[-1])]
    return f"{first} ({where[0]}) to {last} ({where[1]})"


def _matters(finding: Finding) -> str:
    about = measured(finding)
    if about.unit.compared:
        return f"{about.unit.amount(about.margin)} or more matters"
    return f"the claim needs {about.unit.shown(about.margin)} or {'more' if about.direction == 'larger' else 'less'}"
