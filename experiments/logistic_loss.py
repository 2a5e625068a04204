"""The loss of logistic regression, from scores and from rounded probabilities, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.shared.logistic import stable
from jaxml import Experiment, Suite
from jaxml.ops import sigmoid_cross_entropy

Case = dict[str, Any]


def written_out(z: Any, y: Any) -> Any:
    """The loss from the rounded probability, as it is written."""
    p = jax.nn.sigmoid(z)
    return -jnp.mean(y * jnp.log(p) + (1 - y) * jnp.log(1 - p))


def loss(subject: Callable[..., Any], reference: Callable[..., Any] | None = None, *, least: float = 1e-290) -> Suite:
    """Is the loss -1/n of the sum of y log p + (1 - y) log(1 - p): as exact as for a loss of `least`?"""

    def plain(c: Case) -> float:
        signed = [z if label else -z for z, label in zip(c["z"], c["y"], strict=True)]
        return -sum(min(s, 0.0) - np.log1p(np.exp(-abs(s))) for s in signed) / len(signed)

    far = [{"z": np.asarray([z, -z, 0.0]), "y": np.asarray([1.0, 0.0, y])} for z in (40.0, -1e4, 1e4) for y in (0, 1)]
    return Suite(
        subject=jax.jit(subject),
        reference=jax.jit(reference) if reference else None,
        draw=lambda generator, size: {
            "z": generator.normal(scale=10.0 ** generator.uniform(-1, 4), size=size),
            "y": generator.integers(0, 2, size).astype(float),
        },
        valid=lambda z, y: 0 < len(z) == len(y) and all(label in (0, 1) for label in y),
        sizes=(1, 3, 8),
        adversarial=far,
        properties={"is the mean negative log-likelihood": lambda f, c: (f(**c), plain(c), max(plain(c), least))},
        mutants={
            "the sum": jax.jit(lambda z, y: jnp.sum(sigmoid_cross_entropy(z, y))),
            "the sign turned": jax.jit(lambda z, y: -stable(z, y)),
            "the logarithm of a rounded probability": jax.jit(written_out),
            "classes exchanged": jax.jit(lambda z, y: stable(z, 1 - y)),
        },
    )


experiment = Experiment(
    suites={"loss": lambda: loss(stable), "written_out": lambda: loss(written_out, stable, least=1e8)}
)
