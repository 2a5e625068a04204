"""The whole way, in order: load a config, compute and judge, map, report."""

import threading
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jaxml.claims.finding import Verdicts
from jaxml.config import load_study
from jaxml.errors import ConfigError
from jaxml.explore.mapping import check_maps, fill_maps
from jaxml.runner.reach import check_reachable
from jaxml.runner.session import session
from jaxml.runs.directory import RunDirectory
from jaxml.sweep.compute import Compute
from jaxml.watch import NOBODY, Watch

if TYPE_CHECKING:
    import altair
    import xarray


@dataclass(frozen=True)
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
        """Outputs and metrics, labelled: dims named after the axes plus ``seed``."""
        return self.directory.results()

    def figure(self, index: int = 0) -> "altair.HConcatChart":
        """A figure of the experiment as a chart that a notebook shows, 0 for the first (extra `notebook`).

        Raises:
            ConfigError: when the run has no such figure, or altair is not installed.
        """
        from jaxml.report.charts import figure_spec

        try:
            import altair
        except ImportError:
            raise ConfigError("figure needs altair: pip install 'jaxml[notebook]'.") from None
        chart = altair.HConcatChart.from_dict(figure_spec(self.path, index))
        assert isinstance(chart, altair.HConcatChart)
        return chart

    def report(self) -> "Page":
        """The whole page, shown where a notebook shows the last value of a cell."""
        return Page(self.path / "report.html")

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.verdicts!r})"

    def _repr_html_(self) -> str:
        """Cards, for a notebook; `report` shows the page."""
        return self.verdicts._repr_html_()


@dataclass(frozen=True)
class Page:
    """The page of a run inside a notebook.

    Attributes:
        path: where it lies.
    """

    path: Path

    def _repr_html_(self) -> str:
        import html

        page = self.path.read_text(encoding="utf-8")
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
    anyway: bool = False,
    compute: Compute | str | Executor | None = None,
    watch: Watch = NOBODY,
    ledger: str | Path | None = None,
) -> Run:
    """Decide the claims of a config.

    Args:
        config: a YAML file in a project that has an ``experiments/`` folder, or the name of one in ``configs/`` or in
            the gallery (``jaxml list --gallery``).
        overrides: ``key=value``, as on the command line.
        runs: the folder that holds run directories.
        smoke: a few seeds only, and what the config's `smoke` sets, to see that everything works; exploratory, so
            without a verdict.
        fresh: begin a new run even where the same one was cut short or damaged; without it, that one is continued.
        maps: fill the config's maps, once the verdicts are written.
        extend: a finished run whose trials are taken over, so that only new ones are computed. The new run is
            exploratory: its spec was written when part of its data had been seen. The old run stays as it is.
        anyway: run it even where a claim can never come out supported, or never refuted.
        compute: where chunks are computed: None for threads of this process, ``"processes"``, ``"ray"``, any
            `concurrent.futures.Executor`, or a `Compute`, which says more.
        watch: who follows the run.
        ledger: the file that the run is entered in when it starts; ``ledger.jsonl`` in `runs` by default.

    Returns:
        The run: `results` (xarray), `verdicts`, `path`.

    Raises:
        ConfigError: when the config is wrong; nothing was written.
        TrialError: when the trial breaks its contract, or the experiment's code calls ``sys.exit``.
        RunError: when the run had begun and could not go on.

    Note: not a search: what it computes and how it decides stand in the config before the first trial.
    """
    from jaxml.report import write_report

    compute = Compute.of(compute)
    study = load_study(config, overrides, smoke=smoke, maps=maps)
    watch.notify(f"importing experiments/{study.config.experiment}.py")
    check_maps(study)
    if not anyway and not study.cut:
        check_reachable(study)
    with session(study, runs, fresh=fresh, extend=extend, compute=compute, watch=watch, ledger=ledger) as work:
        threading.Thread(target=_prepare_ahead, daemon=True).start()
        verdicts = work.work()
        fill_maps(study, work.directory, watch.notify)
        watch.notify("writing the report")
        write_report(work.directory.path)
    return Run(work.directory, verdicts)


def _prepare_ahead() -> None:
    """Make ready what judging and reporting need while XLA compiles, which leaves Python idle."""
    import scipy.special  # noqa: F401
    import xarray  # noqa: F401

    import jaxml.claims.judge  # noqa: F401
    from jaxml.report.bundle import vega_scripts

    vega_scripts()
