"""Whether each tree of gradient boosting lowers the squared error, exactly."""

import functools
from typing import Any

import numpy as np

from experiments.shared.boosted import MEANS, Scores, rows, squared
from jaxml import Experiment, Suite

Case = dict[str, Any]


def never_rises(*, most: float, fresh: bool) -> Suite:
    """Does the squared error fall or stay in each round, on the training rows or on others?"""

    def on_rows(f: Scores, most: float, **c: Any) -> np.ndarray:
        return ((c["y"] - f(c["X"], c["y"], min(c["rate"], most))) ** 2).sum(1)

    def on_fresh(**c: Any) -> np.ndarray:
        return ((c["fresh_y"] - squared(c["X"], c["y"], c["rate"], c["fresh_X"])) ** 2).sum(1)

    def draw(generator: np.random.Generator) -> Case:
        other = {f"fresh_{name}": value for name, value in rows(generator).items() if name != "rate"}
        return rows(generator) | other | {"rate": float(generator.uniform(0.05, most))}

    return Suite(
        subject=on_fresh if fresh else functools.partial(on_rows, squared, most),
        reference=functools.partial(on_rows, squared, 1.0) if fresh or most > 2 else None,
        draw=draw,
        valid=lambda rate: 0.01 <= rate < most,
        properties={"falls or stays": lambda f, c: np.all(np.diff(found := f(**c)) <= 1e-12 * (1 + found[0]))},
        mutants={
            "a rate of 2 more": lambda **c: on_rows(squared, 5.0, **c | {"rate": c["rate"] + 2}),
            "away from the residuals": functools.partial(on_rows, MEANS["away from the residuals"], most),
            "backwards": lambda **c: on_rows(squared, 1.0, **c)[::-1],
        },
    )


experiment = Experiment(
    suites={
        "training_error": lambda: never_rises(most=2.0, fresh=False),
        "training_error_at_any_rate": lambda: never_rises(most=3.0, fresh=False),
        "fresh_error": lambda: never_rises(most=1.0, fresh=True),
    }
)
