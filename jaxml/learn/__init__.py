"""Fitting: pure functions from data, hyperparameters and keys to parameters and a certificate."""

from jaxml.learn.solvers import Solution, SolverDiagnostics, proximal_gradient, subgradient_descent

__all__ = [
    "Solution",
    "SolverDiagnostics",
    "proximal_gradient",
    "subgradient_descent",
]
