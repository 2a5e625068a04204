"""Configs from end to end without compiling: every trial is traced, its outputs are drawn at random in their shapes.

Everything else is what a run does: the config is checked, names are looked up, chunks are stored, metrics derived,
claims judged and the report is written. What the trials compute is held to exact answers in the other files here.
"""

import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxml
from jaxml.config import load_study
from jaxml.explore.mapping import check_maps
from jaxml.sweep import block, execute
from jaxml.sweep.block import Block, block_inputs
from jaxml.sweep.identity import code_hash
from jaxml.sweep.trace import FINITE
from tests.experiments.test_experiments import COMPILED, as_users_run_it  # noqa: F401

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


class Drawn:
    """Stands for a compiled program: outputs of the right shapes, numbers between 0 and 1."""

    def __init__(self, inputs, shapes):
        self.input_shardings = (jax.tree.map(lambda _: jax.devices()[0], inputs),)
        self.shapes = shapes
        self.random = np.random.default_rng(0)

    def __call__(self, *inputs):
        return jax.tree.map(self.draw, self.shapes)

    def draw(self, shape):
        """Numbers at random; every trial's status says that they are finite, and no step of a curve is bad (-1)."""
        if np.issubdtype(shape.dtype, np.floating):
            return self.random.uniform(0.05, 0.95, shape.shape).astype(shape.dtype)
        return np.full(shape.shape, FINITE if shape.dtype == np.uint8 else -1, shape.dtype)


def uncompiled(traced, plan, key, devices=None, *, fast_compile=False):
    """A block of the right size around `Drawn`: a lane's outputs, behind the traced axes and the seeds."""
    inputs = ((), key, *block_inputs(plan, traced.program.chunks[0], plan.block))
    extents = [plan.block[i] for i, axis in enumerate(plan.axes) if plan.is_traced(axis)] + [plan.block[-1]]
    shapes = jax.tree.map(lambda one: jax.ShapeDtypeStruct((*extents, *one.shape), one.dtype), traced.stage.out_info)
    return Block(plan, (), key, tuple(plan.block), Drawn(inputs, shapes), alone=False)


EXACT = [c for c in CONFIGS if "sweep:" not in c.read_text()]
"""Configs without trials: their suites run in full for the scoreboard, and one of them here."""


@pytest.mark.parametrize("config", EXACT, ids=lambda path: path.stem)
def test_exact_configs_name_what_their_experiments_hold(config, as_users_run_it):  # noqa: F811
    study = load_study(config)
    assert study.plan.trials == 0
    for claim in study.config.claims.values():
        if claim.kind == "suite":
            assert len(study.experiment.suites[claim.suite]().mutants) >= 3


WITH_TRIALS = [c for c in CONFIGS if c.stem not in COMPILED and c not in EXACT]


@pytest.mark.parametrize("config", [*WITH_TRIALS, EXACT[0]], ids=lambda path: path.stem)
def test_every_other_config_runs_but_for_its_numbers(config, tmp_path, as_users_run_it, monkeypatch):  # noqa: F811
    monkeypatch.setattr(execute, "compile_block", uncompiled)
    # Each trial must be one that a store recognises; what XLA is given for it takes longer than all else here.
    monkeypatch.setattr(block, "code_hash", lambda jaxpr, lowered: code_hash(jaxpr, str))
    run = jaxml.run(config, runs=tmp_path, smoke=True)
    assert run.directory.status == "finished"
    assert run.verdicts.status == "exploratory"
    assert "nonfinite" not in run.results or not run.results.nonfinite.any()
    assert (run.path / "report.html").stat().st_size > 10_000
    for finding in run.verdicts.findings:
        if finding.kind == "contrast":
            assert finding.detail["margin_reason"]
            assert {check.role for check in finding.checks} == {"negative control", "positive control"}
            assert np.isfinite(finding.cells[0].theta).all()
    metrics = sys.modules[f"experiments.{config.stem}"].experiment.metrics
    assert set(metrics) <= set(run.results.data_vars)


def test_every_map_can_be_filled(as_users_run_it):  # noqa: F811
    """What derived metrics need lies beside each point."""
    maps = 0
    for config in CONFIGS:
        study = load_study(config)
        check_maps(study)
        maps += len(study.config.map)
    assert maps > 5
