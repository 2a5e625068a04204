"""Rows with features of several scales, the matrices of their moments, and the eigenvectors of those."""

from collections.abc import Callable

import numpy as np

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
