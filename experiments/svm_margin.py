"""The margin of a separating plane: distances, widths and signs, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.learn import LinearParams, linear_predictor
from jaxml.ops import l1, l2_norm, l2_squared

Case = dict[str, Any]


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
        properties={"leads to a point of the plane": foot, "no point of the plane is nearer": nearest},
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
        return f(c["w"]), float(np.linalg.norm(upper - lower)), float(np.linalg.norm(c["x"])) + 1e3

    return Suite(
        subject=lambda w: 2 / l2_norm(w),
        jit=True,
        draw=plane,
        valid=is_plane,
        sizes=(1, 2, 3),
        adversarial=[{"w": np.array([3.0, 4.0]), "b": 0.0, "x": np.zeros(2)}],
        properties={"distance of the planes": apart},
        mutants={
            "from the boundary to one side": lambda w: 1 / l2_norm(w),
            "over the squared norm": lambda w: 2 / l2_squared(w),
            "over the sum of absolute weights": lambda w: 2 / l1(w),
        },
    )


def signs(decide: Callable[..., Any], reference: Callable[..., Any] | None = None) -> Suite:
    """Does a decision say of every row with y (w x - b) >= 1 that it is of class y?"""

    def right(f: Any, b: Any, w: Any, x: Any) -> bool:
        level = float(w @ x - b)
        return abs(level) < 1 or bool(f(w, b, x) > 0) == (level > 0)

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
        "mixed_signs": lambda: signs(lambda w, b, x: w @ x + b, lambda w, b, x: w @ x - b),
        "turned_intercept": lambda: signs(lambda w, b, x: w @ x + -b),
    }
)
