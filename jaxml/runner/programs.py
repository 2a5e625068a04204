"""The programs of a run: each traced once, the names that the config asks for checked against what it returns."""

from typing import TYPE_CHECKING

from jaxml.config import LoadedConfig
from jaxml.errors import ConfigError
from jaxml.experiment import Experiment

if TYPE_CHECKING:
    from jaxml.sweep.trace import Traced


def trace_programs(loaded: LoadedConfig, experiment: Experiment) -> "list[Traced]":
    """Trace the programs, and check what cannot be read from the trial's signature: names of outputs and estimands.

    Raises:
        ConfigError: when a claim, a control or a figure names a quantity that does not exist.
    """
    from jaxml.errors import nearest
    from jaxml.sweep.execute import Timing
    from jaxml.sweep.names import trouble_with
    from jaxml.sweep.run import trace_all
    from jaxml.sweep.trace import all_outputs, master_key

    traced = trace_all(experiment.trial, loaded.plan, master_key(loaded.config.master_key), Timing())
    outputs = all_outputs(traced)
    for name in experiment.estimands:
        if trouble := trouble_with(name) or ("is a name that the trial returns too" if name in outputs else ""):
            raise ConfigError(f"experiments/{loaded.config.experiment}.py: the estimand {name!r} {trouble}.")
    own = ("status", "nonfinite")  # the engine's marks are not for claims
    known = [*(name for name in outputs if not name.startswith(own)), *experiment.estimands]
    for name, claim in loaded.config.claims.items():
        asked = {"estimand": claim.estimand, "tune": claim.tune.goal if claim.tune else None}
        asked |= {
            f"controls.{kind}.{control.name}.estimand": control.estimand
            for kind in ("negative", "positive")
            for control in getattr(claim.controls, kind)
        }
        for place, wanted in asked.items():
            if wanted is not None and wanted not in known:
                where = loaded.document.place(["claims", name, *place.split(".")])
                raise ConfigError(f"{where}: the trial returns no '{wanted}'. {nearest(wanted, known)}")
    for figure in experiment.figures:
        if figure.y not in known:
            raise ConfigError(f"figure '{figure.title}': the trial returns no '{figure.y}'. {nearest(figure.y, known)}")
    return traced
