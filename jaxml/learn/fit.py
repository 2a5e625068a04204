"""What every learner returns, and the signature that all of them have.

    learner([key], X, y, *, sample_weight=None, ...) -> Fit[params, diagnostics]

`key` comes first where the learner draws numbers; X holds one row per example, (n, d), y one target or class, (n,).
Everything else is keyword-only: strengths and rates, which may be traced and vmapped, and static sizes and modes.
Example weights may be left out, and only their ratios matter unless the docstring says otherwise. All diagnostics
say whether the fit has `converged`: False for data, weights or strengths without a sensible answer, whose parameters
are NaN. Outside of `jit` such values are refused with a `ValueError`. Predictions are functions of `params` and X.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

import jax

P = TypeVar("P")
D = TypeVar("D")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Fit(Generic[P, D]):
    """Fitted parameters and their certificate: a pytree, so fits are vmapped, stacked and differentiated whole.

    Attributes:
        params: what predicts.
        diagnostics: how the fit came about. Never take parameters without looking at ``diagnostics.converged``.
    """

    params: P
    diagnostics: D
