"""Distances and kernels: their formulas, and which of them are distances at all, exactly."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial import distance

from jaxml import Experiment, Suite
from jaxml.learn import kernel_matrix
from jaxml.ops import l1, l2_norm, l2_squared

Case = dict[str, Any]
Kernel = Literal["linear", "rbf"]


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

    def same(name: str) -> Callable[[Any, Case], tuple[Any, ...]]:
        return lambda f, c: (float(f[name](c["x"], c["y"])), scipy[name](c["x"], c["y"]), 10.0)

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
            "0 where the direction is the same": lambda f, c: (float(f(c["x"], 2 * c["x"])), 0.0, 1e3),
            "more where it is not": lambda f, c: float(f(c["x"], -c["x"])) > 0.5,
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


def kernel(name: Kernel) -> Suite:
    """Is the kernel what its formula says, and a scalar product of something?"""
    formulas: dict[Kernel, Callable[[np.ndarray, np.ndarray, float], float]] = {
        "linear": lambda x, z, gamma: float(sum(a * b for a, b in zip(x, z, strict=True))),
        "rbf": lambda x, z, gamma: float(np.exp(-gamma * sum((a - b) ** 2 for a, b in zip(x, z, strict=True)))),
    }
    other: Kernel = "rbf" if name == "linear" else "linear"

    def of(form: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any], Any]:
        return jax.jit(lambda X, gamma: jax.vmap(lambda x: jax.vmap(lambda z: form(x, z, gamma))(X))(X))

    def size(c: Case) -> float:
        length = float(np.max(np.sum(c["X"] ** 2, 1))) * len(c["X"])
        return len(c["X"]) * (1 + (length if name == "linear" else 0.0))

    def formula(f: Any, c: Case) -> tuple[Any, ...]:
        expected = [[formulas[name](x, z, c["gamma"]) for z in c["X"]] for x in c["X"]]
        return np.asarray(f(c["X"], c["gamma"])), np.asarray(expected), size(c)

    def positive(f: Any, c: Case) -> bool:
        return float(np.linalg.eigvalsh(np.asarray(f(c["X"], c["gamma"])))[0]) >= -1e-14 * size(c)

    far = [{"X": 1e6 + np.array([[0.1, 0.3], [0.7, 0.9], [0.2, 1.1]]), "gamma": 1.0}]
    return Suite(
        subject=jax.jit(lambda X, gamma: kernel_matrix(X, X, kernel=name, gamma=gamma)),
        draw=lambda generator, size: {
            "X": generator.normal(size=(size, 2)),
            "gamma": float(10.0 ** generator.uniform(-2, 1)),
        },
        valid=lambda c: c["gamma"] > 0 and len(c["X"]) > 0,
        sizes=(1, 4),
        adversarial=[{"X": np.zeros((4, 2)), "gamma": 1.0}, *(far if name == "rbf" else [])],
        properties={"formula": formula, "no negative eigenvalue": positive},
        mutants={
            "the other kernel": jax.jit(lambda X, gamma: kernel_matrix(X, X, kernel=other, gamma=gamma)),
            "from rounded lengths": of(lambda x, z, gamma: jnp.exp(-gamma * (x @ x - 2 * x @ z + z @ z))),
            "negative": of(lambda x, z, gamma: -(x @ z)),
            "distance without the square": of(lambda x, z, gamma: jnp.exp(-gamma * jnp.sqrt(jnp.sum((x - z) ** 2)))),
            "sign turned": of(lambda x, z, gamma: jnp.exp(gamma * jnp.sum((x - z) ** 2))),
        },
    )


experiment = Experiment(
    suites={
        "distances": distances,
        "cosine_distance": lambda: triangle(COSINE_DISTANCE, angle),
        "angle": lambda: triangle(angle),
        "linear_kernel": lambda: kernel("linear"),
        "rbf_kernel": lambda: kernel("rbf"),
    }
)
