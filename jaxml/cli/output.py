"""What the commands share: options, finding a run, and printing."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from jaxml.errors import ConfigError

RunArgument = Annotated[
    Path | None, typer.Argument(metavar="[RUN]", help="a run directory; the newest one if left out")
]
Runs = Annotated[Path, typer.Option("--runs", help="the folder of run directories")]
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]


def find(run: Path | None, runs: Path) -> Any:
    """The run directory that is meant: the one named, else the newest.

    Raises:
        ConfigError: when there is none.
    """
    from jaxml.runs.directory import RunDirectory, find_runs

    if run is not None:
        return RunDirectory.open(run)
    newest = next(find_runs(runs), None)
    if newest is None:
        raise ConfigError(f"{runs}: there are no runs here yet. Make one with: jaxml run configs/l1_sparsity.yaml")
    return newest


def print_json(value: Any) -> None:
    """Plain values as JSON on standard output."""
    echo(json.dumps(value, indent=1, default=str))


def echo(message: str, to_stderr: bool = False) -> None:
    """One line of text."""
    typer.echo(message, err=to_stderr)
