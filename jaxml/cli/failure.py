"""What is printed when something unforeseen is raised: the line of the user's own code, not the way there."""

import os
import sysconfig
import traceback
from pathlib import Path

_PACKAGE = str(Path(__file__).resolve().parents[1])
_OTHERS = {_PACKAGE, *(sysconfig.get_paths()[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib"))}


def describe_failure(error: BaseException) -> str:
    """The error and the lines of the user's code that led to it; for a fault of jaxml itself, jaxml's own lines.

    With ``JAXML_TRACEBACK=1`` the whole traceback.
    """
    if os.environ.get("JAXML_TRACEBACK"):
        return "".join(traceback.format_exception(error)).rstrip()
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_users(frame.filename)]
    lines = [f"error: {_headline(error)}"]
    for frame in own or [frame for frame in frames if frame.filename.startswith(_PACKAGE)]:
        lines.append(f"  {_short(frame.filename)}, line {frame.lineno}, in {frame.name}")
        lines += [f"    {frame.line}"] if frame.line else []
    if not own:
        lines.append("This is a fault of jaxml, not of yours. Please report it with these lines.")
    lines.append("JAXML_TRACEBACK=1 prints the whole traceback.")
    return "\n".join(lines)


def _headline(error: BaseException) -> str:
    text = str(error).strip().partition("\n\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _is_users(filename: str) -> bool:
    return not filename.startswith("<") and not any(filename.startswith(other) for other in _OTHERS)


def _short(filename: str) -> str:
    return filename.removeprefix(f"{os.getcwd()}{os.sep}")
