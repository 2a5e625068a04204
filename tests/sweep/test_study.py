"""An Optuna study proposes points, the sweep computes them as lanes."""

import jax
import jax.numpy as jnp
import pytest

from jaxml import loguniform
from jaxml.sweep.study import optimize

optuna = pytest.importorskip("optuna")


def trial(key, *, rate: float, power: int = 2):
    distance = jnp.abs(jnp.log10(rate) + 2) ** power
    return {"loss": jnp.where(rate > 1, jnp.nan, distance) + 0.001 * jax.random.normal(key)}


def test_a_study_finds_the_minimum_in_compiled_batches():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    space = {"rate": loguniform(1e-6, 10.0), "power": [2, 4]}
    optimize(trial, study, lambda r: r.loss.mean("seed"), space, seeds=4, batch=16, steps=3)
    states = [t.state.name for t in study.trials]
    assert len(states) == 48
    assert set(states) == {"COMPLETE", "FAIL"}
    assert all((t.params["rate"] > 1) == (t.state.name == "FAIL") for t in study.trials)
    best = study.best_trial
    assert abs(best.value - abs(jnp.log10(best.params["rate"]) + 2) ** best.params["power"]) < 0.01
    assert 1e-3 < best.params["rate"] < 1e-1
