"""The laws that every op obeys, each as one function that raises when the law is broken."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

PLATFORMS = ("cpu", "cuda", "tpu")


def assert_close(actual: Any, expected: Any, *, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Two pytrees agree leaf by leaf, shapes and dtypes of shapes included."""
    actual_leaves, expected_leaves = jax.tree.leaves(actual), jax.tree.leaves(expected)
    assert len(actual_leaves) == len(expected_leaves)
    for a, e in zip(actual_leaves, expected_leaves, strict=True):
        assert np.shape(a) == np.shape(e)
        np.testing.assert_allclose(np.asarray(a, np.float64), np.asarray(e, np.float64), rtol=rtol, atol=atol)


def compiled(fn: Callable) -> Callable:
    """`fn` under `jax.jit`, and itself if it was, so that laws and tests share traces and programs."""
    whole = fn.func if isinstance(fn, functools.partial) else fn
    return fn if hasattr(whole, "lower") else jax.jit(fn)


def jit_equals_eager(fn: Callable, *args: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Compiling changes nothing but rounding; call it on one small shape, since eager operations compile one by one."""
    assert_close(jax.jit(fn)(*args), fn(*args), rtol=rtol, atol=atol)


def vmap_equals_loop(fn: Callable, *batched: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Each lane of a vmap equals the call on that lane alone."""
    alone = compiled(fn)
    together = jax.jit(jax.vmap(fn))(*batched)
    together, batched = jax.tree.map(_host, (together, batched))
    for lane in range(jax.tree.leaves(batched)[0].shape[0]):
        pick = lambda leaf, lane=lane: leaf[lane]  # noqa: E731
        assert_close(jax.tree.map(pick, together), alone(*jax.tree.map(pick, batched)), rtol=rtol, atol=atol)


def _host(leaf: jax.Array) -> Any:
    """The same numbers where taking a lane compiles nothing; keys must stay where they are."""
    return leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else np.asarray(leaf)


def derivatives_match(fn: Callable, *args: Any, order: int = 2, rtol: float = 1e-4, atol: float = 1e-4) -> None:
    """Forward and reverse derivatives up to `order` equal central differences; call it in float64.

    Those of higher order are the first derivatives of the forward derivative along a random direction and of the
    reverse derivative under random weights, which join the values of `fn`: one program tests all.
    """
    for level in range(order - 1):
        fn = _with_derivatives(fn, args, 2 * level)
    _first_derivatives_match(fn, args, rtol=rtol, atol=atol)


def gradients_match(fn: Callable, *args: Any, rtol: float = 1e-4, atol: float = 1e-4) -> None:
    """As `derivatives_match` for `fn` and its gradient: two orders in a third of the program."""
    weights = _random_like(2, jax.eval_shape(fn, *args))

    def with_gradient(*x):
        value, pull = jax.vjp(fn, *x)
        return value, pull(weights)

    _first_derivatives_match(with_gradient, args, rtol=rtol, atol=atol)


def hessian_matches(fn: Callable, *args: Any, rtol: float = 1e-4, atol: float = 1e-4) -> None:
    """The gradient under random weights and its forward derivative equal central differences.

    For ops without a rule of their own: their other second derivatives follow by JAX's. One small program is called at
    every point, since compiling takes the time.
    """
    weights, direction = _random_like(2, jax.eval_shape(fn, *args)), ravel_pytree(_random_like(10, args))[0]
    start, unravel = ravel_pytree(args)

    @jax.jit
    def derivatives(x):
        def gradient(x):
            total, pull = jax.vjp(lambda x: jnp.vdot(*(ravel_pytree(t)[0] for t in (fn(*unravel(x)), weights))), x)
            return pull(jnp.ones_like(total))[0], total

        first, second, total = jax.jvp(gradient, (x,), (direction,), has_aux=True)
        return total, first, second

    def difference(which, along):
        ahead, behind = (derivatives(start + step * along)[which] for step in (1e-5, -1e-5))
        return np.asarray(ahead - behind) / 2e-5

    _, first, second = derivatives(start)
    assert_close(
        first, np.array([difference(0, np.eye(start.size)[i]) for i in range(start.size)]), rtol=rtol, atol=atol
    )
    assert_close(second, difference(1, direction), rtol=rtol, atol=atol)


def _with_derivatives(fn: Callable, args: tuple, seed: int) -> Callable:
    direction, weights = _random_like(seed, args), _random_like(seed + 1, jax.eval_shape(fn, *args))
    return lambda *x: (*jax.jvp(fn, x, direction), jax.vjp(fn, *x)[1](weights))


def _random_like(seed: int, tree: Any) -> Any:
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype), tree)


