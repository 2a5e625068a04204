"""What each round of AdaBoost is given and how its learner counts, exactly.

The learner picks the best of given columns of answers, and keeps what it is given.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np

from experiments.shared.stumps import ordered
from jaxml import Experiment, Suite
from jaxml.learn import Fit, adaboost

Case = dict[str, Any]
Rounds = Callable[..., Any]
ROWS, COLUMNS, ROUNDS = 6, 4, 3


@jax.jit
def kept(answers: Any, y: Any) -> dict[str, Any]:
    """What AdaBoost gives each of its rounds, the error of the learner that it gets back, and its vote."""

    def fit(key: Any, X: Any, y: Any, sample_weight: Any) -> Any:
        errors = sample_weight @ (y[:, None] != X)
        given = {"answers": X, "y": y, "weights": sample_weight, "error": errors.min(), "best": errors.argmin()}
        return Fit(given, SimpleNamespace(converged=True))

    predict = lambda params, X: X[:, params["best"]]  # noqa: E731
    params = adaboost(jax.random.key(0), answers, y, fit=fit, predict=predict, classes=2, rounds=ROUNDS).params
    return params.members | {"votes": params.votes}


def in_numpy(answers: Any, y: Any) -> dict[str, Any]:
    """The same, as NumPy's arrays."""
    return {name: np.asarray(value) for name, value in kept(answers, y).items()}


def edited(**edits: Callable[[dict[str, Any]], Any]) -> Rounds:
    """What AdaBoost keeps, with something changed."""
    return lambda answers, y: (found := in_numpy(answers, y)) | {name: edit(found) for name, edit in edits.items()}


def classified(generator: np.random.Generator) -> Case:
    """Answers of some learners, and the right ones."""
    return {"answers": generator.integers(0, 2, (ROWS, COLUMNS)), "y": generator.integers(0, 2, ROWS)}


def weak(c: Case) -> bool:
    """Whether all learners that AdaBoost picks err, but less than a coin."""
    fine = set(np.ravel(c["answers"]).tolist()) | set(c["y"].tolist()) <= {0, 1}
    return fine and bool(np.all(np.abs(in_numpy(**c)["error"] - 0.25) < 0.249))


def data_kept() -> Suite:
    """Is AdaBoost's learner given the same rows and targets in each round, with other weights?"""

    def moved(f: Rounds, c: Case) -> bool:
        w = f(**c)["weights"]
        return bool(np.all(w > 0)) and all(np.abs(w[t + 1] - w[t]).max() > 1e-6 for t in range(ROUNDS - 1))

    return Suite(
        subject=in_numpy,
        draw=classified,
        valid=weak,
        properties={
            "the same rows": lambda f, c: np.all(f(**c)["answers"] == c["answers"]),
            "the same targets": lambda f, c: np.all(f(**c)["y"] == c["y"]),
            "other weights, none of them 0": moved,
        },
        mutants={
            "rows drawn anew": edited(answers=lambda found: found["answers"][:, [0, 0, 1, 2, 3, 4]]),
            "targets moved": edited(y=lambda found: found["y"] - 0.5 * np.arange(ROUNDS)[:, None]),
            "weights that stay": edited(weights=lambda found: found["weights"][:1].repeat(ROUNDS, axis=0)),
            "rows left out": edited(weights=lambda found: found["weights"] * (np.arange(ROWS) > 0)),
        },
    )


def votes() -> Suite:
    """Does AdaBoost give a learner that errs less a larger vote, ln((1 - e) / e)?"""

    def odds(f: Rounds, c: Case) -> tuple[Any, Any, float]:
        found = f(**c)
        return found["votes"], np.log((1 - found["error"]) / found["error"]), 10.0

    return Suite(
        subject=in_numpy,
        draw=classified,
        valid=weak,
        properties={"who errs less counts more": ordered, "the logarithm of the odds": odds},
        mutants={
            "the same for all": edited(votes=lambda found: np.ones(ROUNDS)),
            "by the error itself": edited(votes=lambda found: found["error"]),
            "the later the less": edited(votes=lambda found: 0.5 ** np.arange(ROUNDS)),
        },
    )


experiment = Experiment(suites={"data_kept": data_kept, "votes": votes})
