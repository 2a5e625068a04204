"""How much of a loss, and of its gradient, belongs to one outlier among ten predictions?

What trains a model is not the loss but its gradient, so both shares are computed. Nine predictions are off by `off`,
the tenth by `far`. Every loss is that of `jaxml.ops`, every gradient its derivative in the prediction.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.ops import absolute_error, smooth_l1, squared_error

Case = dict[str, Any]
Share = Callable[..., Any]

OTHERS = 9
WORKED = {"off": 0.1, "far": 999.0, "beta": 1.0}  # the truth is 1, nine predictions are off by 0.1, the tenth is 1000


def of_loss(loss: Callable[..., Any]) -> Share:
    """The outlier's share of the summed loss."""
    zero = jnp.zeros(())
    return jax.jit(lambda off, far, beta: 1 / (1 + OTHERS * loss(off, zero, beta) / loss(far, zero, beta)))


def of_gradient(loss: Callable[..., Any]) -> Share:
    """The outlier's share of the summed absolute gradient."""
    slope = jax.grad(loss)
    return of_loss(lambda x, y, beta: jnp.abs(slope(x, y, beta)))


squared = lambda x, y, beta: squared_error(x, y)  # noqa: E731
absolute = lambda x, y, beta: absolute_error(x, y)  # noqa: E731
smooth = lambda x, y, beta: smooth_l1(x, y, beta=beta)  # noqa: E731
twice_beta = lambda x, y, beta: smooth_l1(x, y, beta=2 * beta)  # noqa: E731
half_beta = lambda x, y, beta: smooth_l1(x, y, beta=beta / 2)  # noqa: E731
counted = lambda x, y, beta: jnp.sign(jnp.abs(x - y))  # noqa: E731


def worked(of: Callable[..., Share], *, outlier: float = 1000.0) -> dict[str, float]:
    """The shares of the worked example under each loss."""
    losses = {"squared": squared, "absolute": absolute, "smooth": smooth}
    return {name: float(of(loss)(0.1, outlier - 1, 1.0)) for name, loss in losses.items()}


def at_most_half(share: Share, case: Case) -> tuple[float, float]:
    """The outlier's share, and the same or a half if that is less."""
    found = float(share(**case))
    return found, min(found, 0.5)


def in_the_example(share: Share, reference: Share, of: Callable[..., Share]) -> Suite:
    """Does the outlier of the worked example make up no more than half?"""
    return Suite(
        subject=share,
        reference=reference,
        draw=lambda generator: dict(WORKED),
        valid=lambda c: c == WORKED,
        properties={"at most half": at_most_half},
        mutants={"squared": of(squared), "twice the beta": of(twice_beta), "absolute, its loss": of_loss(absolute)},
    )


def anywhere(*, boundary: bool) -> Suite:
    """Under smooth L1, is the gradient's share at most half everywhere, or exactly from `off` = beta / 9 on?"""

    def draw(generator: np.random.Generator) -> Case:
        off, beta, further = 10.0 ** generator.uniform([-2, -2, 0], [2, 2, 3])
        return {"off": off, "far": max(off, beta) * further, "beta": beta}

    def from_a_ninth_on(share: Share, c: Case) -> bool:
        return c["off"] < c["beta"] / OTHERS or float(share(**c)) <= 0.5 * (1 + 1e-12)

    def below_a_ninth(share: Share, c: Case) -> bool:
        return c["off"] >= c["beta"] / OTHERS or float(share(**c)) > 0.5 * (1 - 1e-12)

    sides = {"at most half from beta / 9 on": from_a_ninth_on, "more than half below": below_a_ninth}
    return Suite(
        subject=of_gradient(smooth),
        reference=None if boundary else of_gradient(absolute),
        draw=draw,
        valid=lambda off, beta, far: off > 0 and beta > 0 and far >= max(off, beta),
        adversarial=[WORKED, {"off": 1 / OTHERS, "far": 1.0, "beta": 1.0}, {"off": 1.0, "far": 1.0, "beta": 1.0}],
        properties=sides if boundary else {"at most half": at_most_half},
        mutants={"squared": of_gradient(squared), "half the beta": of_gradient(half_beta), "the loss": of_loss(smooth)},
    )


experiment = Experiment(
    numbers={
        "loss": lambda: worked(of_loss),
        "gradient": lambda: worked(of_gradient),
        "loss_without_an_outlier": lambda: worked(of_loss, outlier=1.1),
        "gradient_without_an_outlier": lambda: worked(of_gradient, outlier=1.1),
    },
    suites={
        "loss_in_the_example": lambda: in_the_example(of_loss(smooth), of_loss(counted), of_loss),
        "gradient_in_the_example": lambda: in_the_example(of_gradient(smooth), of_gradient(absolute), of_gradient),
        "gradient_anywhere": lambda: anywhere(boundary=False),
        "gradient_from_a_ninth_on": lambda: anywhere(boundary=True),
    },
)
