"""A run directory while it is being filled: begun or continued, computed, judged, sealed."""

import contextlib
import dataclasses
import datetime
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from jaxml.claims.finding import Verdicts
from jaxml.claims.labels import FILE as LABELS
from jaxml.claims.labels import labels_to_json
from jaxml.claims.spec import spec_hash
from jaxml.config import Study
from jaxml.config.study import plain
from jaxml.errors import JaxmlError, RunError
from jaxml.experiment import contained
from jaxml.runner.continuing import CODE, unfinished
from jaxml.runner.entering import counted, enter, leave, leave_early
from jaxml.runner.evidence import collect
from jaxml.runner.judging import derive, judge_run
from jaxml.runner.programs import trace_programs
from jaxml.runs.directory import RunDirectory
from jaxml.runs.hold import held
from jaxml.runs.ledger import FILE as LEDGER
from jaxml.runs.standing import Standing
from jaxml.sweep.compute import THREADS, Compute, opened
from jaxml.watch import NOBODY, Watch

if TYPE_CHECKING:
    from jaxml.sweep.trace import TracedProgram


@dataclass
class Session:
    """One run while it goes on.

    Attributes:
        study: what is run.
        directory: where everything is written.
        traced: its programs.
        compute: where chunks are computed, its executor open.
        watch: who follows it.
        failures: static points that could not be computed.
        verdicts: what was found, once it was.
        numbers: SHA-256 of the numbers that decided each claim.
    """

    study: Study
    directory: RunDirectory
    traced: "list[TracedProgram]"
    compute: Compute
    watch: Watch
    failures: list[str] = dataclasses.field(default_factory=list)
    verdicts: Verdicts | None = None
    numbers: dict[str, str] = dataclasses.field(default_factory=dict)

    def work(self) -> Verdicts:
        """Compute the trials, derive the metrics, collect what is no trial, and judge."""
        directory, study = self.directory, self.study
        plan = study.plan
        if plan.trials:
            self._compute()
        collect(study, directory, self.watch.notify)
        self.watch.notify("judging")
        verdicts = judge_run(directory, self._count)
        self.verdicts = verdicts
        directory.log("; ".join(f"{name}: {word}" for name, word in verdicts.words.items()) or "no claims")
        return verdicts

    def _compute(self) -> None:
        from jaxml.sweep.run import run

        study, directory = self.study, self.directory
        results = run(
            study.experiment.trial,
            study.plan,
            traced=self.traced,
            store=directory.path / "results.zarr",
            master=study.config.master_key,
            progress=self.watch.progress,
            attributes={"spec_sha256": directory.recorded_spec()},
            compute=self.compute,
            fast_compile=bool(study.cut),
        )
        self.failures = list(results.attrs.get("failures", []))
        directory.write_json("cost.json", dict(results.attrs))
        directory.log(f"computed: {json.dumps(dict(results.attrs), default=str)}")
        derive(results, study.experiment, directory)

    def _count(self, standing: Standing, numbers: Mapping[str, str]) -> Standing:
        self.numbers = dict(numbers)
        return counted(self.directory, standing, numbers)

    def write_head(self, spec: dict) -> None:
        """Freeze the spec, and write down what is run, with what code, on what machine."""
        from jaxml.runs.environment import describe_environment

        study, directory = self.study, self.directory
        config, experiment = study.config, study.experiment
        directory.set_status("running")
        directory.write("config.yaml", study.document.text)
        resolved = yaml.safe_dump(plain(config.model_dump()), sort_keys=False, allow_unicode=True)
        directory.write("resolved.yaml", resolved)
        digest = directory.freeze_spec(spec, study.lineages)
        directory.write_json(CODE, study.code)
        used = [Path(study.document.name), study.path, *map(Path, study.code["files"])]
        directory.write_json("environment.json", describe_environment(study.root, used) | {"command": study.command})
        directory.write_json(LABELS, labels_to_json(experiment.labels))
        directory.write_json("figures.json", [dataclasses.asdict(figure) for figure in experiment.figures])
        directory.log(f"spec {digest} frozen; {study.plan.trials} trials in {len(study.plan.programs())} programs")

    def finish(self) -> None:
        """Seal the run.

        Raises:
            RunError: when some static points could not be computed.
        """
        if self.failures:
            points = f"{len(self.failures)} static point{'s' if len(self.failures) > 1 else ''}"
            raise RunError(
                f"{self.directory.path}: {points} could not be computed, the rest is complete: "
                f"{'; '.join(self.failures)}"
            )
        self.directory.seal()
        if self.verdicts:
            leave(self.directory, self.verdicts, self.numbers)


@contextlib.contextmanager
def session(
    study: Study,
    runs: str | Path,
    *,
    fresh: bool = False,
    extend: str | Path | None = None,
    compute: Compute = THREADS,
    watch: Watch = NOBODY,
    ledger: str | Path | None = None,
) -> Iterator[Session]:
    """Begin a run, or continue the same one that was cut short or damaged; it is sealed at the end.

    Args:
        study: what to run.
        runs: the folder that holds run directories.
        fresh: begin a new run in any case.
        extend: a finished run whose trials are taken over.
        compute: where chunks are computed.
        watch: who follows it.
        ledger: the file that the run is entered in; ``ledger.jsonl`` in `runs` by default.

    Raises:
        ConfigError: when what the config asks for is not there; nothing was written.
        TrialError: when the trial breaks its contract, or the experiment's code calls ``sys.exit``.
        RunError: when the run had begun and could not go on.
    """
    from jaxml.runner.extending import extended_spec, finished_run, take_over

    traced = _traced(study, watch)
    before = None if extend is None else finished_run(extend)
    spec = study.spec if before is None else extended_spec(study.spec, before)
    with opened(compute) as compute:
        directory = None if fresh else unfinished(Path(runs), spec, study.code, watch.notify)
        if directory is None:
            directory = RunDirectory.create(Path(runs), study.config.name, spec_hash(spec), datetime.datetime.now())
            if before is not None:
                watch.notify(f"taking over the trials of {before.path}")
                take_over(directory, before)
        else:
            watch.notify(f"continuing {directory.path}")
        with held(directory.path):
            directory.unseal()
            work = Session(study, directory, traced, compute, watch)
            try:
                with contained(f"experiments/{study.config.experiment}.py"):
                    work.write_head(spec)
                    standing = enter(study, spec, directory, Path(ledger or Path(runs) / LEDGER))
                    if standing.why:
                        watch.notify(f"exploratory, nothing will be decided: {standing.why}")
                    yield work
                    work.finish()
            except KeyboardInterrupt:
                directory.set_status("interrupted", "stopped by the user; the chunks in results.zarr are complete")
                directory.log("interrupted")
                with contextlib.suppress(JaxmlError):
                    leave_early(directory)
                raise
            except Exception as error:
                _note_failure(directory, error)
                raise


def _traced(study: Study, watch: Watch) -> "list[TracedProgram]":
    programs = len(study.plan.programs())
    if not programs:
        return []
    watch.notify(f"tracing {programs} programs")
    with contained(f"the trial of experiments/{study.config.experiment}.py"):
        traced = trace_programs(study)
    if len(traced) < programs:
        watch.notify(f"{programs - len(traced)} of {programs} programs cannot be traced; they count as failed")
    return traced


def _note_failure(directory: RunDirectory, error: Exception) -> None:
    """Say in the run directory why it stopped, as far as the disk still allows it."""
    try:
        directory.set_status("failed", str(error))
        directory.log(f"failed: {error!r}")
        leave_early(directory)
    except JaxmlError:
        pass
