"""Which of L2 and Lp are norms, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.ops import l0_count, l1, l2_norm, l2_squared

Case = dict[str, Any]
L1, NORM, SQUARED = (jax.jit(penalty) for penalty in (l1, l2_norm, l2_squared))
LARGEST = jax.jit(lambda w: jnp.max(jnp.abs(w), initial=0.0))


def is_norm(subject: Callable[..., Any]) -> Suite:
    """Is it the Euclidean length, with the triangle inequality?"""
    return Suite(
        subject=subject,
        draw=lambda generator, size: {"u": generator.normal(size=size), "v": generator.normal(size=size)},
        valid=lambda u, v: len(u) == len(v),
        sizes=(1, 2, 5),
        adversarial=[{"u": np.array([3.0, 4.0]), "v": -np.array([3.0, 4.0])}, {"u": np.zeros(2), "v": np.zeros(2)}],
        properties={
            "root of the sum of squares": lambda f, u: (f(u), float(np.hypot.reduce(u))),
            "triangle": lambda f, u, v: f(u + v) <= float(f(u) + f(v)) * (1 + 1e-12),
            "twice": lambda f, u: (f(2 * u), 2 * float(f(u))),
        },
        mutants={"no root": SQUARED, "sum of absolute values": L1, "largest": LARGEST},
    )


def whole(generator: np.random.Generator, size: int) -> np.ndarray:
    """Weights of small whole numbers, zeros and ties among them."""
    return generator.integers(-3, 4, size).astype(float)


def lp(least: float) -> Suite:
    """Is (sum |w_i|^p)^(1/p) a norm for every p from `least` on?"""
    length = jax.jit(lambda w, p: jnp.sum(jnp.abs(w) ** p) ** (1 / p))

    def draw(generator: np.random.Generator, size: int) -> Case:
        p = max(generator.choice([0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0]), least)
        return {"u": whole(generator, size), "v": whole(generator, size), "p": p}

    return Suite(
        subject=length,
        reference=jax.jit(lambda w, p: length(w, jnp.maximum(p, 1.0))),
        draw=draw,
        valid=lambda p, u, v: len(u) == len(v) and p > 0 and p >= least,
        sizes=(1, 2, 4),
        adversarial=[{"u": np.array([1.0, 0.0]), "v": np.array([0.0, 1.0]), "p": max(p, least)} for p in (0.5, 1, 3)],
        properties={
            "triangle": lambda f, p, u, v: f(u + v, p) <= float(f(u, p) + f(v, p)) * (1 + 1e-12),
            "twice": lambda f, p, u: (f(2 * u, p), 2 * float(f(u, p))),
            "0 for zeros alone": lambda f, u, p: (float(f(u, p)) == 0) == (not u.any()),
        },
        mutants={
            "no root": jax.jit(lambda w, p: jnp.sum(jnp.abs(w) ** p)),
            "signs kept": jax.jit(lambda w, p: jnp.abs(jnp.sum(w))),
            "count": jax.jit(lambda w, p: l0_count(w)),
        },
    )


experiment = Experiment(
    suites={"euclidean": lambda: is_norm(NORM), "lp": lambda: lp(0.0), "lp_from_1": lambda: lp(1.0)}
)
