"""The first and the second run of a config with an empty cache of compiled programs: how much of it is compiling.

Run ``python benchmarks/sweep/compile_cache.py [CONFIG]``. Each run is a process of its own; `compile` and `run` are
summed over the threads that worked, `share` is compiling over both, `wall` is the whole command with imports, judging
and the report.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    config = sys.argv[1] if len(sys.argv) > 1 else "configs/l1_sparsity.yaml"
    print(f"{config}\n{'run':>7} {'wall s':>7} {'compile s':>10} {'run s':>6} {'share':>6}")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first", "second"):
            command = [sys.executable, "-c", "from jaxml.cli import main; main()", "run", config, "--fresh"]
            begin = time.perf_counter()
            subprocess.run(
                [*command, "--runs", f"{folder}/{name}"],
                cwd=ROOT,
                env={**os.environ, "JAXML_CACHE": folder},
                capture_output=True,
                check=True,
            )
            wall = time.perf_counter() - begin
            (run,) = Path(folder, name).iterdir()
            cost = json.loads((run / "cost.json").read_text())
            compiling, running = cost["compile_seconds"], cost["run_seconds"]
            share = compiling / (compiling + running)
            print(f"{name:>7} {wall:7.1f} {compiling:10.2f} {running:6.2f} {share:6.1%}", flush=True)


if __name__ == "__main__":
    main()
