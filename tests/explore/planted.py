"""A project with one planted world: the effect falls across a curved boundary that is known."""

from pathlib import Path

EXPERIMENT = '''"""Planted: theta = 1 - (x^2 + y^2) / 4 plus noise, which is 1/2 on the circle of radius sqrt 2."""

import math

import jax
import jax.numpy as jnp

from jaxml import Experiment, Metric, Suite, Traced


def trial(
    key: jax.Array, *, x: float = 0.0, y: float = 0.0, step: Traced[int] = 0, arm: str = "a", noise: float = 0.1
) -> dict[str, jax.Array]:
    """One noisy look at the plane."""
    slope = 0.01 + 0.001 * jax.random.normal(jax.random.fold_in(key, 1))
    height = 1 - (x**2 + y**2) / 4 + slope * step
    value = jnp.where(arm == "a", height, 0.0) + noise * jax.random.normal(key) * (1 if arm == "a" else -1)
    return {"value": value, "cost": (x - 1.0) ** 2 + 0 * value}


def whole(subject=round):
    """Rounding, with mutants that are wrong on halves, below 0 and everywhere."""
    return Suite(
        subject=subject,
        draw=lambda generator, size: float(generator.integers(-8, 9)) / 2,
        properties={
            "lies within a half": lambda f, x: abs(f(x) - x) <= 0.5,
            "halves go to the even side": lambda f, x: (f(x) % 2 == 0) if x % 1 == 0.5 else True,
        },
        mutants={"floor": math.floor, "half up": lambda x: math.floor(x + 0.5), "one more": lambda x: round(x) + 1},
    )


experiment = Experiment(
    trial=trial,
    suites={"whole": whole, "up": lambda: whole(lambda x: math.floor(x + 0.5)), "none": lambda: 3},
    metrics={
        "derived": Metric(lambda here: 2 * here.value),
        "sunk": Metric(
            lambda here, origin: (1 - origin.value) / 2 + here.value, inputs={"origin": {"x": 0.0, "y": 0.0}}
        ),
        "lifted": Metric(lambda here, other: here.value - other.value, inputs={"other": {"arm": "b"}}),
        "mean_value": Metric(lambda here: here.value.mean("x")),
        "spread": Metric(lambda row: row.value.max("x") - row.value.min("x"), inputs={"row": {"x": ...}}),
        "whole": lambda results: results.value.mean("x"),
    },
    theory={"value": lambda p: (1 - (p["x"] ** 2 + p["y"] ** 2) / 4) * (p["arm"] == "a")},
)
'''
CONFIG = """experiment: planted
title: Planted
sweep:
  arm: [a, b]
  x: [0.0, 2.0]
  y: [0.0]
seeds: 8
looks: [8]
claims:
  high:
    statement: Arm a is higher than arm b by a half at least.
    quantifier: reference
    reference: {x: 0.0}
    metric: value
    arms: {claimed: {arm: a}, against: {arm: b}}
    margin: {value: 0.5, reason: Half of the height at the origin.}
    controls:
      negative: [{name: far out, where: {x: 2.0}}]
      positive: [{name: at the origin, where: {x: 0.0}}]
"""
MAP = """map:
  high:
    axes: {x: {linspace: [0.0, 2.0, 65]}, y: {linspace: [0.0, 2.0, 65]}}
"""


def project(root: Path, more: str = "", config: str = CONFIG) -> Path:
    """Write the project; returns its config."""
    for path, text in (("experiments/planted.py", EXPERIMENT), ("configs/planted.yaml", config + more)):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root / "configs/planted.yaml"
