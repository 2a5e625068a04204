"""Tables for a terminal of 80 columns or more; colours only where the terminal wants them."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from jaxml.claims.answers import against_words
from jaxml.claims.certificate import Certificate
from jaxml.claims.finding import Verdicts
from jaxml.claims.mapped import Mapped
from jaxml.claims.told import Told
from jaxml.claims.verdict import STATUSES
from jaxml.cli.output import screen

STYLES = {
    "supported": "bold green",
    "refuted": "bold red",
    "inconclusive": "bold yellow",
    "invalid": "bold magenta",
    "exploratory": "bold cyan",
    **dict.fromkeys(STATUSES, "bold"),
}


LONG = 20
"""So many lines scroll the first verdicts away, so that each is repeated in one line at the end."""
REST = 28
"""Columns that the status and the verdicts of a run need beside its path."""


def print_verdicts(verdicts: Verdicts) -> None:
    """One block per claim: statement, verdict and answer, what was decided one by one, the checks."""
    from jaxml.claims.kinds import tell

    console, claims = screen(), tell(verdicts)
    if not verdicts.decided:
        console.print(Text(f"EXPLORATORY, nothing is decided: {verdicts.why}.", style=STYLES["exploratory"]))
    for told in claims:
        badge = f"  {told.badge}" if told.badge else ""
        badge += f"  FRAGILE: {told.fragile}" if told.fragile else ""
        console.print()
        console.print(Text.assemble(_word(told), badge, f"  {told.finding.id}: {told.finding.statement}"))
        console.print(Text(f"  {told.answer}", style=STYLES["invalid"] if told.warnings else "dim"))
        if told.finding.lineage and told.finding.lineage.words:
            console.print(Text(f"  catalogue: {told.finding.lineage.words}", style="dim"))
        if told.finding.attempt_words:
            console.print(Text(f"  ledger: {told.finding.attempt_words}", style="dim"))
        if told.finding.lineage and told.finding.lineage.does_not_show:
            console.print(Text(f"  does not show: {told.finding.lineage.does_not_show}", style="dim"))
        if told.finding.note:
            console.print(Text(f"  {told.finding.note}", style="dim"))
        console.print(_rows(told))
        for warning in told.warnings[1:]:
            console.print(Text(f"  {warning}", style=STYLES["invalid"]))
    if len(claims) > 1 or sum(5 + len(told.rows) + len(told.checks) for told in claims) > LONG:
        console.print()
        for told in claims:
            line = Text.assemble(_word(told), f"  {told.finding.id}: {told.finding.statement}")
            console.print(line, no_wrap=True, overflow="ellipsis")


def _word(told: Told) -> tuple[str, str]:
    word = f"FACT, {told.word}" if told.finding.is_fact else told.word.upper()
    return word + (f" ({told.label})" if told.label else ""), STYLES[told.word]


def _rows(told: Told) -> Table:
    """What was decided, then the checks, under the heads of the former; values stand in the same columns."""
    heads = told.columns
    decided = any(row.word for row in told.rows)
    checked = decided or any(check.outcome for check in told.checks)
    table = _table(told.head, *(["verdict"] if checked else []), *heads)
    for row in told.rows:
        outcome = [Text(row.word, style=STYLES.get(row.word, ""))] if checked else []
        table.add_row(row.where, *outcome, *row.shown.values())
    for check in told.checks:
        passed = Text(check.outcome if check.role == "mutant" else "passed", style="green")
        failed = Text("FAILED" if check.role != "mutant" else check.outcome, style="bold red")
        void = Text(check.void, style="yellow")
        mark = void if check.void else passed if check.passed else failed
        outcome = [mark if check.outcome else ""] if checked else []
        values = list(check.row.shown.values())
        table.add_row(f"{check.role}: {check.name}", *outcome, *[""] * (len(heads) - len(values)), *values)
    return table


def print_certificate(certificate: Certificate | None) -> None:
    """What became of the verdicts under each other setting."""
    if certificate is None:
        return
    table = _table("decided again under", "set to", "outcome")
    for check in certificate.checks:
        style = "bold red" if check.flips else "yellow" if check.failed or check.cells or check.checks else ""
        table.add_row(check.name, check.setting, Text(check.outcome, style=style))
    screen().print(table)


def print_maps(maps: Sequence[Mapped], verdicts: Verdicts) -> None:
    """One line per map: what was computed and how it came out; and the cells of the claim that it contradicts."""
    console = screen()
    findings = {finding.id: finding for finding in verdicts.findings}
    for held in maps:
        told = f"  {held.name} over {held.x.name} and {held.y.name}: {held.tally}"
        console.print(Text.assemble(("map", STYLES["exploratory"]), told))
        finding = findings.get(held.claim)
        if finding and verdicts.decided and (against := against_words(finding, held)):
            console.print(Text(f"  {against}", style=STYLES["invalid"]))


def print_plan(description: Mapping[str, Any]) -> None:
    """What a run would do, and what its looks can resolve."""
    from jaxml.claims.kinds import KINDS

    console = screen()
    print_pairs(description["sweep"], console)
    if description["claims"]:
        table = _table("claim", "kind", "what decides it")
        for claim in description["claims"]:
            table.add_row(claim["id"], claim["kind"], KINDS[claim["kind"]].planned(claim))
        console.print(table)
    if not description["looks"]:
        return
    table = _table("look", "seeds", "of", "decides 9 in 10 at |effect - margin| / sd")
    for row in description["looks"]:
        resolves = "no effect" if row["resolves"] is None else number(row["resolves"])
        table.add_row(str(row["look"]), str(row["seeds"]), row["kind"], resolves)
    console.print(table)
    print_pilot(description["pilot"])
    for warning in description["warnings"]:
        console.print(Text(f"note: {warning}", style="yellow"))


def print_pilot(rows: Sequence[Mapping[str, Any]]) -> None:
    """What a pilot saw of each claim and control, in margins."""
    if not rows:
        return
    table, notes = _table("pilot", "effect", "sd", "seeds to decide", "cells open"), []
    for row in rows:
        seeds = "no number" if row["seeds"] is None else str(row["seeds"])
        table.add_row(
            f"  {row['part']}" if row["part"] else row["claim"],
            *(number(row["effect"]), number(row["sd"]), seeds, f"{row['open']} of {row['cells']}"),
        )
        notes += [f"{row['claim']}{', ' * bool(row['part'])}{row['part']}: {note}" for note in row["notes"]]
    screen().print(table)
    for note in notes:
        screen().print(Text(f"note: {note}", style="yellow"))
    screen().print("Effects and standard deviations in margins, of the cell that is hardest to decide.", style="dim")


def print_listing(listing: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Configs and runs, and below them what is wrong with those that cannot be read."""
    console = screen()
    table = _table("config", "title", "claims")
    table.columns[0].no_wrap = True
    for config in listing["configs"]:
        table.add_row(config["path"], _cut(config["title"]), str(config["claims"]))
    console.print(table if listing["configs"] else "no configs/ here; jaxml list --gallery shows what comes with jaxml")
    table = _table("run", "status", "verdicts")
    table.columns[0].no_wrap = True  # a path is there to be copied
    long = max((len(run["path"]) for run in listing["runs"]), default=0) > console.width - REST
    for run in listing["runs"]:
        verdicts = ", ".join(f"{k} {v}" for k, v in run["verdicts"].items())
        if long:
            console.print(run["path"], no_wrap=True, overflow="ignore", crop=False)
            console.print(f"  {run['status']}  {verdicts}".rstrip())
        table.add_row(run["path"], run["status"], verdicts)
    if not long:
        console.print(table if listing["runs"] else "no runs yet")
    for row in (*listing["configs"], *listing["runs"]):
        if "why" in row:
            console.print(Text(row["why"], style=STYLES["invalid"]))


