"""What a run directory and the ledger say of each other: the run's own line, and runs that are gone or edited since."""

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jaxml.claims.attempt import Attempt
from jaxml.errors import RunError
from jaxml.records import Record
from jaxml.runs import manifest
from jaxml.runs.chain import Entry, Ledger
from jaxml.runs.directory import RunDirectory, find_runs

FILE = "ledger.json"
_STABLE = ("spec.json", "results.zarr", "metrics.zarr", "evidence.json", "config.yaml", FILE)
"""What no later command writes anew, as `jaxml report` does the verdicts."""
_SMALL = ("spec.json", "verdicts.json", FILE)


@dataclass(frozen=True, kw_only=True)
class Standing(Record):
    """What the ledger says of a run.

    Attributes:
        ledger: the file, seen from the run directory; empty where a run enters none.
        sha256: of the run's own line.
        why: why the run decides nothing; empty where it may.
        registered: when its design was registered; empty where it was not.
        mended: when a break of the ledger was last recorded; empty where there was none.
        attempts: by claim, once its numbers are known.
    """

    ledger: str = ""
    sha256: str = ""
    why: str = ""
    registered: str = ""
    mended: str = ""
    attempts: dict[str, Attempt] = field(default_factory=dict)

    def write(self, directory: RunDirectory) -> "Standing":
        directory.write_json(FILE, self.to_json())
        return self


def read_standing(directory: RunDirectory) -> Standing:
    """What the ledger said of a run.

    Raises:
        RunError: when that cannot be read.
    """
    if not (directory.path / FILE).is_file():  # a smoke run, or one from before there was a ledger
        return Standing()
    try:
        return Standing.from_json(directory.read_json(FILE))
    except ValueError as error:
        raise RunError(f"{directory.path / FILE}: cannot be read: {error}") from None


def missing_lines(runs: Path | None) -> Callable[[Ledger], list[str]]:
    """Which runs of a folder have a line that the ledger lacks, as far as nothing has recorded that yet.

    It may be a line that was removed, or one of another ledger, which would have to be merged.
    """
    lines = {}
    for directory in find_runs(runs) if runs else ():
        with contextlib.suppress(RunError):
            standing = read_standing(directory)
            if standing.ledger:
                lines[directory.path.name] = standing.sha256
            elif FILE in (manifest.read_manifest(directory.path) or {}) and not (directory.path / FILE).exists():
                lines[directory.path.name] = ""

    def missing(held: Ledger) -> list[str]:
        everything = list(held.everything)
        known = {each["sha256"] for each in everything}
        recorded = {name for each in everything if each["entry"] == "broken" for name in each["missing"]}
        return sorted(name for name, line in lines.items() if line not in known and name not in recorded)

    return missing


def what_became(runs: Path, run: str, entries: Sequence[Entry]) -> str:
    """What became of the directory of a run that the ledger knows; empty where it is as the run left it."""
    ends = [each for each in entries if each["entry"] == "ended" and each["run"] == run and "from" not in each]
    path = runs / run
    if any(each["run"] == run and "from" in each for each in entries if each["entry"] == "started"):
        return ""  # it is on another machine
    if not path.is_dir():
        return "its run directory is gone"
    if (
        ends
        and not ends[-1].get("unseen")
        and (sealed(path) != ends[-1].get("manifest") or manifest.changes(path, _SMALL))
    ):
        return "its run directory was edited"
    return ""


def sealed(path: Path) -> str:
    """One digest of what a run's manifest lists, without what later commands write anew."""
    held = manifest.read_manifest(path) or {}
    lines = [f"{digest}  {name}" for name, digest in sorted(held.items()) if name.partition("/")[0] in _STABLE]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def same_file(a: Path, b: Path) -> bool:
    """Whether two paths lead to one place."""
    return a.resolve() == b.resolve()
