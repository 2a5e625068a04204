"""The rows of a seeded claim: facts, cells, controls and the scoreboard's columns, as any surface shows them."""

from collections.abc import Sequence
from dataclasses import replace

from jaxml.claims.answers import Measured, later_words, measured, not_borne_out
from jaxml.claims.finding import CellResult, Finding
from jaxml.claims.tipping import tipping_point
from jaxml.claims.told import CheckRow, Facts, Row, Told, domain_of, strip
from jaxml.claims.words import SCALES, number, phrase, place, varying

PICKED = "picked"
"""Under what a cell holds, among what its arms were tuned to, the rival that was picked on the tuning seeds."""
TUNED_EACH = (
    "for each seed on draws of its own, so that the interval covers tuning; shown is what was picked most often"
)
QUANTIFIERS = {
    "exact": "exactly",
    "reference": "at the reference cell",
    "all": "in every cell",
    "most": "in at least 80 % of the cells",
    "some": "in at least one cell",
}


def told_of(
    finding: Finding, decided: bool, answer: str, facts: Facts, *, mirrored: bool = False, rows: Sequence[str] = ()
) -> Told:
    """A seeded claim of any kind in words.

    Args:
        finding: what was found.
        decided: whether verdicts may be shown.
        answer: one or two sentences.
        facts: what was claimed, compared, required.
        mirrored: the margin holds on both sides.
        rows: what each theta of a cell is called, where it holds several.
    """
    about = measured(finding)
    margin = about.unit.shown(about.margin)
    return Told(
        finding=finding,
        word=finding.verdict.verdict if decided else "exploratory",
        answer=answer,
        facts=[*facts, *_limits(about)],
        head="cell",
        rows=seeded_rows(finding, decided, mirrored, rows),
        checks=seeded_checks(finding, decided, mirrored),
        warnings=not_borne_out(finding) if decided else [],
        margin=f"±{margin}" if mirrored else margin,
        levels=(-about.margin, about.margin) if mirrored else tuple(about.levels[-1:]) or (about.margin,),
        unit=about.unit,
        summary=summary(finding),
    ).framed(decided)


def _limits(about: Measured) -> Facts:
    """Which values there are, of which seeds and cells the claim does not speak, and which times are bounds."""
    capped = "" if about.cap is None else f"at {number(about.cap)}; a trial that reaches it is known by a bound only"
    tuned = {"run": "once for all seeds, so that the interval holds at the picked settings", "seed": TUNED_EACH}
    between = f"{number(about.range[0])} to {number(about.range[1])}, by what it measures" if about.range else ""
    return [
        ("Range", between),
        ("Tuned", tuned.get(about.tuned, "")),
        ("Premise", about.premise),
        ("Leaves out", about.leaves_out),
        ("Capped", capped),
    ]


def seeded_facts(finding: Finding, decided: bool) -> Facts:
    """What was claimed, what was compared, and what was required of it."""
    about, names = measured(finding), varying(finding.cells)
    unit = about.unit
    compared = f"{place(about.arms['claimed'])} against {place(about.arms.get('against'))}, paired by seed"
    common = {n: v for n, v in finding.cells[0].at.items() if n not in names} if finding.cells and names else {}
    needed = f"at {'least' if about.direction == 'larger' else 'most'} {unit.shown(about.margin)}"
    quantifier = QUANTIFIERS[finding.verdict.quantifier]
    return [
        ("Claimed", f"{phrase(about.metric)} is {about.direction if unit.compared else needed}, {quantifier}"),
        ("Compared" if unit.compared else "Measured", compared if unit.compared else place(about.arms["claimed"])),
        ("Throughout", place(common)),
        ("Effect as", SCALES.get(about.scale, about.scale) if unit.compared else ""),
        ("Margin", f"{unit.shown(about.margin)}. {about.margin_reason}"),
        ("Decided", decided_words(finding) if decided else ""),
        ("Tipping point", tipping_point(finding) if decided else ""),
    ]


def decided_words(finding: Finding) -> str:
    """Why the verdict is what it is; where the interval of a single cell decided, in the unit of its effects."""
    decision, about = finding.cells[0].decision, measured(finding)
    low, high, unit = decision.low, decision.high, about.unit
    alone = len(finding.cells) == 1 and finding.verdict.reason == decision.reason  # no control stands in its place
    if not alone or not decision.look or not decision.sd or low is None or high is None:
        return finding.verdict.reason
    outcome = "supported" if low >= about.margin else "refuted" if high < about.margin else "inconclusive"
    if outcome != decision.verdict:  # something else than the interval kept it open
        return finding.verdict.reason
    how = {"supported": "lies at or beyond", "refuted": "falls short of", "inconclusive": "holds"}[outcome]
    meaning = {
        "reversed": ": the effect runs the other way",
        "equivalent": ": no effect that matters, either way",
        "negligible": ": no effect that matters in the claimed direction",
    }.get(decision.label or "", "")
    return f"Interval {unit.interval(low, high)} {how} the margin {unit.shown(about.margin)}{meaning}"


