"""Programs checked while they run: what a compiler gets wrong stops a sweep, what rounding does never."""

import os
import platform
import subprocess
import sys

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
import pytest

import jaxml
from jaxml.errors import RunError
from jaxml.sweep import check
from jaxml.sweep.block import Block
from jaxml.sweep.check import check_lanes
from jaxml.sweep.plan import make_plan
from jaxml.sweep.signature import schema_of
from jaxml.sweep.trace import master_key, trace

RATES = [1.5, 2.5, 2.8, 3.9]


def trial(key, *, rate: float):
    """A logistic map, which rounding moves by nothing at low rates and by everything at 3.9, and a sum."""
    start = jax.random.uniform(key, (4,), minval=0.2, maxval=0.8)

    def step(x, _):
        x = rate * x * (1 - x)
        return x, x.mean()

    end, path = jax.lax.scan(step, start, None, length=100)
    return {"end": end[0], "path": jaxml.curve(path, "step"), "sum": rate * start.sum(), "high": (start > 0.5).sum()}


@pytest.fixture(scope="module")
def program():
    plan, key = make_plan(schema_of(trial), {"rate": RATES}, 4), master_key(0)
    return trace(trial, plan, plan.programs()[0], key), plan, key


@pytest.fixture(scope="module")
def right(program):
    """The lanes in float64, from the same draws."""
    traced, _, key = program
    out = {name: np.zeros((4, 4, *o.shape), o.dtype) for name, o in traced.outputs.items()}
    for j in range(4):
        x = np.asarray(jax.random.uniform(jax.random.fold_in(key, j), (4,), minval=0.2, maxval=0.8), np.float64)
        for i, rate in enumerate(RATES):
            y, out["sum"][i, j], out["high"][i, j] = x, rate * x.sum(), (x > 0.5).sum()
            for k in range(100):
                y = rate * y * (1 - y)
                out["path"][i, j, k] = y.mean()
            out["end"][i, j] = y[0]
    return out


def checked(program, values):
    traced, plan, key = program
    return check_lanes(traced, plan, key, traced.program.chunks[0], values)


def test_rounding_is_no_error_even_where_it_decides(program, right):
    found = checked(program, right)
    assert found.lanes == check.LANES
    assert found.sensitive >= 1  # at 3.9 float64 and float32 part after 50 steps


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("sum", lambda v: v * 1.17),
        ("sum", lambda v: np.full_like(v, 1e33)),
        ("sum", lambda v: np.full_like(v, np.nan)),
        ("path", lambda v: v * 0.71),
        ("high", lambda v: v + 5),
        ("sum", lambda v: np.where(np.arange(16).reshape(4, 4) == 15, 0.5, v)),
    ],
)
def test_what_is_off_by_more_than_rounding_stops_the_run(program, right, name, wrong):
    with pytest.raises(RunError, match=rf"gives {name}.* at rate=.*seed=\d.*compiled alone"):
        checked(program, right | {name: wrong(right[name]).astype(right[name].dtype)})


def test_a_sweep_checks_each_program_and_keeps_nothing_of_a_wrong_one(tmp_path, monkeypatch):
    def doubled(key, *, lam: float, times: int = 1):
        return {"y": lam * times * jax.random.normal(key, (5,)).sum()}

    def wrong(self, chunk):
        return {name: values * (2 if name == "y" else 1) for name, values in compute(self, chunk).items()}

    asked, compute = {"seeds": 4, "lam": [0.5, 1.0], "times": [1, 2]}, Block.compute
    monkeypatch.setattr(check, "SHARE", 0.0)
    assert jaxml.sweep(doubled, **asked).attrs["checked_programs"] == 0  # nothing to pay for it
    monkeypatch.setattr(check, "SHARE", np.inf)
    results = jaxml.sweep(doubled, **asked, store=tmp_path / "right.zarr")
    assert results.attrs["checked_programs"] == 2
    monkeypatch.setattr(Block, "compute", wrong)
    with pytest.raises(RunError, match="One of the two is wrong"):
        jaxml.sweep(doubled, **asked, store=tmp_path / "wrong.zarr")
    monkeypatch.setattr(Block, "compute", compute)
    np.testing.assert_array_equal(jaxml.sweep(doubled, **asked, store=tmp_path / "wrong.zarr").y, results.y)


def test_what_agrees_costs_no_compilation(program, right, monkeypatch):
    monkeypatch.setattr(check, "_compiled", lambda *_: pytest.fail("compiled"))
    found = checked(program, right)
    assert (found.lanes, found.sensitive) == (check.LANES, 1)  # at 3.9 the moves explain it


def test_a_slip_of_numpys_stops_no_run(program, right, monkeypatch):
    """The compiler's other path has the last word, and is all there is where NumPy gives up."""
    unlike = lambda self, *_: [np.asarray(v) * 2 for v in compute(self, *_)]  # noqa: E731
    compute = check.Numeric.__call__
    monkeypatch.setattr(check.Numeric, "__call__", unlike)
    assert checked(program, right).lanes == check.LANES
    monkeypatch.setattr(check.Numeric, "__call__", lambda *_: 1 / 0)
    assert checked(program, right).lanes == check.LANES


def test_a_tie_compiles_nothing_that_cannot_be_afforded_and_a_wrong_program_does(program, right, monkeypatch):
    traced, plan, key = program
    tie, wrong = right["high"].copy(), right["high"] + 5
    tie[3, 3] += 5  # the last lane only
    afforded = {"seconds": np.inf, "first": 30.0, "compiling": 1e9}
    with pytest.raises(RunError, match="gives high"):
        check_lanes(traced, plan, key, traced.program.chunks[0], right | {"high": wrong}, **afforded)
    monkeypatch.setattr(check, "_compiled", lambda *_: pytest.fail("compiled"))
    found = check_lanes(traced, plan, key, traced.program.chunks[0], right | {"high": tie}, **afforded)
    assert found.sensitive >= 1


