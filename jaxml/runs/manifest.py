"""What a finished run holds: the SHA-256 of every file its verdicts rest on, one line each, as ``sha256sum`` writes it.

The manifest is written last, so a run is finished exactly when it has one. ``sha256sum --check manifest.sha256`` checks
it without jaxml, and `digests` makes it anew from the files alone.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from jaxml.errors import StoreError

FILE = "manifest.sha256"
_HEAD = "# SHA-256 of the lines below: "
_PIECE = 2**20


def digests(folder: Path, parts: Iterable[str] | None = None) -> dict[str, str]:
    """Path below `folder` -> SHA-256, for files and for everything in folders; a part that does not exist has none.

    By default all that is there but the manifest counts. What is not a regular file, or cannot be read, has an empty
    digest: nothing equals it.
    """
    parts = sorted({*os.listdir(folder)} - {FILE}) if parts is None else parts
    return {name: _digest(f"{folder}/{name}") for part in parts for name in sorted(_files(folder, part))}


def write_manifest(folder: Path, held: Mapping[str, str]) -> None:
    """Write the manifest, whole or not at all.

    Raises:
        StoreError: when it cannot be written.
    """
    lines = "".join(f"{digest}  {name}\n" for name, digest in held.items())
    partial = folder / f".{FILE}.partial"
    try:
        partial.write_text(f"{_HEAD}{_sha256(lines)}\n{lines}", encoding="utf-8")
        os.replace(partial, folder / FILE)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"{folder / FILE}: cannot be written: {error.strerror}.") from None


def read_manifest(folder: Path) -> dict[str, str] | None:
    """Path -> SHA-256 as recorded; None when there is no manifest or it is damaged itself."""
    if not (folder / FILE).is_file():  # a pipe would be waited for
        return None
    try:
        head, _, lines = (folder / FILE).read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    if head != _HEAD + _sha256(lines):
        return None
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines.splitlines())}


def changes(folder: Path, parts: Iterable[str] | None = None) -> dict[str, str]:
    """Path -> what happened to it since the manifest was written: "is missing", "was changed" or "was added".

    Args:
        folder: where the manifest lies.
        parts: the files and folders to look at, all by default; others are not read.
    """
    if not (folder / FILE).exists():
        return {FILE: "is missing"}
    held = read_manifest(folder)
    if held is None:
        return {FILE: "was changed"}
    if parts is not None:
        parts = tuple(parts)
        held = {name: digest for name, digest in held.items() if name.partition("/")[0] in parts}
    now = digests(folder, parts)
    found = {name: "is missing" for name in held if name not in now}
    found |= {name: "was changed" for name in held if name in now and held[name] != now[name]}
    return found | {name: "was added" for name in now if name not in held}


def listed(found: Mapping[str, str], most: int = 8) -> str:
    """Changes in words.

    >>> listed({"b": "was changed", "a": "is missing", "c": "was added"}, most=2)
    'a is missing, b was changed, and 1 more'
    """
    words = [f"{name} {what}" for name, what in sorted(found.items())]
    more = [f"and {len(words) - most} more"] if len(words) > most else []
    return ", ".join(words[:most] + more)


def _files(folder: Path, part: str) -> Iterator[str]:
    """The files of a part, as paths below `folder`."""
    top = f"{folder}/{part}"
    if not os.path.isdir(top):
        if os.path.lexists(top):
            yield part
        return
    waiting = [part]
    while waiting:
        here = waiting.pop()
        with os.scandir(f"{folder}/{here}") as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{here}/{entry.name}")
                else:
                    yield f"{here}/{entry.name}"


def _digest(path: str) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would let nobody past it
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return ""
        digest = hashlib.sha256()
        while piece := os.read(handle, _PIECE):
            digest.update(piece)
        return digest.hexdigest()
    except OSError:
        return ""
    finally:
        os.close(handle)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
