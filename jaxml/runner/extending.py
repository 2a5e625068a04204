"""Extending a finished run: a new run directory that takes over every trial of the old one and computes the rest.

The old run keeps its verdicts. The new one decides nothing: when its spec was written, part of its data had been seen.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxml.errors import ConfigError, StoreError
from jaxml.runs.directory import RunDirectory


def finished_run(path: str | Path) -> RunDirectory:
    """The run to extend.

    Raises:
        ConfigError: when there is none, or it was cut short.
        RunError: when it is not as it was written.
    """
    run = RunDirectory.open(path)
    run.check()
    if run.status != "finished":
        raise ConfigError(f"{path}: this run is {run.status}. Run its own config to completion, then extend it.")
    return run


def extended_spec(spec: Mapping[str, Any], before: RunDirectory) -> dict[str, Any]:
    """The spec of an extension: what the config says now, and which run it takes its first trials from.

    Raises:
        ConfigError: when the config says nothing new, or describes other trials than the run's.
    """
    held = before.read_json("spec.json")
    if spec == held["spec"]:
        raise ConfigError(
            f"{before.path}: nothing to extend: the run already covers the config. Raise 'seeds' or add values."
        )
    for name in ("experiment", "master_key", "precision", "fixed"):
        was, now = held["spec"][name], spec[name]
        if was != now:
            raise ConfigError(
                f"{before.path} cannot be extended: its '{name}' is {was!r}, the config's is {now!r}. "
                "Set it to the former, or start a new run."
            )
    return {**spec, "extends": {"run": before.path.name, "spec_sha256": held["sha256"]}}


def why_extended(spec: Mapping[str, Any]) -> str:
    """Why the spec of an extension decides nothing; empty for any other spec."""
    if "extends" not in spec:
        return ""
    return (
        f"it extends {spec['extends']['run']}, whose data had been seen when this spec was written; "
        "to decide it, run the config on fresh data (another master_key)"
    )


def take_over(run: RunDirectory, before: RunDirectory) -> None:
    """Copy the results of a finished run into a new one.

    Raises:
        StoreError: when the disk is full or the results are gone.
    """
    try:
        shutil.copytree(before.path / "results.zarr", run.path / "results.zarr")
    except (OSError, shutil.Error) as error:
        raise StoreError(f"{before.path}: its results cannot be copied to {run.path}: {error}") from None
