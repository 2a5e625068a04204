"""Stores that grow again and again hold what was asked for, each cell with its own value, and compute no more later."""

import itertools
import random

import numpy as np
import pytest

from jaxml.sweep.grid import zipped
from jaxml.sweep.plan import make_plan
from jaxml.sweep.signature import schema_of_source
from jaxml.sweep.store import ZarrStore, open_results
from jaxml.sweep.trace import FINITE, MISSING, STATUS, Output

SCHEMA = schema_of_source("def trial(key, *, lam: float, n: int, mu: float, kind: Literal['a', 'b']): ...", "trial.py")
OUTPUTS = {
    "value": Output((), np.dtype("f8"), ()),
    "path": Output((3,), np.dtype("i4"), ("step",)),
    STATUS: Output((), np.dtype("u1"), ()),
}
LAMS, NS, PAIRS = (0.5, 1.0, 2.0, 4.0), (1, 2), ((0.0, "a"), (1.0, "b"), (2.0, "a"))


def asked(rng):
    """Part of the grid, in any order, and how many lanes at most."""
    axes = [rng.sample(values, rng.randint(1, len(values))) for values in (LAMS, NS, PAIRS, range(-1, 3))]
    return (*axes, rng.randint(6, 60))


def value_at(lam, n, mu, kind, seed):
    """What the trial gives: no two cells alike."""
    return lam + 100 * n + 1000 * mu + 10_000 * (kind == "b") + 100_000 * seed


def identity_of(plan):
    labels = {program.label: "code" for program in plan.programs()}
    return {
        "jax version": "1",
        "device kind": "none",
        "float dtype": "float64",
        "master key": "jaxml",
        "axes": {axis.name: list(axis.parameters) for axis in plan.axes},
        "fixed": {},
        "outputs": {n: [list(o.axes), list(o.shape), str(o.dtype)] for n, o in OUTPUTS.items()},
        "outputs at": dict.fromkeys(labels, sorted(OUTPUTS)),
        "code of the trial": labels,
    }


def computed(plan, program, chunk):
    """One chunk as a compiled program gives it: static axes have length 1."""
    seeds, lanes, scalars = plan.inputs(chunk)
    moving = iter(lanes)
    columns = [next(moving) if plan.is_traced(axis) else {} for axis in plan.axes]
    sizes = [len(next(iter(column.values()))) if column else 1 for column in columns]
    value = np.empty((*sizes, len(seeds)))
    for place in np.ndindex(*value.shape):
        here = {**program.static, **scalars}
        for column, i in zip(columns, place, strict=False):
            here |= {name: values[i] for name, values in column.items()}
        value[place] = value_at(seed=seeds[place[-1]], **here)
    path = (value[..., None] * [1, 2, 3]).astype("i4")
    return {"value": value, "path": path, STATUS: np.full(value.shape, FINITE, "u1")}


def ask(path, lams, ns, pairs, seeds, lanes):
    """A sweep over part of the grid: its results, and how many cells it added."""
    pair = zipped(mu=[mu for mu, _ in pairs], kind=[kind for _, kind in pairs])
    plan = make_plan(SCHEMA, {"lam": lams, "n": ns, "pair": pair}, seeds, lanes=lanes)
    store = ZarrStore(path, plan, OUTPUTS, lambda: identity_of(plan), {})
    wanted = {tuple(program.static.items()) for program in plan.programs()}
    layout, cells = store.plan, 0
    for program in layout.programs():
        for chunk in program.chunks if tuple(program.static.items()) in wanted else ():
            missing = store.status[layout.region(chunk)] == MISSING
            if missing.any() and store.wants(layout, chunk):
                store.write(layout, chunk, computed(layout, program, chunk))
                cells += int(missing.sum())
    results = store.dataset()
    assert store.counted() == (plan.trials, plan.trials)
    store.close()
    assert not store.repaired
    return results, cells


def check(results, lams, ns, pairs, seeds):
    assert not results.nonfinite.any()
    cells = itertools.product(lams, ns, pairs, seeds)
    expected = np.array([value_at(lam, n, *pair, seed) for lam, n, pair, seed in cells])
    value, path = results.value.values, results.path.values
    np.testing.assert_array_equal(value.ravel(), expected)
    np.testing.assert_array_equal(path.reshape(-1, 3), (expected[:, None] * [1, 2, 3]).astype("i4"))


@pytest.mark.parametrize("number", range(3))
def test_stores_that_grow(tmp_path, number):
    rng = random.Random(number)
    calls = [asked(rng) for _ in range(3)]
    path, total = tmp_path / "results.zarr", 0
    for call in calls:
        results, cells = ask(path, *call)
        check(results, *call[:4])
        total += cells
    assert total == int((~open_results(path).nonfinite).sum())
    for call in calls:
        again, cells = ask(path, *call)
        check(again, *call[:4])
        assert cells == 0
