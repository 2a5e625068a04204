"""A run and the ledger: its line when it starts, what the lines before it make of it, its line when it ends."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxml.claims.attempt import Attempt
from jaxml.claims.finding import Verdicts
from jaxml.claims.spec import spec_hash
from jaxml.config import Study
from jaxml.runner.evidence import FILE as EVIDENCE
from jaxml.runner.evidence import KEPT
from jaxml.runner.extending import why_extended
from jaxml.runs import ledger
from jaxml.runs.chain import Entry, Ledger
from jaxml.runs.directory import RunDirectory
from jaxml.runs.history import attempts, registration, why_amended
from jaxml.runs.standing import Standing, missing_lines, read_standing, same_file, sealed, what_became

REPLAY = "JAXML_REPLAY_OF"
"""The environment variable with which `jaxml run --certify` decides a run's claims again at the run's own levels."""


def enter(study: Study, spec: Mapping[str, Any], directory: RunDirectory, path: Path) -> Standing:
    """Write a run into the ledger before its first trial; one that is continued is there already.

    Args:
        study: what is run.
        spec: as it was frozen.
        directory: of the run.
        path: the ledger.

    Raises:
        StoreError: when the ledger cannot be written.
    """
    if study.cut:
        return Standing()
    if REPLAY in os.environ:
        first = RunDirectory(Path(os.environ[REPLAY]))
        why = f"it decides again what {first.path.name} decided, for its certificate"
        return replace(read_standing(first), ledger="", sha256="", why=why).write(directory)
    frozen, name, config = json.loads(json.dumps(spec)), directory.path.name, study.config.name
    of = {id: lineage.of for id, lineage in study.lineages.items()}
    digest = spec_hash(frozen)
    lines = missing_lines(directory.path.parent)

    def missing(held: Ledger) -> list[str]:
        return [run for run in lines(held) if run != name or _own(held, name) is None]

    def line(held: Ledger) -> Entry | None:
        if _own(held, name):
            return None
        why = _why(held, frozen, config, missing(held))
        return {
            "entry": "started",
            "run": name,
            "config": config,
            "why": frozen.get("exploratory", "") or why_extended(frozen) or why,
            "of": of,
            "engine": study.code["engine"],
            "spec_sha256": digest,
            "spec": held.spec(frozen, digest),
        }

    ledger.append(path, line)
    held = ledger.read(path)
    own = _own(held, name) or {}
    before = [each for each in held.entries if each["line"] < own["line"]]
    earlier = replace(held, entries=before)
    broken = [each["time"][:10] for each in before if each["entry"] == "broken"]
    return Standing(
        ledger=os.path.relpath(path, directory.path),
        sha256=own["sha256"],
        why=_why(replace(earlier, breaks=held.breaks), frozen, config, missing(held)) or own["why"],
        registered=registration(list(earlier.everything), frozen, config)[0],
        mended=broken[-1] if broken else "",
    ).write(directory)


def counted(directory: RunDirectory, standing: Standing, numbers: Mapping[str, str]) -> Standing:
    """Which attempt every claim of a run is, now that its numbers are known; written into the run directory.

    Args:
        directory: of the run.
        standing: what the ledger says of it.
        numbers: SHA-256 of the numbers that decide each claim.
    """
    if not standing.ledger:
        return standing
    path = directory.path / standing.ledger
    held = ledger.read(path)
    own = next((each for each in held.entries if each["sha256"] == standing.sha256), None)
    if own is None or own["why"] or standing.why:  # where nothing is decided, nothing is tried
        return standing
    entries = list(replace(held, entries=held.entries[: held.entries.index(own)]).everything)
    beside = same_file(path.parent, directory.path.parent)

    def note(run: str) -> str:
        return what_became(directory.path.parent, run, entries) if beside else ""

    found = {}
    for id, counting in attempts(entries, own["spec"], own["config"], own["of"]).items():
        found[id] = replace(counting.attempt(numbers.get(id, ""), note), mended=standing.mended)
    for id in own["spec"]["claims"]:
        found[id] = replace(found.get(id, Attempt()), registered=standing.registered)
    told = {id: each for id, each in found.items() if each != Attempt()}
    return replace(standing, attempts=told).write(directory)


def leave(directory: RunDirectory, verdicts: Verdicts, numbers: Mapping[str, str]) -> None:
    """Write into the ledger what a run came to, once it is sealed.

    Raises:
        StoreError: when the ledger cannot be written.
    """
    standing = read_standing(directory)
    if not standing.ledger:
        return
    claims = {
        id: {"verdict": word, "attempt": standing.attempts.get(id, Attempt()).number, "numbers": numbers.get(id, "")}
        for id, word in verdicts.words.items()
    }
    _end(directory, standing, {"claims": claims, "manifest": sealed(directory.path)})


def leave_early(directory: RunDirectory) -> None:
    """Write into the ledger that a run stopped before its first result, if it did: then nobody has seen data of it.

    Raises:
        RunError: when the ledger cannot be written, or the run directory not be read.
    """
    standing, held = read_standing(directory), directory.path
    shown = any(held.glob("results.zarr/*/c")) or (held / EVIDENCE).exists() or (held / KEPT).exists()
    if standing.ledger and not shown:
        _end(directory, standing, {"claims": {}, "unseen": True})


def _end(directory: RunDirectory, standing: Standing, came: Mapping[str, Any]) -> None:
    entry = {"entry": "ended", "run": directory.path.name, **came}

    def line(held: Ledger) -> Entry | None:
        ends = [each for each in held.entries if each["entry"] == "ended" and each["run"] == directory.path.name]
        return None if ends and all(ends[-1].get(name) == value for name, value in entry.items()) else entry

    ledger.append(directory.path / standing.ledger, line)


def _why(held: Ledger, spec: Mapping[str, Any], config: str, missing: list[str]) -> str:
    """Why a run decides nothing, by the lines before its own."""
    found = held.why_broken
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        found = found or f"it lacks the line of {missing[0]}{more}"
    if found:
        remedy = "jaxml ledger --mend records that for good"
        remedy = f"{remedy}, --merge takes up the ledger that has it" if missing else remedy
        return f"the ledger {held.path} is broken ({found}). {remedy}"
    entries = list(held.everything)
    return why_amended(entries, spec) or registration(entries, spec, config)[1]


def _own(held: Ledger, run: str) -> Entry | None:
    return next((each for each in held.entries if each["entry"] == "started" and each["run"] == run), None)
