"""A bar that follows a sweep: one line of standard error, rewritten in place, in a terminal as in a notebook."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxml.sweep.execute import Progress

WIDTH = 24
SECONDS = 0.1
"""The line is written at most so often; a notebook keeps all that is ever written."""


def line(progress: "Progress") -> str:
    """Where a sweep stands.

    >>> from jaxml.sweep.execute import Progress
    >>> line(Progress(programs=2, compiled=2, trials=1000, done=250, seconds=0.5))
    '██████------------------ 250/1,000 trials, 2/2 programs, 0.5 s'
    """
    filled = WIDTH * progress.done // max(progress.trials, 1)
    failed = f", {progress.failed} failed" if progress.failed else ""
    return (
        f"{'█' * filled}{'-' * (WIDTH - filled)} {progress.done:,}/{progress.trials:,} trials, "
        f"{progress.compiled}/{progress.programs} programs{failed}, {progress.seconds:,.1f} s"
    )


@contextlib.contextmanager
def bar(asked: "Callable[[Progress], None] | bool | None") -> "Iterator[Callable[[Progress], None] | None]":
    """What a sweep reports to: a bar where True asks for one, else whatever was handed over."""
    if asked is not True:
        yield asked or None
        return
    written, latest = 0.0, ""

    def show(progress: "Progress") -> None:
        nonlocal written, latest
        latest = line(progress)
        if time.monotonic() - written >= SECONDS:
            written = time.monotonic()
            _write(f"\r{latest}")

    try:
        yield show
    finally:
        _write(f"\r{latest}\n" if latest else "")


def _write(text: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody listens
        try:
            sys.stderr.write(text)
        except UnicodeEncodeError:
            sys.stderr.write(text.replace("█", "#"))
        sys.stderr.flush()
