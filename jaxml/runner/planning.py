"""What a run would do, told before it does it."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxml.backend import prepare_backend
from jaxml.claims.kinds import KINDS
from jaxml.config import LoadedConfig, load_config
from jaxml.experiment import contained, load_experiment
from jaxml.runner.evidence import check_experiment


def describe(config: str | Path, overrides: Sequence[str] = (), *, probe: bool = False) -> dict[str, Any]:
    """Programs, lanes, memory, hazards under vmap, and what the looks can resolve, as plain values.

    Args:
        config: the YAML file.
        overrides: as on the command line.
        probe: compile one program and run one chunk, for the compiler's own memory figure and the time in all.

    Raises:
        ConfigError: when the config is wrong, or asks for what the experiment lacks.
    """
    loaded = load_config(config, overrides)
    prepare_backend(loaded.config.precision)
    from jaxml.sweep.cost import describe_plan

    claims = [
        {"id": id, "kind": claim.kind, **KINDS[claim.kind].plan(claim, loaded.grid, f"claims.{id}")}
        for id, claim in loaded.config.claims.items()
    ]
    experiment = load_experiment(loaded.config.experiment, loaded.root)
    check_experiment(loaded, experiment)
    with contained(f"the trial of experiments/{loaded.config.experiment}.py"):
        sweep = describe_plan(experiment.trial, loaded.plan, loaded.config.master_key, probe=probe)
    cells = max(sum(claim.get("cells", 0) for claim in claims), 1)
    warnings = sweep.pop("hazards")
    return {"sweep": sweep, "claims": claims, "looks": _looks(loaded, cells), "warnings": warnings}


def _looks(loaded: LoadedConfig, cells: int) -> list[dict[str, Any]]:
    """For each look: the smallest distance from the margin, in standard deviations, it decides nine times in ten."""
    from jaxml.claims.rule.power import resolvable

    config = loaded.config
    kinds: dict[str, float | None] = {"independent seeds": None}
    kinds |= {f"splits {dict(s.where)}": s.test_to_train for s in config.dependent_splits}
    rows = []
    for kind, ratio in kinds.items():
        for i, look in enumerate(resolvable(config.looks, alpha=config.alpha, cells=cells, correction=ratio)):
            resolves = look.effect_sd if math.isfinite(look.effect_sd) else None
            rows.append({"look": i + 1, "seeds": look.seeds, "kind": kind, "resolves": resolves})
    return rows
