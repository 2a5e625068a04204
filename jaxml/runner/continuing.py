"""Which run the same command continues: one of the very same spec and code that was cut short, or damaged since."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxml.claims.spec import spec_hash
from jaxml.errors import RunError
from jaxml.runs import manifest
from jaxml.runs.directory import SEALED, RunDirectory, find_runs

CODE = "code.json"
_OF_CODE = ("experiment_sha256", "modules_sha256")
"""The parts of a spec that change with the code alone."""


def unfinished(
    runs: Path, spec: Mapping[str, Any], code: Mapping[str, Any], notify: Callable[[str], None]
) -> RunDirectory | None:
    """The newest run of this spec, if it did not finish or is no longer as it was written; None to begin a new one.

    A run that is not continued because its code has changed is named.

    Args:
        runs: the folder of run directories.
        spec: what is to be computed.
        code: what identifies the code now.
        notify: called with one sentence on what was found.
    """
    digest, others = spec_hash(dict(spec)), []
    for directory in find_runs(runs):
        if f"-{spec['name']}-" not in directory.path.name:
            continue
        if directory.recorded_spec() != digest:
            others.append(directory)
            continue
        changed = manifest.changes(directory.path, SEALED) if directory.status == "finished" else {}
        if directory.status == "finished" and not changed:
            return None
        if _engine(directory) != code["engine"]:
            notify(f"not continuing {directory.path}: it was begun by another version of jaxml")
            return None
        if changed:
            listed = manifest.listed(changed, most=3)
            notify(f"{directory.path} is not as it was written ({listed}): what was lost is computed again")
        return directory
    for directory in others:
        if directory.status != "finished":
            edited = _edited(directory, spec)
            if edited:
                notify(f"not continuing {directory.path}: {' and '.join(edited)} changed since")
            break
    return None


def _engine(directory: RunDirectory) -> Any:
    try:
        return directory.read_json(CODE)["engine"]
    except (RunError, KeyError, TypeError):
        return None


def _edited(directory: RunDirectory, spec: Mapping[str, Any]) -> list[str]:
    """The modules that differ, where nothing but code does."""
    try:
        before = directory.spec()
    except RunError:
        return []
    if any(before.get(name) != spec.get(name) for name in {*before, *spec} - {*_OF_CODE}):
        return []
    own = [f"experiments/{spec['experiment']}.py"] if before["experiment_sha256"] != spec["experiment_sha256"] else []
    modules = [each.get("modules_sha256", {}) for each in (before, spec)]
    return own + [f"module {n}" for n in sorted({*modules[0], *modules[1]}) if modules[0].get(n) != modules[1].get(n)]
