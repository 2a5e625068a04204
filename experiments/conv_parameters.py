"""Parameters of convolutions: the formula against Flax's layer, and a worked example with its loss."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.shared.convolutions import counted, shape
from jaxml import Experiment, Suite
from jaxml.nn import count_parameters
from jaxml.ops import smooth_l1

ERRORS = np.array([0.5, -2.0])


@functools.cache
def parameters_of(kernel: int, channels: int, filters: int) -> int:
    """Of Flax's convolution, from its arrays."""
    return count_parameters(nnx.eval_shape(lambda: nnx.Conv(channels, filters, (kernel, kernel), rngs=nnx.Rngs(0))))


def parameters() -> Suite:
    """Has a convolution K^2 C_in C_out weights and C_out biases?"""
    return Suite(
        subject=lambda kernel, channels, filters: kernel**2 * channels * filters + filters,
        draw=lambda generator: {n: int(generator.integers(1, 4)) for n in ("kernel", "channels", "filters")},
        valid=lambda c: min(c.values()) >= 1,
        properties={"are what Flax's layer holds": lambda f, c: (f(**c), parameters_of(**c))},
        mutants={
            "no bias": lambda kernel, channels, filters: kernel**2 * channels * filters,
            "one kernel for all channels": lambda kernel, channels, filters: kernel**2 * filters + filters,
            "a bias for each input": lambda kernel, channels, filters: kernel**2 * channels * filters + channels,
        },
    )


def worked(padding: int) -> dict[str, Any]:
    """Three filters of 3 x 3 on a map of 5 x 5 with 4 channels: what comes out, and what it takes."""
    model = nnx.Conv(4, 3, (3, 3), padding=padding, rngs=nnx.Rngs(0))
    height, width, channels = jax.eval_shape(model, shape(n=1, h=5, w=5, c=4)).shape[1:]
    cost = {"parameters": count_parameters(model), "operations": counted(height * width, 3, 4, 3, True)}
    return {"height": height, "width": width, "channels": channels} | cost


def two(losses: Any) -> dict[str, float]:
    """The losses of two errors, by name."""
    return {"at_half": float(losses[0]), "at_two": float(losses[1])}


experiment = Experiment(
    suites={"parameters": parameters},
    numbers={
        "worked": lambda: worked(1),
        "worked_without_padding": lambda: worked(0),
        "smooth_l1": lambda: two(smooth_l1(jnp.asarray(ERRORS), jnp.zeros(2))),
        "half_the_square": lambda: two(0.5 * ERRORS**2),
    },
)
