"""The Lagrangian of the maximal margin, and where its derivatives vanish, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.shared.machines import SLACK, has_gap, separable, solution
from jaxml import Experiment, Suite
from jaxml.ops import l2_squared

Case = dict[str, Any]


def lagrangian(w: Any, b: Any, a: Any, X: Any, y: Any) -> Any:
    """The objective, and each violated margin at the price of its multiplier."""
    return l2_squared(w) / 2 + jnp.sum(a * (1 - (2 * y - 1) * (X @ w + b)))


def priced(form: Callable[[Any, Any, Any], Any]) -> Callable[..., Any]:
    """Something made of the weights, the multipliers and the margins."""
    return jax.jit(lambda w, b, a, X, y: form(w, a, (2 * y - 1) * (X @ w + b)))


def feasible(generator: np.random.Generator, size: int) -> Case:
    """A plane, rows with margins of at least 1, and multipliers, some of them 0."""
    w, b = generator.normal(size=2), float(generator.normal())
    X = generator.normal(size=(size, 2))
    value = X @ w + b
    factor = 1 / np.min(np.abs(value))
    a = generator.exponential(size=size) * (generator.random(size) < 0.6)
    return {"w": factor * w, "b": factor * b, "a": a, "X": X, "y": (value > 0).astype(int)}


def lagrange() -> Suite:
    """Is the Lagrangian the objective from below where margins hold, and without bound where one does not?"""

    def kept(b: Any, y: Any, X: Any, w: Any, a: Any) -> bool:
        margins = (2 * y - 1) * (X @ w + b)
        return len(margins) > 0 and bool(np.min(margins) >= 1 - 1e-9 and np.min(a) >= 0)

    def size(c: Case) -> float:
        return float(1 + c["w"] @ c["w"] + np.sum(c["a"] * (1 + np.abs(c["X"]) @ np.abs(c["w"]) + abs(c["b"]))))

    def rise(f: Any, c: Case) -> tuple[Any, ...]:
        wrong = c | {"y": np.where(np.arange(len(c["y"])) == 0, 1 - c["y"], c["y"])}
        violated = 1 + abs(float(c["X"][0] @ c["w"] + c["b"]))
        more = wrong | {"a": c["a"] + (np.arange(len(c["a"])) == 0)}
        return float(f(**more)) - float(f(**wrong)), violated, size(c) + violated

    objective = lambda c: float(c["w"] @ c["w"] / 2)  # noqa: E731
    return Suite(
        subject=jax.jit(lagrangian),
        draw=feasible,
        valid=kept,
        sizes=(1, 2, 4),
        adversarial=[{"w": np.array([2.0, 0.0]), "b": -1.0, "a": np.ones(2), "X": np.eye(2), "y": np.array([1, 0])}],
        properties={
            "at most the objective": lambda f, c: f(**c) <= objective(c) + 1e-8 * size(c),
            "the objective without multipliers": lambda f, c: (
                f(**(c | {"a": 0 * c["a"]})), objective(c), size(c),
            ),
            "rises with the multiplier of a violated margin": rise,
        },
        mutants={
            "constraints subtracted": priced(lambda w, a, m: l2_squared(w) / 2 - jnp.sum(a * (1 - m))),
            "norm without the half": priced(lambda w, a, m: l2_squared(w) + jnp.sum(a * (1 - m))),
            "margins of 0 only": priced(lambda w, a, m: l2_squared(w) / 2 - jnp.sum(a * m)),
            "labels left out": jax.jit(lambda w, b, a, X, y: lagrangian(w, b, a, X, jnp.ones_like(y))),
        },
    )  # fmt: skip


def stationary() -> Suite:
    """Do the derivatives of the Lagrangian vanish where w = sum a y x and sum a y = 0?"""
    of = lambda w, total: jax.jit(lambda a, X, y: (w(a, X, 2.0 * y - 1), total(a, 2.0 * y - 1)))  # noqa: E731
    slope = jax.jit(jax.grad(lagrangian, (0, 1)))
    weights, balance = (lambda a, X, z: (a * z) @ X), (lambda a, z: jnp.sum(a * z))
    size = lambda c: float(1 + np.sum(c["a"])) * 10  # noqa: E731

    def derivatives(f: Any, c: Case) -> tuple[Any, ...]:
        w, total = f(c["a"], c["X"], c["y"])
        return np.append(*slope(w, 0.0, c["a"], c["X"], c["y"])), np.append(np.zeros(2), -total), size(c)

    def at_the_solution(f: Any, c: Case) -> tuple[Any, ...]:
        w, _, a = solution(c)
        return np.append(*f(a, c["X"], c["y"])), np.append(w, 0.0), SLACK * 10

    return Suite(
        subject=of(weights, balance),
        draw=lambda generator, size: separable(generator, size) | {"a": generator.exponential(size=size)},
        valid=lambda c: has_gap(c) and bool(np.min(c["a"]) >= 0),
        sizes=(2, 5),
        properties={"derivatives": derivatives, "holds at the solution": at_the_solution},
        mutants={
            "labels left out": of(lambda a, X, z: a @ X, balance),
            "turned round": of(lambda a, X, z: -weights(a, X, z), balance),
            "twice": of(lambda a, X, z: 2 * weights(a, X, z), balance),
            "multipliers sum to 0": of(weights, lambda a, z: jnp.sum(a)),
        },
    )


experiment = Experiment(suites={"lagrange": lagrange, "stationary": stationary})
