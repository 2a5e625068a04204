"""Which statistics batch norm normalises by, in training and afterwards, exactly."""

from typing import Any

import numpy as np

from experiments.shared.batch_norm import CHANNELS, EPS, batch, close, in_domain, norm
from jaxml import Experiment, Suite

Case = dict[str, Any]


def by(c: Case, mean: Any, var: Any) -> np.ndarray:
    """The batch normalised by some statistics."""
    return c["scale"] * (c["x"] - mean) / np.sqrt(var + EPS) + c["bias"]


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


experiment = Experiment(
    suites={
        "training_by_running": lambda: normalises(training=True, running=True),
        "training_by_batch": lambda: normalises(training=True, running=False),
        "inference_by_running": lambda: normalises(training=False, running=True),
    }
)
