"""Trials that are traced to another computation each time: with draws of Python's, the time, the order of a set.

What such a trial draws while it is traced is the same number in every lane and seed, and another one in the next run.
"""

import random
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from jax.extend import source_info_util

from jaxml.errors import TrialError
from jaxml.sweep.identity import Unidentified, described
from jaxml.sweep.jaxprs import equations
from jaxml.sweep.trace import TracedProgram


def drawn() -> Hashable:
    """Where Python's and NumPy's global generators stand; it moves when somebody draws."""
    _, state, position, *_ = np.random.get_state(legacy=True)
    return random.getstate(), np.asarray(state).tobytes(), position


def check_repeatable(name: str, first: TracedProgram, again: Callable[[], TracedProgram]) -> None:
    """Trace once more, and compare.

    Raises:
        TrialError: when the trial is another one the second time; it says where.
    """
    second = again()
    try:
        if described(first.jaxpr) == described(second.jaxpr):
            return
    except Unidentified:
        return
    raise TrialError(
        f"{name}, {first.program.label}: the trial is another computation each time it is traced"
        f"{_where(first, second)}. "
        "It draws from Python's or NumPy's generator, or reads the time or the order of a set: one such number is the "
        "same in all lanes and seeds. Draw from the key that the trial is given, or make the number a constant."
    )


def _where(first: TracedProgram, second: TracedProgram) -> str:
    """The first line of the trial that differs."""
    for a, b in zip(equations(first.jaxpr.jaxpr), equations(second.jaxpr.jaxpr), strict=False):
        if _read(a) != _read(b):
            return f", first at {source_info_util.summarize(a.source_info)}"
    return ", in an array that it makes" if len(first.jaxpr.consts) else ""


def _read(eqn: Any) -> Any:
    literals = [np.asarray(v.val).tobytes() for v in eqn.invars if hasattr(v, "val")]
    return eqn.primitive.name, literals, [v.aval.str_short() for v in eqn.outvars]
