"""What each tree of gradient boosting fits, exactly: residuals, medians of them, gradients over curvatures.

Trees have one split on one feature. Rows whose scores a round moves alike lie in one leaf, so that leaves and their
values are read from the scores after each round.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import expit

from jaxml import Experiment, Suite
from jaxml.learn import gradient_boosting, staged_boosted

Case = dict[str, Any]
Scores = Callable[..., Any]
"""`scores(X, y, rate)`: the scores of the rows before the first round and after each, (rounds + 1, rows)."""
ROWS, ROUNDS = 6, 3


@functools.partial(jax.jit, static_argnames=("loss", "order"))
def run(X: Any, y: Any, rate: Any, at: Any, l2: Any, loss: Any, order: Any) -> Any:
    """The scores of some rows before the first round of jaxml's gradient boosting, and after each."""
    options: dict[str, Any] = {"loss": loss, "order": order, "l2": l2, "learning_rate": rate, "rounds": ROUNDS}
    params = gradient_boosting(None, X, y, max_depth=1, missing=False, **options).params
    return jnp.concatenate([jnp.full((1, len(at)), params.start), staged_boosted(params, at)])


def scores(*, loss: str = "half_squared", order: str = "newton", l2: float = 0.0) -> Scores:
    """Those of the rows that it is fitted to, or of others."""
    return lambda X, y, rate, at=None: np.asarray(run(X, y, rate, X if at is None else at, l2, loss, order))


squared = scores()


def rows(generator: np.random.Generator, size: int) -> Case:
    """A feature, targets and a learning rate."""
    rate = float(generator.uniform(0.05, 1.0))
    return {"X": generator.normal(size=(ROWS, 1)), "y": generator.normal(size=ROWS), "rate": rate}


def labelled(generator: np.random.Generator, size: int) -> Case:
    """The same with labels of two classes."""
    return rows(generator, size) | {"y": generator.permutation([0.0, 1.0, *generator.integers(0, 2, ROWS - 2)])}


