"""Draws in NumPy, bit for bit those of JAX. A key is one number of 64 bits: its two words, one after the other."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np


def random_bits(eqn: Any) -> Callable[..., Any] | None:
    width, shape = eqn.params["bit_width"], eqn.params["shape"]
    if not _threefry(eqn):
        return None
    high, low = _counts(shape)

    def bits(key: Any) -> Any:
        high_bits, low_bits = _threefry2x32(_each(key, shape), high, low)
        if width == 64:
            return (high_bits.astype(np.uint64) << np.uint64(32)) | low_bits
        return high_bits ^ low_bits

    return bits


def random_split(eqn: Any) -> Callable[..., Any] | None:
    if not _threefry(eqn):
        return None
    shape = eqn.params["shape"]
    high, low = _counts(shape)
    return lambda key: _joined(*_threefry2x32(_each(key, shape), high, low))


def fold_in(eqn: Any) -> Callable[..., Any] | None:
    return folded if _threefry(eqn) else None


def folded(key: Any, number: Any) -> Any:
    """The key with a whole number folded in, as `jax.random.fold_in` does."""
    number = np.asarray(number).astype(np.uint32)
    return _joined(*_threefry2x32(key, np.zeros_like(number), number))


def _each(key: Any, shape: Sequence[int]) -> Any:
    """Keys, each to draw an array of that shape."""
    return np.reshape(key, (*np.shape(key), *[1] * len(shape)))


def _threefry(eqn: Any) -> bool:
    return "fry" in str(eqn.invars[0].aval.dtype) and bool(jax.config.values["jax_threefry_partitionable"])


def _counts(shape: Sequence[int]) -> tuple[Any, Any]:
    count = np.arange(math.prod(shape), dtype=np.uint64).reshape(shape)
    return (count >> np.uint64(32)).astype(np.uint32), count.astype(np.uint32)


def _joined(high: Any, low: Any) -> Any:
    return (high.astype(np.uint64) << np.uint64(32)) | low


def _threefry2x32(key: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Salmon et al. (2011), Parallel random numbers: as easy as 1, 2, 3; with 20 rounds."""
    key = np.asarray(key, np.uint64)
    words = [(key >> np.uint64(32)).astype(np.uint32), key.astype(np.uint32)]
    words.append(words[0] ^ words[1] ^ np.uint32(0x1BD11BDA))
    x, y = np.asarray(x, np.uint32) + words[0], np.asarray(y, np.uint32) + words[1]
    for i in range(5):
        for turn in ((13, 15, 26, 6), (17, 29, 16, 24))[i % 2]:
            x = x + y
            y = ((y << np.uint32(turn)) | (y >> np.uint32(32 - turn))) ^ x
        x, y = x + words[(i + 1) % 3], y + words[(i + 2) % 3] + np.uint32(i + 1)
    return x, y
