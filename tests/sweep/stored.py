"""A trial, its grid and what tests of stores ask of them."""

import jax
import jax.numpy as jnp
import xarray

from jaxml import curve, sweep
from jaxml.sweep.store import open_results


def trial(key, *, lam: float, power: int = 1):
    draws = jax.random.normal(key, (16,))
    return {"kept": jnp.mean(jnp.abs(draws) ** power > lam), "path": curve(draws * lam, "step")}


LAMS = (0.0, 0.5, 1.0, 2.0)
GRID = {"seeds": 4, "lanes": 4, "lam": LAMS, "power": [1, 2]}


def computed_by(store, **grid):
    """The results of a sweep, and how many of its cells were not taken from the store."""
    before = int((~open_results(store).nonfinite).sum()) if store.exists() else 0
    results = sweep(trial, store=store, **grid)
    return results, int((~open_results(store).nonfinite).sum()) - before, results.attrs["compiles"]


def assert_same(results, reference):
    xarray.testing.assert_allclose(results.drop_attrs(), reference.drop_attrs(), rtol=1e-6)


def cells_in(store):
    return int((~open_results(store).nonfinite).sum())
