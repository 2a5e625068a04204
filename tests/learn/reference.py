"""Problems and slow references shared by the learners' tests."""

import numpy as np

from jaxml.data import load_problem


def regression():
    """Diabetes, standardised: (X, y), y scaled to variance 1 so that penalties compare."""
    problem = load_problem("diabetes", standardize=True)
    return problem.X, (problem.y - problem.y.mean()) / problem.y.std()


def binary():
    """Breast cancer, standardised: (X, y)."""
    problem = load_problem("breast_cancer", standardize=True)
    return problem.X, problem.y


def multiclass(name, rows=None):
    """Wine or every k-th row of digits, standardised: (X, y)."""
    problem = load_problem(name, standardize=True)
    step = 1 if rows is None else len(problem.y) // rows
    return problem.X[::step], problem.y[::step]


def weights(n, seed=0):
    """Uneven example weights, a fifth of them zero."""
    rng = np.random.default_rng(seed)
    return rng.exponential(size=n) * (rng.random(n) > 0.2)


def relative(actual, expected):
    """Largest difference over the largest entry."""
    return np.abs(np.asarray(actual) - expected).max() / np.abs(expected).max()


def central_difference(fn, x, h=1e-5):
    """Derivative of an array-valued function of a scalar."""
    return (np.asarray(fn(x + h)) - np.asarray(fn(x - h))) / (2 * h)
