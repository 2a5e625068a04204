"""`jaxml ledger` and `jaxml register`: what was tried in this project before, and what is fixed before it is."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaxml.cli.output import Json, LedgerOption, Runs, echo, print_json, screen
from jaxml.errors import ConfigError, nearest

if TYPE_CHECKING:
    from jaxml.runs.chain import Entry, Ledger

RUNS = Path("runs")


def ledger(
    what: Annotated[str | None, typer.Argument(metavar="[CLAIM]", help="the id of a claim, or a config's name")] = None,
    runs: Runs = RUNS,
    path: LedgerOption = None,
    merge: Annotated[Path | None, typer.Option("--merge", help="take up another machine's ledger")] = None,
    mend: Annotated[bool, typer.Option("--mend", help="record that the ledger is broken, so that runs decide")] = False,
    as_json: Json = False,
) -> None:
    """Show what was tried so far, and check that nothing was removed."""
    from jaxml.runs import ledger as book
    from jaxml.runs.standing import missing_lines

    apart = path is not None and runs == RUNS and not mend  # nothing says that the runs here are in it
    path = path or runs / book.FILE
    lines = missing_lines(None if apart else runs)
    if merge is not None:
        taken = book.merge(path, merge)
        echo(f"{path}: took up {len(taken['entries']) if taken else 0} entries of {merge}", to_stderr=as_json)
    if mend:
        recorded = book.mend(path, lines(book.read(path)))
        count = len(recorded["breaks"]) + len(recorded["missing"]) if recorded else 0
        echo(f"{path}: recorded {count} break{'' if count == 1 else 's'}", to_stderr=as_json)
    held = book.read(path)
    missing = lines(held)
    rows = list(_rows(held, runs))
    if what is not None:
        rows = _only(rows, Path(what).stem)
    broken = [f"line {each.line}: {each.why}" for each in held.breaks]
    broken += [f"the line of {name} is missing" for name in missing]
    if as_json:
        shown = [{name: value for name, value in row.items() if name not in ("spec", "of")} for row in rows]
        print_json({"ledger": str(path), "broken": broken, "torn": held.torn, "entries": shown})
    else:
        _print(path, held, rows, broken, None if what is None else Path(what).stem)
    if broken:
        raise typer.Exit(1)


def register(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="a YAML file, such as configs/l1_sparsity.yaml")],
    runs: Runs = Path("runs"),
    path: LedgerOption = None,
    note: Annotated[bool, typer.Option("--note/--no-note", help="a git note on HEAD, in refs/notes/jaxml")] = True,
) -> None:
    """Fix the claims of a config before there is data."""
    from jaxml.runner.registering import register as register_config
    from jaxml.runs.ledger import FILE

    path = path or runs / FILE
    entry, commit = register_config(config, path, note=note)
    on = f", noted on commit {commit[:12]}" if commit else ""
    echo(f"{config}: registered on {entry['time'][:10]} in {path}{on}")
    for id, digest in entry["claims"].items():
        echo(f"  {id} {digest[:12]}")


def _rows(held: "Ledger", runs: Path) -> "Iterator[dict[str, Any]]":
    """One row for each run, registration, merge or mended break; a run's two entries are one row."""
    from jaxml.runs.standing import same_file, what_became

    entries = list(held.everything)
    ends = {entry["run"]: entry for entry in entries if entry["entry"] == "ended"}
    beside = same_file(held.path.parent, runs)
    for entry in entries:
        row = {
            name: entry[name]
            for name in ("entry", "time", "run", "config", "why", "spec", "of", "from")
            if name in entry
        }
        if entry["entry"] == "started":
            came = ends.get(entry["run"], {"claims": {}})["claims"]
            note = what_became(runs, entry["run"], entries) if beside else ""
            note = "it stopped before its first result" if ends.get(entry["run"], {}).get("unseen") else note
            yield {**row, "claims": {id: came.get(id, {}) for id in entry["spec"]["claims"]}, "note": note}
        elif entry["entry"] == "registered":
            yield {**row, "claims": {id: {} for id in entry["spec"]["claims"]}}
        elif entry["entry"] != "ended":
            yield {**row, "note": _what_is_noted(entry)}


def _what_is_noted(entry: "Entry") -> str:
    if entry["entry"] == "broken":
        found = [f"line {each['line']}: {each['why']}" for each in entry["breaks"]]
        return "; ".join([*found, *(f"the line of {name} is missing" for name in entry["missing"])])
    if entry["entry"] == "merged":
        return f"{len(entry['entries'])} entries of {entry['path']}, above"
    return f"half a line was cut off: {entry.get('text', '')[:40]}" if entry["entry"] == "torn" else ""


def _only(rows: Sequence[dict[str, Any]], what: str) -> list[dict[str, Any]]:
    """The rows of one claim, or of one config.

    Raises:
        ConfigError: when there are none.
    """
    known = {name for row in rows for name in (*row.get("claims", {}), row.get("config", "")) if name}
    if what not in known:
        raise ConfigError(f"ledger: no claim and no config is called '{what}'. {nearest(what, known)}")
    found = []
    for row in rows:
        if row.get("config") == what:
            found.append(row)
        elif what in row.get("claims", {}):
            found.append({**row, "claims": {what: row["claims"][what]}})
    return found


def _print(path: Path, held: "Ledger", rows: Sequence[dict[str, Any]], broken: Sequence[str], what: str | None) -> None:
    from rich.table import Table
    from rich.text import Text

    console = screen()
    count = len(held.entries)
    state = "BROKEN" if broken else "every line is in its place"
    console.print(Text(f"{path}: {count} entr{'y' if count == 1 else 'ies'}, {state}", "bold red" if broken else ""))
    for each in broken:
        console.print(Text(f"  {each}", style="red"))
    if broken:
        console.print("Runs decide nothing until jaxml ledger --mend has recorded this for good.")
    if held.torn:
        console.print("  a crash left half a line at the end; the next entry cuts it off")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", show_header=bool(rows))
    table.add_column("what was done", no_wrap=True)
    table.add_column("what came of it", overflow="fold")
    before: dict[str, dict[str, Any]] = {}
    for row in rows:
        table.add_row(_done(row), "\n".join(_outcomes(row, before if what else None)))
    console.print(table)


def _done(row: dict[str, Any]) -> str:
    if row["entry"] == "started":
        return row["run"]
    return f"{row['entry']} {row.get('config', '')}".strip() + f", {row['time'][:10]}"


def _outcomes(row: dict[str, Any], before: dict[str, dict[str, Any]] | None) -> Iterator[str]:
    """Lines for the second column; with `before`, what changed in a claim since it was last entered."""
    for id, came in row.get("claims", {}).items():
        attempt = f", attempt {came['attempt']}" if came.get("attempt", 1) > 1 else ""
        word = came.get("verdict", "not finished") + attempt if row["entry"] == "started" else "fixed"
        yield f"{id} {word}"
        if before is not None:
            yield from (f"  {each}" for each in _changed(before.get(id), row, id))
            before[id] = row
    if row.get("why"):
        yield f"exploratory: {row['why']}"
    for words in (row.get("note"), f"from {row['from']}" if "from" in row else ""):
        if words:
            yield words


def _changed(before: dict[str, Any] | None, now: dict[str, Any], id: str) -> list[str]:
    from jaxml.runs.designs import claims_of
    from jaxml.runs.history import Tried, what_changed

    if before is None or id not in claims_of(before["spec"]) or id not in claims_of(now["spec"]):
        return []
    return what_changed(Tried(id, before["spec"]), Tried(id, now["spec"]))