def seeded_rows(finding: Finding, decided: bool, mirrored: bool = False, rows: Sequence[str] = ()) -> list[Row]:
    """One row for each cell, their strips drawn to one measure; below it each theta, where a cell holds several."""
    about, names = measured(finding), varying(finding.cells)
    found = []
    for cell in finding.cells:
        where = place({n: cell.at[n] for n in names} if names else cell.at) or "the whole grid"
        told = _told_cell(cell, where, about, finding.cells, decided, mirrored)
        parts = [
            f"{name}: {about.unit.shown(row.estimate)} ({about.unit.interval(row.low, row.high)})"
            for name, row in zip(rows, cell.decision.rows, strict=False)
        ]
        found.append(replace(told, notes=(*parts, *told.notes)))
    return found


def _told_cell(
    cell: CellResult,
    where: str,
    about: Measured,
    cells: Sequence[CellResult],
    decided: bool,
    mirrored: bool,
    effect: str = "effect",
) -> Row:
    """A cell, its strip drawn to one measure with those of `cells`."""
    decision, unit, margin = cell.decision, about.unit, about.level(cell.decision)
    margins = [margin, -margin][: 2 if mirrored else 1]
    tuned = " against ".join(place(point) for side, point in cell.tuned.items() if side != PICKED)
    picked = place(cell.tuned.get(PICKED))
    return Row(
        where=where,
        word=decision.verdict if decided else "",
        label=decision.label or "" if decided else "",
        shown={
            effect: unit.shown(decision.estimate),
            "interval": "–" if decision.low is None else unit.interval(decision.low, decision.high),
            "margin": unit.shown(margin),
            "seeds": number(decision.seeds),
        },
        notes=tuple(
            f"{words} {where}"
            for words, where in (("against the rival picked on the tuning seeds,", picked), ("tuned to", tuned))
            if where
        )
        + noted_words(cell),
        warning=later_words(decision, margin, unit) if decided else "",
        strip=strip(cell, margin, unit, domain_of(cells, margins), mirrored),
    )


def noted_words(cell: CellResult) -> tuple[str, ...]:
    """What else was seen in a cell."""
    noted, words = cell.noted, []
    if "met" in noted:
        words.append(f"{noted['met']} of {noted['seeds']} seeds meet the premise")
    words += noted.get("edge", [])
    if "population" in noted:
        words.append(noted["population"])
    if noted.get("censored"):
        words.append(f"{noted['censored']} of {noted['of']} seeds are known by a bound only")
    if cell.decision.reason.startswith("left out"):
        words.append(cell.decision.reason)
    return tuple(words)


def seeded_checks(finding: Finding, decided: bool, mirrored: bool = False) -> list[CheckRow]:
    """The controls, each on a measure of its own."""
    own, found = measured(finding), []
    for check in finding.checks:
        if check.cell is None:
            continue
        about = Measured(**check.detail)
        decision, arms = check.cell.decision, about.arms
        compared = " against ".join(place(arms[side]) for side in ("claimed", "against") if arms.get(side))
        where = "; ".join(part for part in (place(check.cell.at), compared) if part)
        effect = "effect" if about.metric == own.metric else phrase(about.metric)
        must = "supported" if check.role == "positive control" else "refuted"
        found.append(
            CheckRow(
                name=check.name,
                role=check.role,
                must=f"must come out {must}",
                passed=check.passed,
                outcome=(decision.verdict + (f", {decision.label}" if decision.label else "")) if decided else "",
                row=_told_cell(check.cell, where, about, [check.cell], decided, mirrored, effect),
                void=check.void,
            )
        )
    return found


def summary(finding: Finding) -> dict[str, str]:
    """The columns of the scoreboard."""
    about, cell, count = measured(finding), finding.headline, finding.verdict
    unit, decision = about.unit, cell.decision
    effect = f"{unit.shown(decision.estimate)} ({unit.interval(decision.low, decision.high)})"
    if len(finding.cells) > 1:
        effect += f" at {place({name: cell.at[name] for name in varying(finding.cells)}) or '0'}"
    return {
        "effect": effect,
        "margin": unit.shown(about.level(decision)),
        "cells": f"{count.supported} / {count.refuted} / {count.inconclusive + count.invalid}",
        "seeds": str(max(c.decision.seeds for c in finding.cells)),
        "controls": f"{sum(check.passed and not check.void for check in finding.checks)} of {len(finding.checks)}",
    }
