"""Everything jaxml raises on purpose.

    JaxmlError
    ├── ConfigError      a config, an override, a name or a grid is wrong; nothing was run     exit code 2
    ├── TrialError       the trial breaks its contract (see `jaxml.sweep`)                      exit code 2
    └── RunError         a run that had begun could not go on                                   exit code 3
        └── StoreError   its results cannot be written or read

The ops and learners raise plain `ValueError`, because they are used without the rest of jaxml.
"""

import difflib
import re
from collections.abc import Iterable


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
