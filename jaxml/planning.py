"""What a run would do, told before it does it."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxml.claims.cells import cells_of
from jaxml.config import LoadedConfig, load_config
from jaxml.experiment import load_experiment
from jaxml.runner import prepare_backend


def describe(config: str | Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Programs, lanes, memory and what the looks can resolve, as plain values.

    Raises:
        ConfigError: when the config is wrong.
    """
    loaded = load_config(config, overrides)
    prepare_backend(loaded.config.precision)
    claims = [
        {
            "id": name,
            "quantifier": claim.quantifier,
            "cells": len(cells_of(loaded.plan.axes, claim, f"claims.{name}")),
            "margin": claim.margin.value,
            "scale": claim.scale,
            "controls": len(claim.controls.negative) + len(claim.controls.positive),
        }
        for name, claim in loaded.config.claims.items()
    ]
    cells = max(sum(claim["cells"] for claim in claims), 1)
    return {"sweep": describe_sweep(loaded), "claims": claims, "looks": _looks(loaded, cells)}


def describe_sweep(loaded: LoadedConfig) -> dict[str, Any]:
    """How the grid is cut into programs and chunks, and what a lane costs; traced, not compiled."""
    from jaxml.sweep.cost import peak_bytes
    from jaxml.sweep.execute import Timing
    from jaxml.sweep.run import fitted, trace_all
    from jaxml.sweep.trace import master_key

    experiment = load_experiment(loaded.config.experiment, loaded.root)
    traced = trace_all(experiment.trial, loaded.plan, master_key(loaded.config.master_key), Timing())
    plan = fitted(loaded.plan, traced)
    return {
        "grid": " x ".join([*(f"{len(axis)} {axis.name}" for axis in plan.axes), f"{len(plan.seeds)} seeds"]),
        "trials": plan.cells,
        "programs": len(traced),
        "lanes per chunk": plan.lanes,
        "chunks": math.prod(plan.chunk_grid),
        "bytes per lane": max(peak_bytes(t.jaxpr.jaxpr) for t in traced),
        "outputs": sorted({name for t in traced for name in t.outputs}),
    }


def _looks(loaded: LoadedConfig, cells: int) -> list[dict[str, Any]]:
    """For each look: the smallest distance from the margin, in standard deviations, it decides nine times in ten."""
    from jaxml.claims.power import resolvable

    config = loaded.config
    kinds: dict[str, float | None] = {"independent seeds": None}
    kinds |= {f"splits {dict(s.where)}": s.test_to_train for s in config.dependent_splits}
    rows = []
    for kind, ratio in kinds.items():
        for i, look in enumerate(resolvable(config.looks, alpha=config.alpha, cells=cells, correction=ratio)):
            resolves = look.effect_sd if math.isfinite(look.effect_sd) else None
            rows.append({"look": i + 1, "seeds": look.seeds, "kind": kind, "resolves": resolves})
    return rows
