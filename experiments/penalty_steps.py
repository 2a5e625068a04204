"""What L1 and L2 do to weights: one step of gradient or prox, when a fit is all zero, how ridge shrinks, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.learn import fit_ridge
from jaxml.learn.solvers import proximal_gradient
from jaxml.ops import l1, l2_norm, l2_squared, prox_l0, prox_l1, prox_l2_norm, prox_l2_squared

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
        valid=lambda c: 0 < c["eta"] * c["weight"] <= 1,
        sizes=(1, 3),
        adversarial=[{"w": np.array([2.0]), "eta": 1.0, "weight": 1.0}, {"w": np.zeros(1), "eta": 0.5, "weight": 1.0}],
        properties={
            "times 1 - eta lambda": lambda f, c: (
                np.asarray(f(**c)),
                (1 - c["eta"] * c["weight"]) * c["w"],
                np.maximum(np.abs(c["w"]), 1e-300),
            ),
            "nearer to 0, or at it": lambda f, c: bool(np.all((np.abs(f(**c)) < np.abs(c["w"])) | (c["w"] == 0))),
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
        draw=lambda generator, size: {"w": float(generator.normal(scale=2)), "size": 10.0 ** generator.uniform(-2, 1)},
        valid=lambda c: c["size"] > 0,
        sizes=(1,),
        adversarial=[{"w": w, "size": 1.0} for w in (0.0, 1.0, -1.0, 2.0, -2.0)],
        properties={
            "minimises (u - w)^2 / 2 + eta lambda |u|": minimises,
            "0 exactly up to eta lambda": lambda f, c: (float(f(**c)) == 0) == (abs(c["w"]) <= c["size"]),
            "the same in either sign": lambda f, c: (float(f(-c["w"], c["size"])), -float(f(**c)), c["size"]),
        },
        mutants={
            "hard threshold": jax.jit(lambda w, size: prox_l0(w, strength=size**2 / 2)),
            "squared L2": jax.jit(lambda w, size: prox_l2_squared(w, strength=size)),
            "a subgradient step": jax.jit(lambda w, size: w - size * jnp.sign(w)),
            "half the size": jax.jit(lambda w, size: prox_l1(w, strength=size / 2)),
        },
    )


def zeroed(*, squared: bool) -> Suite:
    """Are all weights zero exactly from lambda = |X'y| / n on, with the norm as the penalty; with its square, never?"""

    def solver(prox: Callable[..., Any], *, mean: bool = True) -> Callable[..., Any]:
        def run(X: Any, y: Any, weight: Any) -> Any:
            n = len(y) if mean else 1
            shrink = lambda w, step: prox(w, strength=step * weight)  # noqa: E731
            step = n / jnp.linalg.norm(X, 2) ** 2
            start = jnp.ones(X.shape[1])
            return proximal_gradient(
                lambda w: X.T @ (X @ w - y) / n, shrink, start, step_size=step, steps=300, accelerate=False
            ).params

        return jax.jit(run)

    def draw(generator: np.random.Generator, size: int) -> Case:
        X, y = generator.normal(size=(8, size)), generator.normal(size=8)
        return {"X": X, "y": y, "ratio": generator.choice([0.5, 0.9, 1.1, 3.0])}

    def any_left(f: Any, c: Case) -> bool:
        border = np.linalg.norm(c["X"].T @ c["y"]) / len(c["y"])
        return bool(np.any(f(c["X"], c["y"], c["ratio"] * border)))

    norm, square = {"the norm": solver(prox_l2_norm)}, {"its square": solver(prox_l2_squared)}
    return Suite(
        subject=(square if squared else norm).popitem()[1],
        draw=draw,
        valid=lambda c: (c["X"].T @ c["y"]).any() and abs(c["ratio"] - 1) > 0.05,
        sizes=(3,),
        properties={
            "never all zero": any_left,
        }
        if squared
        else {"all zero from there on, not before": lambda f, c: any_left(f, c) == (c["ratio"] < 1)},
        mutants={
            **(norm if squared else square),
            "L1": solver(prox_l1),
            "L0": solver(prox_l0),
            **({} if squared else {"not divided by n": solver(prox_l2_norm, mean=False)}),
        },
    )


RIDGE = jax.jit(lambda X, y, l2: fit_ridge(X, y, l2=l2, intercept=False).params.coef)


def ridge(*, each: bool) -> Suite:
    """Does a stronger squared L2 penalty make the weights of a regression smaller: as one vector, or every one?"""

    def sizes(f: Any, c: Case) -> tuple[np.ndarray, np.ndarray]:
        return np.abs(f(c["X"], c["y"], c["more"])), np.abs(f(c["X"], c["y"], c["less"]))

    def shorter(f: Any, c: Case) -> bool:
        more, less = sizes(f, c)
        return bool(np.linalg.norm(more) < np.linalg.norm(less))

    together: dict[str, Any] = {"the vector": shorter}
    every = {"every weight": lambda f, c: bool(np.all(np.less_equal(*sizes(f, c))))}

    def draw(generator: np.random.Generator, size: int) -> Case:
        X, y = generator.normal(size=(6, size)), generator.normal(size=6)
        X[:, -1] += 2 * X[:, 0]
        less = 10.0 ** generator.uniform(-2, 2)
        return {"X": X, "y": y, "less": less, "more": less * 10.0 ** generator.uniform(0.1, 2)}

    return Suite(
        subject=RIDGE,
        reference=jax.jit(lambda X, y, l2: X.T @ y / (1 + l2)) if each else None,
        draw=draw,
        valid=lambda c: 0 < c["less"] < c["more"] and (c["X"].T @ c["y"]).any(),
        sizes=(2,),
        properties=together | (every if each else {}),
        mutants={
            "towards 1": lambda X, y, l2: 1 + RIDGE(X, y - X.sum(1), l2),
            "strength turned over": lambda X, y, l2: RIDGE(X, y, 1 / l2),
            "no penalty": lambda X, y, l2: RIDGE(X, y, 0.0),
        },
    )


experiment = Experiment(
    suites={
        "gradient_step": gradient_step,
        "one_sided": lambda: soft(ONE_SIDED),
        "soft": lambda: soft(SOFT),
        "norm_zeroes": lambda: zeroed(squared=False),
        "square_never": lambda: zeroed(squared=True),
        "ridge": lambda: ridge(each=False),
        "ridge_each": lambda: ridge(each=True),
    }
)
