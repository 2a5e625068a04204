"""From a config to a finished run directory: load, freeze the spec, sweep, derive, judge, report."""

import dataclasses
import datetime
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from jaxml.backend import prepare_backend
from jaxml.claims.finding import Verdicts
from jaxml.claims.labels import FILE as LABELS
from jaxml.claims.labels import labels_to_json
from jaxml.claims.lineage import lineages
from jaxml.claims.spec import spec_hash
from jaxml.config import LoadedConfig, load_config
from jaxml.errors import ConfigError, JaxmlError, RunError
from jaxml.experiment import Experiment, contained, experiment_path, load_experiment
from jaxml.runner.continuing import CODE, unfinished
from jaxml.runner.evidence import check_experiment, collect
from jaxml.runner.judging import derive, judge_run
from jaxml.runner.programs import trace_programs
from jaxml.runner.spec import code_of, command_of, plain, spec_of
from jaxml.runs.directory import RunDirectory
from jaxml.runs.hold import held

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import xarray

    from jaxml.sweep.execute import Progress
    from jaxml.sweep.trace import Traced


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        directory: where everything lies.
        verdicts: what was found of every claim.
    """

    directory: RunDirectory
    verdicts: Verdicts

    @property
    def path(self) -> Path:
        return self.directory.path

    @property
    def results(self) -> "xarray.Dataset":
        """Outputs and estimands, labelled: dims named after the axes plus ``seed``."""
        return self.directory.results()

    def _repr_html_(self) -> str:
        """The report, shown inside a notebook."""
        import html

        page = (self.path / "report.html").read_text(encoding="utf-8")
        return f'<iframe srcdoc="{html.escape(page)}" style="width:100%;height:44rem;border:0"></iframe>'


def run(
    config: str | Path,
    overrides: Sequence[str] = (),
    *,
    runs: str | Path = "runs",
    smoke: bool = False,
    fresh: bool = False,
    maps: bool = True,
    extend: str | Path | None = None,
    executor: "str | Executor | None" = None,
    address: str | None = None,
    workers: int | None = None,
    shared_store: bool = False,
    progress: "Callable[[Progress], None] | None" = None,
    notify: Callable[[str], None] = lambda message: None,
) -> Run:
    """Decide the claims of a config.

    Args:
        config: a YAML file in a project that has an ``experiments/`` folder.
        overrides: ``key=value``, as on the command line.
        runs: the folder that holds run directories.
        smoke: a few seeds only, and what the config's `smoke` sets, to see that everything works; exploratory, so
            without a verdict.
        fresh: begin a new run even where the same one was cut short or damaged; without it, that one is continued.
        maps: fill the config's maps, once the verdicts are written.
        extend: a finished run whose cells are taken over, so that only new ones are computed. The new run is
            exploratory: its spec was written when part of its data had been seen. The old run stays as it is.
        executor: where chunks are computed: None for threads of this process, ``"processes"``, ``"ray"``, or a
            `concurrent.futures.Executor`.
        address: the Ray cluster, for example ``"auto"``; by default ``RAY_ADDRESS``, else one on this machine.
        workers: how many chunks at once; by default one for each core of the machine or the cluster.
        shared_store: all workers reach the folder of run directories and write their chunks there themselves.
        progress: called after every compilation and chunk.
        notify: called with one sentence at each stage.

    Returns:
        The run: `results` (xarray), `verdicts`, `path`.

    Raises:
        ConfigError: when the config is wrong; nothing was written.
        TrialError: when the trial breaks its contract, or the experiment's code calls ``sys.exit``.
        RunError: when the run had begun and could not go on.

    It is not a search: what it computes and how it decides stand in the config before the first trial.
    """
    from jaxml.runner.extending import extended_spec, finished_run, take_over
    from jaxml.sweep.executors import opened

    loaded = load_config(config, overrides, smoke=smoke, maps=maps)
    prepare_backend(loaded.config.precision)
    notify(f"importing experiments/{loaded.config.experiment}.py")
    experiment = load_experiment(loaded.config.experiment, loaded.root)
    notify(f"tracing {len(loaded.plan.programs())} programs")
    with contained(f"the trial of experiments/{loaded.config.experiment}.py"):
        traced = trace_programs(loaded, experiment)
        if len(traced) < len(loaded.plan.programs()):
            notify(f"{len(loaded.plan.programs()) - len(traced)} static points cannot be traced; they count as failed")
        if loaded.config.map:
            from jaxml.explore.mapping import check_maps

            check_maps(loaded, experiment)
    check_experiment(loaded, experiment)
    before = None if extend is None else finished_run(extend)
    spec = spec_of(loaded) if before is None else extended_spec(spec_of(loaded), before)
    if shared_store and executor is None:
        raise ConfigError("shared_store: it is workers that share it, so name an executor, 'processes' or 'ray'.")
    code = code_of(loaded)
    with opened(executor, address, workers) as pool:
        directory = None if fresh else unfinished(Path(runs), spec, code, notify)
        if directory is None:
            directory = RunDirectory.create(Path(runs), loaded.config.name, spec_hash(spec), datetime.datetime.now())
            if before is not None:
                notify(f"taking over the cells of {before.path}")
                take_over(directory, before)
        else:
            notify(f"continuing {directory.path}")
        with held(directory.path):
            directory.unseal()
            try:
                with contained(f"experiments/{loaded.config.experiment}.py"):
                    return _run(loaded, experiment, traced, spec, code, directory, pool, shared_store, progress, notify)
            except KeyboardInterrupt:
                directory.set_status("interrupted", "stopped by the user; the chunks in results.zarr are complete")
                directory.log("interrupted")
                raise
            except Exception as error:
                _note_failure(directory, error)
                raise


def _run(
    loaded: LoadedConfig,
    experiment: Experiment,
    traced: "list[Traced]",
    spec: Mapping[str, Any],
    code: Mapping[str, Any],
    directory: RunDirectory,
    pool: "Executor | None",
    shared_store: bool,
    progress: "Callable[[Progress], None] | None",
    notify: Callable[[str], None],
) -> Run:
    from jaxml.runs.environment import describe_environment
    from jaxml.sweep import run_plan

    config = loaded.config
    directory.set_status("running")
    directory.write("config.yaml", loaded.document.text)
    directory.write("resolved.yaml", yaml.safe_dump(plain(config.model_dump()), sort_keys=False, allow_unicode=True))
    digest = directory.freeze_spec(spec, lineages(config.claims, loaded.root))
    directory.write_json(CODE, code)
    used = [Path(loaded.document.name), experiment_path(config.experiment, loaded.root), *map(Path, code["files"])]
    directory.write_json("environment.json", describe_environment(loaded.root, used) | {"command": command_of(loaded)})
    directory.write_json(LABELS, labels_to_json(experiment.labels))
    directory.write_json("figures.json", [dataclasses.asdict(figure) for figure in experiment.figures])
    threading.Thread(target=_prepare_ahead, daemon=True).start()
    directory.log(f"spec {digest} frozen; {loaded.plan.cells} trials in {len(loaded.plan.programs())} programs")
    results = run_plan(
        experiment.trial,
        loaded.plan,
        traced=traced,
        store=directory.path / "results.zarr",
        master=config.master_key,
        progress=progress,
        attributes={"spec_sha256": digest},
        executor=pool,
        shared_store=shared_store,
        hasty=bool(loaded.cut),
    )
    directory.write_json("cost.json", dict(results.attrs))
    directory.log(f"computed: {json.dumps(dict(results.attrs), default=str)}")
    derive(results, experiment, directory)
    collect(loaded, experiment, directory, notify)
    notify("judging")
    verdicts = judge_run(directory)
    directory.log("; ".join(f"{name}: {word}" for name, word in verdicts.words.items()) or "no claims")
    if config.map:
        from jaxml.explore.mapping import fill_maps

        fill_maps(loaded, experiment, directory, notify)
    from jaxml.report import write_report

    notify("writing the report")
    write_report(directory.path)
    failures = results.attrs.get("failures", [])
    if failures:
        raise RunError(
            f"{directory.path}: {len(failures)} static points could not be computed, the rest is complete: "
            + "; ".join(failures)
        )
    directory.seal()
    return Run(directory, verdicts)


def _prepare_ahead() -> None:
    """Make ready what judging and reporting need while XLA compiles, which leaves Python idle."""
    import scipy.special  # noqa: F401
    import xarray  # noqa: F401

    import jaxml.claims.judge  # noqa: F401
    from jaxml.report.bundle import vega_scripts

    vega_scripts()


def _note_failure(directory: RunDirectory, error: Exception) -> None:
    """Say in the run directory why it stopped, as far as the disk still allows it."""
    try:
        directory.set_status("failed", str(error))
        directory.log(f"failed: {error!r}")
    except JaxmlError:
        pass
