"""The `jaxml` command called as a function: a process of its own would spend seconds on imports."""

import contextlib
import io
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from jaxml.cli import main


def command(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What `jaxml ARGUMENTS` prints in this folder, and its exit code."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("default")
        patch.setattr(sys, "argv", ["jaxml", *arguments])
        patch.chdir(cwd)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
            main()
    printed = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return subprocess.CompletedProcess(["jaxml", *arguments], end.value.code, *printed)
