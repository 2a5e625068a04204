"""The number of weights that are not zero (L0): no norm, and not convex."""

import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.ops import l0_count, l1, l2_norm, l2_squared


def no_norm() -> Suite:
    """Does a norm's rule, twice the weights are twice as long, hold for the count?"""
    return Suite(
        subject=l0_count,
        jit=True,
        reference=l1,
        draw=lambda generator, size: generator.integers(-3, 4, size).astype(float),
        sizes=(1, 2, 5),
        properties={
            "twice the weights, twice as long": lambda f, w: (f(2 * w), 2 * float(f(w))),
            "0 for zeros alone": lambda f, w: (float(f(w)) == 0) == (not w.any()),
        },
        mutants={"sum": jnp.sum, "sum of squares": l2_squared, "largest and one": lambda w: jnp.max(jnp.abs(w)) + 1},
    )


def chord() -> Suite:
    """Does the count break Jensen's inequality on every segment from the origin?"""
    return Suite(
        subject=l0_count,
        jit=True,
        draw=lambda generator, size: {"w": generator.normal(size=size), "share": generator.uniform(0.05, 0.95)},
        valid=lambda share, w: 0 < share < 1 and w.any(),
        sizes=(1, 2, 5),
        adversarial=[{"w": np.array([0.0, 1.0]), "share": 0.5}],
        properties={
            "above the chord": lambda f, share, w: f(share * w) > share * float(f(w)) + (1 - share) * float(f(0 * w))
        },
        mutants={"sum of absolute values": l1, "sum of squares": l2_squared, "Euclidean norm": l2_norm},
    )


experiment = Experiment(suites={"no_norm": no_norm, "chord": chord})
