"""What a run would do, told before it does it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxml.claims.cells import cells_of
from jaxml.config import load_config
from jaxml.experiment import load_experiment
from jaxml.runner import prepare_backend


def describe(config: str | Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Programs, lanes, memory and what the looks can resolve, as plain values.

    Raises:
        ConfigError: when the config is wrong.
    """
    loaded = load_config(config, overrides)
    prepare_backend(loaded.config.precision)
    from jaxml.claims.power import detectable
    from jaxml.sweep.cost import describe_plan

    experiment = load_experiment(loaded.config.experiment, loaded.root)
    sweep = describe_plan(experiment.trial, loaded.plan, loaded.config.master_key)
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
    warnings = list(sweep.pop("hazards", ()))
    looks = detectable(loaded.config.looks, alpha=loaded.config.alpha)
    return {"sweep": sweep, "claims": claims, "looks": looks, "warnings": warnings}
