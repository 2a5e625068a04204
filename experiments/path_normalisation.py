"""Two ways to make probabilities of the paths of a chain, over all paths and step by step, exactly."""

from typing import Any

import numpy as np

from experiments.shared.chains import chain, normalised, possible, weights
from jaxml import Experiment, Suite

Case = dict[str, Any]


def over_paths(c: Case) -> np.ndarray:
    """Of every path over the sum of all, as a conditional random field has it."""
    found = np.array(list(weights(c).values()))
    return found / found.sum()


def step_by_step(c: Case) -> np.ndarray:
    """Of every path, each step over the sum of what could follow, as a maximum-entropy Markov model has it."""
    local = c | {"first": normalised((c["first"] * c["seen"][0])[None])[0]}
    found = {(s,): p for s, p in enumerate(local["first"])}
    for likely in c["seen"][1:]:
        step = normalised(c["follow"] * likely)
        found = {(*path, s): p * step[path[-1], s] for path, p in found.items() for s in range(3)}
    return np.array(list(found.values()))


def normalisation() -> Suite:
    """Does the one keep the ratios of paths, and the other forget what comes later?"""

    def ratios(f: Any, c: Case) -> tuple[Any, ...]:
        found = np.array(list(weights(c).values()))
        return f["field"](c) * found.sum(), found * f["field"](c).sum(), 10.0

    def first_state(f: Any, c: Case) -> tuple[Any, ...]:
        start = c | {"seen": c["seen"][:1]}
        return f["model"](c).reshape(3, -1).sum(1), f["model"](start), 10.0

    both = {"field": over_paths, "model": step_by_step}
    return Suite(
        subject=both,
        draw=lambda generator, size: chain(generator, size) | {"seen": generator.integers(1, 5, (size, 3)) / 4},
        valid=lambda c: possible(c) and bool(np.all(c["seen"] > 0)),
        sizes=(1, 2, 3),
        properties={
            "the field's paths are as their weights": ratios,
            "the model's first state does not know what comes later": first_state,
            "both sum to 1": lambda f, c: (np.array([f[k](c).sum() for k in both]), np.ones(2), 10.0),
        },
        mutants={
            "field step by step": both | {"field": step_by_step},
            "model over paths": both | {"model": over_paths},
            "field not normalised": both | {"field": lambda c: np.array(list(weights(c).values()))},
        },
    )


experiment = Experiment(suites={"normalisation": normalisation})
