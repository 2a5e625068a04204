"""One cell of a finished run: what is stored, and the same trial run again alone, outside any vmap."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxml.claims.cells import locate
from jaxml.config.document import parse_value
from jaxml.errors import ConfigError
from jaxml.runs.directory import RunDirectory
from jaxml.sweep.grid import Axis
from jaxml.sweep.signature import schema_of


def read_cell(text: str) -> dict[str, Any]:
    """The pins of ``lam=1e-2,seed=3``.

    Raises:
        ConfigError: when it is not a list of name=value.

    >>> read_cell("lam=1e-2, seed=3")
    {'lam': 0.01, 'seed': 3}
    """
    pins = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(f"--cell: write it as name=value,name=value; got '{part}'.")
        held = parse_value(value)
        if held is None or isinstance(held, (list, dict)):
            raise ConfigError(f"--cell.{name.strip()}: expected one value, got '{value.strip()}'.")
        pins[name.strip()] = held
    return pins


def cell_values(directory: RunDirectory, pins: Mapping[str, Any]) -> dict[str, Any]:
    """The stored outputs of one cell, or of all its seeds when no seed is pinned.

    Raises:
        ConfigError: when the pins do not single out one grid point.
    """
    indices, _ = _locate(directory, pins)
    here = directory.results().isel(indices)
    return {str(name): here[name].values for name in here.data_vars}


def replay(directory: RunDirectory, pins: Mapping[str, Any], root: Path, *, debug_nans: bool = False) -> dict[str, Any]:
    """Run the trial of one cell alone and hold it against what is stored.

    Args:
        directory: a run.
        pins: every axis of the grid, and ``seed``.
        root: the project that holds the experiment.
        debug_nans: stop with an error at the first operation that makes a NaN.

    Returns:
        For each output: stored, replayed, and the largest absolute difference.

    Raises:
        ConfigError: when the pins do not single out one trial.
    """
    import jax

    from jaxml.backend import prepare_backend
    from jaxml.experiment import contained, load_experiment
    from jaxml.sweep.curve import Curve
    from jaxml.sweep.trace import master_key

    spec = directory.spec()
    indices, parameters = _locate(directory, pins)
    if "seed" not in indices:
        raise ConfigError("--cell: name the seed too, for example seed=0.")
    prepare_backend(spec["precision"])
    experiment = load_experiment(spec["experiment"], root)
    key = jax.random.fold_in(master_key(spec["master_key"]), np.uint32(pins["seed"] % 2**32))
    jax.config.update("jax_debug_nans", debug_nans)
    with contained(f"the trial of experiments/{spec['experiment']}.py"):
        outputs = experiment.trial(key, **_arguments(experiment.trial, {**spec["fixed"], **parameters}))
    stored = directory.results().isel(indices)
    rows = {}
    for name, value in outputs.items():
        replayed = np.asarray(value.values if isinstance(value, Curve) else value)
        held = stored[name].values
        difference = float(np.abs(replayed.astype(float) - held.astype(float)).max(initial=0.0))
        rows[name] = {"stored": held.tolist(), "replayed": replayed.tolist(), "difference": difference}
    return rows


def _arguments(trial: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    schema = schema_of(trial)
    return schema.arguments({name: schema[name].code(value) for name, value in values.items()})


def _locate(directory: RunDirectory, pins: Mapping[str, Any]) -> tuple[dict[str, int], dict[str, Any]]:
    """Positions along every axis, and the parameters there."""
    spec = directory.spec()
    if spec.get("without_trials"):
        raise ConfigError(f"--cell: {directory.path} holds no trials.")
    axes = [Axis(name, tuple(points)) for name, points in spec["axes"].items()]
    indices = locate(axes, {name: value for name, value in pins.items() if name != "seed"}, "--cell")
    for axis in axes:
        if axis.name not in indices:
            if len(axis) > 1:
                raise ConfigError(f"--cell: say which '{axis.name}' is meant, for example {dict(axis.points[0])}.")
            indices[axis.name] = 0
    parameters = {name: value for axis in axes for name, value in axis.points[indices[axis.name]].items()}
    if "seed" in pins:
        seeds = [*range(-spec["tuning_seeds"], 0), *range(spec["seeds"])]
        if pins["seed"] not in seeds or isinstance(pins["seed"], bool):
            raise ConfigError(f"--cell.seed: {pins['seed']} is not among {seeds[0]} .. {seeds[-1]}.")
        indices["seed"] = seeds.index(pins["seed"])
    return indices, parameters
