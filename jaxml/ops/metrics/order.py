"""Sorting scores with their labels, fast on a CPU for many score vectors at once."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array


def falling_order(scores: Array, labels: Array) -> tuple[Array, Array]:
    """Indices that sort `scores` from high to low, negatives first among equals, and where equals start."""
    fixed = jax.lax.stop_gradient(scores)
    if fixed.dtype == jnp.float64:
        indices = jnp.arange(scores.size, dtype=jnp.int32)
        keys, _, order = jax.lax.sort((-fixed, labels.astype(jnp.int32), indices), num_keys=2)
        return order, changes(keys)
    return _order_of_bits(monotone_bits(fixed), labels)


def monotone_bits(scores: Array) -> Array:
    """Integers in the order of the scores, as float32; -0 ties with 0."""
    scores = scores.astype(jnp.float32)
    bits = jax.lax.bitcast_convert_type(jnp.where(scores == 0, 0, scores), jnp.int32)
    return jnp.where(bits < 0, bits ^ jnp.int32(0x7FFFFFFF), bits)


def in_pieces(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn` of arrays without derivatives, in eight pieces under `vmap`.

    XLA's CPU backend sorts the rows of one operation in turn, but runs several operations at once.
    """
    whole = jax.custom_batching.custom_vmap(fn)

    @whole.def_vmap
    def _(rows: int, batched: Sequence[bool], *args: Array) -> tuple[Any, Any]:
        piece = jax.vmap(fn, tuple(0 if mapped else None for mapped in batched))
        cuts = [rows * k // 8 for k in range(9)]
        parts = [
            piece(*(x[a:b] if mapped else x for x, mapped in zip(args, batched, strict=True)))
            for a, b in itertools.pairwise(cuts)
            if a < b or rows == 0
        ]
        out = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)
        return out, jax.tree.map(lambda _: True, out)

    return whole


@in_pieces
def _order_of_bits(rising: Array, labels: Array) -> tuple[Array, Array]:
    # XLA's CPU sort of several operands, or of floats, is several times slower than a stable sort of one integer. So
    # the score's bits go into the high half of a 64-bit integer, label and index into the low half.
    indices = jnp.arange(rising.size, dtype=jnp.int32)
    with jax.enable_x64(True):
        low = labels.astype(jnp.int64) << 31 | indices.astype(jnp.int64)
        packed = jax.lax.sort(~rising.astype(jnp.int64) << 32 | low, is_stable=True)
        return packed.astype(jnp.int32) & jnp.int32(0x7FFFFFFF), changes((packed >> 32).astype(jnp.int32))


def changes(keys: Array) -> Array:
    return jnp.concatenate([jnp.ones(min(1, keys.size), bool), keys[1:] != keys[:-1]])
