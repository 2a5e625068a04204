"""Commands that look into finished runs: replay, compare, export, calibrate."""

from pathlib import Path
from typing import Annotated, Any

import typer

from jaxml.cli.output import Json, RunArgument, Runs, echo, find, print_json
from jaxml.errors import ConfigError, nearest


def replay(
    run: RunArgument = None,
    cell: Annotated[str, typer.Option("--cell", help="every axis and the seed: lam=1e-2,seed=3")] = "",
    pdb: Annotated[bool, typer.Option("--pdb", help="step through the trial in the debugger")] = False,
    debug_nans: Annotated[bool, typer.Option("--debug-nans", help="stop where the first NaN is made")] = False,
    runs: Runs = Path("runs"),
    as_json: Json = False,
) -> None:
    """Run one trial of a run again, alone."""
    from jaxml.claims.labels import coded, read_labels
    from jaxml.cli.tables import print_replay
    from jaxml.gallery import project_of
    from jaxml.runner import replay as replaying

    directory = find(run, runs)
    pins = coded(replaying.read_cell(cell), read_labels(directory.path))
    arguments: tuple[Any, ...] = (directory, pins, project_of(directory.spec()["experiment"]))
    if pdb:
        import pdb as debugger

        rows = debugger.runcall(replaying.replay, *arguments, debug_nans=debug_nans) or {}
    else:
        rows = replaying.replay(*arguments, debug_nans=debug_nans)
    print_json(rows) if as_json else print_replay(rows)


def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN_A")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B")],
    runs: Runs = Path("runs"),
    as_json: Json = False,
) -> None:
    """Show only what differs between two runs."""
    from jaxml.cli.tables import print_comparison
    from jaxml.runs.comparison import compare as compare_runs

    found = compare_runs(find(first, runs), find(second, runs))
    print_json(found) if as_json else print_comparison(found)


def export(
    run: RunArgument = None,
    to: Annotated[str, typer.Option("--to", help="csv, netcdf, parquet, markdown, latex, png, svg or mlflow")] = "csv",
    target: Annotated[str | None, typer.Option("--file", help="where to; for mlflow a URI or a database")] = None,
    runs: Runs = Path("runs"),
) -> None:
    """Write the results, verdicts or figures of a run for other tools."""
    from jaxml.report.export import FORMATS
    from jaxml.report.export import export as export_words
    from jaxml.runs.comparison import FORMATS as NUMBERS
    from jaxml.runs.comparison import export as export_numbers

    known = [*NUMBERS, *FORMATS]
    if to not in known:
        raise ConfigError(f"export: there is no format '{to}'. {nearest(to, known)}")
    write = export_words if to in FORMATS else export_numbers
    echo(f"wrote {write(find(run, runs), to, target)}")


def calibrate(
    replications: Annotated[
        int, typer.Option("--replications", min=1, max=1_000_000, help="runs per planted world")
    ] = 2000,
    as_json: Json = False,
) -> None:
    """Measure the verdict engine's own error rates, and how far gaming gets."""
    from jaxml.claims.rule.calibrate import calibrate as measure
    from jaxml.cli.tables import print_bent, print_rates
    from jaxml.runs.adversaries import bend_all

    rates, bent = measure(replications=replications), bend_all(replications)
    if as_json:
        print_json({"worlds": [rate.to_json() for rate in rates], "adversaries": [each.to_json() for each in bent]})
    else:
        print_rates(rates)
        print_bent(bent)
