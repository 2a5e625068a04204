"""Real problems as NumPy arrays: scikit-learn's bundled sets by name, OpenML's as ``"openml:NAME"``.

scikit-learn takes over a second to import, so a bundled problem that it has given once is kept in the cache, under
scikit-learn's version.
"""

import difflib
import importlib.metadata
import os
import zipfile
from typing import Any, NamedTuple

import numpy as np

from jaxml.cache import cache_folder

BUNDLED = ("breast_cancer", "diabetes", "digits", "wine")
"""Names that need no network."""

_CLASSIFICATION = ("breast_cancer", "digits", "wine")
_OPENML = "openml:"


class Problem(NamedTuple):
    """A supervised problem.

    Attributes:
        X: features, (n, d), float64.
        y: classes 0..K-1 as int32, or real targets as float64, (n,).
        feature_names: d names.
        class_names: K names, empty for regression.
    """

    X: np.ndarray
    y: np.ndarray
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]


def load_problem(name: str, *, standardize: bool = False, version: int | str = "active") -> Problem:
    """Load a real problem by name.

    Args:
        name: one of `BUNDLED`, or ``"openml:NAME"`` for a data set of OpenML (downloaded once, then cached by
            scikit-learn). Of an OpenML set the numeric columns are kept, rows with a missing value dropped.
        standardize: shift and scale every feature to mean 0 and (biased) standard deviation 1 over all rows;
            a constant feature becomes 0. Real targets of a regression are never scaled.
        version: version of an OpenML set.

    Returns:
        The `Problem`. Classes are numbered in the order of `class_names`: in breast_cancer, 0 is malignant.

    Raises:
        ValueError: for a name that is neither bundled nor prefixed, or an OpenML set without numeric columns.
        ConnectionError: when an OpenML set is not cached and the network does not answer.

    Standardising here uses all rows. To measure generalisation, standardise with the training rows alone.

    >>> problem = load_problem("breast_cancer", standardize=True)
    >>> problem.X.shape, problem.class_names, problem.y.mean().round(3).item()
    ((569, 30), ('malignant', 'benign'), 0.627)
    """
    if name.startswith(_OPENML):
        problem = _openml(name.removeprefix(_OPENML), version)
    elif name in BUNDLED:
        problem = _kept(name) or _keep(name, _bundled(name))
    else:
        close = difflib.get_close_matches(name, BUNDLED, n=1)
        advice = f"Did you mean '{close[0]}'?" if close else f"Bundled: {', '.join(BUNDLED)}."
        raise ValueError(
            f"load_problem: unknown problem '{name}'. {advice} A data set of OpenML is written 'openml:{name}'."
        )
    return problem._replace(X=_standardized(problem.X)) if standardize else problem


def _kept(name: str) -> Problem | None:
    """A bundled problem as it was read before; None where it was not, or cannot be read."""
    try:
        with open(_place(name), "rb") as file, np.load(file, allow_pickle=False) as held:
            names = (tuple(map(str, held[field])) for field in ("feature_names", "class_names"))
            return Problem(held["X"], held["y"], *names)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None


def _keep(name: str, problem: Problem) -> Problem:
    place = _place(name)
    part = f"{place}.{os.getpid()}"
    try:
        with open(part, "wb") as file:
            np.savez(file, **problem._asdict())
        os.replace(part, place)
    except OSError:
        pass  # a cache that cannot be written is no cache
    return problem


def _place(name: str) -> str:
    return str(cache_folder("problems") / f"{name}-scikit-learn-{importlib.metadata.version('scikit-learn')}.npz")


def _bundled(name: str) -> Problem:
    from sklearn import datasets

    bunch: Any = getattr(datasets, f"load_{name}")()
    features = tuple(str(feature) for feature in bunch.feature_names)
    if name in _CLASSIFICATION:
        classes = tuple(str(label) for label in bunch.target_names)
        return Problem(bunch.data.astype(np.float64), bunch.target.astype(np.int32), features, classes)
    return Problem(bunch.data.astype(np.float64), bunch.target.astype(np.float64), features, ())


def _openml(name: str, version: int | str) -> Problem:
    from sklearn.datasets import fetch_openml

    try:
        # Without pandas the parser falls back to lists; "liac-arff" needs no further package.
        bunch: Any = fetch_openml(name, version=version, as_frame=False, parser="liac-arff", n_retries=1)
    except OSError as error:  # urllib's HTTPError and URLError, and time-outs, are OSErrors
        raise ConnectionError(
            f"load_problem: OpenML's data set '{name}' is not in scikit-learn's cache and could not be "
            f"downloaded ({error}). Go online once, or use a bundled problem: {', '.join(BUNDLED)}."
        ) from error
    categories = bunch.categories or {}
    numeric = [i for i, feature in enumerate(bunch.feature_names) if feature not in categories]
    if not numeric:
        raise ValueError(f"load_problem: OpenML's data set '{name}' has no numeric column.")
    X = np.asarray(bunch.data[:, numeric], np.float64)
    whole = np.isfinite(X).all(axis=1)
    X, target = X[whole], np.asarray(bunch.target)[whole]
    features = tuple(str(bunch.feature_names[i]) for i in numeric)
    if target.dtype.kind == "f":
        return Problem(X, target.astype(np.float64), features, ())
    classes, y = np.unique(target.astype(str), return_inverse=True)
    return Problem(X, y.astype(np.int32), features, tuple(str(label) for label in classes))


def _standardized(X: np.ndarray) -> np.ndarray:
    deviation = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
