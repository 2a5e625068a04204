"""E09(a): how much of a loss, and how much of its gradient, belongs to one outlier among ten predictions?

The truth is 1. Nine predictions are off by `off`, upwards or downwards at random; the tenth is `outlier`. Every loss is
that of `jaxml.ops`, every gradient its derivative with respect to the prediction. Nothing is estimated: the shares are
the same for every seed.
"""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxml import Experiment, Figure
from jaxml.ops import absolute_error, smooth_l1, squared_error

LOSSES: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "squared": squared_error,
    "absolute": absolute_error,
    "smooth_l1": smooth_l1,
}


def trial(
    key: jax.Array,
    *,
    outlier: float = 1000.0,
    off: float = 0.1,
    loss: Literal["squared", "absolute", "smooth_l1"] = "squared",
    n: int = 10,
) -> dict[str, Any]:
    """The outlier's share of the summed loss and of the summed absolute gradient, and the share of the others."""
    truth = jnp.ones(n)
    predictions = (truth + off * jax.random.rademacher(key, (n,), float)).at[-1].set(outlier)
    losses = LOSSES[loss](predictions, truth)
    slopes = jnp.abs(jax.grad(lambda p: LOSSES[loss](p, truth).sum())(predictions))
    return {
        "loss_share": losses[-1] / losses.sum(),
        "gradient_share": slopes[-1] / slopes.sum(),
        "others_loss_share": losses[:-1].sum() / losses.sum(),
        "others_gradient_share": slopes[:-1].sum() / slopes.sum(),
    }


experiment = Experiment(
    trial=trial,
    labels={"loss": {"smooth_l1": "smooth L1"}},
    figures=(
        Figure("Share of the loss that one outlier of ten holds", y="loss_share", x="outlier", lines="loss",
               panels="off", log_x=True),
        Figure("Share of the gradient that one outlier of ten holds", y="gradient_share", x="outlier", lines="loss",
               panels="off", log_x=True),
    ),
)  # fmt: skip
