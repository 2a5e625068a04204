"""What the commands share: options, finding a run, and printing what any terminal, pipe or full disk can take."""

import codecs
import contextlib
import io
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaxml.errors import ConfigError, RunError, nearest, printable

if TYPE_CHECKING:
    from rich.console import Console

RunArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[RUN]", help="a run directory, its name, or its config's; the newest one if left out"),
]
Runs = Annotated[Path, typer.Option("--runs", help="the folder of run directories")]
LedgerOption = Annotated[
    Path | None, typer.Option("--ledger", help="the ledger; ledger.jsonl in the folder of run directories by default")
]
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]
_ASCII = {"×": "x", "−": "-", "–": "-", "±": "+/-", "…": "...", "“": '"', "”": '"', "∞": "inf"}
"""What stands for a character where the terminal's encoding lacks it; any other is a question mark."""


class NobodyReads(Exception):
    """The reader has seen enough, as `head` has: a command that is ready ends well. Typer would exit with 1."""


def find(run: Path | None, runs: Path) -> Any:
    """The run directory that is meant: by path, by name under `runs`, by its config's name; else the newest.

    Raises:
        ConfigError: when there is none.
    """
    from jaxml.runs.directory import RunDirectory, find_runs

    if run is None:
        newest = next(find_runs(runs), None)
        if newest is None:
            raise ConfigError(f"{runs}: there are no runs here yet. Make one with: jaxml run configs/l1_sparsity.yaml")
        return newest
    for path in (run, runs / run):
        if (path / "spec.json").is_file():
            return RunDirectory(path)
    if run.is_dir() or len(run.parts) > 1:
        return RunDirectory.open(run)  # which says what is wrong with it
    held = list(find_runs(runs))
    for found in held:
        if str(run) in found.path.name.split("-", 3)[2:]:  # <date>-<time>-<config>-<id>
            return found
    raise ConfigError(f"{run}: no such run, here or in {runs}. {nearest(run, [found.path.name for found in held])}")


def print_json(value: Any) -> None:
    """Plain values as JSON on standard output."""
    echo(json.dumps(value, indent=1, default=str))


def echo(message: str, to_stderr: bool = False) -> None:
    """One line of text, without what would move the cursor.

    Raises:
        RunError: when standard output cannot take it; standard error is only for the reader, and may be gone.
    """
    if to_stderr:
        with contextlib.suppress(OSError, ValueError):
            typer.echo(printable(message), err=True)
        return
    with _written():
        typer.echo(printable(message))


def screen() -> "Console":
    """Where tables go: names are shown as they are, never read as markup, emoji or escape codes."""
    from rich.console import Console
    from rich.segment import Segment

    class Screen(Console):
        def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(printable(segment.text), segment.style)

        def on_broken_pipe(self) -> None:
            raise NobodyReads  # rich would exit with 1

        def print(self, *objects: Any, **options: Any) -> None:
            with _written():
                super().print(*objects, **options)

    return Screen(highlight=False, markup=False, emoji=False)


@contextlib.contextmanager
def _written() -> Any:
    try:
        yield
    except BrokenPipeError:
        raise NobodyReads from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RunError(f"standard output cannot be written: {reason}.") from None


def prepare_streams() -> None:
    """Make the standard streams safe to write to: characters they lack are replaced, and closed ones lead nowhere.

    A closed stream's number would go to the next file that is opened, and what C libraries print would land in it.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, mode)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    sys.stdout, sys.stderr = (stream or io.StringIO() for stream in (sys.stdout, sys.stderr))
    codecs.register_error("jaxml", _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="jaxml")


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_ASCII.get(char, "?") for char in error.object[error.start : error.end]), error.end