def print_gallery(rows: Sequence[Mapping[str, Any]]) -> None:
    """The configs that come with jaxml, and how to use one."""
    table = _table("name", "title", "claims")
    table.columns[0].no_wrap = True
    for row in rows:
        table.add_row(row["name"], _cut(row["title"]), str(row["claims"]))
    screen().print(table if rows else "the gallery is not installed")
    screen().print(
        Text("jaxml run NAME decides one, jaxml new MINE --like NAME copies one to start from.", style="dim")
    )


def print_pairs(pairs: Mapping[str, Any], console: Any = None) -> None:
    """Names and values, nested ones joined by commas."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in pairs.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{k} {v}" for k, v in value.items())
        elif isinstance(value, (list, tuple)):
            value = "\n".join(map(str, value))
        elif isinstance(value, float):
            value = number(value)
        table.add_row(Text(name.replace("_", " "), style="dim"), str(value))
    (console or screen()).print(table)


def print_replay(rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Stored and replayed values, side by side."""
    table = _table("output", "stored", "replayed alone", "largest difference")
    for name, row in rows.items():
        shown = [str(row[key]) if isinstance(row[key], list) else f"{row[key]:.7g}" for key in ("stored", "replayed")]
        table.add_row(name, *shown, f"{row['difference']:.2g}")
    screen().print(table)


def print_comparison(found: Mapping[str, Mapping[str, Any]]) -> None:
    """What differs between two runs; a part without difference says so."""
    console = screen()
    for part, rows in found.items():
        if not rows:
            console.print(f"{part}: the same")
            continue
        table = _table(part, "first", "second") if part != "results" else _table(part, "largest", "mean", "interval")
        for name, row in rows.items():
            if part != "results":
                table.add_row(name, str(row[0]), str(row[1]))
            elif isinstance(row, Mapping):
                span = f"{number(row['low'])} .. {number(row['high'])}"
                table.add_row(name, number(row["largest"]), number(row["mean"]), span)
            else:
                table.add_row(name, str(row))
        console.print(table)


def print_rates(rates: Sequence[Any]) -> None:
    """Measured rates of planted worlds in percent, each with its Monte Carlo error, beside the declared bound."""
    table = _table("world", "supp.", "ref.", "inc.", "false supp.", "false ref.", "bound", "holds")

    def with_error(rate: float | None, error: float | None) -> str:
        return "-" if rate is None else f"{100 * rate:.1f} ± {100 * (error or 0):.1f}"

    for rate in rates:
        table.add_row(
            rate.world,
            *(f"{100 * share:.1f}" for share in (rate.supported, rate.refuted, rate.inconclusive)),
            with_error(rate.false_support, rate.support_error),
            with_error(rate.false_refute, rate.refute_error),
            f"{100 * rate.declared:.1f}",
            "yes" if rate.holds else "NO",
        )
    screen().print(table)


def print_bent(bent: Sequence[Any]) -> None:
    """How far tries at a verdict get that the data do not give, in percent."""
    table = _table("what is tried", "rule alone", "with ledger", "allowed", "holds")
    for each in bent:
        caught = f"{100 * each.caught:.1f} ± {100 * each.error:.1f}"
        shown = f"{100 * each.alone:.1f}", caught, f"{100 * each.declared:.1f}", "yes" if each.holds else "NO"
        table.add_row(each.does, *shown)
    screen().print(table)


def number(value: float | None) -> str:
    """Three significant digits, as people write them.

    >>> number(0.12345), number(-12345.6), number(None), number(0.0)
    ('0.123', '-12,346', '-', '0')
    """
    if value is None:
        return "-"
    if abs(value) < 1e-12:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _cut(text: str, most: int = 120) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _place(at: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in at.items()
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
