"""Robustness check: the run repeated with one setting changed at a time, each in a process of its own.

A verdict that flips under another chunk size, device count or precision of matrix products hangs on rounding. One that
flips under a second master key hangs on the draw of seeds, and is flagged *fragile*. In float64 JAX draws other numbers
from the same keys: a flip there may hang on either.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from jaxml.backend import OTHER_PATH
from jaxml.claims.certificate import FILE, MASTER_KEY, Certificate, Check, compared, marked
from jaxml.claims.finding import Verdicts
from jaxml.claims.kind import TAKEN
from jaxml.claims.kinds import KINDS
from jaxml.errors import ConfigError
from jaxml.runner.entering import REPLAY
from jaxml.runs.directory import RunDirectory
from jaxml.runs.standing import sealed

CHECKS = ("chunk size", "device count", "float64", "matmul precision", "compiler path", MASTER_KEY)
DEVICES = "--xla_force_host_platform_device_count"


@dataclass(frozen=True)
class Change:
    """One setting to change: by overrides, by the environment, or not at all and why."""

    name: str
    setting: str
    overrides: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    skipped: str = ""


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
            done.append(_check(Path(config), overrides, change, verdicts))
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
    lanes = max(int(directory.read_json("cost.json").get("lanes", 2)), 1)
    other = max(lanes // 2, 1) if lanes > 1 else 2
    yield Change("chunk size", f"{other} lane{'s' if other > 1 else ''} instead of {lanes}", (f"lanes={other}",))
    count = 1 if environment["device"]["count"] > 1 else 2
    flags = re.sub(rf"{DEVICES}=\S+", "", os.environ.get("XLA_FLAGS", ""))
    devices = {"XLA_FLAGS": f"{flags} {DEVICES}={count}".strip(), "JAX_PLATFORMS": "cpu"}
    yield Change("device count", f"{count} CPU device{'s' if count > 1 else ''}", environment=devices)
    double = "the run is in float64 already" if spec["precision"] == "float64" else ""
    yield Change("float64", "precision=float64", ("precision=float64",), skipped=double)
    held = os.environ.get("JAX_DEFAULT_MATMUL_PRECISION", "default")
    precise = "default" if held == "highest" else "highest"
    yield Change("matmul precision", precise, environment={"JAX_DEFAULT_MATMUL_PRECISION": precise})
    other = "LLVM's optimiser off, older kernels"
    yield Change("compiler path", other, environment={OTHER_PATH: "1"})
    again = f"{spec['master_key']}, {sealed(directory.path)[:16]}"  # known to nobody before the run is over
    yield Change(MASTER_KEY, again, (f"master_key='{again}'",))


def _check(config: Path, overrides: Sequence[str], change: Change, before: Verdicts) -> Check:
    if change.skipped:
        return Check(name=change.name, setting=change.setting, skipped=change.skipped)
    with tempfile.TemporaryDirectory(prefix="jaxml-certify-") as runs:
        arguments = ["run", str(config), *overrides, *change.overrides, "--no-map", "--fresh", "--json", "--runs", runs]
        done = subprocess.run(
            [sys.executable, "-c", "from jaxml.cli import main; main()", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, **change.environment},
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Check(name=change.name, setting=change.setting, failed=last.removeprefix("error: "))
    found = json.loads(done.stdout)
    found.pop("run")
    return compared(change.name, change.setting, before, Verdicts.from_json(found))
