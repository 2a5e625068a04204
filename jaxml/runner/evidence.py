"""What decides claims besides trials: collected once in a run by the kinds that need it, kept in evidence.json."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxml.claims.kind import TAKEN, Bench
from jaxml.claims.kinds import KINDS
from jaxml.config import Study
from jaxml.errors import RunError
from jaxml.runs.directory import RunDirectory

FILE = "evidence.json"
KEPT = "collecting"
"""The folder for what is finished of a kind's evidence, until all of it is."""


def collect(study: Study, directory: RunDirectory, notify: Callable[[str], None] = lambda message: None) -> None:
    """Collect the evidence of every claim that needs some, and write it with the hash of the spec.

    Raises:
        TrialError: when the experiment breaks the contract of what is collected.
    """
    config = study.config
    bench = Bench(
        study.experiment,
        config.master_key,
        notify,
        name=config.experiment,
        root=study.root,
        precision=config.precision,
        seeds=config.seeds,
        keep=directory.path / KEPT,
    )
    _, before = read_evidence(RunDirectory(Path(os.environ[TAKEN]))) if TAKEN in os.environ else ("", {})
    found = {
        name: before[name]
        if name in before and KINDS[claim.kind].of_this_machine
        else KINDS[claim.kind].collect(claim, bench)
        for name, claim in config.claims.items()
    }
    held = {name: evidence for name, evidence in found.items() if evidence is not None}
    if held or not study.plan.trials:  # which says, where nothing else does, under what spec this run was decided
        directory.write_json(FILE, {"spec_sha256": directory.recorded_spec(), "claims": held})
    shutil.rmtree(directory.path / KEPT, ignore_errors=True)


def read_evidence(directory: RunDirectory) -> tuple[str, dict[str, Any]]:
    """The hash of the spec that it was collected under, and the evidence by claim; nothing where trials alone decide.

    Raises:
        RunError: when it cannot be read.
    """
    if not (directory.path / FILE).is_file():
        return "", {}
    held = directory.read_json(FILE)
    try:
        return str(held["spec_sha256"]), dict(held["claims"])
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{directory.path / FILE}: this is no evidence of a run.") from None
