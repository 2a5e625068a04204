"""The dual of the maximal margin: its Lagrangian, weak and strong duality, and where derivatives vanish, exactly."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.learn import fit_kernel_svm, fit_linear_svm
from jaxml.ops import l2_squared

Case = dict[str, Any]
C = 1e3
"""More than any multiplier can be where the classes are a quarter apart, so that the margin is a hard one."""
SLACK = 1e9
"""Scale of what an iterative solver gives: its last digits are not asked for."""


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


@jax.jit
def solved(X: Any, y: Any) -> Any:
    """Weights, intercept and multipliers of the maximal margin, the multipliers from a solver of their own."""
    primal = fit_linear_svm(X, y, C=C).params
    return primal.coef, primal.intercept, multipliers(X, y)


def multipliers(X: Any, y: Any, cost: float = C) -> Any:
    """Where the dual is largest, with the factor 1/2 before its double sum."""
    return fit_kernel_svm(X, y, C=cost, kernel="linear", tolerance=1e-13).params.dual_coef * (2 * y - 1)


@lru_cache(maxsize=10_000)
def _solution(X: bytes, y: bytes) -> tuple[np.ndarray, float, np.ndarray]:
    w, b, a = solved(np.frombuffer(X).reshape(-1, 2), np.frombuffer(y, int))
    return np.asarray(w), float(b), np.asarray(a)


def solution(c: Case) -> tuple[np.ndarray, float, np.ndarray]:
    """The same, computed once for each set of rows."""
    return _solution(c["X"].tobytes(), c["y"].astype(int).tobytes())


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

    def kept(c: Case) -> bool:
        margins = (2 * c["y"] - 1) * (c["X"] @ c["w"] + c["b"])
        return len(margins) > 0 and bool(np.min(margins) >= 1 - 1e-9 and np.min(c["a"]) >= 0)

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
            "at most the objective": lambda f, c: float(f(**c)) <= objective(c) + 1e-8 * size(c),
            "the objective without multipliers": lambda f, c: (
                float(f(**(c | {"a": 0 * c["a"]}))), objective(c), size(c),
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


def weak(*, gap: bool) -> Suite:
    """Is the dual nowhere above the primal's optimum, and does it reach it?"""

    def dual(factor: float, label: Callable[[Any], Any] = lambda y: 2 * y - 1) -> Callable[..., Any]:
        return jax.jit(lambda a, X, y: jnp.sum(a) - factor * l2_squared((a * label(y)) @ X))

    def below(f: Any, c: Case) -> bool:
        share = [np.sum(c["a"][c["y"] == k]) for k in (0, 1)]
        a = c["a"] / np.where(c["y"] == 1, share[1], share[0])  # the multipliers of both classes have one sum
        v = (a * (2 * c["y"] - 1)) @ c["X"]
        w = solution(c)[0]
        return float(f(c["share"] * 2 / (v @ v) * a, c["X"], c["y"])) <= float(w @ w) / 2 * (1 + 1e-8)

    def reached(f: Any, c: Case) -> tuple[Any, ...]:
        w, _, a = solution(c)
        return float(f(a, c["X"], c["y"])), float(w @ w) / 2, SLACK * float(w @ w)

    return Suite(
        subject=dual(0.5),
        draw=lambda generator, size: separable(generator, size) | {
            "a": 0.01 + generator.exponential(size=size), "share": float(generator.choice([0.1, 0.5, 1.0, 1.5])),
        },
        valid=lambda c: has_gap(c) and bool(np.min(c["a"]) >= 0.01) and 0 < c["share"] < 2,
        sizes=(2, 5),
        adversarial=[{"X": np.array([[-1.0, 0.0], [1.0, 0.0]]), "y": np.array([0, 1]), "a": np.ones(2), "share": 1.0}],
        properties={"nowhere above the optimum": below} | ({"reaches it": reached} if gap else {}),
        mutants={
            "double sum added": dual(-0.5),
            "a quarter for the half": dual(0.25),
            "labels left out": dual(0.5, jnp.ones_like),
        } | ({"without the half": dual(1.0)} if gap else {}),
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


experiment = Experiment(
    suites={
        "lagrange": lagrange,
        "weak": lambda: weak(gap=False),
        "strong": lambda: weak(gap=True),
        "stationary": stationary,
    }
)
