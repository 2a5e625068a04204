"""The margin of a separating plane: distances, widths, and which plane has the widest, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.learn import LinearParams, fit_fisher, fit_linear_svm, linear_predictor
from jaxml.ops import l1, l2_norm, l2_squared

Case = dict[str, Any]
DIRECTIONS = np.stack([np.cos(angles := np.linspace(0, 2 * np.pi, 360, endpoint=False)), np.sin(angles)])
SLACK = 1e8
"""Scale of what an iterative solver gives: its last digits are not asked for."""


def plane(generator: np.random.Generator, size: int) -> Case:
    """A plane w x + b = 0, over several magnitudes, and a point."""
    w, x = generator.normal(size=(2, size))
    return {"w": w * 10.0 ** generator.uniform(-2, 2), "b": float(generator.normal()), "x": x}


def is_plane(c: Case) -> bool:
    """Whether the weights are not all zero and everything lives in one space."""
    return len(c["w"]) == len(c["x"]) == len(c.get("other", c["x"])) and float(np.linalg.norm(c["w"])) > 1e-3


def value(c: Case, x: np.ndarray) -> float:
    """The left side of the equation of the plane."""
    return float(c["w"] @ x + c["b"])


def distance() -> Suite:
    """Is (w x + b) / norm(w) the distance to the plane, with the sign of the side?"""

    def measured(after: Callable[[Any, Any], Any]) -> Callable[..., Any]:
        return jax.jit(lambda w, b, x: after(linear_predictor(LinearParams(w, b), x[None, :])[0], w))

    def size(c: Case) -> float:
        return float(np.abs(c["w"]) @ np.abs(c["x"]) + abs(c["b"])) / float(np.linalg.norm(c["w"])) + 1

    def foot(f: Any, c: Case) -> tuple[Any, ...]:
        unit = c["w"] / np.linalg.norm(c["w"])
        return value(c, c["x"] - float(f(c["w"], c["b"], c["x"])) * unit) / np.linalg.norm(c["w"]), 0.0, size(c)

    def nearest(f: Any, c: Case) -> bool:
        onto = c["other"] - value(c, c["other"]) * c["w"] / (c["w"] @ c["w"])
        return abs(float(f(c["w"], c["b"], c["x"]))) <= float(np.linalg.norm(c["x"] - onto)) + 1e-12 * size(c)

    return Suite(
        subject=measured(lambda z, w: z / l2_norm(w)),
        draw=lambda generator, size: plane(generator, size) | {"other": generator.normal(size=size)},
        valid=is_plane,
        sizes=(1, 2, 3),
        adversarial=[
            {"w": np.array([3.0, 4.0]), "b": b, "x": np.zeros(2), "other": np.ones(2)} for b in (0.0, 10.0, -1e6)
        ],
        properties={
            "leads to a point of the plane": foot,
            "no point of the plane is nearer": nearest,
        },
        mutants={
            "not divided": measured(lambda z, w: z),
            "without the sign": measured(lambda z, w: jnp.abs(z) / l2_norm(w)),
            "divided by the sum of absolute weights": measured(lambda z, w: z / l1(w)),
            "w x - b": jax.jit(lambda w, b, x: (w @ x - b) / l2_norm(w)),
        },
    )


def width() -> Suite:
    """Is 2 / norm(w) how far apart the planes w x + b = 1 and w x + b = -1 are?"""

    def apart(f: Any, c: Case) -> tuple[Any, ...]:
        direction = c["w"] / (c["w"] @ c["w"])
        upper, lower = (c["x"] + (level - value(c, c["x"])) * direction for level in (1.0, -1.0))
        return float(f(c["w"])), float(np.linalg.norm(upper - lower)), float(np.linalg.norm(c["x"])) + 1e3

    return Suite(
        subject=jax.jit(lambda w: 2 / l2_norm(w)),
        draw=plane,
        valid=is_plane,
        sizes=(1, 2, 3),
        adversarial=[{"w": np.array([3.0, 4.0]), "b": 0.0, "x": np.zeros(2)}],
        properties={"distance of the planes": apart},
        mutants={
            "from the boundary to one side": jax.jit(lambda w: 1 / l2_norm(w)),
            "over the squared norm": jax.jit(lambda w: 2 / l2_squared(w)),
            "over the sum of absolute weights": jax.jit(lambda w: 2 / l1(w)),
        },
    )


def separable(generator: np.random.Generator, size: int) -> Case:
    """Rows of two classes with a gap between them along the first feature."""
    y = np.arange(size) % 2
    X = generator.normal(size=(size, 2))
    X[:, 0] = np.where(y == 1, 1, -1) * (0.25 + np.abs(X[:, 0]))
    return {"X": X, "y": y}


def has_gap(c: Case) -> bool:
    """Whether both classes are there, a gap of a quarter between them, nothing far away."""
    if set(c["y"].tolist()) != {0, 1} or np.max(np.abs(c["X"])) > 10:
        return False
    return bool(c["X"][c["y"] == 1, 0].min() - c["X"][c["y"] == 0, 0].max() >= 0.25)


def gap(c: Case, w: np.ndarray) -> Any:
    """How far apart the classes lie along each unit direction."""
    along = c["X"] @ w
    return along[c["y"] == 1].min(0) - along[c["y"] == 0].max(0)


def widest() -> Suite:
    """Has the plane of least norm(w)^2 / 2 among those with margins from 1 on the widest margin, 2 / norm(w)?"""

    def scaled(direction: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def weights(X: Any, y: Any) -> Any:
            w = direction(X, y)
            z = X @ w
            return 2 * w / (jnp.min(jnp.where(y == 1, z, jnp.inf)) - jnp.max(jnp.where(y == 0, z, -jnp.inf)))

        return jax.jit(weights)

    def found(f: Any, c: Case) -> tuple[float, np.ndarray]:
        w = np.asarray(f(c["X"], c["y"]))
        return float(np.linalg.norm(w)), w

    def margin(f: Any, c: Case) -> tuple[Any, ...]:
        norm, w = found(f, c)
        return float(gap(c, w / norm)), 2 / norm, SLACK

    return Suite(
        subject=jax.jit(lambda X, y: fit_linear_svm(X, y, C=1e6).params.coef),
        draw=separable,
        valid=has_gap,
        sizes=(2, 5),
        adversarial=[
            {"X": np.array([[-1.0, 0.0], [1.0, 0.0]]), "y": np.array([0, 1])},
            {"X": np.array([[-1.0, 3.0], [1.0, 3.0], [-1.0, 3.0], [1.0, -4.0], [-5.0, 0.0]]), "y": np.arange(5) % 2},
        ],
        properties={
            "the classes are 2 / norm(w) apart along it": margin,
            "and along no direction farther": lambda f, c: (
                float(gap(c, DIRECTIONS).max()) <= 2 / found(f, c)[0] * (1 + 1e-6)
            ),
        },
        mutants={
            "along the difference of means": scaled(lambda X, y: (2 * y - 1.0) @ X),
            "Fisher's direction": scaled(lambda X, y: fit_fisher(X, y, shrinkage=0.1).params.coef),
            "soft margin": jax.jit(lambda X, y: fit_linear_svm(X, y, C=0.01).params.coef),
        },
    )


def signs(decide: Callable[..., Any], reference: Callable[..., Any] | None = None) -> Suite:
    """Does a decision say of every row with y (w x - b) >= 1 that it is of class y?"""

    def right(f: Any, c: Case) -> bool:
        level = float(c["w"] @ c["x"] - c["b"])
        return abs(level) < 1 or bool(f(c["w"], c["b"], c["x"]) > 0) == (level > 0)

    return Suite(
        subject=decide,
        reference=reference,
        draw=plane,
        valid=is_plane,
        sizes=(1, 2),
        properties={"rows beyond the margin are on their side": right},
        mutants={
            "no intercept": lambda w, b, x: w @ x,
            "turned round": lambda w, b, x: b - w @ x,
            "sign of b forgotten": lambda w, b, x: w @ x + abs(b),
        },
    )


experiment = Experiment(
    suites={
        "distance": distance,
        "width": width,
        "widest": widest,
        "mixed_signs": lambda: signs(lambda w, b, x: w @ x + b, lambda w, b, x: w @ x - b),
        "turned_intercept": lambda: signs(lambda w, b, x: w @ x + -b),
    }
)
