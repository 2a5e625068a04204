"""Newton's steps near roots of either kind, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxml import Experiment, Suite

Case = dict[str, Any]


def cubic(x: Any, root: Any, first: Any, second: Any) -> Any:
    """A polynomial with a root, and others some way below it."""
    return (x - root) * (x - root + first) * (x - root + second)


def stepping(step: Callable[..., Any]) -> Callable[..., Any]:
    """The next x, from the polynomial as a function of x."""
    return jax.jit(lambda x, *roots: step(lambda z: cubic(z, *roots), x))


NEWTON = stepping(lambda f, x: x - f(x) / jax.grad(f)(x))
OF_THE_QUOTIENT = stepping(lambda f, x: x - (u := lambda z: f(z) / jax.grad(f)(z))(x) / jax.grad(u)(x))


SLOPES = {
    "half the step": stepping(lambda f, x: x - f(x) / jax.grad(f)(x) / 2),
    "step turned round": stepping(lambda f, x: x + f(x) / jax.grad(f)(x)),
    "slope of a secant": stepping(lambda f, x: x - f(x) / ((f(x + 0.5) - f(x)) / 0.5)),
    "slope of one": stepping(lambda f, x: x - f(x)),
}


def newton(gaps: str, reference: Callable[..., Any] | None = None, *, halves: bool = False) -> Suite:
    """Near a root, is the error after a step at most five times its square; or, at a double one, half of it?"""
    near = {"any": (0.0, 1.0), "simple": (1.0,), "double": (0.0,)}[gaps]

    def draw(generator: np.random.Generator) -> Case:
        least, far = generator.choice(near), generator.uniform(1, 4, 2)
        error = 10.0 ** generator.uniform(-3, -1)
        return {"root": float(generator.normal()), "error": error, "first": least and far[0], "second": far[1]}

    def after(f: Any, c: Case) -> float:
        return abs(float(f(c["root"] + c["error"], c["root"], c["first"], c["second"])) - c["root"])

    def valid(first: Any, error: Any, second: Any, root: Any) -> bool:
        allowed = first in near or (1 <= first <= 4 and 1.0 in near)
        return allowed and 1e-3 <= error <= 0.1 and 1 <= second <= 4 and abs(root) < 5

    squares = {"squares the error": lambda f, c: after(f, c) <= 5 * c["error"] ** 2}
    half = {"halves the error": lambda f, c: abs(after(f, c) / c["error"] - 0.5) <= c["error"]}
    return Suite(
        subject=NEWTON,
        reference=reference,
        draw=draw,
        valid=valid,
        adversarial=[{"root": 0.0, "error": 0.1, "first": near[0], "second": 1.0}],
        properties=half if halves else squares,
        mutants=SLOPES,
    )


def cycle(start: float) -> dict[str, float]:
    """Two of Newton's steps on x^3 - 2 x + 2."""
    step = lambda x: x - (x**3 - 2 * x + 2) / (3 * x**2 - 2)  # noqa: E731
    return {"first": step(start), "second": step(step(start))}


experiment = Experiment(
    suites={
        "newton": lambda: newton("any", OF_THE_QUOTIENT),
        "newton_simple": lambda: newton("simple"),
        "newton_double": lambda: newton("double", halves=True),
    },
    numbers={"from_0": lambda: cycle(0.0), "from_minus_2": lambda: cycle(-2.0)},
)
