"""Distances: their formulas, and which of them are distances at all, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial import distance

from jaxml import Experiment, Suite
from jaxml.ops import l1, l2_norm, l2_squared

Case = dict[str, Any]


def cosine(x: Any, z: Any) -> Any:
    """Of the angle between two vectors."""
    return x @ z / (l2_norm(x) * l2_norm(z))


FORMULAS: dict[str, Callable[[Any, Any], Any]] = {
    "Hamming": jax.jit(lambda x, z: jnp.sum(x != z, dtype=float)),
    "Euclid": jax.jit(lambda x, z: l2_norm(x - z)),
    "Manhattan": jax.jit(lambda x, z: l1(x - z)),
    "cosine": jax.jit(cosine),
}


def vectors(count: int) -> Callable[[np.random.Generator, int], Case]:
    """Vectors of small whole numbers, ties among them, none of them 0."""
    names = "xyz"[:count]

    def draw(generator: np.random.Generator, size: int) -> Case:
        return {k: generator.integers(-2, 3, size).astype(float) for k in names}

    return draw


def no_zeros(c: Case) -> bool:
    """Whether the vectors lie in one space, and none of them is 0."""
    return len({len(v) for v in c.values()}) == 1 and all(v.any() for v in c.values())


def distances() -> Suite:
    """Are the four formulas what SciPy computes, whose Hamming distance is a share and whose cosine one minus it?"""
    scipy: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
        "Hamming": lambda x, z: float(distance.hamming(x, z) * len(x)),
        "Euclid": lambda x, z: float(distance.euclidean(x, z)),
        "Manhattan": lambda x, z: float(distance.cityblock(x, z)),
        "cosine": lambda x, z: 1 - float(distance.cosine(x, z)),
    }

    def same(name: str) -> Callable[..., tuple[Any, ...]]:
        return lambda f, x, y: (f[name](x, y), scipy[name](x, y), 10.0)

    wrong: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
        "Hamming as the sum of differences": ("Hamming", FORMULAS["Manhattan"]),
        "Hamming counts what agrees": ("Hamming", jax.jit(lambda x, z: jnp.sum(x == z, dtype=float))),
        "Euclid without the root": ("Euclid", jax.jit(lambda x, z: l2_squared(x - z))),
        "Euclid as Manhattan": ("Euclid", FORMULAS["Manhattan"]),
        "Manhattan as the largest": ("Manhattan", jax.jit(lambda x, z: jnp.max(jnp.abs(x - z)))),
        "Manhattan with signs": ("Manhattan", jax.jit(lambda x, z: jnp.sum(x - z))),
        "cosine not divided": ("cosine", jax.jit(lambda x, z: x @ z)),
        "cosine divided by the squares": ("cosine", jax.jit(lambda x, z: x @ z / (l2_squared(x) * l2_squared(z)))),
    }
    return Suite(
        subject=FORMULAS,
        draw=vectors(2),
        valid=no_zeros,
        sizes=(1, 2, 4),
        adversarial=[
            {"x": np.ones(2), "y": np.ones(2)},
            {"x": np.ones(2), "y": -np.ones(2)},
            {"x": np.array([1.0, 0.0]), "y": np.array([0.0, 1e-8])},
        ],
        properties={f"{name}'s formula": same(name) for name in FORMULAS},
        mutants={name: FORMULAS | {of: f} for name, (of, f) in wrong.items()},
    )


def triangle(subject: Callable[[Any, Any], Any], reference: Callable[[Any, Any], Any] | None = None) -> Suite:
    """Is no way round shorter than the straight one, and 0 far only what points the same way?"""

    def detour(f: Any, c: Case) -> bool:
        xy, yz, xz = (float(f(c[a], c[b])) for a, b in ("xy", "yz", "xz"))
        return xz <= xy + yz + 1e-9

    return Suite(
        subject=subject,
        reference=reference,
        draw=vectors(3),
        valid=no_zeros,
        sizes=(2, 3),
        adversarial=[{"x": np.array([1.0, 0.0]), "y": np.array([1.0, 1.0]), "z": np.array([0.0, 1.0])}],
        properties={
            "triangle": detour,
            "0 where the direction is the same": lambda f, x: (f(x, 2 * x), 0.0, 1e3),
            "more where it is not": lambda f, x: f(x, -x) > 0.5,
        },
        mutants={
            "similarity": FORMULAS["cosine"],
            "squared distance": jax.jit(lambda x, z: l2_squared(x - z)),
            "without the sign": jax.jit(lambda x, z: 1 - jnp.abs(cosine(x, z))),
        },
    )


COSINE_DISTANCE = jax.jit(lambda x, z: 1 - cosine(x, z))


@jax.jit
def angle(x: Any, z: Any) -> Any:
    """Between two vectors, with all digits where it is small."""
    x, z = x / l2_norm(x), z / l2_norm(z)
    return 2 * jnp.atan2(l2_norm(x - z), l2_norm(x + z))


experiment = Experiment(
    suites={
        "distances": distances,
        "cosine_distance": lambda: triangle(COSINE_DISTANCE, angle),
        "angle": lambda: triangle(angle),
    }
)
