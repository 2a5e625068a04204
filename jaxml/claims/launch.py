"""Work in a process of its own, begun from nothing, and kept once it is done."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from jaxml.claims.stopwatch import machine
from jaxml.errors import TrialError


def in_process(task: dict[str, Any], keep: Path, scratch: Path, limit: float) -> dict[str, Any]:
    """What one process found; taken from `keep` where it is there, so that an interrupted run loses one process.

    Raises:
        TrialError: when it fails or takes longer than the limit.
    """
    # What another machine timed is not taken up.
    identity = hashlib.sha256(json.dumps([task, machine()], sort_keys=True).encode()).hexdigest()[:32]
    out, path = keep / f"{identity}.json", scratch / "task.json"
    if not out.is_file():
        path.write_text(json.dumps({**task, "out": str(out.resolve())}), encoding="utf-8")
        places = os.pathsep.join(filter(None, sys.path))
        environment = {**os.environ, "PYTHONPATH": places, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        what = f"timing {task['pairs'][0]['faster']!r} against {task['pairs'][0]['than']!r}"
        try:
            code, said = _run([sys.executable, "-m", "jaxml.timed", str(path)], environment, limit)
        except subprocess.TimeoutExpired:
            raise TrialError(
                f"{what}: a process took longer than {limit:g} s. Time less, in fewer 'blocks', or raise 'time_limit'."
            ) from None
        if code or not out.is_file():
            last = (said.strip().splitlines() or [f"it ended with exit code {code}"])[-1]
            raise TrialError(f"{what}: a process failed: {last.removeprefix('error: ')}")
    return json.loads(out.read_text(encoding="utf-8"))


def _run(command: list[str], environment: dict[str, str], limit: float) -> tuple[int, str]:
    """Exit code and what was written to standard error; the process is gone before anything is raised."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,  # Ctrl-C reaches the run alone, which ends the process
    ) as process:
        try:
            _, said = process.communicate(timeout=limit)
        except BaseException:
            process.kill()
            process.wait()
            raise
        return process.returncode, said
