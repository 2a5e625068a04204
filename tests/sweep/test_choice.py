"""Traced choices: one program for all names, which everything outside of the trial sees as text."""

import json
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import Traced, select, sweep
from jaxml.errors import ConfigError, TrialError
from jaxml.sweep.choice import Choice
from jaxml.sweep.points import Points
from jaxml.sweep.signature import schema_of
from jaxml.sweep.store import open_results

NAMES = ["plain", "twice", "minus"]


def trial(key: jax.Array, *, x: float = 1.0, way: Traced[Literal["plain", "twice", "minus"]] = "twice"):
    """One value in three ways, with noise."""
    noise = jax.random.normal(key)
    pair = select(way, {"minus": (-x, jnp.zeros(2)), "plain": (x, jnp.ones(())), "twice": (2 * x, jnp.full((2,), 2.0))})
    return {
        "y": pair[0] + noise,
        "second": jnp.sum(jnp.asarray(pair[1])) + jnp.where(way == "minus", 5.0, 0.0),
        "other": way != "plain",
    }


def test_names_are_lanes_of_one_program_and_labels_of_the_results(tmp_path):
    results = sweep(trial, seeds=3, x=[1.0, 2.0], way=NAMES, store=tmp_path / "r.zarr")
    assert results.attrs["compiles"] == 1
    assert results.way.values.tolist() == NAMES
    y = results.y
    np.testing.assert_allclose(
        y.sel(way="twice") - y.sel(way="plain"), results.x.values[:, None] * np.ones((2, 3)), rtol=1e-6
    )
    np.testing.assert_allclose(
        y.sel(way="plain") - y.sel(way="minus"), 2 * results.x.values[:, None] * np.ones((2, 3)), rtol=1e-6
    )
    assert results.second.isel(x=0, seed=0).values.tolist() == [2.0, 4.0, 5.0]
    assert results.other.isel(x=0, seed=0).values.tolist() == [False, True, True]
    assert open_results(tmp_path / "r.zarr").way.values.tolist() == NAMES
    grown = sweep(trial, seeds=3, x=[1.0, 2.0, 3.0], way=NAMES, store=tmp_path / "r.zarr")
    np.testing.assert_array_equal(grown.y[:2], y)


def test_a_choice_is_fixed_defaulted_and_pinned_by_points():
    one = sweep(trial, seeds=2, x=1.0, way="minus").y
    points = Points(trial, schema_of(trial), {"way": "minus"}, ["x"])([(1.0,), (4.0,)], range(2)).y
    np.testing.assert_array_equal(points[0], one)
    np.testing.assert_allclose(sweep(trial, seeds=2, x=1.0).y - one, 3.0)
    both = Points(trial, schema_of(trial), {"x": 1.0}, ["way"])([("minus",), ("twice",)], range(2)).y
    np.testing.assert_allclose(both[1] - both[0], 3.0)


def test_by_hand_a_trial_takes_the_name_itself():
    pair = trial(jax.random.key(0), way="plain")
    assert pair["y"] > trial(jax.random.key(0), way="minus")["y"]
    by_hand = trial(jax.random.key(0), way="twice")
    choice = Choice(jnp.asarray(1), tuple(NAMES))
    as_lane = jax.jit(lambda c: trial(jax.random.key(0), way=c))(choice)
    np.testing.assert_allclose(by_hand["y"], as_lane["y"], rtol=1e-6)


def test_names_that_are_none_of_the_choices_are_refused():
    with pytest.raises(ConfigError, match=r"sweep.way: 'twise' is not allowed. Did you mean 'twice'"):
        sweep(trial, seeds=1, way=["plain", "twise"])
    choice = Choice(jnp.asarray(0), ("a", "b"))
    with pytest.raises(TrialError, match=r"'c' is none of the choices. Known: a, b"):
        _ = choice == "c"
    for values in ({"a": 1.0}, {"a": 1.0, "b": 2.0, "c": 3.0}):
        with pytest.raises(TrialError, match=r"select: expected a value for each of \['a', 'b'\]"):
            select(choice, values)
    with pytest.raises(TrialError, match="select: there is no value for 'c'"):
        select("c", {"a": 1.0})


def test_a_run_is_replayed_and_searched_with_a_choice(tmp_path):
    import jaxml
    from jaxml.explore.falsify import falsify
    from jaxml.runner.replay import replay

    for folder in ("experiments", "configs"):
        (tmp_path / folder).mkdir()
    source = (
        "from typing import Literal\nimport jax\nfrom jaxml import Experiment, Traced, select\n\n"
        'def trial(key, *, x: float = 1.0, way: Traced[Literal["plain", "minus"]] = "plain"):\n'
        '    return {"y": select(way, {"plain": x, "minus": -x}) * (1 + 0.01 * jax.random.normal(key))}\n\n'
        "experiment = Experiment(trial=trial)\n"
    )
    (tmp_path / "experiments/toy.py").write_text(source)
    config = {
        "experiment": "toy",
        "title": "Toy",
        "sweep": {"x": [0.5, 1.0], "way": ["plain", "minus"]},
        "seeds": 8,
        "looks": [8],
        "claims": {
            "up": {
                "statement": "Plain is higher.",
                "quantifier": "reference",
                "reference": {"x": 1.0},
                "metric": "y",
                "arms": {"claimed": {"way": "plain"}, "against": {"way": "minus"}},
                "margin": {"value": 1.5, "reason": "as far as it matters"},
                "controls": {
                    "negative": [{"name": "small", "where": {"x": 0.5}}],
                    "positive": [{"name": "itself", "where": {"x": 1.0}}],
                },
            }
        },
        "domain": {"up": {"axes": {"x": {"low": 0.5, "high": 2.0}}}},
    }
    (tmp_path / "configs/toy.yaml").write_text(json.dumps(config))
    run = jaxml.run(tmp_path / "configs/toy.yaml", runs=tmp_path / "runs")
    assert run.verdicts.words == {"up": "supported"}
    rows = replay(run.directory, {"x": 0.5, "way": "minus", "seed": 3}, tmp_path)
    assert rows["y"]["difference"] < 1e-6
    (report,) = falsify(tmp_path / "configs/toy.yaml", points=32)
    assert report.found is not None
    assert report.gradient.startswith("least effect")
