"""Newton's steps near roots of either kind, and the order of matrix products, exactly."""

from collections.abc import Callable
from itertools import pairwise
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

    def draw(generator: np.random.Generator, size: int) -> Case:
        least, far = generator.choice(near), generator.uniform(1, 4, 2)
        error = 10.0 ** generator.uniform(-3, -1)
        return {"root": float(generator.normal()), "error": error, "first": least and far[0], "second": far[1]}

    def after(f: Any, c: Case) -> float:
        return abs(float(f(c["root"] + c["error"], c["root"], c["first"], c["second"])) - c["root"])

    def valid(c: Case) -> bool:
        allowed = c["first"] in near or (1 <= c["first"] <= 4 and 1.0 in near)
        return allowed and 1e-3 <= c["error"] <= 0.1 and 1 <= c["second"] <= 4 and abs(c["root"]) < 5

    squares = {"squares the error": lambda f, c: after(f, c) <= 5 * c["error"] ** 2}
    half = {"halves the error": lambda f, c: abs(after(f, c) / c["error"] - 0.5) <= c["error"]}
    return Suite(
        subject=NEWTON,
        reference=reference,
        draw=draw,
        valid=valid,
        sizes=(1,),
        adversarial=[{"root": 0.0, "error": 0.1, "first": near[0], "second": 1.0}],
        properties=half if halves else squares,
        mutants=SLOPES,
    )


def cycle(start: float) -> dict[str, float]:
    """Two of Newton's steps on x^3 - 2 x + 2."""
    step = lambda x: x - (x**3 - 2 * x + 2) / (3 * x**2 - 2)  # noqa: E731
    return {"first": step(start), "second": step(step(start))}


Sizes = tuple[int, ...]


def cheapest(sizes: Sizes) -> int:
    """Multiplications of the best order of a chain of matrices, by recursion over its last product."""
    if len(sizes) < 3:
        return 0
    return min(
        cheapest(sizes[: k + 1]) + cheapest(sizes[k:]) + sizes[0] * sizes[k] * sizes[-1]
        for k in range(1, len(sizes) - 1)
    )


ORDERS: dict[str, Callable[[int, int, int, int], int]] = {
    "(AB)C": lambda m, n, p, q: m * n * p + m * p * q,
    "A(BC)": lambda m, n, p, q: n * p * q + m * n * q,
    "the dearer of the two": lambda m, n, p, q: max(m * n * p + m * p * q, n * p * q + m * n * q),
    "without the second product": lambda m, n, p, q: m * n * p,
    "the cheaper of the two": lambda m, n, p, q: min(m * n * p + m * p * q, n * p * q + m * n * q),
}


def chain(*, rising: bool) -> Suite:
    """Does (AB)C take the fewest multiplications, A of m rows and n columns, B of p columns, C of q?"""
    names = "mnpq"

    def draw(generator: np.random.Generator, size: int) -> Case:
        sizes = generator.choice(12, 4, replace=False) + 1 if rising else generator.integers(1, 13, 4)
        return dict(zip(names, (np.sort(sizes) if rising else sizes).tolist(), strict=True))

    def valid(c: Case) -> bool:
        sizes = [c[k] for k in names]
        return min(sizes) > 0 and (not rising or all(a < b for a, b in pairwise(sizes)))

    return Suite(
        subject=ORDERS["(AB)C"],
        reference=None if rising else ORDERS["the cheaper of the two"],
        draw=draw,
        valid=valid,
        sizes=(1,),
        adversarial=[{"m": 1, "n": 2, "p": 3, "q": 4}],
        properties={"fewest multiplications": lambda f, c: (f(**c), cheapest(tuple(c[k] for k in names)))},
        mutants={k: ORDERS[k] for k in ("A(BC)", "the dearer of the two", "without the second product")},
    )


def product(order: Callable[..., Any]) -> Callable[[], Any]:
    """A chain of three matrices of rising sizes."""
    shapes = [jax.ShapeDtypeStruct(s, float) for s in ((10, 20), (20, 30), (30, 40))]
    return lambda: (order, *shapes)


experiment = Experiment(
    suites={
        "newton": lambda: newton("any", OF_THE_QUOTIENT),
        "newton_simple": lambda: newton("simple"),
        "newton_double": lambda: newton("double", halves=True),
        "rising": lambda: chain(rising=True),
        "any_sizes": lambda: chain(rising=False),
    },
    numbers={"from_0": lambda: cycle(0.0), "from_minus_2": lambda: cycle(-2.0)},
    programs={
        "left_first": product(lambda A, B, C: (A @ B) @ C),
        "right_first": product(lambda A, B, C: A @ (B @ C)),
    },
)
