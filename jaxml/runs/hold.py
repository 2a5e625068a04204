"""Who is computing a run: a lock that the kernel lets go when the process ends, however it ends."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from jaxml.errors import RunError

FILE = "run.lock"
_PATIENCE_SECONDS = 1.0
"""How long to wait for whoever only looks."""


@contextlib.contextmanager
def held(run: Path) -> Iterator[None]:
    """Hold a run directory while the block runs; where the file system knows no locks, do nothing.

    Raises:
        RunError: when another process holds it.
    """
    handle = _open(run, os.O_RDWR | os.O_CREAT)
    try:
        begin = time.monotonic()
        while handle is not None and not _locked(handle, exclusive=True):
            if time.monotonic() - begin > _PATIENCE_SECONDS:
                raise RunError(
                    f"{run}: another process is computing this run. Wait for it to end, or start a --fresh one."
                )
            time.sleep(0.05)
        yield
    finally:
        if handle is not None:
            os.close(handle)


def is_held(run: Path) -> bool:
    """Whether a process computes this run now; True where that cannot be found out."""
    if not (run / FILE).exists():
        return False
    handle = _open(run, os.O_RDONLY)
    if handle is None:
        return True
    try:
        return not _locked(handle, exclusive=False)
    finally:
        os.close(handle)


def _open(run: Path, flags: int) -> int | None:
    try:
        return os.open(run / FILE, flags | os.O_NONBLOCK, 0o644)
    except OSError:
        return None


def _locked(handle: int, *, exclusive: bool) -> bool:
    """Take the lock; True also where there are no locks."""
    import fcntl

    try:
        fcntl.flock(handle, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
