"""What papers and releases record: names, dates and figures, which no code decides, and one count that code does."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxml import Experiment


def bodies(transform: Callable[[Callable[..., Any]], Callable[..., Any]]) -> dict[str, float]:
    """How often Python runs a function's body, in five calls with arrays of two shapes."""
    ran = []

    def body(x: Any) -> Any:
        ran.append(1)
        return x + x

    function = transform(body)
    for size in (2, 3, 2, 3, 2):
        function(np.ones(size))
    return {"bodies": len(ran)}


experiment = Experiment(numbers={"compiled": lambda: bodies(jax.jit), "eager": lambda: bodies(lambda f: f)})
