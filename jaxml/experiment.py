"""Experiments: the `Experiment` type and how a config finds one by name, in ``experiments/`` beside ``configs/``."""

import contextlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxml.errors import ConfigError, TrialError, nearest
from jaxml.sweep.signature import Schema, schema_of_source

if TYPE_CHECKING:
    import xarray

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def no_trial(key: Any) -> Mapping[str, Any]:
    """The trial of an experiment that has none."""
    raise TrialError("this experiment has no trial, so there is nothing to run")


@dataclass(frozen=True)
class Figure:
    """What the report draws from the results, one line (or cell) per arm with its interval over seeds.

    Args:
        title: what the reader should see in it.
        y: an output of the trial or a metric.
        x: the axis along the bottom, or the named axis of a curve.
        lines: the axis whose values become lines.
        panels: the axis whose values become panels side by side.
        log_x: logarithmic bottom axis.
        log_y: logarithmic left axis.
        at: only the points of the grid with these values, ``parameter -> value``, "largest" or "smallest"; an axis of
            which one value is left is drawn no more.
        tune: drawn at the value that does best on the tuning seeds, point by point:
            ``{"over": axis, "minimise": output}``, or "maximise".
    """

    title: str
    y: str
    x: str
    lines: str | None = None
    panels: str | None = None
    log_x: bool = False
    log_y: bool = False
    at: Mapping[str, Any] = field(default_factory=dict)
    tune: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """What an experiment module defines under the name ``experiment``.

    Args:
        trial: pure function ``(key, *, hyperparameters) -> {name: array}``, see `jaxml.sweep`; none where every claim
            is decided without trials, as suites, numbers and programs are.
        metrics: derived quantities, ``name -> function of the results`` or a `jaxml.Metric`, which maps and searches
            can ask for anywhere; each keeps the dims ``seed`` and the grid's axes it does not consume. Every output of
            the trial is a metric already.
        figures: what the report draws, the one that decides first: it stands beside what was found.
        theory: what theory expects of an output, ``name -> pure function of the trial's parameters``. It is given a
            mapping of all of them, some as arrays of one shape, and returns an array of that shape; a map of the
            output then shows theory's line beside the measured boundary.
        suites: exact suites by name, each a function that makes a `jaxml.Suite`; it runs in float64.
        numbers: worked figures by name, each a function of nothing that returns a number, or numbers by name; they run
            in float64.
        programs: programs by name, each a function of nothing that returns a function of arrays and its arguments, the
            parameters first: ``lambda: (f, parameters, x)``. Shapes (`jax.ShapeDtypeStruct`) will do for arguments.
        timings: callables to be timed by name, each a function that returns a function and its arguments, as for
            programs but with values; it takes the settings that a claim names under `over`. The function is timed as it
            is: jit it here, or not.
        labels: names of coded values, ``parameter -> {value: name}``, for tables, charts and pages; configs and
            results keep the values.
    """

    trial: Callable[..., Any] = no_trial
    metrics: Mapping[str, Callable[["xarray.Dataset"], "xarray.DataArray"]] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()
    theory: Mapping[str, Callable[[Mapping[str, Any]], Any]] = field(default_factory=dict)
    suites: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    numbers: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    programs: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    timings: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    labels: Mapping[str, Mapping[Any, str]] = field(default_factory=dict)


@contextlib.contextmanager
def contained(what: str) -> Iterator[None]:
    """Turn ``sys.exit`` in an experiment's code into an error: it would end the command as if all had gone well.

    Raises:
        TrialError: naming what called it.
    """
    try:
        yield
    except SystemExit as end:
        raise TrialError(
            f"{what} called sys.exit({end.code!r}). Let it return, or raise an error that says what is wrong."
        ) from end


def check_name(name: str, where: str) -> str:
    """Return `name` if it can name an experiment, a config or a run.

    Raises:
        ConfigError: for anything but lower-case letters, digits and underscores, so that no name leaves its folder.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigError(
            f"{where}: {name!r} is not a name. Use up to 64 lower-case letters, digits and '_', a letter first."
        )
    return name


def project_root(config: Path) -> Path:
    """The folder that holds ``experiments/``: the nearest one above the config."""
    for folder in config.resolve().parents:
        if (folder / "experiments").is_dir():
            return folder
    return config.resolve().parent


def experiment_names(root: Path) -> list[str]:
    """The experiments of a project, sorted."""
    return sorted(p.stem for p in (root / "experiments").glob("*.py") if NAME.fullmatch(p.stem) and p.is_file())


def experiment_path(name: str, root: Path, where: str = "experiment") -> Path:
    """The file of an experiment.

    Raises:
        ConfigError: when there is none of that name.
    """
    path = root / "experiments" / f"{check_name(name, where)}.py"
    if not path.is_file():
        raise ConfigError(f"{where}: there is no experiments/{name}.py. {nearest(name, experiment_names(root))}")
    return path


def read_schema(name: str, root: Path) -> Schema:
    """The parameters of an experiment's trial, read from its text: nothing of it is imported or run."""
    path = experiment_path(name, root)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise TrialError(f"{path}: cannot be read: it is not UTF-8 text.") from None
    return schema_of_source(text, str(path))


_reached: list[str] = []
"""What `_reach` added to ``sys.path``."""


def _reach(root: Path) -> None:
    """Let an experiment import what stands beside it, as its files are now: ``from experiments.shared import ...``.

    Found last, as `jaxml.config.identity.local_modules` has it, and of this project only.
    """
    places = [str(root), str(root / "experiments")]
    beside = tuple(f"{place}{os.sep}" for place in (*_reached, *places) if Path(place).name == "experiments")
    sys.path[:] = [place for place in sys.path if place not in _reached]
    _reached[:] = [place for place in places if place not in sys.path]
    sys.path += _reached
    importlib.invalidate_caches()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "experiments" or str(getattr(module, "__file__", "")).startswith(beside):
            del sys.modules[name]


def load_experiment(name: str, root: Path) -> Experiment:
    """Import an experiment by name from its closed place, and with it what it imports from there.

    Raises:
        ConfigError: when there is none of that name.
        TrialError: when the module does not define ``experiment = Experiment(...)``, or names values wrongly.
    """
    path = experiment_path(name, root)
    module_name = f"experiments.{name}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise TrialError(f"{path}: cannot be imported.")
    _reach(root)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    with contained(f"importing {path}"):
        spec.loader.exec_module(module)
    found = getattr(module, "experiment", None)
    if not isinstance(found, Experiment):
        raise TrialError(f"{path}: define experiment = Experiment(trial=trial, ...) at the top level.")
    known = read_schema(name, root) if found.labels else {}
    if found.trial is no_trial and (found.metrics or found.figures):
        raise TrialError(f"{path}: metrics and figures are made from trials, and there is no trial.")
    for parameter, names in found.labels.items():
        if parameter not in known:
            raise TrialError(f"{path}: labels: the trial has no '{parameter}'. {nearest(parameter, known)}")
        if len(set(names.values())) < len(names):
            raise TrialError(f"{path}: labels: two values of '{parameter}' have one name. Tell them apart.")
    return found
