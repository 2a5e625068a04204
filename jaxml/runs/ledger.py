"""The ledger of a project: an append-only file of JSON lines, each with the SHA-256 of the line before it.

Lines are written whole, under a lock of the kernel. What a crash left of a last line is cut off by the next one who
writes, and noted. A line that was removed or altered breaks the chain; what `mend` has recorded of a break stays in the
file, and runs may count on the rest again.

Standard library only.
"""

import contextlib
import datetime
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxml.errors import ConfigError, StoreError
from jaxml.runs.chain import START, Entry, Ledger, parsed

FILE = "ledger.jsonl"


def read(path: Path) -> Ledger:
    """The entries of a ledger file, and whether its chain is whole; an empty one where there is no file.

    Raises:
        ConfigError: when it cannot be read.
    """
    try:
        return parsed(path, path.read_bytes() if path.exists() else b"")
    except OSError as error:
        raise ConfigError(f"{path}: the ledger cannot be read: {error.strerror}.") from None


def append(path: Path, make: Entry | Callable[[Ledger], Entry | None]) -> Entry | None:
    """Write one entry at the end, and return it as it stands there.

    Args:
        path: the file; it and its folder are made where they are missing.
        make: the entry, or a function of what the file holds up to here; nothing is written where it gives None. It is
            called while the file is locked.

    Raises:
        StoreError: when it cannot be written; the file is as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreError(f"{path}: the ledger cannot be written: {error.strerror}.") from None
    try:
        _lock(handle)
        held = parsed(path, _content(handle))
        entry = make(held) if callable(make) else make
        if entry is None:
            return None
        if held.torn:
            os.ftruncate(handle, os.fstat(handle).st_size - len(held.torn.encode("utf-8", "surrogateescape")))
            _write(handle, [{"entry": "torn", "text": held.torn.encode("ascii", "backslashreplace").decode()}])
        return _write(handle, [entry])
    except OSError as error:
        raise StoreError(f"{path}: the ledger cannot be written: {error.strerror}.") from None
    finally:
        os.close(handle)


def mend(path: Path, others: Sequence[str] = ()) -> Entry | None:
    """Record every break for good, in an entry `broken`; None where there is none.

    Args:
        path: the file.
        others: what is missing besides, such as the names of runs that gave lines which are gone.
    """

    def entry(held: Ledger) -> Entry | None:
        if not held.breaks and not others:
            return None
        found = [{"line": each.line, "why": each.why, "mark": each.mark} for each in held.breaks]
        return {"entry": "broken", "breaks": found, "missing": list(others)}

    return append(path, entry)


def merge(path: Path, other: Path) -> Entry | None:
    """Take up another machine's ledger in one entry that keeps its lines; None where they are known already.

    Raises:
        ConfigError: when the other one is missing, empty or broken.
    """
    held = read(other)
    if not held.entries or held.breaks:
        raise ConfigError(f"{other}: {held.why_broken or 'there are no entries'}. Merge a ledger that is whole.")

    def entry(mine: Ledger) -> Entry | None:
        known = {each["sha256"] for each in mine.everything}
        new = [each for each in held.entries if each["sha256"] not in known]
        if not new:
            return None
        return {"entry": "merged", "path": str(other), "head": held.entries[-1]["sha256"], "entries": new}

    return append(path, entry)


def _write(handle: int, entries: Sequence[Mapping[str, Any]]) -> Entry:
    """Write entries at the end of a locked file, all or none; return the last one."""
    size = os.fstat(handle).st_size
    content = _content(handle)
    number, before = content.count(b"\n"), START
    if content:
        before = hashlib.sha256(content.rstrip(b"\n").rsplit(b"\n", 1)[-1]).hexdigest()
    written: Entry = {}
    try:
        os.lseek(handle, size, os.SEEK_SET)
        for entry in entries:
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            written = {**entry, "time": now, "previous": before}
            line = json.dumps(written, ensure_ascii=True, allow_nan=False, default=str).encode()
            before, number = hashlib.sha256(line).hexdigest(), number + 1
            left = memoryview(line + b"\n")
            while left:
                left = left[os.write(handle, left) :]
        os.fsync(handle)
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(handle, size)
        raise
    return {**written, "sha256": before, "line": number}


def _content(handle: int) -> bytes:
    os.lseek(handle, 0, os.SEEK_SET)
    pieces = []
    while piece := os.read(handle, 2**20):
        pieces.append(piece)
    return b"".join(pieces)


def _lock(handle: int) -> None:
    """Wait for the file; where the file system knows no locks, go on without."""
    import fcntl

    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX)
