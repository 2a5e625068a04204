"""Verdicts in a notebook: one line, a table, or cards of a few lines each; the page of a run shows the rest.

Standard library only; pandas is imported for the table.
"""

import html
from typing import TYPE_CHECKING, Any

from jaxml.claims.finding import Finding, Verdicts
from jaxml.claims.told import Row, Told

if TYPE_CHECKING:
    import pandas

COLOURS = {
    "supported": "#2e7d46",
    "refuted": "#b3403a",
    "inconclusive": "#8a6d1d",
    "invalid": "#8a3f8f",
    "exploratory": "#2f6f8f",
}
MOST_ROWS = 8
"""Cells of a card that are shown; more are counted."""


def line_of(verdicts: Verdicts) -> str:
    """``Verdicts(confirmatory: R9 supported, R11 refuted)``."""
    words = ", ".join(f"{id} {word}" for id, word in verdicts.words.items())
    return f"Verdicts({verdicts.status}{f': {words}' if words else ''})"


def line_of_finding(finding: Finding) -> str:
    """``Finding(R9: supported, 2 cells, 2 checks)``."""
    counts = [
        f"{count} {what}{'' if count == 1 else 's'}"
        for count, what in ((len(finding.cells), "cell"), (len(finding.checks), "check"))
    ]
    return f"Finding({finding.id}: {finding.verdict.verdict}, {', '.join(counts)})"


def table(verdicts: Verdicts) -> "pandas.DataFrame":
    """A row for each thing that was decided, see `Verdicts.to_dataframe`."""
    import pandas

    rows: list[dict[str, Any]] = []
    for finding in verdicts.findings:
        whole = {"claim": finding.id, "verdict": verdicts.word(finding), "statement": finding.statement}
        for cell in finding.cells or [None]:
            if cell is None:
                rows.append(whole)
                continue
            held = cell.decision
            decided = {"cell_verdict": held.verdict} if verdicts.decided else {}
            numbers = {"effect": held.estimate, "low": held.low, "high": held.high, "sd": held.sd, "seeds": held.seeds}
            rows.append(whole | decided | numbers | {str(name): value for name, value in cell.at.items()})
    return pandas.DataFrame(rows)


def cards(verdicts: Verdicts) -> str:
    """One card for each claim: statement, verdict, answer, the first cells, and what failed."""
    from jaxml.claims.kinds import tell

    head = "" if verdicts.decided else f"<p><em>Exploratory, nothing is decided: {html.escape(verdicts.why)}.</em></p>"
    return f'<div style="max-width:60rem">{head}{"".join(map(_card, tell(verdicts)))}</div>'


def _card(told: Told) -> str:
    colour = COLOURS.get(told.word, "#666666")
    label = f" ({told.label})" if told.label else ""
    badges = "".join(f" &middot; {html.escape(badge)}" for badge in (told.badge, told.fragile) if badge)
    failed = [
        f"<li>{html.escape(f'{check.role}: {check.name}')}: {html.escape(check.void or 'FAILED')}</li>"
        for check in told.checks
        if check.void or not check.passed
    ]
    listed = f"<ul>{''.join(failed)}</ul>" if failed else ""
    return (
        f'<div style="border:1px solid #8888;border-left:4px solid {colour};border-radius:4px;padding:.5em .8em;'
        f'margin:.5em 0"><div><strong style="color:#fff;background:{colour};border-radius:3px;padding:0 .4em">'
        f"{html.escape(told.word.upper() + label)}</strong>{badges} <strong>{html.escape(told.finding.id)}</strong> "
        f"{html.escape(told.finding.statement)}</div>"
        f'<div style="margin:.3em 0">{html.escape(told.answer)}</div>{_rows(told)}'
        f"{listed}</div>"
    )


def _rows(told: Told) -> str:
    if not told.rows:
        return ""
    decided = any(row.word for row in told.rows)
    heads = [told.head, *(["verdict"] if decided else []), *told.columns]
    body = "".join(_row(row, decided) for row in told.rows[:MOST_ROWS])
    more = len(told.rows) - MOST_ROWS
    rest = f"<tr><td colspan={len(heads)}>and {more} more</td></tr>" if more > 0 else ""
    return f"<table><tr>{''.join(f'<th>{html.escape(head)}</th>' for head in heads)}</tr>{body}{rest}</table>"


def _row(row: Row, decided: bool) -> str:
    values = [row.where, *([row.word] if decided else []), *row.shown.values()]
    return f"<tr>{''.join(f'<td>{html.escape(str(value))}</td>' for value in values)}</tr>"
