"""Private folders for what is worth keeping between runs: compiled programs, data sets in a form that loads at once."""

import atexit
import contextlib
import functools
import os
import shutil
import stat
import tempfile
import warnings
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """Where one kind of thing is kept: in ``$JAXML_CACHE``, else in the user's cache folder; nobody else may write it.

    What lies in a cache is run, so a folder that another user owns or can write to is not used: anybody could have put
    programs there. In its place, and where no folder can be made, comes one that serves this process alone.

    Args:
        kind: the folder's name, such as ``"programs"``.
    """
    base = os.environ.get("JAXML_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "jaxml"
    )
    folder = Path(base) / kind
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        why = not_private(folder)
    except OSError:
        return _for_this_process(kind)
    if why:
        _warn(f"{folder}: not used as a cache, because {why}. Set JAXML_CACHE to a folder of your own.")
        return _for_this_process(kind)
    return folder


def not_private(folder: Path) -> str:
    """Why others could change what a folder holds; empty where only this user can.

    A folder above it that everybody can write to, without the sticky bit of ``/tmp``, lets everybody replace it.
    """
    if not hasattr(os, "geteuid"):  # Windows has no owner and mode in this sense
        return ""
    held = folder.stat()
    if held.st_uid != os.geteuid():
        return f"it belongs to another user (uid {held.st_uid})"
    if held.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others can write to it (mode {stat.S_IMODE(held.st_mode):o})"
    for above in folder.resolve().parents:
        mode = above.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return f"everybody can replace it: {above} has mode {stat.S_IMODE(mode):o}"
    return ""


@functools.cache
def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=3)


def _for_this_process(kind: str) -> Path:
    folder = Path(_scratch()) / kind
    folder.mkdir(exist_ok=True)
    return folder


@functools.cache
def _scratch() -> str:
    folder = tempfile.mkdtemp(prefix="jaxml-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def prune(folder: Path, most: int) -> None:
    """Delete the files used longest ago until a folder holds at most so many bytes."""
    found = []
    for file in folder.rglob("*"):
        try:
            status = file.stat()
        except OSError:  # another process was faster
            continue
        if stat.S_ISREG(status.st_mode):
            found.append((max(status.st_atime, status.st_mtime), status.st_size, file))
    total = sum(size for _, size, _ in found)
    for _, size, file in sorted(found, key=lambda each: each[0]):
        if total <= most:
            return
        with contextlib.suppress(OSError):
            file.unlink()
        total -= size
