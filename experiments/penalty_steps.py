"""What one step of gradient or prox on L1 and L2 does to weights, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.ops import l1, l2_norm, l2_squared, prox_l0, prox_l1, prox_l2_squared

Case = dict[str, Any]


def gradient_step() -> Suite:
    """Does a gradient step on lambda/2 times the sum of squares multiply each weight by 1 - eta lambda?"""

    def step(penalty: Callable[..., Any]) -> Callable[..., Any]:
        return jax.jit(lambda w, eta, weight: w - eta * jax.grad(lambda w: weight * penalty(w))(w))

    return Suite(
        subject=step(lambda w: l2_squared(w) / 2),
        draw=lambda generator, size: {
            "w": generator.normal(size=size),
            "eta": generator.uniform(),
            "weight": generator.uniform(),
        },
        valid=lambda eta, weight: 0 < eta * weight <= 1,
        sizes=(1, 3),
        adversarial=[{"w": np.array([2.0]), "eta": 1.0, "weight": 1.0}, {"w": np.zeros(1), "eta": 0.5, "weight": 1.0}],
        properties={
            "times 1 - eta lambda": lambda f, c: (
                f(**c),
                (1 - c["eta"] * c["weight"]) * c["w"],
                np.maximum(np.abs(c["w"]), 1e-300),
            ),
            "nearer to 0, or at it": lambda f, c: np.all((np.abs(f(**c)) < np.abs(c["w"])) | (c["w"] == 0)),
        },
        mutants={
            "without the 1/2": step(l2_squared),
            "norm for its square": step(l2_norm),
            "L1": step(l1),
            "uphill": step(lambda w: -l2_squared(w) / 2),
        },
    )


SOFT = jax.jit(lambda w, size: prox_l1(w, strength=size))
ONE_SIDED = jax.jit(lambda w, size: jax.nn.relu(w - size))  # "to non-positive, so that they no longer activate"


def soft(subject: Callable[..., Any]) -> Suite:
    """What one proximal L1 step of size eta lambda makes of a weight: exactly 0 up to that size, in either sign?"""

    def minimises(f: Any, c: Case) -> bool:
        u, w, size = float(f(**c)), c["w"], c["size"]
        slack = 1e-12 * (abs(w) + size)
        return abs(u - w + np.sign(u) * size) <= slack if u else abs(w) <= size

    return Suite(
        subject=subject,
        reference=SOFT,
        draw=lambda generator: {"w": float(generator.normal(scale=2)), "size": 10.0 ** generator.uniform(-2, 1)},
        valid=lambda size: size > 0,
        adversarial=[{"w": w, "size": 1.0} for w in (0.0, 1.0, -1.0, 2.0, -2.0)],
        properties={
            "minimises (u - w)^2 / 2 + eta lambda |u|": minimises,
            "0 exactly up to eta lambda": lambda f, c: (float(f(**c)) == 0) == (abs(c["w"]) <= c["size"]),
            "the same in either sign": lambda f, c: (f(-c["w"], c["size"]), -float(f(**c)), c["size"]),
        },
        mutants={
            "hard threshold": jax.jit(lambda w, size: prox_l0(w, strength=size**2 / 2)),
            "squared L2": jax.jit(lambda w, size: prox_l2_squared(w, strength=size)),
            "a subgradient step": jax.jit(lambda w, size: w - size * jnp.sign(w)),
            "half the size": jax.jit(lambda w, size: prox_l1(w, strength=size / 2)),
        },
    )


experiment = Experiment(
    suites={"gradient_step": gradient_step, "one_sided": lambda: soft(ONE_SIDED), "soft": lambda: soft(SOFT)}
)
