"""The programs of a run: each traced once, the names that the config asks for checked against what it returns."""

from typing import TYPE_CHECKING

from jaxml.config import Study
from jaxml.config.source import quantities
from jaxml.errors import ConfigError

if TYPE_CHECKING:
    from jaxml.sweep.execute import Timing
    from jaxml.sweep.trace import TracedProgram


def trace_programs(study: Study, timing: "Timing | None" = None) -> "list[TracedProgram]":
    """Trace the programs, and check what cannot be read from the trial's signature: names of outputs and metrics.

    Static points that cannot be traced are noted in `timing`.

    Raises:
        ConfigError: when a claim, a control or a figure names a quantity that does not exist.
    """
    from jaxml.errors import nearest
    from jaxml.sweep.execute import Timing
    from jaxml.sweep.names import trouble_with
    from jaxml.sweep.run import trace_all
    from jaxml.sweep.trace import all_outputs, master_key

    experiment = study.experiment
    traced = trace_all(experiment.trial, study.plan, master_key(study.config.master_key), timing or Timing())
    outputs = all_outputs(traced)
    axes = {"nonfinite", *study.plan.dims, *(name for axis in study.plan.axes for name in axis.parameters)}
    axes |= {axis for output in outputs.values() for axis in output.axes}
    for name, metric in experiment.metrics.items():
        trouble = trouble_with(name) or ("is a name that the trial returns too" if name in outputs else "")
        trouble = trouble or ("is called like an axis of the results" if name in axes else "")
        trouble = trouble or ("" if callable(metric) else f"is {metric!r}, and not a function of the results")
        if trouble:
            raise ConfigError(f"experiments/{study.config.experiment}.py: the metric {name!r} {trouble}.")
    own = ("status", "nonfinite")  # the engine's marks are not for claims
    known = [*(name for name in outputs if not name.startswith(own)), *experiment.metrics]
    for place, wanted in quantities(study.config):
        if wanted not in known:
            where = study.document.place(place)
            raise ConfigError(f"{where}: the trial returns no '{wanted}'. {nearest(wanted, known)}")
    for figure in experiment.figures:
        tuned = [name for role, name in figure.tune.items() if role != "over"]
        for name in (figure.y, *tuned):
            if name not in known:
                raise ConfigError(f"figure '{figure.title}': the trial returns no '{name}'. {nearest(name, known)}")
    return traced
