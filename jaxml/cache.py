"""Private folders for what is worth keeping between runs: compiled programs, data sets in a form that loads at once."""

import os
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """Where one kind of thing is kept: in ``$JAXML_CACHE``, else in the user's cache folder; nobody else may read it.

    Args:
        kind: the folder's name, such as ``"programs"``.
    """
    base = os.environ.get("JAXML_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "jaxml"
    )
    folder = Path(base) / kind
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
