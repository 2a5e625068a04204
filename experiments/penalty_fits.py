"""When a penalised fit is all zero, and how ridge shrinks its weights, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.learn import fit_ridge
from jaxml.learn.solvers import proximal_gradient
from jaxml.ops import prox_l0, prox_l1, prox_l2_norm, prox_l2_squared

Case = dict[str, Any]


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
        valid=lambda y, ratio, X: (X.T @ y).any() and abs(ratio - 1) > 0.05,
        sizes=(3,),
        properties={"never all zero": any_left}
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
    every = {"every weight": lambda f, c: np.all(np.less_equal(*sizes(f, c)))}

    def draw(generator: np.random.Generator, size: int) -> Case:
        X, y = generator.normal(size=(6, size)), generator.normal(size=6)
        X[:, -1] += 2 * X[:, 0]
        less = 10.0 ** generator.uniform(-2, 2)
        return {"X": X, "y": y, "less": less, "more": less * 10.0 ** generator.uniform(0.1, 2)}

    return Suite(
        subject=RIDGE,
        reference=jax.jit(lambda X, y, l2: X.T @ y / (1 + l2)) if each else None,
        draw=draw,
        valid=lambda less, more, y, X: 0 < less < more and (X.T @ y).any(),
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
        "norm_zeroes": lambda: zeroed(squared=False),
        "square_never": lambda: zeroed(squared=True),
        "ridge": lambda: ridge(each=False),
        "ridge_each": lambda: ridge(each=True),
    }
)
