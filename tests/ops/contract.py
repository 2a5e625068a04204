"""The laws that every op obeys, each as one function that raises when the law is broken."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads

PLATFORMS = ("cpu", "cuda", "tpu")


def assert_close(actual: Any, expected: Any, *, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Two pytrees agree leaf by leaf, shapes and dtypes of shapes included."""
    actual_leaves, expected_leaves = jax.tree.leaves(actual), jax.tree.leaves(expected)
    assert len(actual_leaves) == len(expected_leaves)
    for a, e in zip(actual_leaves, expected_leaves, strict=True):
        assert np.shape(a) == np.shape(e)
        np.testing.assert_allclose(np.asarray(a, np.float64), np.asarray(e, np.float64), rtol=rtol, atol=atol)


def jit_equals_eager(fn: Callable, *args: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Compiling changes nothing but rounding."""
    with jax.disable_jit():
        eager = fn(*args)
    assert_close(jax.jit(fn)(*args), eager, rtol=rtol, atol=atol)


def vmap_equals_loop(fn: Callable, *batched: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Each lane of a vmap equals the call on that lane alone."""
    together = jax.jit(jax.vmap(fn))(*batched)
    alone = jax.jit(fn)
    for lane in range(jax.tree.leaves(batched)[0].shape[0]):
        pick = lambda leaf, lane=lane: leaf[lane]  # noqa: E731
        assert_close(jax.tree.map(pick, together), alone(*jax.tree.map(pick, batched)), rtol=rtol, atol=atol)


def derivatives_match(fn: Callable, *args: Any, order: int = 2, rtol: float = 1e-4, atol: float = 1e-4) -> None:
    """Forward and reverse derivatives up to `order` equal central differences; call it in float64."""

    def of_arrays(*inputs: Any) -> Any:  # the differences are taken with NumPy arrays, which ops do not admit
        return fn(*jax.tree.map(jnp.asarray, inputs))

    check_grads(of_arrays, args, order=order, modes=("fwd", "rev"), rtol=rtol, atol=atol, eps=1e-5)


def gradients_match(fn: Callable, *args: Any, rtol: float = 1e-4, atol: float = 1e-4) -> None:
    """As `derivatives_match` for `fn` and then for its gradient: two orders with half the programs to compile."""
    rng = np.random.default_rng(0)
    weights = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), jax.eval_shape(fn, *args))

    def gradient(*inputs: Any) -> Any:
        def total(*inputs: Any) -> jax.Array:
            return sum(jnp.vdot(w, x) for w, x in zip(*map(jax.tree.leaves, (weights, fn(*inputs))), strict=True))

        return jax.grad(total, tuple(range(len(inputs))))(*inputs)

    derivatives_match(jax.jit(fn), *args, order=1, rtol=rtol, atol=atol)
    derivatives_match(jax.jit(gradient), *args, order=1, rtol=rtol, atol=atol)


def finite_everywhere(fn: Callable, *args: Any, argnums: int | tuple[int, ...] = 0) -> None:
    """Values, gradients and second derivatives are finite; `fn` may return any pytree of floats."""

    def total(*inputs: Any) -> jax.Array:
        leaves = jax.tree.leaves(fn(*inputs))
        return sum((jnp.sum(leaf) for leaf in leaves), jnp.zeros(()).astype(leaves[0].dtype))

    def gradient_total(*inputs: Any) -> jax.Array:
        leaves = jax.tree.leaves(jax.grad(total, argnums)(*inputs))
        return sum((jnp.sum(leaf) for leaf in leaves), jnp.zeros(()).astype(leaves[0].dtype))

    for name, value in {
        "value": fn(*args),
        "gradient": jax.grad(total, argnums)(*args),
        "second derivative": jax.grad(gradient_total, argnums)(*args),
    }.items():
        for leaf in jax.tree.leaves(value):
            assert np.isfinite(np.asarray(leaf, np.float64)).all(), f"{name} is not finite"


def lowers_everywhere(fn: Callable, *args: Any) -> None:
    """The op lowers for every platform; none of those devices is needed for that."""
    lowered = jax.jit(fn).trace(*args).lower(lowering_platforms=PLATFORMS)
    assert "func.func public @main" in lowered.as_text()