def _first_derivatives_match(fn, args, *, rtol, atol, step=1e-5) -> None:
    """Two matrix-vector products with the Jacobian against the Jacobian by central differences, in one program.

    Both modes must besides agree with each other as closely as rounding allows.
    """
    direction, weights = _random_like(10, args), _random_like(11, jax.eval_shape(fn, *args))
    start, unravel = ravel_pytree(args)

    @jax.jit
    def compare(start, direction, weights):
        moves = step * jnp.eye(start.size, dtype=start.dtype)
        points = jnp.concatenate([start[None] + moves, start[None] - moves])
        values = jax.lax.map(lambda point: ravel_pytree(fn(*unravel(point)))[0], points)
        transposed = (values[: start.size] - values[start.size :]) / (2 * step)  # one row per input
        x = unravel(start)
        pushed, pulled = jax.jvp(fn, x, direction)[1], jax.vjp(fn, *x)[1](weights)
        pushed, pulled, direction, weights = (ravel_pytree(tree)[0] for tree in (pushed, pulled, direction, weights))
        modes = weights @ pushed, pulled @ direction, jnp.abs(weights) @ jnp.abs(pushed)
        return (pushed, pulled), (direction @ transposed, transposed @ weights), modes

    derived, differences, (forward, reverse, size) = compare(start, direction, weights)
    assert_close(derived, differences, rtol=rtol, atol=atol)
    assert_close(forward, reverse, rtol=0, atol=1e-10 * (1 + float(size)))


def finite_everywhere(fn: Callable, *args: Any, argnums: int | tuple[int, ...] = 0) -> None:
    """Values, gradients and second derivatives are finite; `fn` may return any pytree of floats.

    Calls with the same `fn` share one program.
    """
    for name, value in _everything(fn, argnums)(*args).items():
        for leaf in jax.tree.leaves(value):
            assert np.isfinite(np.asarray(leaf, np.float64)).all(), f"{name} is not finite"


@functools.lru_cache(maxsize=8)
def _everything(fn: Callable, argnums: int | tuple[int, ...]) -> Callable:
    def total(tree: Any) -> jax.Array:
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(tree))

    def with_total(*x):
        value = fn(*x)
        return total(value), value

    def with_gradient(*x):
        gradient, value = jax.grad(with_total, argnums, has_aux=True)(*x)
        return total(gradient), {"value": value, "gradient": gradient}

    def with_second(*x):
        second, rest = jax.grad(with_gradient, argnums, has_aux=True)(*x)
        return {**rest, "second derivative": second}

    return jax.jit(with_second)


def rows_stand_alone(fn: Callable, rows: jax.Array) -> None:
    """A row alone gives what it gives among others, to the bit: true of what whole numbers decide."""
    together = jax.tree.map(np.asarray, fn(rows))
    for i in range(rows.shape[0]):
        for alone, among in zip(jax.tree.leaves(fn(rows[i : i + 1])), jax.tree.leaves(together), strict=True):
            np.testing.assert_array_equal(alone, among[i : i + 1])


def empty_axes(fn: Callable, arguments: dict[str, tuple[Any, str]], *, empty: str, finite: bool = True) -> None:
    """No axis of `empty` needs entries: results have shapes and are finite, gradients are 0 where nothing is left.

    Args:
        fn: called with the arguments in their order.
        arguments: per name an array and the names of its axes, such as ``"h w c"``.
        empty: the axes that may have no entries, tried one after another; afterwards a batch of no examples.
        finite: whether results are finite without entries; False where the op says that they are NaN.
    """
    arrays = [array for array, _ in arguments.values()]
    floats = [i for i, a in enumerate(arrays) if jnp.issubdtype(a.dtype, jnp.floating)]

    @jax.jit
    def everything(*arrays):
        def total(*moving):
            args = list(arrays)
            for i, value in zip(floats, moving, strict=True):
                args[i] = value
            leaves = [leaf for leaf in jax.tree.leaves(fn(*args)) if jnp.issubdtype(leaf.dtype, jnp.floating)]
            return sum((jnp.sum(jnp.square(leaf.astype(jnp.float32))) for leaf in leaves), jnp.float32(0))

        gradient = jax.grad(total, tuple(range(len(floats))))(*(arrays[i] for i in floats)) if floats else ()
        return fn(*arrays), gradient

    for axis in empty.split():
        cut = []
        for array, pattern in arguments.values():
            index = tuple(slice(0 if name == axis else None) for name in pattern.split())
            cut.append(array[index] if index else array)
        value, gradient = everything(*cut)
        for i, leaf in zip(floats, gradient, strict=True):
            assert leaf.shape == cut[i].shape
            assert not finite or np.isfinite(np.asarray(leaf, np.float64)).all(), f"gradient without {axis}"
        for leaf in jax.tree.leaves(value):
            assert not finite or np.isfinite(np.asarray(leaf, np.float64)).all(), f"not finite without {axis}"
        if all(leaf.size == 0 for leaf in jax.tree.leaves(value)):
            assert not any(np.any(np.asarray(leaf)) for leaf in gradient)
    # A batch of no examples has no numbers, only shapes, which need no compiling.
    none = [jax.ShapeDtypeStruct((0, *a.shape), a.dtype) for a in arrays]
    assert all(leaf.shape[0] == 0 for leaf in jax.tree.leaves(jax.eval_shape(jax.vmap(fn), *none)))


def lowers_everywhere(fn: Callable | jax.stages.Traced, *args: Any) -> None:
    """The op, or what was traced of it, lowers for every platform; none of those devices is needed for that."""
    traced = fn if isinstance(fn, jax.stages.Traced) else jax.jit(fn).trace(*args)
    assert "func.func public @main" in traced.lower(lowering_platforms=PLATFORMS).as_text()
