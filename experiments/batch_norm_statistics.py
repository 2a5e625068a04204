"""What batch norm makes of the mean and the variance of a batch, in the conventions of Flax and of torch, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from experiments.shared.batch_norm import CHANNELS, Step, batch, close, in_domain, norm
from jaxml import Experiment, Suite
from jaxml.ops import batch_norm, init_batch_norm

Case = dict[str, Any]


def edited(step: Step, edit: Callable[[Case, Any, Any, Any], tuple[Any, Any, Any]]) -> Step:
    """A step whose results are changed, given what it was given."""
    return lambda **case: edit(case, *step(**case))


def averages(*, unbiased: bool) -> Suite:
    """Do the running statistics move a share of the way to the mean and the variance of the batch?"""
    ddof = int(unbiased)
    step = norm(convention="torch" if unbiased else "flax")
    tracked: Callable[..., Any] = lambda c, old, new: (1 - c["share"]) * old + c["share"] * new  # noqa: E731
    return Suite(
        subject=step,
        draw=batch,
        valid=in_domain,
        sizes=(2, 3, 8),
        adversarial=[batch(np.random.default_rng(0), 3) | {"x": np.ones((3, CHANNELS))}],
        properties={
            "the mean": lambda f, c: close(c, f(**c)[1], tracked(c, c["mean"], c["x"].mean(0))),
            "the variance": lambda f, c: close(c, f(**c)[2], tracked(c, c["var"], c["x"].var(0, ddof=ddof))),
        },
        mutants={
            "the other variance": norm(convention="flax" if unbiased else "torch"),
            "old and new changed over": lambda **c: step(**c | {"share": 1 - c["share"]}),
            "the sum, which does not forget": edited(
                step, lambda c, y, mean, var: (y, c["mean"] + c["share"] * c["x"].mean(0), var)
            ),
            "frozen": norm(convention="flax", training=False),
        },
    )


def shape() -> Suite:
    """Have the statistics of (N, C, H, W) images the shape (1, C, 1, 1), one of each channel?"""

    def statistics(x: Any) -> Any:
        params, state = init_batch_norm(x.shape, axis=1)
        return batch_norm(x, params, state, training=True, axis=1, momentum=0.0)[1].mean

    def images(generator: np.random.Generator, size: int) -> Case:
        return {"x": generator.normal(size=(*generator.integers(1, 3, 2), size, 2))}

    return Suite(
        subject=jax.jit(statistics),
        draw=images,
        valid=lambda x: min(x.shape) >= 1,
        sizes=(1, 3),
        properties={
            "(1, C, 1, 1)": lambda f, x: (f(x).shape, (1, x.shape[1], 1, 1)),
            "the mean of each channel": lambda f, x: (np.asarray(f(x)).ravel(), x.mean((0, 2, 3)), 1 + np.abs(x).max()),
        },
        mutants={
            "layer norm, one of each image": lambda x: x.mean((1, 2, 3), keepdims=True),
            "instance norm, of each image and channel": lambda x: x.mean((2, 3), keepdims=True),
            "channels last": lambda x: x.mean((0, 1, 2), keepdims=True),
            "one of each channel and place": lambda x: x.mean(0, keepdims=True),
        },
    )


experiment = Experiment(
    suites={
        "averages": lambda: averages(unbiased=False),
        "averages_of_torch": lambda: averages(unbiased=True),
        "shape": shape,
    }
)
