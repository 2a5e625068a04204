"""A run directory: everything needed to show, compare, replay or judge a run again, and nothing executable.

config.yaml       the config, byte for byte                resolved.yaml   with `extends` and overrides applied
spec.json         what was claimed, and its SHA-256        environment.json  versions, device, git state
results.zarr      labelled results, chunk by chunk         estimands.zarr  quantities derived from them
verdicts.json     verdict cards                            report.html     one page that opens offline
figures.json      what the report draws                    labels.json     names of coded values, for whoever reads
status.json       running, finished, interrupted, failed   log.txt         what happened when
"""

import datetime
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jaxml.errors import ConfigError, RunError, StoreError

if TYPE_CHECKING:
    import xarray

    from jaxml.claims.card import Verdicts

Status = Literal["running", "finished", "interrupted", "failed"]


@dataclass(frozen=True)
class RunDirectory:
    """The files of one run."""

    path: Path

    @classmethod
    def create(cls, parent: Path, name: str, identity: str, now: datetime.datetime) -> "RunDirectory":
        """Make a new, empty run directory ``<date>-<name>-<identity>``.

        Raises:
            StoreError: when the folder cannot be made.
        """
        stamp = now.strftime("%Y%m%d-%H%M%S")
        path = parent / f"{stamp}-{name}-{identity[:8]}"
        try:
            parent.mkdir(parents=True, exist_ok=True)
            for attempt in range(1, 100):
                try:
                    path.mkdir()
                    return cls(path)
                except FileExistsError:
                    path = parent / f"{stamp}-{name}-{identity[:8]}-{attempt}"
        except OSError as error:
            raise ConfigError(f"{parent}: no run directory can be made here: {error.strerror}.") from None
        raise ConfigError(f"{parent}: too many runs of the same second.")

    @classmethod
    def open(cls, path: str | Path) -> "RunDirectory":
        """An existing run directory.

        Raises:
            ConfigError: when the path is not one.
        """
        run = cls(Path(path))
        if not (run.path / "spec.json").is_file():
            raise ConfigError(f"{path}: this is not a run directory (it has no spec.json).")
        return run

    def write(self, name: str, text: str) -> None:
        """Write one file whole or not at all.

        Raises:
            StoreError: when it cannot be written, for example on a full disk.
        """
        target, partial = self.path / name, self.path / f".{name}.partial"
        try:
            partial.write_text(text, encoding="utf-8")
            os.replace(partial, target)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise StoreError(f"{target}: cannot be written: {error.strerror}.") from None

    def write_json(self, name: str, value: Any) -> None:
        """Write plain values as JSON."""
        self.write(name, json.dumps(value, indent=1, allow_nan=False, default=str) + "\n")

    def read_json(self, name: str) -> Any:
        """Read one of the JSON files.

        Raises:
            RunError: when it is missing or not JSON.
        """
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path / name}: cannot be read: {error}.") from None

    def log(self, message: str) -> None:
        """Add a line with the time to log.txt."""
        now = datetime.datetime.now().isoformat(timespec="seconds")
        try:
            with (self.path / "log.txt").open("a", encoding="utf-8") as file:
                file.write(f"{now} {message}\n")
        except OSError as error:
            raise StoreError(f"{self.path / 'log.txt'}: cannot be written: {error.strerror}.") from None

    @property
    def status(self) -> str:
        return str(self.read_json("status.json")["status"]) if (self.path / "status.json").is_file() else "unknown"

    def set_status(self, status: Status, why: str = "") -> None:
        self.write_json("status.json", {"status": status, "why": why})

    def freeze_spec(self, spec: Mapping[str, Any]) -> str:
        """Write the spec and its hash; done before the first trial."""
        from jaxml.claims.spec import spec_hash

        digest = spec_hash(dict(spec))
        self.write_json("spec.json", {"sha256": digest, "spec": spec})
        return digest

    def spec_is_frozen(self, recorded: str) -> str:
        """Why the spec on disk is not the one that was recorded with the results; empty when it is."""
        from jaxml.claims.spec import spec_hash

        held = self.read_json("spec.json")
        actual = spec_hash(held["spec"])
        if actual != held["sha256"]:
            return f"spec.json was edited after it was frozen: its hash is {actual[:12]}, it says {held['sha256'][:12]}"
        if actual != recorded:
            return f"the results were computed under spec {recorded[:12]}, spec.json holds {actual[:12]}"
        return ""

    def verdicts(self) -> "Verdicts":
        """The verdict cards."""
        from jaxml.claims.card import Verdicts

        return Verdicts.from_json(self.read_json("verdicts.json"))

    def results(self) -> "xarray.Dataset":
        """Outputs and estimands as one labelled data set, in the order of the spec."""
        from jaxml.sweep.store import open_results

        spec = self.read_json("spec.json")["spec"]
        seeds = [*range(-spec["tuning_seeds"], 0), *range(spec["seeds"])]
        results = open_results(self.path / "results.zarr", spec["axes"], seeds)
        derived = self.path / "estimands.zarr"
        return results.merge(open_results(derived)) if derived.exists() else results


def find_runs(parent: Path) -> Iterator[RunDirectory]:
    """All runs below `parent`, newest first."""
    if parent.is_dir():
        for path in sorted(parent.iterdir(), reverse=True):
            if (path / "spec.json").is_file():
                yield RunDirectory(path)
