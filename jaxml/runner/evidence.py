"""What decides claims besides trials: collected once in a run by the kinds that need it, kept in evidence.json."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxml.claims.kind import TAKEN, Bench
from jaxml.claims.kinds import KINDS
from jaxml.config import LoadedConfig
from jaxml.errors import ConfigError
from jaxml.experiment import Experiment
from jaxml.runs.directory import RunDirectory

FILE = "evidence.json"
KEPT = "collecting"
"""The folder for what is finished of a kind's evidence, until all of it is."""


def check_experiment(loaded: LoadedConfig, experiment: Experiment) -> None:
    """Check that the experiment has what every claim asks for.

    Raises:
        ConfigError: naming what it lacks, and where the config asks for it.
    """
    for name, claim in loaded.config.claims.items():
        try:
            KINDS[claim.kind].check_experiment(claim, experiment, f"claims.{name}")
        except ConfigError as error:
            place, _, rest = str(error).partition(": ")
            raise ConfigError(f"{loaded.document.place(place.split('.'))}: {rest}") from None


def collect(
    loaded: LoadedConfig,
    experiment: Experiment,
    directory: RunDirectory,
    notify: Callable[[str], None] = lambda message: None,
) -> None:
    """Collect the evidence of every claim that needs some, and write it.

    Raises:
        TrialError: when the experiment breaks the contract of what is collected.
    """
    config = loaded.config
    bench = Bench(
        experiment,
        config.master_key,
        notify,
        name=config.experiment,
        root=loaded.root,
        precision=config.precision,
        seeds=config.seeds,
        keep=directory.path / KEPT,
    )
    before = read_evidence(RunDirectory(Path(os.environ[TAKEN]))) if TAKEN in os.environ else {}
    found = {
        name: before[name]
        if name in before and KINDS[claim.kind].of_this_machine
        else KINDS[claim.kind].collect(claim, bench)
        for name, claim in config.claims.items()
    }
    held = {name: evidence for name, evidence in found.items() if evidence is not None}
    if held:
        directory.write_json(FILE, held)
    shutil.rmtree(directory.path / KEPT, ignore_errors=True)


def read_evidence(directory: RunDirectory) -> dict[str, Any]:
    """The evidence of a run by claim; none where its claims needed none.

    Raises:
        RunError: when it cannot be read.
    """
    return directory.read_json(FILE) if (directory.path / FILE).is_file() else {}
