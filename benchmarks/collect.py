"""Gather the saved output of the benchmarks into docs/benchmarks.md.

Each file benchmarks/results/AREA-NAME.txt is what ``python benchmarks/AREA/NAME.py`` printed, with the machine in its
first line:  ``python benchmarks/collect.py run AREA/NAME [arguments]`` runs one and saves it, without ``run`` the page
is written from what is there.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
HEAD = """# Benchmarks

Every table below is what its script printed, ours beside the peer on the same inputs in the same run, median of
repeats, compile time apart. This page is written by `python benchmarks/collect.py`.
"""


def machine() -> str:
    """Processor, cores in use and versions."""
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    cores = len(os.sched_getaffinity(0))
    return f"{names[0] if names else platform.machine()}, {cores} cores in use, Python {platform.python_version()}"


def save(name: str, arguments: list[str]) -> None:
    """Run one benchmark and keep what it prints."""
    command = [sys.executable, str(HERE / f"{name}.py"), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name.replace('/', '-')}.txt").write_text(f"{machine()}\n{done.stdout}")
    print(done.stdout)


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for path in sorted(RESULTS.glob("*.txt")):
        script = path.stem.replace("-", "/", 1)
        where, _, table = path.read_text().partition("\n")
        parts.append(f"## `benchmarks/{script}.py`\n\n{where}\n\n```text\n{table.strip()}\n```\n")
        picture = f"images/{path.stem.replace('-', '_')}.svg"
        if (HERE.parent / "docs" / picture).exists():
            parts.append(f"![{script}]({picture})\n")
    return "\n".join(parts)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        save(sys.argv[2], sys.argv[3:])
    else:
        (HERE.parent / "docs" / "benchmarks.md").write_text(page())
