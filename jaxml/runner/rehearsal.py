"""A config gone through with made-up numbers: everything that can fail without the trials themselves, in seconds."""

from dataclasses import replace

import numpy as np

from jaxml.claims.kinds import KINDS
from jaxml.config import Study
from jaxml.errors import TrialError
from jaxml.experiment import contained
from jaxml.runner.programs import trace_programs


def rehearse(study: Study) -> None:
    """Trace every program, derive every metric and judge every claim, on numbers that mean nothing.

    Raises:
        TrialError: when the trial, or a metric, breaks its contract.
        ConfigError: when a claim, control, figure, suite or map asks for what there is not.
    """
    import warnings

    import xarray

    from jaxml.claims.judge import judge
    from jaxml.runner.judging import derived_from
    from jaxml.sweep.execute import Timing
    from jaxml.sweep.store import coordinates
    from jaxml.sweep.trace import all_outputs

    config, experiment, timing = study.config, study.experiment, Timing()
    if not study.plan.trials:
        return
    with contained(f"the trial of experiments/{config.experiment}.py"):
        traced = trace_programs(study, timing)
    for label, why in timing.failures.items():
        raise TrialError(f"experiments/{config.experiment}.py: the trial cannot be traced at {label}: {why}")
    plan = replace(study.plan, seeds=(-1, 0, 1), block=(), cuts=())
    random, held = np.random.default_rng(0), {}
    for name, output in all_outputs(traced).items():
        if name != "status":
            made_up = random.uniform(0.1, 0.9, (*plan.shape, *output.shape))
            held[name] = (
                (*plan.dims, *output.axes),
                made_up.astype(output.dtype if output.dtype.kind in "iufb" else float),
            )
    held["nonfinite"] = (plan.dims, np.zeros(plan.shape, bool))
    results = xarray.Dataset(held, coordinates(plan))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of means of nothing and the like: the numbers mean nothing
        results = results.merge(derived_from(results, experiment))
        seeded = {name: claim for name, claim in config.claims.items() if KINDS[claim.kind].seeded}
        judge(seeded, replace(study.grid, axes=plan.axes, looks=(2,)), results)
