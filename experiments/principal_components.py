"""Principal components: which matrix, and which eigenvalues, exactly."""

from typing import Any

import numpy as np

from experiments.shared.components import (
    Moments,
    about_the_mean,
    basis,
    correlation,
    covariance,
    fair,
    products,
    rows,
    second_moments,
)
from jaxml import Experiment, Suite


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


experiment = Experiment(
    suites={
        "components": components,
        "eigenvalues": lambda: variances(products, covariance),
        "eigenvalues_over": lambda: variances(covariance),
    }
)
