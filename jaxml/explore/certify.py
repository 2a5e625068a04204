"""Robustness check: the run repeated with one setting changed at a time, each in a process of its own.

A verdict that flips under other chunks and devices, another path of the compiler or another precision of matrix
products hangs on rounding. One that flips under a second master key hangs on the draw of seeds, and is flagged
*fragile*. In float64 JAX draws other numbers from the same keys: a flip there may hang on either. What changes the
arithmetic changes it in every seed, so that these settings are tried on the seeds of the first look, and held against
what the run decides with the very same seeds; the second key draws all of them.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from jaxml.backend import other_path
from jaxml.claims.certificate import FILE, MASTER_KEY, Certificate, Check, compared, marked
from jaxml.claims.finding import Verdicts
from jaxml.claims.kind import TAKEN
from jaxml.claims.kinds import KINDS
from jaxml.config import Study
from jaxml.errors import ConfigError
from jaxml.runner.entering import REPLAY
from jaxml.runner.judging import decided
from jaxml.runs.directory import RunDirectory, find_runs
from jaxml.runs.standing import sealed

CHECKS = ("chunks and devices", "float64", "matmul precision", "compiler path", MASTER_KEY)
DEVICES = "--xla_force_host_platform_device_count"


@dataclass(frozen=True)
class Change:
    """One setting to change: by overrides, by the environment, or not at all and why.

    `seeds` are all that are computed, of those that are reported; None for the run's.
    """

    name: str
    setting: str
    overrides: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    skipped: str = ""
    seeds: int | None = None


def finished(study: Study, runs: Path) -> RunDirectory | None:
    """The newest finished run of a study as it is now, spec and code."""
    for directory in find_runs(runs):
        if directory.recorded_spec() == study.spec_sha256 and directory.status == "finished":
            return directory
    return None


def certify(
    config: str | Path,
    overrides: Sequence[str],
    directory: RunDirectory,
    *,
    checks: Sequence[str] = CHECKS,
    notify: Callable[[str], None] = lambda message: None,
) -> Certificate:
    """Decide a finished run's claims again under every check; writes `certificate.json`, marks verdicts, report.

    Args:
        config: the YAML file of the run.
        overrides: the overrides of the run.
        directory: the run.
        checks: which of `CHECKS`.
        notify: called with one sentence before each check.

    Raises:
        ConfigError: when the run is exploratory: nothing was decided, so nothing can flip.
    """
    from jaxml.report import write_report

    verdicts = directory.verdicts()
    if verdicts.status == "exploratory":
        raise ConfigError(f"certify: nothing was decided in {directory.path}: {verdicts.why}. Run the config as it is.")
    bound = [finding.id for finding in verdicts.findings if KINDS[finding.kind].of_this_machine]
    if bound and all(finding.id in bound or finding.is_fact for finding in verdicts.findings):
        raise ConfigError(f"certify: {', '.join(bound)}: timed on this machine, and nothing else is decided here.")
    done = []
    for change in changes(directory):
        if change.name in checks:
            notify(f"deciding again: {change.name}, {change.skipped or change.setting}")
            here = str(directory.path.resolve())
            taken = {REPLAY: here, **({TAKEN: here} if bound else {})}
            change = replace(change, environment={**change.environment, **taken})
            done.append(_check(Path(config), overrides, change, directory))
    if bound:
        why = f"{', '.join(bound)}: what was timed on this machine is not timed again under other settings"
        done.append(Check(name="timings", setting="–", skipped=why))
    certificate = Certificate(checks=done)
    directory.write_json(FILE, certificate.to_json())
    directory.write_json("verdicts.json", marked(verdicts, certificate).to_json())
    directory.seal_again(FILE, "verdicts.json")
    directory.log("certified: " + "; ".join(f"{check.name}: {check.outcome}" for check in done))
    write_report(directory.path)
    return certificate


def changes(directory: RunDirectory) -> Iterator[Change]:
    """What each check changes, for the settings that a run had."""
    spec, environment = directory.spec(), directory.read_json("environment.json")
    untried = spec.get("without_trials", False)
    first = None if untried or spec["looks"][0] >= spec["seeds"] else spec["looks"][0]
    lanes = max(int(directory.read_json("cost.json").get("lanes", 2)), 1) if not untried else 1
    other = max(lanes // 2, 1) if lanes > 1 else 2
    devices = environment["device"]
    count = 1 if devices["count"] > 1 else 2
    flags = re.sub(rf"{DEVICES}=\S+", "", os.environ.get("XLA_FLAGS", ""))
    yield Change(
        "chunks and devices",
        f"{other} lane{'s' if other > 1 else ''} instead of {lanes}, {count} CPU device{'s' if count > 1 else ''}",
        (f"lanes={other}",),
        {"XLA_FLAGS": f"{flags} {DEVICES}={count}".strip(), "JAX_PLATFORMS": "cpu"},
        "there are no trials to be cut into chunks" if untried else "",
        first,
    )
    double = "the run is in float64 already" if spec.get("precision") == "float64" else ""
    double = "what is exact is computed in float64 in any case" if untried else double
    yield Change("float64", "precision=float64", ("precision=float64",), skipped=double, seeds=first)
    held = os.environ.get("JAX_DEFAULT_MATMUL_PRECISION", "default")
    precise = "default" if held == "highest" else "highest"
    full = "a CPU computes products in full precision in any case" if devices["platform"] == "cpu" else ""
    precision = {"JAX_DEFAULT_MATMUL_PRECISION": precise}
    yield Change("matmul precision", precise, environment=precision, skipped=full, seeds=first)
    path = {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {other_path()}".strip()}
    yield Change("compiler path", "LLVM's optimiser off, older kernels", environment=path, seeds=first)
    again = f"{spec['master_key']}, {sealed(directory.path)[:16]}"  # known to nobody before the run is over
    yield Change(MASTER_KEY, again, (f"master_key='{again}'",))


def _check(config: Path, overrides: Sequence[str], change: Change, directory: RunDirectory) -> Check:
    if change.skipped:
        return Check(name=change.name, setting=change.setting, skipped=change.skipped)
    fewer = () if change.seeds is None else (f"seeds={change.seeds}",)  # which leaves the looks up to that many
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="jaxml-certify-") as runs:
        flags = ["--no-map", "--anyway", "--fresh", "--json", "--runs", runs]
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "from jaxml.cli import main; main()",
                "run",
                str(config),
                *overrides,
                *change.overrides,
                *fewer,
                *flags,
            ],
            capture_output=True,
            text=True,
            env={**os.environ, **change.environment},
        )
    took = round(time.monotonic() - began, 1)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Check(name=change.name, setting=change.setting, failed=last.removeprefix("error: "), seconds=took)
    found = json.loads(done.stdout)
    found.pop("run")
    before = directory.verdicts() if change.seeds is None else decided(directory, seeds=change.seeds)
    check = compared(change.name, change.setting, before, Verdicts.from_json(found))
    return replace(check, seeds=change.seeds or 0, seconds=took)
