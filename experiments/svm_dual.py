"""The dual of the maximal margin: weak and strong duality, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.shared.machines import SLACK, has_gap, separable, solution
from jaxml import Experiment, Suite
from jaxml.ops import l2_squared

Case = dict[str, Any]


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
        return f(a, c["X"], c["y"]), float(w @ w) / 2, SLACK * float(w @ w)

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


experiment = Experiment(suites={"weak": lambda: weak(gap=False), "strong": lambda: weak(gap=True)})
