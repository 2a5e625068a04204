"""A run directory: everything needed to show, compare, replay or judge a run again, and nothing executable.

config.yaml       the config, byte for byte                resolved.yaml   with `extends` and overrides applied
spec.json         what was claimed, and its SHA-256        environment.json  versions, device, git state
code.json         what identifies the code                 cost.json       time spent, programs compiled
results.zarr      labelled results, chunk by chunk         metrics.zarr  quantities derived from them
verdicts.json     what was found of every claim            report.html     one page that opens offline
figures.json      what the report draws                    labels.json     names of coded values, for whoever reads
status.json       running, interrupted, failed, and why    log.txt         what happened when
manifest.sha256   written last: what a finished run holds  run.lock        held while the run is computed
ledger.json       its line in the ledger, and what the ledger says of its claims
"""

import contextlib
import datetime
import functools
import json
import operator
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jaxml.errors import ConfigError, RunError, StoreError
from jaxml.runs import manifest
from jaxml.runs.hold import is_held

if TYPE_CHECKING:
    import xarray

    from jaxml.claims.finding import Verdicts
    from jaxml.claims.lineage import Lineage

Status = Literal["running", "finished", "interrupted", "failed"]

RESULTS = ("spec.json", "results.zarr", "metrics.zarr")
"""What the results of a run are read from."""
GIVEN = (
    *RESULTS,
    *("evidence.json", "ledger.json", "certificate.json", "map.json", "map.zarr", "figures.json", "labels.json"),
    *("config.yaml", "resolved.yaml", "environment.json", "code.json", "cost.json"),
)
"""What verdicts and page are made from."""
SEALED = (*GIVEN, "verdicts.json")
"""What the manifest of a finished run lists."""


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
            if not (self.path / name).is_file():  # a pipe would be waited for
                raise FileNotFoundError("there is no such file")
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
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
        """Where the run stands: finished once it is sealed; one whose process is gone without a word is interrupted."""
        if (self.path / manifest.FILE).exists():
            return "finished"
        try:
            status = str(self.read_json("status.json")["status"])
        except (RunError, KeyError, TypeError):
            return "unknown"
        if status == "finished":
            return "unsealed"
        return "interrupted" if status == "running" and not is_held(self.path) else status

    def set_status(self, status: Status, why: str = "") -> None:
        self.write_json("status.json", {"status": status, "why": why})

    def seal(self) -> None:
        """Finish the run: write down what it holds. From here on whoever reads it checks that it still does."""
        manifest.write_manifest(self.path, manifest.digests(self.path, SEALED))
        self.set_status("finished")

    def seal_again(self, *names: str) -> None:
        """Take up files that were written after the run ended; everything else keeps the digest it had.

        Raises:
            RunError: when the manifest is missing or damaged, so that nothing says what the rest was.
        """
        recorded = manifest.read_manifest(self.path)
        if recorded is None:
            raise RunError(f"{self.path / manifest.FILE}: cannot be read. Run the config again.")
        kept = {name: digest for name, digest in recorded.items() if name not in names}
        manifest.write_manifest(self.path, kept | manifest.digests(self.path, names))

    def unseal(self) -> None:
        """Get ready to compute a finished run again where it was damaged: what was damaged goes, the rest stays."""
        if self.status not in ("finished", "unsealed"):
            return
        changed = manifest.changes(self.path, SEALED)
        lost = [name for name, what in changed.items() if name.startswith("results.zarr/") or what == "was added"]
        if manifest.FILE in changed or {"results.zarr/zarr.json", "results.zarr/status/zarr.json"} <= set(lost):
            lost = ["results.zarr"]  # nothing says which chunks are sound
        for name in lost:
            path = self.path / name
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        (self.path / manifest.FILE).unlink(missing_ok=True)

    def check(self, parts: Sequence[str] = SEALED) -> None:
        """Check that the files of a finished run are those that it wrote; a run that is not finished passes.

        Raises:
            RunError: naming every file that is missing, changed or added.
        """
        status = self.status
        if status not in ("finished", "unsealed"):
            return
        changed = manifest.changes(self.path, parts)
        if changed:
            remedy = "Restore it from a copy, or run its config again, which computes again what was lost."
            if set(changed) == {"verdicts.json"}:
                remedy = f"To decide again from the stored results: jaxml report {self.path}"
            raise RunError(
                f"{self.path} is not as the run wrote it: {manifest.listed(changed)}. No verdict is given. {remedy}"
            )

    def freeze_spec(self, spec: Mapping[str, Any], lineage: "Mapping[str, Lineage] | None" = None) -> str:
        """Write the spec and its hash, and beside them where its claims come from; done before the first trial."""
        from jaxml.claims.spec import spec_hash

        digest = spec_hash(dict(spec))
        beside = {"lineage": {id: each.to_json() for id, each in lineage.items()}} if lineage else {}
        self.write_json("spec.json", {"sha256": digest, "spec": spec} | beside)
        return digest

    def lineage(self) -> "dict[str, Lineage]":
        """Where the claims come from, by claim, for those that say so."""
        from jaxml.claims.lineage import Lineage

        return {id: Lineage.from_json(each) for id, each in self.read_json("spec.json").get("lineage", {}).items()}

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

    def recorded_spec(self) -> str:
        """The hash of the spec that the run began with; empty where nothing holds it any more."""
        for name, keys in (("spec.json", ["sha256"]), ("results.zarr/zarr.json", ["attributes", "spec_sha256"])):
            with contextlib.suppress(RunError, KeyError, TypeError):
                return str(functools.reduce(operator.getitem, keys, self.read_json(name)))
        return ""

    def spec(self) -> dict[str, Any]:
        """What was frozen before the first trial.

        Raises:
            RunError: when it cannot be read.
        """
        try:
            return dict(self.read_json("spec.json")["spec"])
        except (KeyError, TypeError, ValueError):
            raise RunError(f"{self.path / 'spec.json'}: this is no spec.") from None

    def verdicts(self, parts: Sequence[str] = SEALED) -> "Verdicts":
        """The verdict cards.

        Args:
            parts: what is checked to be as the run wrote it.

        Raises:
            RunError: when they cannot be read, or the run is not as it was written.
        """
        from jaxml.claims.finding import Verdicts

        self.check(parts)
        try:
            return Verdicts.from_json(self.read_json("verdicts.json"))
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{self.path / 'verdicts.json'}: cannot be read: {error}.") from None

    def results(self) -> "xarray.Dataset":
        """Outputs and metrics as one labelled data set, in the order of the spec; empty where there were no trials.

        Raises:
            RunError: when they cannot be read, or are not as the run wrote them.
        """
        from jaxml.sweep.store import open_results

        self.check(RESULTS)
        spec = self.spec()
        if spec.get("without_trials"):
            import xarray

            return xarray.Dataset(coords={"seed": []})
        seeds = [*range(-spec["tuning_seeds"], 0), *range(spec["seeds"])]
        results = open_results(self.path / "results.zarr", spec["axes"], seeds)
        derived = self.path / "metrics.zarr"
        return results.merge(open_results(derived)) if derived.exists() else results


def find_runs(parent: Path) -> Iterator[RunDirectory]:
    """All runs below `parent`, newest first."""
    if parent.is_dir():
        for path in sorted(parent.iterdir(), reverse=True):
            if (path / "spec.json").is_file():
                yield RunDirectory(path)
