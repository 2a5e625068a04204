"""Sweeps: any pure function ``trial(key, *, hyperparameters)`` over a grid and seeds, in compiled programs.

>>> def trial(key, *, scale: float, power: int = 1):
...     return {"mean": jnp.mean(scale * jax.random.normal(key, (100,)) ** power)}
>>> results = sweep(trial, seeds=4, scale=[1.0, 2.0], power=[1, 2])
>>> dict(results.sizes)
{'scale': 2, 'power': 2, 'seed': 4}
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxml.sweep.compute import Compute
from jaxml.sweep.grid import Zip, geomspace, linspace, logspace, zipped
from jaxml.sweep.plan import make_plan
from jaxml.sweep.search import grids, integers, loguniform, product, random_search, sobol_search, uniform
from jaxml.sweep.signature import Static, Traced, schema_of

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import xarray

    from jaxml.sweep.execute import Progress

__all__ = [
    "Compute",
    "Static",
    "Traced",
    "Zip",
    "geomspace",
    "grids",
    "integers",
    "linspace",
    "logspace",
    "loguniform",
    "product",
    "random_search",
    "sobol_search",
    "sweep",
    "uniform",
    "zipped",
]


def sweep(
    trial: Callable[..., Any],
    /,
    *,
    seeds: int | Sequence[int],
    lanes: int | None = None,
    store: str | Path | None = None,
    master_key: str | int = "jaxml",
    progress: "Callable[[Progress], None] | bool | None" = None,
    compute: "Compute | str | Executor | None" = None,
    **axes: Any,
) -> "xarray.Dataset":
    """Run `trial` at every point of a grid, on the same seeds everywhere.

    ``results[output][point, seed] = trial(fold_in(master_key, seed), **point)[output]``

    Each combination of static parameters is compiled once; traced parameters and seeds are vmapped lanes of that
    program, run in chunks of at most `lanes`.

    Args:
        trial: pure function ``(key, *, hyperparameters) -> {name: array}``. `float` parameters are traced, others
            static; `Traced[int]`, `Static[float]` override. Outputs are scalars, or `curve`s with named axes.
        seeds: how many (0, 1, 2, ...), or which.
        lanes: the most trials computed side by side; by default as many as keep the memory alive at once small.
        store: directory of a Zarr store to write the results to while they come; none keeps them in memory. A store
            that holds part of the grid is completed: nothing in it is computed again.
        master_key: name or number that all keys derive from.
        progress: called after every compilation and chunk; True shows a bar, in a terminal or a notebook.
        compute: where chunks are computed: None for threads of this process, ``"processes"``, ``"ray"``, any
            `concurrent.futures.Executor` whose workers can import the trial, or a `Compute`, which says more.
        **axes: ``name=values`` sweeps a parameter, ``name=value`` fixes it, ``name=zipped(...)`` moves several.

    Returns:
        A data set with one variable per output, dims named after the axes plus ``seed`` (and a curve's own axes),
        and ``nonfinite``, which marks the trials whose outputs are not all finite. Its attributes hold the number
        of compilations, the seconds spent, and under ``failures`` the static points that could not be computed:
        they are NaN and marked, and a warning names them.

    Raises:
        ConfigError: when the grid does not fit the trial.
        TrialError: when the trial breaks its contract.

    A lane equals the same trial run alone up to rounding, which a chaotic trial makes as large as its results: losses
    at high learning rates differ by up to 1 % between chunk sizes (docs/scaling.md).

    Note: not an optimiser: nothing is skipped or chosen, every point of the grid is computed.

    >>> def trial(key, *, lam: float):
    ...     x = jax.random.normal(key, (50,))
    ...     return {"kept": jnp.mean(jnp.abs(x) > lam)}
    >>> kept = sweep(trial, seeds=8, lam=[0.0, 1.0]).kept.mean("seed")
    >>> [round(float(v), 2) for v in kept]
    [1.0, 0.31]
    """
    schema = schema_of(trial)
    _refuse_taken(schema)
    plan = make_plan(schema, axes, seeds, lanes=lanes)
    from jaxml.sweep.bar import bar
    from jaxml.sweep.run import run

    with bar(progress) as report:
        return run(trial, plan, store=store, master=master_key, progress=report, compute=Compute.of(compute))


def _refuse_taken(schema: Any) -> None:
    from jaxml.errors import TrialError

    taken = {"seeds", "seed", "lanes", "store", "master_key", "progress", "compute"} & set(schema)
    if taken:
        raise TrialError(f"{schema.trial_name}: the parameter names {sorted(taken)} are taken by sweep. Rename them.")
