"""Adaptive search: an Optuna study proposes points, one vmapped batch a step (extra `optuna`)."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxml.errors import ConfigError
from jaxml.sweep.grid import listed
from jaxml.sweep.plan import make_plan
from jaxml.sweep.search import Range, points_axis
from jaxml.sweep.signature import Value, plain, schema_of

if TYPE_CHECKING:
    import optuna
    import xarray

CANDIDATE = "candidate"
"""The axis of the results along which the points of one step are."""


def optimize(
    trial: Callable[..., Any],
    study: "optuna.Study",
    objective: Callable[["xarray.Dataset"], "xarray.DataArray"],
    space: Mapping[str, Range | Sequence[Value] | Value],
    /,
    *,
    seeds: int | Sequence[int],
    batch: int = 16,
    steps: int = 8,
    master_key: str | int = "jaxml",
    **fixed: Value,
) -> "optuna.Study":
    """Ask a study for `batch` points, run them on the same seeds as lanes, tell it the scores; `steps` times.

    Args:
        trial: as for `sweep`.
        study: decides direction and sampler; it is changed and returned.
        objective: results with the dims ``candidate`` and ``seed`` -> one score per candidate, in any order as long as
            the coordinate ``candidate`` comes along.
        space: for each parameter a `uniform`, `loguniform` or `integers` range, a list of choices, or one value, which
            stays as it is: the only way to fix a parameter called like an argument of this function, such as `steps`.
        seeds: as for `sweep`.
        batch: points a step. Programs are compiled in the first step that needs them and kept.
        steps: how often the study is asked.
        master_key: as for `sweep`.
        **fixed: parameters that stay as they are.

    Returns:
        The study. A candidate whose score is not finite is told as failed, and so is one that was never computed
        because something stopped the search.

    Raises:
        ConfigError: when Optuna is missing, the space does not fit the trial, or the scores are not one per candidate.

    It is no evidence for a claim: the scores that chose the best point are biased in its favour. Run the best point
    again on fresh seeds.
    """
    try:
        import optuna
    except ImportError:
        raise ConfigError("optimize needs Optuna: pip install 'jaxml[optuna]'.") from None
    from jaxml.sweep.run import run

    schema, blocks = schema_of(trial), {}
    for name in ("seeds", "batch", "steps", "master_key"):
        if name in schema and name not in space:
            raise ConfigError(
                f"optimize: '{name}' is a parameter of the trial and an argument of optimize. "
                f"Put the trial's into the space, one value to fix it: space={{'{name}': ..., ...}}."
            )
    if len(study.directions) != 1:
        raise ConfigError(f"optimize: expected a study of one direction, got {len(study.directions)}.")
    space = {name: plain(spec) for name, spec in space.items()}
    kept = {name: spec for name, spec in space.items() if isinstance(spec, (str, int, float, bool))}
    distributions = {name: _distribution(optuna, name, spec) for name, spec in space.items() if name not in kept}
    if not distributions:
        raise ConfigError("optimize: the space is empty. Give at least one range or list of choices.")
    for name in kept.keys() & fixed.keys():
        raise ConfigError(f"optimize: '{name}' is fixed twice, in the space and beside it. Keep one.")
    for _ in range(steps):
        asked = [study.ask(distributions) for _ in range(batch)]
        open_trials = list(asked)
        try:
            rows = [tuple(each.params[name] for name in distributions) for each in asked]
            axis = points_axis(tuple(distributions), list(dict.fromkeys(rows)), ordered=False)
            plan = make_plan(schema, {CANDIDATE: axis, **kept, **fixed}, seeds, where="optimize")
            found = run(trial, plan, master=master_key, blocks=blocks)
            numbers = np.arange(len(plan.axes[0]))
            scores = _in_order(objective(found.assign_coords({CANDIDATE: numbers})), numbers)
            points = [tuple(point[name] for name in distributions) for point in plan.axes[0].points]
            told = dict(zip(points, scores, strict=True))
            for each, row in zip(asked, rows, strict=True):
                accepted = tuple(
                    schema[name].accept(value, name) for name, value in zip(distributions, row, strict=True)
                )
                failed = not math.isfinite(told[accepted])
                study.tell(
                    each,
                    None if failed else told[accepted],
                    optuna.trial.TrialState.FAIL if failed else None,
                )
                open_trials.remove(each)
        finally:  # Ctrl-C or an error: nobody computes these any more
            for each in open_trials:
                study.tell(each, state=optuna.trial.TrialState.FAIL)
    return study


def _in_order(scores: Any, numbers: np.ndarray) -> list[float]:
    """One score for each candidate, in the order of the candidates whatever the order of the scores."""
    dims, shape = getattr(scores, "dims", None), np.shape(scores)
    if shape != numbers.shape or dims not in (None, (CANDIDATE,)):
        raise ConfigError(
            f"optimize: the objective must return one score for each of the {len(numbers)} candidates, got "
            f"{'dims ' + str(dims) if dims is not None else 'an array'} of shape {shape}. Reduce all other dims, "
            "as in results.loss.mean('seed')."
        )
    labels = np.asarray(scores.coords[CANDIDATE]) if dims and CANDIDATE in scores.coords else numbers
    if sorted(labels.tolist()) != numbers.tolist():
        raise ConfigError(f"optimize: the objective must return each candidate once, got {labels.tolist()}.")
    ordered = np.empty(len(numbers))
    ordered[labels] = np.asarray(scores, float)
    return ordered.tolist()


def _distribution(optuna: Any, name: str, spec: Any) -> Any:
    if not isinstance(spec, Range):
        choices = [plain(value) for value in listed(spec, f"optimize.{name}")]
        return optuna.distributions.CategoricalDistribution(choices)
    if spec.whole:
        return optuna.distributions.IntDistribution(int(spec.low), int(spec.high))
    return optuna.distributions.FloatDistribution(spec.low, spec.high, log=spec.log)