def test_a_check_ends_with_its_time(program, right):
    traced, plan, key = program
    allowed = {"seconds": 0.0, "first": 0.0, "compiling": 10.0}
    assert check_lanes(traced, plan, key, traced.program.chunks[0], right, **allowed).lanes == 0


def test_many_draws_leave_a_check_its_say():
    """A uniform draw moved beyond its interval would make every move NaN, and then nothing could be off."""

    def draws(key, *, lam: float):
        return {"y": lam * jax.random.normal(key, (300_000,)).max(), "z": jax.random.gumbel(key, (300_000,)).max()}

    plan, key = make_plan(schema_of(draws), {"lam": [1.0, 2.0]}, 1), master_key(0)
    traced = trace(draws, plan, plan.programs()[0], key)
    values = {name: np.zeros((2, 1, *o.shape), o.dtype) for name, o in traced.outputs.items()}
    for i, lam in enumerate([1.0, 2.0]):
        for name, value in draws(jax.random.fold_in(key, 0), lam=lam).items():
            values[name][i, 0] = value
    program = (traced, plan, key)
    assert checked(program, values).sensitive == 0
    for name in ("y", "z"):
        with pytest.raises(RunError, match=f"gives {name} "):
            checked(program, values | {name: values[name] * np.float32(1.17)})


def test_a_trial_that_counts_in_64_bits_inside_is_checked():
    """As `roc_auc` does, whatever the precision of the sweep."""

    def counted(key, *, lam: float):
        x = jax.random.normal(key, (50,))
        with jax.enable_x64(True):
            bits = jax.lax.scan(lambda s, v: (s + (v.astype(jnp.int64) << 33), None), jnp.int64(0), x > 0)[0]
            share = (bits >> 33).astype(jnp.float32)
        return {"y": lam * x.sum(), "share": share}

    plan, key = make_plan(schema_of(counted), {"lam": [1.0, 2.0]}, 1), master_key(0)
    traced = trace(counted, plan, plan.programs()[0], key)
    x = np.asarray(jax.random.normal(jax.random.fold_in(key, 0), (50,)))
    values = {"y": np.array([[x.sum()], [2 * x.sum()]], "f"), "share": np.full((2, 1), (x > 0).sum(), "f")}
    assert checked((traced, plan, key), values).lanes == 2
    with pytest.raises(RunError, match="gives share "):
        checked((traced, plan, key), values | {"share": values["share"] * np.float32(1.17)})


def test_the_spread_is_of_the_moves_that_stay_finite():
    moved = np.array([[np.nan, 1.0], [1.0, 1.0], [1.001, 1.0]] * 5)
    spread = check._spread(moved, np.array([1.0, 1.0]))
    np.testing.assert_allclose(spread, [0.001, 0.0], atol=1e-12)
    assert np.isinf(check._spread(np.full((15, 1), np.nan), np.ones(1))).all()


MISCOMPILED = """
import jax, jax.numpy as jnp, numpy as np
from jaxml.sweep import block
from jaxml.sweep.check import check_lanes
from jaxml.sweep.plan import make_plan
from jaxml.sweep.signature import schema_of
from jaxml.sweep.trace import master_key, trace

def weighted(key, *, x: float):
    a = jnp.full(20, x / 20)
    return {"y": jnp.einsum("w,w->", jnp.einsum("h,hw->w", a, jnp.ones((20, 20))), a)}

block.compile_program = lambda lowered, options: lowered.compile(compiler_options=options)  # as XLA has it
plan, key = make_plan(schema_of(weighted), {"x": np.linspace(1, 2, 256).tolist()}, 1), master_key(0)
traced = trace(weighted, plan, plan.programs()[0], key)
chunk = traced.program.chunks[0]
values = block.compile_block(traced, plan, key).compute(chunk)
print(values["y"][0, 0])
check_lanes(traced, plan, key, chunk, values)
"""


@pytest.mark.skipif(
    jaxlib.version.__version_info__ != (0, 10, 2) or platform.machine() != "x86_64", reason="XLA errs in 0.10.2"
)
def test_what_xla_gets_wrong_stops_the_run():
    """Two sums of products in a row with a constant, its fusion left on: 0.05 instead of 1."""
    env = os.environ | {"XLA_FLAGS": ""}
    ran = subprocess.run([sys.executable, "-c", MISCOMPILED], env=env, capture_output=True, text=True, check=False)
    assert abs(float(ran.stdout) - 1) > 0.1  # it errs
    assert "the same lane compiled alone by another path gives 4, and" in ran.stderr.splitlines()[-1]


def test_loops_of_a_batch_are_looked_at_a_second_time_too():
    """A `while` under vmap goes on for each lane until its own condition fails."""
    from jaxml.sweep.perturb import perturbed

    def one(x):
        return jax.lax.while_loop(lambda s: s[0] < x, lambda s: (s[0] * 1.5, s[1] + 1), (jnp.ones(()), jnp.int32(0)))

    x = jnp.asarray([1.0, 10.0, 100.0])
    closed = jax.make_jaxpr(jax.vmap(one))(x)
    still, moved = (perturbed(closed)(np.uint32(1), np.float32(size), closed.consts, x) for size in (0.0, 1.0))
    grown, steps = jax.vmap(one)(x)
    np.testing.assert_array_equal(still[0], grown)
    np.testing.assert_array_equal(still[1], steps)
    np.testing.assert_allclose(moved[0], grown, rtol=1e-4)
    assert (np.asarray(moved[0][1:]) != np.asarray(grown[1:])).all()
