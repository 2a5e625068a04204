"""Chains of states that are not seen: the most probable path and states, and two normalisations, exactly."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from jaxml import Experiment, Suite

Case = dict[str, Any]


def quarters(generator: np.random.Generator, *shape: int) -> np.ndarray:
    """Probabilities in quarters, zeros and ties among them, along the last axis."""
    return generator.multinomial(4, [1 / shape[-1]] * shape[-1], size=shape[:-1]) / 4


def chain(generator: np.random.Generator, size: int) -> Case:
    """Three states, how likely each makes what was seen at each time, and how they follow each other."""
    return {
        "first": quarters(generator, 3),
        "follow": quarters(generator, 3, 3),
        "seen": generator.integers(0, 5, (size, 3)) / 4,
    }


def weights(c: Case) -> dict[tuple[int, ...], float]:
    """Every path of states, and the probability of it and of what was seen."""
    found = {}
    for path in product(range(3), repeat=len(c["seen"])):
        weight = c["first"][path[0]] * c["seen"][0][path[0]]
        for t in range(1, len(path)):
            weight = weight * c["follow"][path[t - 1]][path[t]] * c["seen"][t][path[t]]
        found[path] = float(weight)
    return found


def possible(c: Case) -> bool:
    """Whether probabilities sum to 1, and what was seen can be."""
    sums = np.append(c["follow"].sum(1), c["first"].sum())
    inside = all(np.all((c[k] >= 0) & (c[k] <= 1)) for k in c) and np.allclose(sums, 1, atol=1e-12)
    return bool(inside) and len(c["seen"]) > 0 and max(weights(c).values()) > 0


def forward(first: np.ndarray, follow: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Of each time and state, the probability of it and of all that was seen so far."""
    rows = [first * seen[0]]
    for likely in seen[1:]:
        rows.append((rows[-1] @ follow) * likely)
    return np.array(rows)


def backward(follow: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Of each time and state, the probability of all that was seen afterwards."""
    rows = [np.ones(3)]
    for likely in seen[:0:-1]:
        rows.append(follow @ (likely * rows[-1]))
    return np.array(rows[::-1])


def normalised(rows: np.ndarray) -> np.ndarray:
    """Each row over its sum."""
    return rows / np.maximum(rows.sum(1, keepdims=True), 1e-300)


def marginals(first: np.ndarray, follow: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Of each time and state, its probability given all that was seen."""
    return normalised(forward(first, follow, seen) * backward(follow, seen))


def viterbi(first: np.ndarray, follow: np.ndarray, seen: np.ndarray) -> list[int]:
    """The most probable path, by the best one into each state."""
    best, came_from = first * seen[0], []
    for likely in seen[1:]:
        into = best[:, None] * follow
        came_from.append(into.argmax(0))
        best = into.max(0) * likely
    path = [int(best.argmax())]
    for origin in came_from[::-1]:
        path.append(int(origin[path[-1]]))
    return path[::-1]


def each(first: np.ndarray, follow: np.ndarray, seen: np.ndarray) -> list[int]:
    """The most probable state of each time."""
    return marginals(first, follow, seen).argmax(1).tolist()


def best_path(subject: Callable[..., list[int]], reference: Callable[..., list[int]] | None = None) -> Suite:
    """Is no path of states more probable, of all there are?"""

    def most_probable(f: Any, c: Case) -> tuple[Any, ...]:
        found = weights(c)
        return found[tuple(f(**c))], max(found.values()), 1.0

    even = np.full(3, 1 / 3)
    return Suite(
        subject=subject,
        reference=reference,
        draw=chain,
        valid=possible,
        sizes=(1, 2, 4),
        adversarial=[{"first": even, "follow": np.full((3, 3), 1 / 3), "seen": np.ones((2, 3))}],
        properties={"most probable of all paths": most_probable},
        mutants={
            "the best state so far": lambda first, follow, seen: forward(first, follow, seen).argmax(1).tolist(),
            "all first states alike": lambda first, follow, seen: viterbi(even, follow, seen),
            "transitions turned round": lambda first, follow, seen: viterbi(first, follow.T, seen),
        },
    )


def states() -> Suite:
    """Are forward times backward probabilities, normalised, those of the states, given all that was seen?"""

    def enumerated(f: Any, c: Case) -> tuple[Any, ...]:
        expected = np.zeros((len(c["seen"]), 3))
        for path, weight in weights(c).items():
            expected[np.arange(len(path)), path] += weight
        return f(**c), normalised(expected), 10.0

    return Suite(
        subject=marginals,
        draw=chain,
        valid=possible,
        sizes=(1, 2, 4),
        properties={"as by enumeration of all paths": enumerated},
        mutants={
            "forward alone": lambda first, follow, seen: normalised(forward(first, follow, seen)),
            "transitions turned round": lambda first, follow, seen: marginals(first, follow.T, seen),
            "what is seen counted twice": lambda first, follow, seen: normalised(marginals(first, follow, seen) * seen),
        },
    )


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


experiment = Experiment(
    suites={
        "best_path": lambda: best_path(viterbi),
        "each_state": lambda: best_path(each, viterbi),
        "states": states,
        "normalisation": normalisation,
    }
)
