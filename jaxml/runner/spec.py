"""What a run freezes before its first trial, and the command that repeats it."""

import shlex
from collections.abc import Mapping
from typing import Any

from jaxml.claims.spec import Claim
from jaxml.config import LoadedConfig
from jaxml.experiment import experiment_path
from jaxml.runs.identity import code_identity


def spec_of(loaded: LoadedConfig) -> dict[str, Any]:
    """What is frozen before the first trial: the claims, the whole grid, the seeds, the looks, and the trial's code.

    With it, where there is one, the reason why nothing may be decided.
    """
    config = loaded.config
    code = code_of(loaded)
    spec = {
        "name": config.name,
        "experiment": config.experiment,
        "experiment_sha256": code["experiment"],
        "axes": {axis.name: [dict(point) for point in axis.points] for axis in loaded.plan.axes},
        "fixed": dict(loaded.plan.fixed),
        "seeds": config.seeds,
        "tuning_seeds": config.tuning_seeds,
        "master_key": config.master_key,
        "looks": list(config.looks),
        "alpha": config.alpha,
        "precision": config.precision,
        "dependent_splits": [plain(split.model_dump()) for split in config.dependent_splits],
        "claims": {name: _claim(claim) for name, claim in config.claims.items()},
    }
    optional = {"modules_sha256": code["modules"], "exploratory": _why_exploratory(loaded)}
    return spec | {name: value for name, value in optional.items() if value}


def _claim(claim: Claim) -> dict[str, Any]:
    """A claim as plain values; a contrast, the kind that a config means where it names none, is left unsaid."""
    return {key: value for key, value in plain(claim.model_dump()).items() if (key, value) != ("kind", "contrast")}


def code_of(loaded: LoadedConfig) -> dict[str, Any]:
    """What identifies the code that the run's numbers come from, see `jaxml.runs.identity`."""
    return code_identity(experiment_path(loaded.config.experiment, loaded.root), loaded.root)


def _why_exploratory(loaded: LoadedConfig) -> str:
    if loaded.cut:
        return f"--smoke only shows that everything works ({loaded.cut})"
    return "the command line changed what the config file declares" if loaded.changes_spec else ""


def command_of(loaded: LoadedConfig) -> str:
    """The command that repeats a run."""
    return shlex.join(["jaxml", "run", loaded.document.name, *loaded.overrides])


def plain(value: Any) -> Any:
    """Tuples as lists, so that YAML and JSON read back what was written."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
