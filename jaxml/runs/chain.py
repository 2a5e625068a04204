"""The chain of a ledger: JSON lines, each with the SHA-256 of the line before it, and where that is broken.

Standard library only; nothing here touches a file.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START = "0" * 64
"""What the first line gives as the hash of the line before."""
Entry = dict[str, Any]
_ALL = {"entry": str, "previous": str, "time": str}
_NEEDED = {
    "registered": {"config": str, "spec": dict},
    "started": {"run": str, "config": str, "spec": dict, "why": str},
    "ended": {"run": str, "claims": dict},
    "broken": {"breaks": list, "missing": list},
    "merged": {"path": str, "entries": list},
}
"""What an entry must hold, and of which type."""


@dataclass(frozen=True)
class Break:
    """A place where the file is not as it was written.

    Attributes:
        line: its number, from 1.
        why: what is wrong there, in words.
        mark: what a later entry must repeat to have recorded it.
    """

    line: int
    why: str
    mark: str


@dataclass(frozen=True)
class Ledger:
    """What a ledger file holds.

    Attributes:
        path: the file.
        entries: its entries, in order, each with its own hash under `sha256`; a line that is none is left out.
        breaks: where the chain is broken and no entry has recorded it.
        torn: what a crash left of a last line.
    """

    path: Path
    entries: list[Entry] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)
    torn: str = ""

    @property
    def why_broken(self) -> str:
        """The first break, in words; empty where the chain is whole."""
        return f"line {self.breaks[0].line}: {self.breaks[0].why}" if self.breaks else ""

    def spec(self, spec: Mapping[str, Any], sha256: str) -> Mapping[str, Any] | str:
        """A spec as a new line holds it: its SHA-256 where an earlier line holds the spec itself."""
        return sha256 if any(each.get("spec_sha256") == sha256 for each in self.entries) else spec

    @property
    def everything(self) -> Iterator[Entry]:
        """All entries, those that were merged from other ledgers where they were merged, named by `from`."""
        return _unfolded(self.entries)


def parsed(path: Path, content: bytes) -> Ledger:
    """What the bytes of a ledger file hold."""
    *lines, torn = content.split(b"\n")
    entries: list[Entry] = []
    specs: dict[str, Any] = {}
    found: list[Break] = []
    before = START
    for number, line in enumerate(lines, 1):
        digest = hashlib.sha256(line).hexdigest()
        entry = _entry(line, specs)
        if entry is None:
            found.append(Break(number, "this is no entry of a ledger", digest))
        else:
            entries.append({**entry, "sha256": digest, "line": number})
            if entry["previous"] != before:
                where = "an earlier line was removed" if number == 1 else "a line before it was removed or altered"
                found.append(Break(number, where, f"{entry['previous']} after {before}"))
        before = digest
    recorded = {each["mark"] for entry in entries if entry["entry"] == "broken" for each in entry["breaks"]}
    left = [each for each in found if each.mark not in recorded]
    return Ledger(path, entries, left, torn.decode("utf-8", "surrogateescape"))


def _entry(line: bytes, specs: dict[str, Any]) -> Entry | None:
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        entry = json.loads(line)
        needed = _ALL | _NEEDED.get(entry.get("entry", ""), {}) if isinstance(entry, dict) else {}
        if "spec" in needed and isinstance(entry.get("spec"), str):
            entry["spec"] = specs.get(entry["spec"])
        elif "spec" in needed:
            specs[str(entry.get("spec_sha256"))] = entry.get("spec")
        if needed and all(isinstance(entry.get(name), kind) for name, kind in needed.items()):
            return entry
    return None


def _unfolded(entries: Sequence[Entry], **more: str) -> Iterator[Entry]:
    for entry in entries:
        if entry["entry"] == "merged":
            yield from _unfolded(entry["entries"], **{"from": entry["path"]})
        yield {**entry, **more}
