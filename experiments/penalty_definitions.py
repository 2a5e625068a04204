"""What L0 and L1 are: a count and a sum, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite, hard_vectors
from jaxml.ops import l0_count, l1, l2_norm

L0, L1, NORM = (jax.jit(penalty) for penalty in (l0_count, l1, l2_norm))
SUM_OF_NONZERO = jax.jit(lambda w: jnp.sum(jnp.where(w != 0, w, 0.0)))
LARGEST = jax.jit(lambda w: jnp.max(jnp.abs(w), initial=0.0))


def count(subject: Callable[..., Any]) -> Suite:
    """Is it the number of weights that are not zero?"""
    return Suite(
        subject=subject,
        reference=L0,
        draw=lambda generator, size: generator.integers(-3, 4, size).astype(float),
        sizes=(1, 2, 5),
        adversarial=[np.zeros(0), np.zeros(2), np.array([3.0, -3.0]), np.array([1e-300, 0.0])],
        properties={
            "how many are not zero": lambda f, w: (f(w), float(sum(x != 0 for x in w)), 1.0),
            "0 for zeros alone": lambda f, w: (float(f(w)) == 0) == (not w.any()),
        },
        mutants={
            "sum of absolute values": L1,
            "largest": LARGEST,
            "length": jax.jit(lambda w: jnp.sum(jnp.ones_like(w))),
            "positive ones only": jax.jit(lambda w: jnp.sum(w > 0, dtype=w.dtype)),
        },
    )


def sum_of_sizes() -> Suite:
    """Is L1 the sum of absolute values, and a norm?"""
    return Suite(
        subject=L1,
        draw=lambda generator, size: generator.normal(size=size) * 10.0 ** generator.uniform(-3, 3),
        sizes=(1, 2, 7),
        adversarial=hard_vectors(),
        properties={
            "sum of |w_i|": lambda f, w: (f(w), sum(-x if x < 0 else x for x in w.tolist()) + 0.0),
            "sign does not matter": lambda f, w: (f(-w), f(w)),
            "twice the weights, twice the sum": lambda f, w: (f(2 * w), 2 * float(f(w))),
        },
        mutants={
            "signs kept": jax.jit(jnp.sum),
            "Euclidean norm": NORM,
            "mean": jax.jit(lambda w: jnp.sum(jnp.abs(w)) / max(w.size, 1)),
            "largest": LARGEST,
        },
    )


experiment = Experiment(
    suites={"sum_of_nonzero": lambda: count(SUM_OF_NONZERO), "count": lambda: count(L0), "sum_of_sizes": sum_of_sizes}
)
