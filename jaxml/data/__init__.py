"""Data to put a claim to the test on: real problems as NumPy arrays, synthetic ones drawn from a key."""

from jaxml.data.real import BUNDLED, Problem, load_problem
from jaxml.data.synthetic import (
    Planted,
    Sample,
    ar_design,
    friedman1,
    friedman2,
    friedman3,
    gaussian_classes,
    orthogonal_design,
    parity,
    planted_linear,
    planted_logistic,
    two_moons,
)

__all__ = [
    "BUNDLED",
    "Planted",
    "Problem",
    "Sample",
    "ar_design",
    "friedman1",
    "friedman2",
    "friedman3",
    "gaussian_classes",
    "load_problem",
    "orthogonal_design",
    "parity",
    "planted_linear",
    "planted_logistic",
    "two_moons",
]
