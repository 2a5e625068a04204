"""Fisher's discriminant of two classes: its criterion and its direction, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import eigh

from experiments.shared.scatter import classes, regular, scatter, scatters
from jaxml import Experiment, Suite
from jaxml.learn import fit_lda

Case = dict[str, Any]


def criterion(w: Any, X: Any, y: Any) -> Any:
    """J: squared distance of the means along w over the scatter within, of two classes."""
    _, within, means = scatter(X, y, 2)
    return (w @ (means[1] - means[0])) ** 2 / (w @ within @ w)


def projected() -> Suite:
    """Is J what the rows projected on w show?"""

    def shown(f: Any, c: Case) -> tuple[Any, ...]:
        z = c["X"] @ c["w"]
        means = np.array([z[c["y"] == k].mean() for k in (0, 1)])
        expected = (means[1] - means[0]) ** 2 / np.sum((z - means[c["y"]]) ** 2)
        return f(**c), expected, 1e4 * (1 + expected)

    def of(form: Callable[[Any, Any, Any, Any], Any]) -> Callable[..., Any]:
        J = jax.jit(criterion)
        return lambda w, X, y: form(float(J(w, X, y)), X @ w, y, w)

    level = np.array([[k % 2, k // 2 % 3] for k in range(8)], float)  # along the second feature the means are one
    return Suite(
        subject=jax.jit(criterion),
        draw=lambda generator, size: classes(2, 2)(generator, size) | {"w": generator.normal(size=2)},
        valid=lambda c: regular(2)(c) and float(np.linalg.norm(c["w"])) > 0.1,
        sizes=(8,),
        properties={"is that of the projected rows": shown},
        adversarial=[{"X": level, "y": np.arange(8) % 2, "w": np.array([0.0, 1.0])}],
        mutants={
            "total scatter below": of(lambda J, z, y, w: J / (1 + J * len(z) * y.mean() * (1 - y.mean()))),
            "distance not squared": of(lambda J, z, y, w: J / abs(z[y == 1].mean() - z[y == 0].mean() + 1e-9)),
            "squared norm below": of(lambda J, z, y, w: (z[y == 1].mean() - z[y == 0].mean()) ** 2 / (w @ w)),
        },
    )  # fmt: skip


def direction() -> Suite:
    """Has S_w^-1 (mu_0 - mu_1) the largest J, and is it how the decision values of the classes differ?"""

    def greatest(f: Any, X: Any, y: Any) -> tuple[Any, ...]:
        w, (between, within, _) = f(X, y), scatters(X, y, 2)
        size = [float(np.sum(y == k)) for k in (0, 1)]
        best = eigh(np.asarray(between), np.asarray(within), eigvals_only=True)[-1] * sum(size) / (size[0] * size[1])
        return float(J(w, X, y)), best, 1e5 * (1 + best)

    def discriminant(f: Any, X: Any, y: Any) -> tuple[Any, ...]:
        w, expected = np.asarray(f(X, y)), np.asarray(fitted(X, y))
        return w / np.linalg.norm(w), expected / np.linalg.norm(expected), 1e6

    def of(form: Callable[[Any, Any], Any]) -> Callable[..., Any]:
        def found(X: Any, y: Any) -> Any:
            _, within, means = scatter(X, y, 2)
            return form(within, means[0] - means[1])

        return jax.jit(found)

    J, fitted = jax.jit(criterion), jax.jit(lambda X, y: -jnp.diff(fit_lda(X, y, classes=2).params.coef)[:, 0])
    return Suite(
        subject=of(jnp.linalg.solve),
        draw=classes(2, 3),
        valid=regular(2),
        sizes=(10,),
        properties={"largest J": greatest, "as linear discriminant analysis has it": discriminant},
        mutants={
            "difference of means": of(lambda within, gap: gap),
            "features one by one": of(lambda within, gap: gap / jnp.diagonal(within)),
            "not inverted": of(lambda within, gap: within @ gap),
            "turned round": of(lambda within, gap: -jnp.linalg.solve(within, gap)),
        },
    )


experiment = Experiment(suites={"projected": projected, "direction": direction})
