"""How AdaBoost weighs learners, and what their votes make of the weight of a row, exactly."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from experiments.shared.adaboost import RULES, Rule, boosted, doubled, reweighted, scaled, vote
from jaxml import Experiment, Suite

Case = dict[str, Any]


def votes(*, size: bool) -> Suite:
    """Is the vote of a learner the larger, the smaller its error; or is that so of its size?"""

    def falls(f: Any, error: Any, other: Any) -> bool:
        first, second = sorted((error, other))
        return abs(f(first)) >= abs(f(second)) if size else f(first) > f(second)

    def half_of_jaxml(f: Any, error: Any) -> Any:
        e = min(error, 1 - error)
        votes = boosted(np.array([1, 0]), np.array([e, 1 - e]), rounds=1)[1]
        return f(e), float(votes[0]) / 2, 1 + abs(f(e))

    extra: dict[str, Any] = {} if size else {"half of jaxml's for two classes": half_of_jaxml}
    return Suite(
        subject=vote,
        reference=(lambda error: max(vote(error), 0.0)) if size else None,
        draw=lambda generator: dict(zip(("error", "other"), generator.uniform(0.001, 0.999, 2), strict=True)),
        valid=lambda c: min(c.values()) >= 1e-3 and max(c.values()) <= 1 - 1e-3 and c["error"] != c["other"],
        adversarial=[{"error": 0.5, "other": 0.25}, {"error": 0.75, "other": 0.5}],
        properties={"the smaller its error, the larger": falls} | extra,
        mutants={
            "odds turned round": lambda error: -vote(error),
            "the error itself": lambda error: error,
            "its distance from a coin's": lambda error: abs(error - 0.5),
        },
    )


def sequence(rule: Rule) -> Callable[[np.ndarray], np.ndarray]:
    """The weights after the learners of all rounds, which err where a row of `wrong` has 1."""
    return lambda wrong: functools.reduce(rule, wrong, np.full(wrong.shape[1], 1 / wrong.shape[1]))


def errors(wrong: np.ndarray) -> Iterator[float]:
    """The error of each round's learner under the weights that it is given."""
    return (float(sequence(reweighted)(wrong[:t]) @ wrong[t]) for t in range(len(wrong)))


def rounds(*, count: bool) -> Suite:
    """Is a row the heavier, the more often learners err on it; or is its weight exp(-y F) of the votes so far?"""

    def heavier(run: Any, wrong: Any) -> bool:
        w, times = run(wrong), wrong.sum(0)
        return all(w[i] > w[j] for i in range(len(w)) for j in range(len(w)) if times[i] > times[j])

    def margins(run: Any, wrong: Any) -> tuple[Any, Any]:
        margin = np.array([vote(e) for e in errors(wrong)]) @ (1 - 2 * wrong)
        return run(wrong), scaled(np.exp(-margin))

    def valid(c: Case) -> bool:
        wrong = c["wrong"]
        return wrong.size > 0 and set(wrong.ravel().tolist()) == {0, 1} and all(1e-3 < e < 0.499 for e in errors(wrong))

    def draw(generator: np.random.Generator, size: int) -> Case:
        return {"wrong": (generator.uniform(size=(size, 6)) < 0.3).astype(int)}

    return Suite(
        subject=sequence(reweighted),
        reference=sequence(doubled) if count else None,
        draw=draw,
        valid=valid,
        sizes=(1, 2, 3),
        adversarial=[{"wrong": np.eye(3, dtype=int)}],
        properties={"the more often the heavier": heavier} if count else {"exp(-y F)": margins},
        mutants={
            "turned round": sequence(RULES["turned round"]),
            "the last round alone": lambda wrong: reweighted(np.full(wrong.shape[1], 1 / wrong.shape[1]), wrong[-1]),
            "left as they are": sequence(RULES["left as they are"]),
        },
    )


experiment = Experiment(
    suites={
        "votes": lambda: votes(size=False),
        "size_of_votes": lambda: votes(size=True),
        "more_errors": lambda: rounds(count=True),
        "margins": lambda: rounds(count=False),
    }
)
