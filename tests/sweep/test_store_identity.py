"""Which sweep a store belongs to: another computation is refused, other words for the same one are not."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import curve, sweep
from jaxml.errors import StoreError
from tests.sweep.stored import GRID, assert_same, trial


def with_other_code(key, *, lam: float, power: int = 1):
    draws = jax.random.normal(key, (16,))
    return {"kept": jnp.mean(jnp.abs(draws) ** power >= lam), "path": curve(draws * lam, "step")}


def refactored(key, *, lam: float, power: int = 1):
    """The same computation in other words."""
    x = jax.random.normal(key, shape=(16,))
    size = jnp.abs(x) ** power
    return {"kept": jnp.mean(size > lam), "path": curve(x * lam, "step")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trial": with_other_code}, "the code of the trial or data inside it changed, at power=1 and at power=2"),
        ({"master_key": "other"}, "master key was jaxml, now other"),
        ({"power": 1}, r"axes: 'power' was \['power'\], now absent"),
    ],
)
def test_another_sweep_is_refused(store, change, message):
    grid = {**GRID, **change}
    function = grid.pop("trial", trial)
    with pytest.raises(StoreError, match=message):
        sweep(function, store=store, **grid)


def test_an_output_that_has_another_name_now_is_another_sweep(tmp_path):
    def named(name):
        def trial(key, *, lam: float):
            return {name: lam}

        return trial

    sweep(named("a"), seeds=1, lam=[1.0], store=tmp_path / "s")
    with pytest.raises(StoreError, match="outputs at one program: 'a' was there, now it is not"):
        sweep(named("b"), seeds=1, lam=[1.0], store=tmp_path / "s")


def test_another_dtype_is_refused(store, x64):
    with pytest.raises(StoreError, match="float dtype was float32, now float64"):
        sweep(trial, store=store, **GRID)


def test_another_jax_is_refused(store):
    for file in (store / "zarr.json", store / "status/zarr.json"):
        held = json.loads(file.read_text())
        held["attributes"]["sweep"]["identity"]["jax version"] = "0.9.0"
        file.write_text(json.dumps(held))
    with pytest.raises(StoreError, match=f"jax version was 0.9.0, now {jax.__version__}"):
        sweep(trial, store=store, **GRID)


def test_a_refactored_trial_goes_on(store, reference):
    results = sweep(refactored, store=store, **GRID)
    assert results.attrs["compiles"] == 0
    assert_same(results, reference)


def test_data_inside_the_trial_belongs_to_its_identity(tmp_path):
    def with_data(values):
        data = np.asarray(values, np.float32)

        def trial(key, *, lam: float):
            return {"x": jnp.sum(data * lam)}

        return trial

    path = tmp_path / "data.zarr"
    sweep(with_data(range(500)), seeds=1, store=path, lam=[1.0])
    with pytest.raises(StoreError, match="data inside it changed"):
        sweep(with_data([*range(499), 7]), seeds=1, store=path, lam=[1.0])
