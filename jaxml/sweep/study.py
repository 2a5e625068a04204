"""Adaptive search: an Optuna study proposes points, one vmapped batch a step (extra `optuna`)."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jaxml.errors import ConfigError
from jaxml.sweep.plan import make_plan
from jaxml.sweep.search import Range, points_axis
from jaxml.sweep.signature import Value, schema_of

if TYPE_CHECKING:
    import optuna
    import xarray


def optimize(
    trial: Callable[..., Any],
    study: "optuna.Study",
    objective: Callable[["xarray.Dataset"], "xarray.DataArray"],
    space: Mapping[str, Range | Sequence[Value]],
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
        objective: results with the dims ``candidate`` and ``seed`` -> one score per candidate.
        space: for each parameter a `uniform`, `loguniform` or `integers` range, or a list of choices.
        seeds: as for `sweep`.
        batch: points a step. Programs are compiled in the first step that needs them and kept.
        steps: how often the study is asked.
        master_key: as for `sweep`.
        **fixed: parameters that stay as they are.

    Returns:
        The study. A candidate whose score is not finite is told as failed.

    It is no evidence for a claim: the scores that chose the best point are biased in its favour. Run the best point
    again on fresh seeds.
    """
    try:
        import optuna
    except ImportError:
        raise ConfigError("optimize needs Optuna: pip install 'jaxml[optuna]'.") from None
    from jaxml.sweep.run import run

    schema, blocks = schema_of(trial), {}
    distributions = {name: _distribution(optuna, spec) for name, spec in space.items()}
    for _ in range(steps):
        asked = [study.ask(distributions) for _ in range(batch)]
        rows = [tuple(each.params[name] for name in space) for each in asked]
        distinct = list(dict.fromkeys(rows))
        axis = points_axis(tuple(space), distinct, ordered=False)
        plan = make_plan(schema, {"candidate": axis, **fixed}, seeds)
        scores = objective(run(trial, plan, master=master_key, blocks=blocks)).values.tolist()
        points = [tuple(point[name] for name in space) for point in plan.axes[0].points]
        told = dict(zip(points, scores, strict=True))
        for each, row in zip(asked, rows, strict=True):
            score = float(told[row])
            failed = not math.isfinite(score)
            study.tell(each, None if failed else score, optuna.trial.TrialState.FAIL if failed else None)
    return study


def _distribution(optuna: Any, spec: Range | Sequence[Value]) -> Any:
    if not isinstance(spec, Range):
        return optuna.distributions.CategoricalDistribution(list(spec))
    if spec.whole:
        return optuna.distributions.IntDistribution(int(spec.low), int(spec.high))
    return optuna.distributions.FloatDistribution(spec.low, spec.high, log=spec.log)
