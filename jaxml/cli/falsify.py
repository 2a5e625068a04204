"""`jaxml falsify`: look for the smallest counter-example inside a declared domain."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaxml.cli.output import Json, print_json, screen

if TYPE_CHECKING:
    from jaxml.claims.falsification import Falsification


def falsify(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="a YAML file with a domain section")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="overrides")] = None,
    claim: Annotated[list[str] | None, typer.Option("--claim", help="this claim only; may be repeated")] = None,
    points: Annotated[int, typer.Option("--points", min=1, max=1_000_000, help="points drawn over the domain")] = 512,
    strict: Annotated[bool, typer.Option("--strict", help="exit 1 when a counter-example is found")] = False,
    as_json: Json = False,
) -> None:
    """Search a claim's domain for a counter-example."""
    from jaxml.cli.progress import live
    from jaxml.explore.falsify import falsify as search

    with live(quiet=as_json) as display:
        reports = search(config, overrides or (), claims=claim or (), points=points, notify=display.notify)
    if as_json:
        print_json([report.to_json() for report in reports])
    else:
        for report in reports:
            print_falsification(report)
    if strict and any(report.found for report in reports):
        raise typer.Exit(1)


def print_falsification(report: "Falsification") -> None:
    """The counter-example, or what was searched without finding one."""
    from rich.text import Text

    from jaxml.claims.words import Unit
    from jaxml.cli.tables import STYLES, print_pairs

    console, found = screen(), report.found
    word = ("COUNTER-EXAMPLE", STYLES["refuted"]) if found else ("NONE FOUND", STYLES["inconclusive"])
    console.print()
    console.print(Text.assemble(word, f"  {report.claim}: {report.statement}"))
    rows: dict[str, Any] = {}
    if found:
        decision = found.decision
        rows["at"] = _words(found.point)
        unit = Unit(report.scale, report.direction, report.compared)
        rows["effect"] = f"{unit.shown(decision.estimate)}, interval {unit.interval(decision.low, decision.high)}"
        rows["margin"] = unit.shown(report.margin)
        rows["tested on"] = f"{decision.seeds} fresh seeds, {report.tested} points together"
        rows["distance"] = f"{found.distance:.3g} sides of the domain from {_words(report.reference)}"
    elif report.tested:
        rows["tested on"] = f"fresh seeds: none of {report.tested} suspects was refuted there"
    rows["searched"] = f"{report.points:,} points drawn, {report.computed:,} computed, {report.seeds} seeds each"
    share = f"{report.failing / report.points:.1%} of the points drawn" if report.failing else "no point drawn"
    rows["failing"] = f"{share}; with 95 % confidence at most {report.volume:.2%} of the domain"
    rows["gradient"] = report.gradient
    if report.at:
        rows["throughout"] = _words(report.at)
    print_pairs(rows, console)


def _words(point: Mapping[str, Any]) -> str:
    return ", ".join(f"{n}={v:.4g}" if isinstance(v, float) else f"{n}={v}" for n, v in point.items())
