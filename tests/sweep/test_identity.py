"""What identifies a trial: every operation, constant and function that its numbers depend on, and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.custom_batching import custom_vmap

import jaxml
from jaxml.errors import TrialError
from jaxml.ops import roi_align
from jaxml.sweep.block import identify
from jaxml.sweep.identity import is_plain
from jaxml.sweep.plan import make_plan
from jaxml.sweep.signature import schema_of
from jaxml.sweep.trace import master_key, trace

SCALE = 2.0


def traced(compute):
    def trial(key, *, lam: float):
        return {"y": compute(key, lam)}

    plan = make_plan(schema_of(trial), {"lam": [0.5, 1.0]}, 2)
    return trace(trial, plan, plan.programs()[0], master_key(0)), plan


def identity(compute):
    return identify(*traced(compute))


def drawing(key):
    return lambda _, lam: lam * jax.random.normal(key)


def calling(function):
    return lambda _, lam: jax.pure_callback(
        function, jax.ShapeDtypeStruct((), jnp.float32), lam, vmap_method="expand_dims"
    )


def ruled(factor):
    @custom_vmap
    def twice(x):
        return 2.0 * x

    @twice.def_vmap
    def _(size, batched, x):
        return factor * x, True

    return lambda _, lam: twice(lam)


def scaled_by(factor):
    return lambda x: np.float32(factor) * x


def scaled_by_global(x):
    return np.float32(SCALE) * x


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (drawing(jax.random.key(0)), drawing(jax.random.key(1))),
        (lambda _, lam: lam + jnp.arange(3.0)[1], lambda _, lam: lam + jnp.arange(3.0)[2]),
        (lambda _, lam: lam + np.arange(3.0, dtype="f")[1:].sum(), lambda _, lam: lam + np.float32(4)),
        (lambda _, lam: jnp.sum(lam * np.array([1, 2], "f")), lambda _, lam: jnp.sum(lam * np.array([1, 3], "f"))),
        (ruled(2.0), ruled(3.0)),
        (calling(scaled_by(2)), calling(scaled_by(3))),
        (calling(lambda x: x + 1), calling(lambda x: x - 1)),
        (calling(np.sin), calling(np.cos)),
    ],
)
def test_what_computes_something_else_is_something_else(one, other):
    assert identity(one) == identity(one)
    assert identity(one) != identity(other)


def test_a_callback_is_known_by_the_globals_that_it_names(monkeypatch):
    before = identity(calling(scaled_by_global))
    assert identity(calling(scaled_by_global)) == before
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert identity(calling(scaled_by_global)) != before


def test_names_and_jitted_helpers_leave_it_alone():
    def helper(x, c):
        return c * jnp.sin(x)

    @jax.jit
    def renamed(y, k):
        return k * jnp.sin(y)

    inline = identity(lambda _, lam: jnp.float32(2) * jnp.sin(lam) + 1)
    assert identity(lambda _, lam: helper(lam, jnp.float32(2)) + 1) == inline
    assert identity(lambda _, lam: jax.jit(helper)(lam, jnp.float32(2)) + 1) == inline
    assert identity(lambda _, lam: renamed(lam, jnp.float32(2)) + 1) == inline


def test_a_key_made_inside_is_known_by_its_number_and_kind():
    def made(seed, kind):
        return identity(lambda key, lam: lam * jax.random.normal(jax.random.key(seed, impl=kind)))

    assert made(0, "threefry2x32") == made(0, "threefry2x32") != made(1, "threefry2x32")


def test_a_loop_is_known_by_its_body():
    def looped(step):
        return lambda _, lam: jax.lax.fori_loop(0, 3, lambda i, x: x * step, lam)

    assert identity(looped(2.0)) == identity(looped(2.0))
    assert identity(looped(2.0)) != identity(looped(3.0))


def test_a_primitive_of_another_package_is_known_by_what_it_lowers_to():
    def pooled(_, lam):
        box = jnp.asarray([[0.0, 0.0, 4.0, 4.0]])
        return roi_align(lam * jnp.ones((6, 6, 1)), box, output_size=2, implementation="gather").sum()

    found, _ = traced(pooled)
    assert is_plain(traced(drawing(jax.random.key(0)))[0].jaxpr)
    assert not is_plain(found.jaxpr)
    assert identity(pooled) == identity(pooled)


def test_a_trial_that_cannot_be_identified_gets_no_store(tmp_path):
    held = object()

    def trial(key, *, lam: float):
        def opaque(x):
            return x if held else -x

        return {"y": calling(opaque)(key, lam)}

    assert jaxml.sweep(trial, seeds=2, lam=[0.5]).y.values.tolist() == [[0.5, 0.5]]
    with pytest.raises(TrialError, match=r"cannot recognise .* 'pure_callback' holds builtins.object"):
        jaxml.sweep(trial, seeds=2, lam=[0.5], store=tmp_path / "results.zarr")


def test_a_store_refuses_the_draws_of_another_key(tmp_path):
    def trial_with(key):
        def trial(_, *, lam: float):
            return {"y": lam * jax.random.normal(key)}

        return trial

    jaxml.sweep(trial_with(jax.random.key(0)), seeds=2, lam=[0.5], store=tmp_path / "results.zarr")
    with pytest.raises(jaxml.errors.StoreError, match="code of the trial or data"):
        jaxml.sweep(trial_with(jax.random.key(1)), seeds=2, lam=[0.5], store=tmp_path / "results.zarr")
