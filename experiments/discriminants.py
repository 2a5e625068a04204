"""Fisher's discriminant and its many-class form: criterion, eigenproblem, direction, inverse and rank, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import eigh

from jaxml import Experiment, Suite
from jaxml.learn import fit_lda

Case = dict[str, Any]


def classes(count: int, features: int) -> Callable[[np.random.Generator, int], Case]:
    """Rows of some classes, of one shape that is no sphere."""

    def draw(generator: np.random.Generator, size: int) -> Case:
        y = np.minimum(np.arange(size) % (count + 1), count - 1)  # the last class has twice the rows
        means, shape = generator.normal(size=(count, features)), generator.normal(size=(features, features))
        return {"X": generator.normal(size=(size, features)) @ shape + 2 * means[y], "y": y}

    return draw


def scatter(X: Any, y: Any, count: int) -> tuple[Any, Any, Any]:
    """The scatter between the classes and within them, and the classes' means."""
    share = jax.nn.one_hot(y, count, dtype=float)
    means = (share.T @ X) / jnp.sum(share, 0)[:, None]
    inner, outer = X - means[y], means - jnp.mean(X, 0)
    return (outer * jnp.sum(share, 0)[:, None]).T @ outer, inner.T @ inner, means


scatters = jax.jit(scatter, static_argnums=2)


def regular(count: int) -> Callable[[Case], bool]:
    """Whether every class has rows, and the scatter within has an inverse, a good one."""

    def valid(c: Case) -> bool:
        present = set(c["y"].tolist()) == set(range(count)) and np.max(np.abs(c["X"])) < 100
        return bool(present and np.linalg.cond(np.asarray(scatters(c["X"], c["y"], count)[1])) < 1e4)

    return valid


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
        return float(f(**c)), expected, 1e4 * (1 + expected)

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


def eigenproblem() -> Suite:
    """Do the discriminant directions solve S_b w = lambda S_w w, with the largest lambda?"""

    def parts(f: Any, c: Case) -> tuple[np.ndarray, ...]:
        between, within, _ = (np.asarray(s) for s in scatters(c["X"], c["y"], 3))
        W = np.asarray(f(c["X"], c["y"]))
        return W, between, within, np.sum(W * (between @ W), 0) / np.sum(W * (within @ W), 0)

    def residual(f: Any, c: Case) -> tuple[Any, ...]:
        W, between, within, value = parts(f, c)
        size = np.abs(between) @ np.abs(W) + value * (np.abs(within) @ np.abs(W))
        return between @ W, value * (within @ W), 1e5 * np.max(size, 0)

    def largest(f: Any, c: Case) -> tuple[Any, ...]:
        _, between, within, value = parts(f, c)
        expected = eigh(between, within, eigvals_only=True)[:0:-1]
        return value, expected, 1e5 * expected[0]

    def top(matrix: Callable[[Any, Any], Any]) -> Callable[..., Any]:
        return jax.jit(lambda X, y: jnp.linalg.eigh(matrix(*scatter(X, y, 3)[:2]))[1][:, :0:-1])

    return Suite(
        subject=jax.jit(lambda X, y: fit_lda(X, y, classes=3).params.projection),
        draw=classes(3, 3),
        valid=regular(3),
        sizes=(12,),
        properties={"solve the eigenproblem": residual, "with the largest eigenvalues": largest},
        mutants={
            "principal components": top(lambda between, within: between + within),
            "scatter between alone": top(lambda between, within: between),
            "the smaller lambda first": jax.jit(lambda X, y: fit_lda(X, y, classes=3).params.projection[:, ::-1]),
            "from mean to mean": jax.jit(
                lambda X, y: jnp.linalg.solve(scatter(X, y, 3)[1], jnp.diff(scatter(X, y, 3)[2], axis=0).T)
            ),
        },
    )


def direction() -> Suite:
    """Has S_w^-1 (mu_0 - mu_1) the largest J, and is it how the decision values of the classes differ?"""

    def greatest(f: Any, c: Case) -> tuple[Any, ...]:
        w, (between, within, _) = f(c["X"], c["y"]), scatters(c["X"], c["y"], 2)
        size = [float(np.sum(c["y"] == k)) for k in (0, 1)]
        best = eigh(np.asarray(between), np.asarray(within), eigvals_only=True)[-1] * sum(size) / (size[0] * size[1])
        return float(J(w, c["X"], c["y"])), best, 1e5 * (1 + best)

    def discriminant(f: Any, c: Case) -> tuple[Any, ...]:
        w, expected = np.asarray(f(c["X"], c["y"])), np.asarray(fitted(c["X"], c["y"]))
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


def rank() -> Suite:
    """Do K - 1 directions hold all that separates the means of K classes?"""

    def apart(f: Any, c: Case) -> tuple[Any, ...]:
        _, within, means = (np.asarray(s) for s in scatters(c["X"], c["y"], 3))
        W = np.asarray(f(c["X"], c["y"]))
        gaps = means[[1, 2, 2]] - means[[0, 0, 1]]
        expected = np.sum(gaps * np.linalg.solve(within / len(c["y"]), gaps.T).T, 1)
        return np.sum((gaps @ W) ** 2, 1), expected, 1e5 * np.max(expected)

    found = lambda change: jax.jit(lambda X, y: change(fit_lda(X, y, classes=3).params.projection))  # noqa: E731
    return Suite(
        subject=found(lambda W: W),
        draw=classes(3, 4),
        valid=regular(3),
        sizes=(14,),
        properties={
            "at most K - 1": lambda f, c: f(c["X"], c["y"]).shape[1] <= 2,
            "the distances of the means are those of all features": apart,
        },
        mutants={
            "one fewer": found(lambda W: W[:, :1]),
            "one more": found(lambda W: jnp.append(W, 0 * W[:, :1], axis=1)),
            "principal components": jax.jit(
                lambda X, y: jnp.linalg.svd(X - jnp.mean(X, 0), full_matrices=False)[2][:2].T
            ),
        },
    )


experiment = Experiment(
    suites={"projected": projected, "eigenproblem": eigenproblem, "direction": direction, "rank": rank}
)
