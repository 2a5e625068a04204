"""Single steps of batch norm, and the batches that they are put to."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxml.ops import BatchNormState, NormParams, batch_norm

Case = dict[str, Any]
Step = Callable[..., tuple[Any, Any, Any]]
"""`step(x, scale, bias, mean, var, share)`: the output and the new running mean and variance, channels last."""
CHANNELS, EPS = 2, 1e-5


def norm(*, convention: Any, training: bool = True) -> Step:
    """Batch norm that moves its running statistics by a `share` of the way to those of the batch."""

    def step(x: Any, scale: Any, bias: Any, mean: Any, var: Any, share: Any) -> tuple[Any, Any, Any]:
        momentum = share if convention == "torch" else 1 - share
        params, state = NormParams(scale[None], bias[None]), BatchNormState(mean[None], var[None])
        options: dict[str, Any] = {"momentum": momentum, "eps": EPS, "convention": convention}
        y, moved = batch_norm(x, params, state, training=training, **options)
        return y, moved.mean[0], moved.var[0]

    return jax.jit(step)


def batch(generator: np.random.Generator, size: int) -> Case:
    """A batch of some rows, scale and shift, running statistics, and the share that is new."""
    spread, new = 10.0 ** generator.uniform(-1, 1), generator.normal
    return {
        "x": new(size=CHANNELS) * spread + spread * new(size=(size, CHANNELS)),
        "scale": new(size=CHANNELS),
        "bias": new(size=CHANNELS),
        "mean": new(size=CHANNELS),
        "var": generator.uniform(0.1, 2.0, CHANNELS),
        "share": float(generator.choice([0.0, 1.0, generator.uniform()])),
    }


def in_domain(share: Any, x: Any, var: Any) -> bool:
    """At least two rows, variances above 0 and a share of at most all."""
    return len(x) >= 2 and min(var) > 0 and 0 <= share <= 1


def close(c: Case, actual: Any, expected: Any) -> tuple[Any, Any, float]:
    """To be compared at the size of what goes into the batch, its square among it."""
    largest = 1 + max(float(np.max(np.abs(value))) for value in c.values())
    return np.asarray(actual), np.asarray(expected), largest**2 / np.sqrt(EPS)
