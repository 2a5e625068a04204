"""Chains of states that are not seen: the most probable path, and the most probable states, exactly."""

from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.shared.chains import chain, normalised, possible, weights
from jaxml import Experiment, Suite

Case = dict[str, Any]


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


experiment = Experiment(
    suites={"best_path": lambda: best_path(viterbi), "each_state": lambda: best_path(each, viterbi), "states": states}
)
