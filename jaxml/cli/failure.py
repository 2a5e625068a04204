"""What is printed when something unforeseen is raised: the line of the user's own code, not the way there."""

import linecache
import os
import traceback
from pathlib import Path

from jaxml.errors import headline, users_lines

_ENDS = 6
"""Calls shown at either end."""
_EXTRAS = {"PIL": "images"}
"""What experiments of the gallery import beyond what jaxml needs, and the extra that brings it."""
_PACKAGE = str(Path(__file__).resolve().parents[1])


def describe_failure(error: BaseException) -> str:
    """The error and the lines of the user's code that led to it; for a fault of jaxml itself, jaxml's own lines.

    With ``JAXML_TRACEBACK=1`` the whole traceback.
    """
    if os.environ.get("JAXML_TRACEBACK"):
        return "".join(traceback.format_exception(error)).rstrip()
    if isinstance(error, ModuleNotFoundError) and error.name in _EXTRAS:
        return f"error: this needs {error.name}, which is not installed: pip install 'jaxml[{_EXTRAS[error.name]}]'"
    own = users_lines(error)
    frames = [(frame.filename, frame.lineno or 0, frame.name) for frame in traceback.extract_tb(error.__traceback__)]
    lines = [f"error: {headline(error)}"]
    shown = own or [frame for frame in frames if frame[0].startswith(_PACKAGE)]
    for i, (file, number, name) in enumerate(shown):
        if _ENDS <= i < len(shown) - _ENDS:  # a function that called itself for ever
            lines += [f"  ... {len(shown) - 2 * _ENDS} calls more ..."] * (i == _ENDS)
            continue
        lines.append(f"  {file}, line {number}, in {name}")
        text = linecache.getline(file, number).strip()
        lines += [f"    {text}"] if text else []
    if not own:
        lines.append("This is a fault of jaxml, not of yours. Please report it with these lines.")
    lines.append("JAXML_TRACEBACK=1 prints the whole traceback.")
    return "\n".join(lines)
