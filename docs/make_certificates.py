"""Decide every config again that has no certificate yet, two at a time.

``python docs/make_certificates.py RUNS [CONFIG ...]`` takes the newest finished run of a config as it is now from RUNS;
a config that has none there is run first, as for the scoreboard. It can be stopped at any time: the next call goes on
with what is left. A certificate lies in the directory of its run, from where make_scoreboard.py stores it.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from make_scoreboard import ROOT, STORED, outcome, uncertified

from jaxml.claims.certificate import read_certificate
from jaxml.config import load_study
from jaxml.explore.certify import finished

AT_ONCE = 2
LEDGER = STORED / "ledger.jsonl"


def certified(config: Path, runs: Path) -> str:
    """Certify a config's run, which is computed first where there is none; one line on what came of it."""
    study, began = load_study(config), time.monotonic()
    if finished(study, runs) is None:
        _jaxml("run", str(config), "--runs", str(runs), "--fresh", "--ledger", str(LEDGER))
    directory = finished(study, runs)
    if directory is None:
        return "no finished run"
    if directory.verdicts().status == "exploratory":
        return f"exploratory: {directory.verdicts().why}"
    if read_certificate(directory.path) is None:
        _jaxml("certify", str(config), "--runs", str(runs))
    certificate = read_certificate(directory.path)
    told = outcome(certificate) if certificate else "failed"
    return f"{time.monotonic() - began:.0f} s  {told}"


def main(runs: Path, configs: Sequence[Path]) -> None:
    """Certify configs in the order given, and say of each what came of it."""

    def each(config: Path) -> tuple[Path, str]:
        try:
            return config, certified(config, runs)
        except subprocess.CalledProcessError as error:
            return config, f"failed: {(error.stderr.strip().splitlines() or [str(error)])[-1]}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number, (config, told) in enumerate(pool.map(each, configs), start=1):
            print(f"{number}/{len(configs)}  {config.stem}: {told}", flush=True)


def _jaxml(*arguments: str) -> None:
    command = [sys.executable, "-c", "from jaxml.cli import main; main()", *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True)


if __name__ == "__main__":
    folder, *named = sys.argv[1:] or ["runs/scoreboard"]
    main(Path(folder), [Path(name) for name in named] or [ROOT / name for name in uncertified()])