def leaves(before: np.ndarray, after: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """The rows of each leaf, and how far their scores moved."""
    moved = after - before
    values = moved[np.argsort(moved)][np.r_[True, np.diff(np.sort(moved)) > 1e-9 * (1 + np.abs(moved).max())]]
    nearest = np.argmin(np.abs(moved[:, None] - values), axis=1)
    return [(nearest == i, float(moved[nearest == i].mean())) for i in range(len(values))]


def moves(value: Callable[[Case, np.ndarray, np.ndarray], float]) -> Callable[[Scores, Case], Any]:
    """Whether each round moves each leaf by the rate times a value, given the leaf's rows and the scores before."""

    def check(f: Scores, c: Case) -> tuple[Any, Any, float]:
        stages = f(**c)
        found = [(leaf, stages[t], step) for t in range(len(stages) - 1) for leaf, step in leaves(*stages[t : t + 2])]
        expected = [c["rate"] * value(c, leaf, before) for leaf, before, _ in found]
        return np.array([step for *_, step in found]), np.array(expected), 100 * (1 + np.abs(stages).max())

    return check


def residual(how: Callable[[np.ndarray], Any]) -> Callable[[Case, np.ndarray, np.ndarray], float]:
    """Some mean of the residuals of a leaf."""
    return lambda c, leaf, before: float(how((c["y"] - before)[leaf]))


def newton(l2: float) -> Callable[[Case, np.ndarray, np.ndarray], float]:
    """Minus the sum of the gradients of the logistic loss over that of its second derivatives and the penalty."""

    def value(c: Case, leaf: np.ndarray, before: np.ndarray) -> float:
        p = expit(before[leaf])
        return float((c["y"][leaf] - p).sum() / ((p * (1 - p)).sum() + l2))

    return value


def fitted(
    subject: Scores, value: Any, mutants: dict[str, Scores], *, reference: Any = None, draw: Any = rows
) -> Suite:
    """Does each round move each leaf by the rate times a value?"""
    return Suite(
        subject=subject,
        reference=reference,
        draw=draw,
        valid=lambda c: 0.01 <= c["rate"] <= 1 and (draw is rows or set(c["y"].tolist()) == {0.0, 1.0}),
        sizes=(1,),
        properties={"each leaf moves by its value": moves(value)},
        mutants=mutants,
    )


MEANS: dict[str, Scores] = {
    "to the targets themselves": lambda X, y, rate: np.cumsum(
        [np.full(ROWS, y.mean()), *np.diff(squared(X, y, rate)[:2], axis=0).repeat(ROUNDS, axis=0)], axis=0
    ),
    "away from the residuals": lambda X, y, rate: 2 * squared(X, y, rate)[:1] - squared(X, y, rate),
    "twice the rate": lambda X, y, rate: squared(X, y, 2 * rate),
}
logistic, absolute = scores(loss="logistic", l2=1.0), scores(loss="absolute")


def never_rises(*, most: float, fresh: bool) -> Suite:
    """Does the squared error fall or stay in each round, on the training rows or on others?"""

    def on_rows(f: Scores, most: float, **c: Any) -> np.ndarray:
        return ((c["y"] - f(c["X"], c["y"], min(c["rate"], most))) ** 2).sum(1)

    def on_fresh(**c: Any) -> np.ndarray:
        return ((c["fresh_y"] - squared(c["X"], c["y"], c["rate"], c["fresh_X"])) ** 2).sum(1)

    def draw(generator: np.random.Generator, size: int) -> Case:
        other = {f"fresh_{name}": value for name, value in rows(generator, size).items() if name != "rate"}
        return rows(generator, size) | other | {"rate": float(generator.uniform(0.05, most))}

    return Suite(
        subject=on_fresh if fresh else functools.partial(on_rows, squared, most),
        reference=functools.partial(on_rows, squared, 1.0) if fresh or most > 2 else None,
        draw=draw,
        valid=lambda c: 0.01 <= c["rate"] < most,
        sizes=(1,),
        properties={"falls or stays": lambda f, c: bool(np.all(np.diff(found := f(**c)) <= 1e-12 * (1 + found[0])))},
        mutants={
            "a rate of 2 more": lambda **c: on_rows(squared, 5.0, **c | {"rate": c["rate"] + 2}),
            "away from the residuals": functools.partial(on_rows, MEANS["away from the residuals"], most),
            "backwards": lambda **c: on_rows(squared, 1.0, **c)[::-1],
        },
    )


def same_orders() -> Suite:
    """Is boosting by curvature the same as boosting by gradients alone, for the squared error?"""
    first = scores(l2=1.0, order="gradient")
    return Suite(
        subject=scores(l2=1.0),
        draw=rows,
        valid=lambda c: 0.01 <= c["rate"] <= 1,
        sizes=(1,),
        properties={"the same scores": lambda f, c: (f(**c), first(**c), 1 + np.abs(c["y"]).max())},
        mutants={"twice the rate": MEANS["twice the rate"], "no penalty": squared, "the absolute error": absolute},
    )


ORDERS = {
    "first order": scores(loss="logistic", l2=1.0, order="gradient"),
    "no penalty": scores(loss="logistic"),
    "squared error": scores(l2=1.0),
}
experiment = Experiment(
    suites={
        "training_error": lambda: never_rises(most=2.0, fresh=False),
        "training_error_at_any_rate": lambda: never_rises(most=3.0, fresh=False),
        "fresh_error": lambda: never_rises(most=1.0, fresh=True),
        "residuals": lambda: fitted(squared, residual(np.mean), MEANS),
        "residuals_of_any_loss": lambda: fitted(absolute, residual(np.mean), MEANS, reference=squared),
        "medians": lambda: fitted(absolute, residual(np.median), MEANS | {"means": squared}),
        "second_order": lambda: fitted(logistic, newton(1.0), ORDERS, draw=labelled),
        "same_orders": same_orders,
    }
)
