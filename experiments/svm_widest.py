"""Which separating plane has the widest margin, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.shared.machines import has_gap, separable
from jaxml import Experiment, Suite
from jaxml.learn import fit_fisher, fit_linear_svm

Case = dict[str, Any]
DIRECTIONS = np.stack([np.cos(angles := np.linspace(0, 2 * np.pi, 360, endpoint=False)), np.sin(angles)])
SLACK = 1e8
"""Scale of what an iterative solver gives: its last digits are not asked for."""


def gap(c: Case, w: np.ndarray) -> Any:
    """How far apart the classes lie along each unit direction."""
    along = c["X"] @ w
    return along[c["y"] == 1].min(0) - along[c["y"] == 0].max(0)


def widest() -> Suite:
    """Has the plane of least norm(w)^2 / 2 among those with margins from 1 on the widest margin, 2 / norm(w)?"""

    def scaled(direction: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def weights(X: Any, y: Any) -> Any:
            w = direction(X, y)
            z = X @ w
            return 2 * w / (jnp.min(jnp.where(y == 1, z, jnp.inf)) - jnp.max(jnp.where(y == 0, z, -jnp.inf)))

        return jax.jit(weights)

    def found(f: Any, c: Case) -> tuple[float, np.ndarray]:
        w = np.asarray(f(c["X"], c["y"]))
        return float(np.linalg.norm(w)), w

    def margin(f: Any, c: Case) -> tuple[Any, ...]:
        norm, w = found(f, c)
        return float(gap(c, w / norm)), 2 / norm, SLACK

    return Suite(
        subject=jax.jit(lambda X, y: fit_linear_svm(X, y, C=1e6).params.coef),
        draw=separable,
        valid=has_gap,
        sizes=(2, 5),
        adversarial=[
            {"X": np.array([[-1.0, 0.0], [1.0, 0.0]]), "y": np.array([0, 1])},
            {"X": np.array([[-1.0, 3.0], [1.0, 3.0], [-1.0, 3.0], [1.0, -4.0], [-5.0, 0.0]]), "y": np.arange(5) % 2},
        ],
        properties={
            "the classes are 2 / norm(w) apart along it": margin,
            "and along no direction farther": lambda f, c: (
                float(gap(c, DIRECTIONS).max()) <= 2 / found(f, c)[0] * (1 + 1e-6)
            ),
        },
        mutants={
            "along the difference of means": scaled(lambda X, y: (2 * y - 1.0) @ X),
            "Fisher's direction": scaled(lambda X, y: fit_fisher(X, y, shrinkage=0.1).params.coef),
            "soft margin": jax.jit(lambda X, y: fit_linear_svm(X, y, C=0.01).params.coef),
        },
    )


experiment = Experiment(suites={"widest": widest})
