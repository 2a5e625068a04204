"""The Karhunen-Loeve transform: of which matrix it is that of the principal components, exactly."""

from typing import Any

import numpy as np

from experiments.shared.components import (
    Moments,
    about_the_mean,
    basis,
    correlation,
    covariance,
    fair,
    rows,
    second_moments,
)
from jaxml import Experiment, Suite


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
        "covariance": lambda: transform(covariance),
        "second_moments": lambda: transform(second_moments, covariance),
    }
)
