"""An Optuna study proposes points, the sweep computes them as lanes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import Traced, loguniform, uniform
from jaxml.errors import ConfigError
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


def named(key, *, rate: float, steps: int = 3, seeds: Traced[int]):
    """A trial whose parameters are called like the search's own."""
    return {"loss": rate * steps * seeds.astype(rate.dtype)}


def quiet_study():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))


def product_of(trial):
    return trial.params["rate"] * 5 * trial.params["seeds"]


def test_an_objective_may_reorder_its_candidates_and_parameters_may_be_called_like_arguments():
    space = {"rate": uniform(1.0, 2.0), "steps": 5, "seeds": np.array([1, 2])}
    for objective in (
        lambda r: r.loss.mean("seed").sortby(-r.loss.mean("seed")),
        lambda r: r.loss.isel(candidate=slice(None, None, -1)).mean("seed"),
        lambda r: r.loss.values.mean(-1),
    ):
        study = optimize(named, quiet_study(), objective, space, seeds=2, batch=6, steps=2)
        assert len(study.trials) == 12
        np.testing.assert_allclose([t.value for t in study.trials], [product_of(t) for t in study.trials], rtol=1e-6)


@pytest.mark.parametrize(
    ("objective", "error"),
    [
        (lambda r: r.loss, ConfigError),
        (lambda r: r.loss.mean("seed")[:2], ConfigError),
        (lambda r: r.loss.mean("seed")[[0, 0, 1]], ConfigError),
        (lambda r: {}["x"], KeyError),
        (lambda r: (_ for _ in ()).throw(KeyboardInterrupt), KeyboardInterrupt),
    ],
)
def test_nothing_is_left_running_when_a_search_stops(objective, error):
    study = quiet_study()
    with pytest.raises(error):
        optimize(named, study, objective, {"rate": uniform(1.0, 2.0), "steps": 5, "seeds": 2}, seeds=1, batch=3)
    assert [t.state.name for t in study.trials] == ["FAIL"] * 3


@pytest.mark.parametrize(
    ("space", "fixed", "message"),
    [
        ({"rate": uniform(1.0, 2.0), "seeds": 1}, {}, "'steps' is a parameter of the trial and an argument"),
        ({"rate": 1.0, "seeds": 1, "steps": 5}, {}, "the space is empty"),
        (
            {"rate": uniform(1.0, 2.0), "seeds": 1, "steps": 5},
            {"rate": 1.0},
            "'rate' moves along this axis and is fixed",
        ),
    ],
)
def test_spaces_that_do_not_fit_are_named(space, fixed, message):
    study = quiet_study()
    with pytest.raises(ConfigError, match=message):
        optimize(named, study, lambda r: r.loss.mean("seed"), space, seeds=1, batch=2, **fixed)
    assert not [t for t in study.trials if t.state.name == "RUNNING"]
