"""How a forest puts its members together, exactly."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.learn import Tree, predict_forest


def forest(leaves: Any) -> Tree:
    """Stumps that part the line at 0, with their two leaves, (members, 2)."""
    members, slot = len(leaves), lambda *values: jnp.tile(jnp.asarray(values), (len(leaves), 1))
    value = jnp.concatenate([jnp.zeros((members, 1)), leaves], axis=1)
    nothing = jnp.zeros((members, 3))
    return Tree(slot(0, -1, -1), nothing, nothing > 0, slot(1, 0, 0), value, nothing + 1, nothing)


predicted = jax.jit(lambda leaves: predict_forest(forest(leaves), jnp.array([[-1.0], [1.0]])))


def combined() -> Suite:
    """Is a forest's prediction the mean of those of its members, each with the same weight?"""

    def later_more(leaves: Any) -> Any:
        number = np.arange(1.0, len(leaves) + 1)
        return number @ leaves / number.sum()

    size = lambda c: 1 + np.abs(c["leaves"]).max()  # noqa: E731
    return Suite(
        subject=predicted,
        draw=lambda generator, size: {"leaves": generator.normal(size=(size, 2))},
        valid=lambda leaves: len(leaves) >= 1,
        sizes=(1, 2, 5),
        properties={
            "the plain mean": lambda f, c: (f(c["leaves"]), c["leaves"].mean(0), size(c)),
            "whatever their order": lambda f, c: (f(c["leaves"]), f(c["leaves"][::-1]), size(c)),
        },
        mutants={
            "later members weigh more": later_more,
            "the first alone": lambda leaves: leaves[0],
            "the median": lambda leaves: np.median(leaves, axis=0),
            "the sum": lambda leaves: leaves.sum(0),
        },
    )


def majority() -> Suite:
    """Is the class with the larger mean probability the one for which most members are?"""

    def vote(leaves: Any) -> np.ndarray:
        return (np.asarray(leaves) > 0.5).mean(0) > 0.5

    return Suite(
        subject=lambda leaves: np.asarray(predicted(leaves)) > 0.5,
        reference=vote,
        draw=lambda generator, size: {"leaves": generator.uniform(size=(size, 2))},
        valid=lambda leaves: (
            len(leaves) % 2 == 1
            and bool(np.all((leaves != 0.5) & (leaves >= 0) & (leaves <= 1)))
            and bool(np.all(np.abs(leaves.mean(0) - 0.5) > 1e-9))
        ),
        sizes=(1, 3, 5),
        adversarial=[{"leaves": np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])}],
        properties={"is that of the majority": lambda f, leaves: np.all(f(leaves) == vote(leaves))},
        mutants={
            "the first alone": lambda leaves: leaves[0] > 0.5,
            "any member": lambda leaves: leaves.max(0) > 0.5,
            "all members": lambda leaves: leaves.min(0) > 0.5,
        },
    )


experiment = Experiment(suites={"combined": combined, "majority": majority})
