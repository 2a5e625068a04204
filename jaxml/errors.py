"""Everything jaxml raises on purpose.

    JaxmlError
    ├── ConfigError      a config, an override, a name or a grid is wrong; nothing was run     exit code 2
    ├── TrialError       the trial breaks its contract (see `jaxml.sweep`)                      exit code 2
    └── RunError         a run that had begun could not go on                                   exit code 3
        └── StoreError   its results cannot be written or read

The ops and learners raise plain `ValueError`, because they are used without the rest of jaxml.
"""

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path


class JaxmlError(Exception):
    """Base of every error a user can mend; the command line prints it without a traceback."""

    exit_code = 3


class ConfigError(JaxmlError):
    """A config, an override, a name or a grid is wrong; nothing was run."""

    exit_code = 2


class TrialError(JaxmlError):
    """The trial breaks its contract: the message says what to change in it."""

    exit_code = 2


class RunError(JaxmlError):
    """A run that had begun could not go on."""


class StoreError(RunError):
    """The results of a run cannot be written or read."""


_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>[0-9]+), in (?P<name>.+)')


def users_lines(error: BaseException) -> list[tuple[str, int, str]]:
    """File, line and function of the user's own code on the way to an error, the outermost first.

    An error inside a host callback arrives as text that holds its traceback; that is read too. A file below the
    current folder is named as from there.
    """
    import sysconfig
    import traceback

    ours = {str(Path(__file__).resolve().parent), *(sysconfig.get_paths()[n] for n in ("stdlib", "purelib", "platlib"))}
    frames = [(frame.filename, frame.lineno or 0, frame.name) for frame in traceback.extract_tb(error.__traceback__)]
    frames += [(found["file"], int(found["line"]), found["name"]) for found in _FRAME.finditer(str(error))]
    here = f"{os.getcwd()}{os.sep}"
    return [(file.removeprefix(here), line, name) for file, line, name in frames if not file.startswith(("<", *ours))]


def headline(error: BaseException) -> str:
    """An error's type and its first paragraph; of one inside a host callback, what the callback raised.

    >>> headline(ValueError("no good"))
    'ValueError: no good'
    """
    text = str(error).strip().partition("\n\n")[0]
    if "Traceback (most recent call last):" in text:
        return f"a host callback raised {text.splitlines()[-1].strip()}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def users_place(error: BaseException) -> str:
    """Where in the user's code an error was raised, ``demo.py, line 3``; empty when it was not raised there."""
    lines = users_lines(error)
    return f"{lines[-1][0]}, line {lines[-1][1]}" if lines else ""


_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def unprintable(text: str) -> bool:
    """Whether a text holds characters that move a terminal's cursor, change its colours or turn the reading order."""
    return _UNPRINTABLE.search(text) is not None


def printable(text: str) -> str:
    r"""The text with each such character shown as a mark.

    >>> printable("a\x1b[31mb\n")
    'a\ufffd[31mb\n'
    """
    return _UNPRINTABLE.sub("\ufffd", text)


def nearest(name: object, known: Iterable[object]) -> str:
    """The tail of a message about an unknown name: the closest valid one, or all of them.

    >>> nearest("lambda", ["lam", "solver"])
    "Did you mean 'lam'?"
    >>> nearest("x", ["lam", "solver"])
    'Known: lam, solver.'
    """
    names = [str(item) for item in known]
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"Known: {', '.join(names)}." if names else "None is known here."
