"""Principal components and the Karhunen-Loeve transform: which matrix, which eigenvalues, exactly."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxml import Experiment, Suite

Moments = Callable[[np.ndarray], np.ndarray]
"""From rows to the matrix whose eigenvectors are taken."""


def about_the_mean(X: np.ndarray) -> np.ndarray:
    """Of each feature, its deviation from the mean."""
    return X - X.mean(0)


def products(X: np.ndarray) -> np.ndarray:
    """XX' of the notes, where examples are columns: sums of products of centred features."""
    return about_the_mean(X).T @ about_the_mean(X)


def covariance(X: np.ndarray) -> np.ndarray:
    """The same over n - 1."""
    return products(X) / (len(X) - 1)


def basis(moments: Moments, *, largest: bool = True) -> Moments:
    """Eigenvectors as columns, those of the largest eigenvalues first."""
    return lambda X: np.linalg.eigh(moments(X))[1][:, :: -1 if largest else 1]


def second_moments(X: np.ndarray) -> np.ndarray:
    """Mean products of features that are not centred."""
    return X.T @ X / len(X)


def correlation(X: np.ndarray) -> np.ndarray:
    """Of features scaled to one variance."""
    deviation = X.std(0)
    return covariance(X) / deviation[:, None] / deviation[None, :]


def rows(generator: np.random.Generator, size: int) -> np.ndarray:
    """Rows with three features of different scales, off the origin, some of whole numbers."""
    X = generator.normal(size=(size, 3)) * 10.0 ** generator.uniform(-1, 1, 3) + generator.normal(size=3)
    return np.round(X) + 0.0 if generator.random() < 0.3 else X


def fair(X: np.ndarray, *, gap: float = 0.0) -> bool:
    """Whether every feature varies, and no two components carry the same variance."""
    if len(X) < 2 or np.max(np.abs(X)) > 1e3 or np.min(X.std(0)) < 0.01:
        return False
    s = np.linalg.svd(about_the_mean(X), compute_uv=False)
    return gap == 0 or (len(X) > 3 and bool(np.all(s[:-1] - s[1:] > gap * s[0])))


def components() -> Suite:
    """Do the first eigenvectors of XX' leave the least squared error, as the singular values say?"""

    def least(f: Any, X: np.ndarray) -> tuple[Any, ...]:
        Z, W = about_the_mean(X), f(X)
        left = [np.sum((Z - Z @ W[:, :k] @ W[:, :k].T) ** 2) for k in (1, 2)]
        s = np.linalg.svd(Z, compute_uv=False)
        return np.array(left), np.array([np.sum(s[k:] ** 2) for k in (1, 2)]), 1e3 * np.sum(Z**2)

    return Suite(
        subject=basis(products),
        draw=rows,
        valid=fair,
        sizes=(2, 3, 8),
        adversarial=[np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 6.0, 9.0]]), np.eye(3)],
        properties={
            "are orthonormal": lambda f, X: (f(X).T @ f(X), np.eye(3), 10.0),
            "leave the least squared error": least,
        },
        mutants={
            "not centred": basis(second_moments),
            "smallest eigenvalues first": basis(products, largest=False),
            "features scaled": basis(correlation),
            "features as they are": lambda X: np.eye(3),
            "not of unit length": lambda X: basis(products)(X) * 2,
        },
    )


def variances(matrix: Moments, reference: Moments | None = None) -> Suite:
    """Are the eigenvalues the sample variances along the components?"""

    def eigenvalues(matrix: Moments) -> Moments:
        return lambda X: np.linalg.eigvalsh(matrix(X))[::-1]

    def along(f: Any, X: np.ndarray) -> tuple[Any, ...]:
        expected = np.var(X @ basis(products)(X), axis=0, ddof=1)
        return f(X), expected, 1e3 * expected[0]

    return Suite(
        subject=eigenvalues(matrix),
        reference=eigenvalues(reference) if reference else None,
        draw=rows,
        valid=fair,
        sizes=(2, 3, 8),
        properties={"variances along the components": along},
        mutants={
            "over n": eigenvalues(lambda X: products(X) / len(X)),
            "not centred": eigenvalues(lambda X: second_moments(X) * len(X) / (len(X) - 1)),
            "standard deviations": lambda X: np.sqrt(np.maximum(eigenvalues(covariance)(X), 0)),
            "features scaled": eigenvalues(correlation),
        },
    )


def transform(moments: Moments, reference: Moments | None = None) -> Suite:
    """Is the Karhunen-Loeve basis that of the principal components, and are the coefficients uncorrelated?"""

    def same(f: Any, X: np.ndarray) -> tuple[Any, ...]:
        V = np.linalg.svd(about_the_mean(X), full_matrices=False)[2].T
        return np.abs(f(X).T @ V), np.eye(3), 1e5

    def uncorrelated(f: Any, X: np.ndarray) -> tuple[Any, ...]:
        C = covariance(X @ f(X))
        return C - np.diag(np.diagonal(C)), np.zeros((3, 3)), 1e3 * np.max(np.abs(C))

    return Suite(
        subject=basis(moments),
        reference=basis(reference) if reference else None,
        draw=rows,
        valid=lambda X: fair(X, gap=0.02),
        sizes=(4, 8),
        properties={"is that of the principal components": same, "uncorrelated coefficients": uncorrelated},
        mutants={
            "features scaled": basis(correlation),
            "smallest eigenvalues first": basis(covariance, largest=False),
            "features as they are": lambda X: np.eye(3),
        } | ({} if reference else {"second moments": basis(second_moments)}),
    )  # fmt: skip


experiment = Experiment(
    suites={
        "components": components,
        "eigenvalues": lambda: variances(products, covariance),
        "eigenvalues_over": lambda: variances(covariance),
        "covariance": lambda: transform(covariance),
        "second_moments": lambda: transform(second_moments, covariance),
    }
)
