"""Lanes and static points that fail: kept, marked and named, and nobody goes with them."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import curve, sweep
from jaxml.sweep.block import Block
from jaxml.sweep.store import open_results


def test_lanes_that_end_nonfinite_are_kept_and_marked():
    def trial(key, *, x: float):
        return {"root": jnp.sqrt(x), "path": curve(x / jnp.arange(-1.0, 2.0), "step"), "count": jnp.int32(x)}

    results = sweep(trial, seeds=2, x=[-1.0, 0.0, 4.0])
    assert results.nonfinite.all()
    assert np.isnan(results.root.sel(x=-1)).all()
    np.testing.assert_array_equal(results.path.sel(x=4.0, seed=0), [-4, np.inf, 4])

    def clean(key, *, x: float):
        return {"root": jnp.sqrt(x)}

    np.testing.assert_array_equal(sweep(clean, seeds=1, x=[-1.0, 0.0, 4.0]).nonfinite[:, 0], [True, False, False])


def test_a_static_point_may_leave_out_a_float():
    def trial(key, *, n: int):
        return {"a": jnp.float32(n), **({"b": jnp.float32(2)} if n == 2 else {})}

    results = sweep(trial, seeds=2, n=[1, 2])
    np.testing.assert_array_equal(results.b.isel(seed=0), [np.nan, 2])
    assert not results.nonfinite.any()


def test_the_first_bad_step_of_a_curve_is_recorded():
    def trial(key, *, rate: float):
        steps = jnp.arange(50, dtype=jnp.float32)
        return {"loss": curve(jnp.exp(rate * steps), "step"), "final": jnp.float32(1)}

    results = sweep(trial, seeds=2, rate=[0.0, 2.0, 10.0])
    overflow = np.log(np.finfo(np.float32).max)
    np.testing.assert_array_equal(results.nonfinite_step[:, 0], [-1, np.ceil(overflow / 2), np.ceil(overflow / 10)])
    np.testing.assert_array_equal(results.nonfinite[:, 1], [False, True, True])


def test_a_static_point_that_fails_takes_nobody_with_it():
    def trial(key, *, lam: float, n: int):
        return {"x": lam * jnp.ones((4, 4)).reshape(n, -1).sum()}

    with pytest.warns(RuntimeWarning, match=r"1 static point failed: n=3: .*test_failures.py, line \d+\)$"):
        results = sweep(trial, seeds=2, lam=[1.0, 2.0], n=[2, 3, 4])
    assert len(results.attrs["failures"]) == 1
    np.testing.assert_array_equal(results.nonfinite.isel(seed=0, lam=0), [False, True, False])
    np.testing.assert_array_equal(results.x.sel(n=4, seed=0), [16, 32])
    assert np.isnan(results.x.sel(n=3)).all()
    with pytest.raises(TypeError, match="reshape"):
        sweep(trial, seeds=2, lam=[1.0, 2.0], n=[3, 5])


@pytest.mark.parametrize("stored", [False, True])
def test_what_could_not_be_computed_is_nan_in_every_dtype(tmp_path, stored):
    def trial(key, *, n: int):
        if n == 2:
            raise ValueError("no 2")
        step = jnp.arange(3) + n
        outputs = {"count": n, "byte": jnp.uint8(n), "flag": jnp.asarray(True), "wave": jnp.complex64(n + 1j)}
        outputs |= {
            "half": jnp.float16(n),
            "brain": jnp.bfloat16(n + 0.5),
            "tiny": jnp.int4(n),
            "steps": curve(step, "step"),
        }
        return outputs

    store = tmp_path / "results.zarr" if stored else None
    with pytest.warns(RuntimeWarning, match="n=2: ValueError: no 2"):
        results = sweep(trial, seeds=2, n=[1, 2, 4], store=store)
    if stored:
        results = open_results(store)
    good = {"count": 4, "byte": 4, "flag": 1, "wave": 4 + 1j, "half": 4, "brain": 4.5, "tiny": 4}
    for name, value in good.items():
        assert np.isnan(results[name].sel(n=2)).all(), name
        assert (results[name].sel(n=4) == value).all(), name
    np.testing.assert_array_equal(results["count"].mean("seed"), [1, np.nan, 4])
    np.testing.assert_array_equal(results.steps.isel(seed=0), [[1, 2, 3], [np.nan] * 3, [4, 5, 6]])
    np.testing.assert_array_equal(results.nonfinite.isel(seed=0), [False, True, False])
    frame = results.drop_dims("step").drop_vars("wave").to_dataframe()  # what a CSV file holds
    assert frame["count"].mean() == 2.5
    whole = sweep(trial, seeds=2, n=[1, 4], store=store)  # nothing is missing: the dtypes are the trial's own
    kinds = {"count": "i4", "byte": "u1", "flag": "?", "wave": "c8", "half": "f2", "brain": "f4", "tiny": "i1"}
    assert {name: whole[name].dtype for name in kinds} == {name: np.dtype(kind) for name, kind in kinds.items()}


def test_a_static_point_that_fails_while_running(monkeypatch):
    def trial(key, *, lam: float, power: int):
        return {"x": lam**power}

    compute = Block.compute

    def failing(self, chunk):
        if self.plan.static_of(chunk)["power"] == 3:
            raise RuntimeError("the device caught fire")
        return compute(self, chunk)

    monkeypatch.setattr(Block, "compute", failing)
    with pytest.warns(RuntimeWarning, match="power=3: RuntimeError: the device caught fire"):
        results = sweep(trial, seeds=2, lam=[1.0], power=[1, 3])
    assert results.nonfinite.sel(power=3).all()
    assert not results.nonfinite.sel(power=1).any()
