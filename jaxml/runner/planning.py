"""What a run would do, told before it does it."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxml.claims.kinds import KINDS
from jaxml.claims.words import place
from jaxml.config import Study, load_study
from jaxml.experiment import contained
from jaxml.runner.pilot import pilot as run_pilot


def describe(
    config: str | Path, overrides: Sequence[str] = (), *, probe: bool = False, pilot: bool = False
) -> dict[str, Any]:
    """Programs, lanes, memory, hazards under vmap, and what the looks can resolve, as plain values.

    Args:
        config: the YAML file.
        overrides: as on the command line.
        probe: compile one program and run one chunk, for the compiler's own memory figure and the time in all.
        pilot: run the trials on a few seeds that are never reported, see `jaxml.runner.pilot`.

    Raises:
        ConfigError: when the config is wrong, or asks for what the experiment lacks.
    """
    from jaxml.runner.reach import unreachable
    from jaxml.sweep.cost import describe_plan

    study = load_study(config, overrides)
    cannot = list(unreachable(study))
    claims = [
        {"id": id, "kind": claim.kind, **KINDS[claim.kind].plan(claim, study.grid, f"claims.{id}")}
        for id, claim in study.config.claims.items()
    ]
    trial = study.experiment.trial
    if not study.plan.trials:
        return {"sweep": {"trials": 0}, "claims": claims, "looks": [], "warnings": [], "cannot": cannot, "pilot": []}
    with contained(f"the trial of experiments/{study.config.experiment}.py"):
        sweep = describe_plan(trial, study.plan, study.config.master_key, probe=probe)
    cells = max(sum(claim.get("cells", 0) for claim in claims), 1)
    warnings = sweep.pop("hazards")
    return {
        "sweep": sweep,
        "claims": claims,
        "looks": _looks(study, cells),
        "warnings": warnings,
        "cannot": cannot,
        "pilot": run_pilot(study) if pilot else [],
    }


def _looks(study: Study, cells: int) -> list[dict[str, Any]]:
    """For each look: the smallest distance from the margin, in standard deviations, it decides nine times in ten."""
    from jaxml.claims.rule.power import resolvable

    config = study.config
    kinds: dict[str, float | None] = {"independent seeds": None}
    kinds |= {" ".join([each.words, place(each.where)]).strip(): each.ratio for each in config.population if each.ratio}
    rows = []
    for kind, ratio in kinds.items():
        for i, look in enumerate(resolvable(config.looks, alpha=config.alpha, cells=cells, correction=ratio)):
            resolves = look.effect_sd if math.isfinite(look.effect_sd) else None
            rows.append({"look": i + 1, "seeds": look.seeds, "kind": kind, "resolves": resolves})
    return rows
