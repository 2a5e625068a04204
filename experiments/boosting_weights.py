"""How AdaBoost weighs rows and learners, exactly: the textbook's rule, and jaxml's on the same learners."""

import functools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.learn import Fit, adaboost

Case = dict[str, Any]
Rule = Callable[[Any, Any], np.ndarray]
"""`rule(weights, wrong)`: the weights of rows, which sum to 1, after a learner that errs where `wrong` is 1."""


def vote(error: float) -> float:
    """Half the logarithm of the odds that a learner is right."""
    return 0.5 * float(np.log((1 - error) / error))


def scaled(weights: np.ndarray) -> np.ndarray:
    """To sum to 1."""
    return weights / weights.sum()


def reweighted(weights: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Times exp(vote) where the learner errs, exp(-vote) where it is right, and scaled to sum to 1."""
    return scaled(weights * np.exp((2 * wrong - 1) * vote(float(weights @ wrong))))


def doubled(weights: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Twice the weight where the learner errs, whatever its error."""
    return scaled(weights * (1 + wrong))


@functools.partial(jax.jit, static_argnames="rounds")
def boosted(wrong: Any, weights: Any, rounds: int) -> Any:
    """The weights that jaxml's AdaBoost gives each round, of a learner that errs where `wrong` is 1, and its votes."""
    y = jnp.zeros(len(wrong), int)
    fit = lambda key, X, y, sample_weight: Fit(sample_weight, SimpleNamespace(converged=True))  # noqa: E731
    options: dict[str, Any] = {"classes": 2, "rounds": rounds, "sample_weight": weights}
    params = adaboost(jax.random.key(0), wrong[:, None], y, fit=fit, predict=lambda params, X: wrong, **options).params
    return params.members, params.votes


def error_of(c: Case) -> float:
    """The weighted error of the learner of a case."""
    return float(c["weights"] @ c["wrong"] / c["weights"].sum())


def learner(generator: np.random.Generator, size: int) -> Case:
    """Weights of rows, and where a learner errs."""
    return {"weights": generator.uniform(0.1, 1.0, size), "wrong": generator.integers(0, 2, size)}


def is_learner(c: Case, most: float) -> bool:
    """Whether it errs somewhere but not everywhere, and its error is less than that."""
    fine = len(c["weights"]) == len(c["wrong"]) and min(c["weights"]) > 1e-3 and set(map(int, c["wrong"])) == {0, 1}
    return fine and error_of(c) < most


def of_jaxml(weights: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """The weights of the second round of jaxml's AdaBoost."""
    return np.asarray(boosted(wrong, weights, rounds=2)[0])[1]


def on(check: Callable[..., Any]) -> Callable[[Rule, Case], Any]:
    """A property of weights before, weights after and where the learner errs."""
    return lambda rule, c: check(w := scaled(c["weights"]), rule(w, c["wrong"]), c["wrong"])


MOVES: dict[str, Any] = {
    "up where it errs": on(lambda before, after, wrong: bool(np.all((after > before)[wrong == 1]))),
    "down where it is right": on(lambda before, after, wrong: bool(np.all((after < before)[wrong == 0]))),
}
RULES: dict[str, Rule] = {
    "turned round": lambda weights, wrong: scaled(weights * np.exp((1 - 2 * wrong) * vote(float(weights @ wrong)))),
    "not scaled": lambda weights, wrong: weights * np.exp(np.abs(vote(float(weights @ wrong))) * wrong),
    "left as they are": lambda weights, wrong: weights,
}


def weights(*, most: float, half: bool) -> Suite:
    """Do weights rise where a learner errs and fall where it is right; is its error one half after that?"""
    halved = {"its error is one half": on(lambda before, after, wrong: (float(after @ wrong), 0.5))}
    weak = most <= 0.5
    same = {"is what jaxml does": lambda rule, c: on(lambda w, after, wrong: (after, of_jaxml(w, wrong)))(rule, c)}
    return Suite(
        subject=reweighted,
        reference=None if weak or half else doubled,
        draw=learner,
        valid=lambda c: is_learner(c, most) and (half or abs(error_of(c) - 0.5) > 1e-3),
        sizes=(2, 3, 5),
        adversarial=[{"weights": np.ones(3), "wrong": np.array(wrong)} for wrong in ([1, 0, 0], [1, 1, 0])],
        properties=halved if half else MOVES | (same if weak else {}),
        mutants=RULES | ({"twice where it errs": doubled} if half or weak else {}),
    )


def votes(*, size: bool) -> Suite:
    """Is the vote of a learner the larger, the smaller its error; or is that so of its size?"""

    def falls(f: Any, c: Case) -> bool:
        first, second = sorted((c["error"], c["other"]))
        return abs(f(first)) >= abs(f(second)) if size else f(first) > f(second)

    def half_of_jaxml(f: Any, c: Case) -> Any:
        e = min(c["error"], 1 - c["error"])
        votes = boosted(np.array([1, 0]), np.array([e, 1 - e]), rounds=1)[1]
        return f(e), float(votes[0]) / 2, 1 + abs(f(e))

    extra: dict[str, Any] = {} if size else {"half of jaxml's for two classes": half_of_jaxml}
    return Suite(
        subject=vote,
        reference=(lambda error: max(vote(error), 0.0)) if size else None,
        draw=lambda generator, size: dict(zip(("error", "other"), generator.uniform(0.001, 0.999, 2), strict=True)),
        valid=lambda c: min(c.values()) >= 1e-3 and max(c.values()) <= 1 - 1e-3 and c["error"] != c["other"],
        sizes=(1,),
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

    def heavier(run: Any, c: Case) -> bool:
        w, times = run(c["wrong"]), c["wrong"].sum(0)
        return all(w[i] > w[j] for i in range(len(w)) for j in range(len(w)) if times[i] > times[j])

    def margins(run: Any, c: Case) -> tuple[Any, Any]:
        margin = np.array([vote(e) for e in errors(c["wrong"])]) @ (1 - 2 * c["wrong"])
        return run(c["wrong"]), scaled(np.exp(-margin))

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
        "any_learner": lambda: weights(most=1.0, half=False),
        "weak_learner": lambda: weights(most=0.5, half=False),
        "half": lambda: weights(most=1.0, half=True),
        "votes": lambda: votes(size=False),
        "size_of_votes": lambda: votes(size=True),
        "more_errors": lambda: rounds(count=True),
        "margins": lambda: rounds(count=False),
    }
)
