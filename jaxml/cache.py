"""Private folders for what is worth keeping between runs: compiled programs, data sets in a form that loads at once."""

import functools
import os
import tempfile
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """Where one kind of thing is kept: in ``$JAXML_CACHE``, else in the user's cache folder; nobody else may read it.

    Where that cannot be written, a folder that serves this process alone.

    Args:
        kind: the folder's name, such as ``"programs"``.
    """
    base = os.environ.get("JAXML_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "jaxml"
    )
    folder = Path(base) / kind
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        folder = Path(_for_this_process()) / kind
        folder.mkdir(exist_ok=True)
    return folder


@functools.cache
def _for_this_process() -> str:
    return tempfile.mkdtemp(prefix="jaxml-")
