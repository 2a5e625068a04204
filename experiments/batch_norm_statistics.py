"""What batch norm does with the statistics of a batch, in the conventions of Flax and of torch, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxml import Experiment, Suite
from jaxml.ops import BatchNormState, NormParams, batch_norm, init_batch_norm

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


def edited(step: Step, edit: Callable[[Case, Any, Any, Any], tuple[Any, Any, Any]]) -> Step:
    """A step whose results are changed, given what it was given."""
    return lambda **case: edit(case, *step(**case))


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


def in_domain(c: Case) -> bool:
    """At least two rows, variances above 0 and a share of at most all."""
    return len(c["x"]) >= 2 and min(c["var"]) > 0 and 0 <= c["share"] <= 1


def by(c: Case, mean: Any, var: Any) -> np.ndarray:
    """The batch normalised by some statistics."""
    return c["scale"] * (c["x"] - mean) / np.sqrt(var + EPS) + c["bias"]


def close(c: Case, actual: Any, expected: Any) -> tuple[Any, Any, float]:
    """To be compared at the size of what goes into the batch, its square among it."""
    largest = 1 + max(float(np.max(np.abs(value))) for value in c.values())
    return np.asarray(actual), np.asarray(expected), largest**2 / np.sqrt(EPS)


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


def normalises(*, training: bool, running: bool) -> Suite:
    """Is what comes out normalised by the running statistics, or by those of the batch?"""
    step, other = (norm(convention="flax", training=mode) for mode in (training, not training))
    right = training != running
    named = "normalised by the running statistics" if running else "normalised by those of the batch"

    def expected(c: Case) -> np.ndarray:
        return by(c, c["mean"], c["var"]) if running else by(c, c["x"].mean(0), c["x"].var(0))

    return Suite(
        subject=step,
        reference=None if right else other,
        draw=batch,
        valid=in_domain,
        sizes=(2, 3, 8),
        adversarial=[batch(np.random.default_rng(0), 3) | {"x": np.ones((3, CHANNELS))}],
        properties={named: lambda f, c: close(c, f(**c)[0], expected(c))},
        mutants={
            "by the others": other if right else step,
            "unbiased variance": lambda **c: (by(c, c["x"].mean(0), c["x"].var(0, ddof=1)), None, None),
            "not at all": lambda **c: (c["scale"] * c["x"] + c["bias"], None, None),
            "each row by itself": lambda **c: (
                ((c["x"].T - c["x"].mean(1)) / np.sqrt(c["x"].var(1) + EPS)).T * c["scale"] + c["bias"],
                None,
                None,
            ),
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
        valid=lambda c: min(c["x"].shape) >= 1,
        sizes=(1, 3),
        properties={
            "(1, C, 1, 1)": lambda f, c: (f(c["x"]).shape, (1, c["x"].shape[1], 1, 1)),
            "the mean of each channel": lambda f, c: (
                np.asarray(f(c["x"])).ravel(),
                c["x"].mean((0, 2, 3)),
                1 + np.abs(c["x"]).max(),
            ),
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
        "training_by_running": lambda: normalises(training=True, running=True),
        "training_by_batch": lambda: normalises(training=True, running=False),
        "inference_by_running": lambda: normalises(training=False, running=True),
        "shape": shape,
    }
)
