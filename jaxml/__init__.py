"""jaxml puts machine-learning claims to the test.

Three ways to use it: ``jaxml run configs/l1_sparsity.yaml`` (or `run`) decides the claims of a config, `sweep` runs
any pure function over hyperparameters and seeds, and `jaxml.ops` holds differentiable functions of arrays.
"""

from typing import TYPE_CHECKING, Any

from jaxml.sweep import (
    Compute,
    Static,
    Traced,
    geomspace,
    grids,
    integers,
    linspace,
    logspace,
    loguniform,
    product,
    random_search,
    sobol_search,
    sweep,
    uniform,
    zipped,
)

if TYPE_CHECKING:
    from jaxml.claims.exact import Suite, hard_vectors
    from jaxml.experiment import Experiment, Figure
    from jaxml.given import Claim, decide, judge
    from jaxml.metric import Metric
    from jaxml.pipeline import Run, run
    from jaxml.sweep.choice import select
    from jaxml.sweep.curve import curve
    from jaxml.watch import Watch

__all__ = [
    "Claim",
    "Compute",
    "Experiment",
    "Figure",
    "Metric",
    "Run",
    "Static",
    "Suite",
    "Traced",
    "Watch",
    "curve",
    "decide",
    "geomspace",
    "grids",
    "hard_vectors",
    "integers",
    "judge",
    "linspace",
    "logspace",
    "loguniform",
    "product",
    "random_search",
    "run",
    "select",
    "sobol_search",
    "sweep",
    "uniform",
    "zipped",
]
__version__ = "0.1.0"

_LAZY = {
    "select": "jaxml.sweep.choice",
    "Metric": "jaxml.metric",
    "Run": "jaxml.pipeline",
    "Watch": "jaxml.watch",
    "Experiment": "jaxml.experiment",
    "Figure": "jaxml.experiment",
    "Suite": "jaxml.claims.exact",
    "hard_vectors": "jaxml.claims.exact",
    "curve": "jaxml.sweep.curve",
    "Claim": "jaxml.given",
    "decide": "jaxml.given",
    "judge": "jaxml.given",
    "run": "jaxml.pipeline",
}
_PARTS = ("data", "errors", "learn", "nn", "ops")


def __getattr__(name: str) -> Any:
    """Import the names that need jax or pydantic only when they are asked for."""
    if name not in _LAZY and name not in _PARTS:
        raise AttributeError(f"module 'jaxml' has no attribute '{name}'")
    import importlib

    if name in _PARTS:
        return importlib.import_module(f"jaxml.{name}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    """Every public name, those included that are imported only when they are asked for."""
    return sorted([*__all__, *_PARTS, "__version__"])
