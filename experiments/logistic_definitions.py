"""What logistic regression is: its linear predictor, its probability, its rule of decision and its name, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from jaxml import Experiment, Suite
from jaxml.learn import LinearParams, fit_least_squares, fit_ridge, linear_predictor

Case = dict[str, Any]
INVERSE_LINKS: tuple[Callable[[Any], Any], ...] = (jax.jit(jax.nn.sigmoid), jax.jit(jnp.exp), float)
"""Of the logit, the logarithm and the identity."""


def generalised() -> Suite:
    """Is the mean of every generalised linear model the sigmoid of its linear predictor?"""

    def linked(mean: float, link: int) -> float:
        with np.errstate(invalid="ignore"):
            return [np.log(mean / (1 - mean)), np.log(mean), mean][link]

    return Suite(
        subject=lambda z, link: float(INVERSE_LINKS[0](z)),
        reference=lambda z, link: float(INVERSE_LINKS[link](z)),
        draw=lambda generator, size: {"z": float(generator.uniform(-5, 5)), "link": int(generator.integers(3))},
        valid=lambda c: abs(c["z"]) <= 5 and c["link"] in (0, 1, 2),
        sizes=(1,),
        properties={"the link of the mean is linear": lambda f, c: (linked(f(**c), c["link"]), c["z"], 200.0)},
        mutants={
            "log link throughout": lambda z, link: float(np.exp(z)) / 2,
            "identity link throughout": lambda z, link: z,
            "probit for logit": lambda z, link: float(ndtr(z) if link == 0 else INVERSE_LINKS[link](z)),
        },
    )


def response(transform: Callable[[Any], Any]) -> Callable[..., Any]:
    """Something made of the linear predictor."""
    return jax.jit(lambda a, b, X: transform(linear_predictor(LinearParams(a, b), X)))


def model(generator: np.random.Generator, size: int) -> Case:
    """Coefficients, intercept and two rows of features, over several magnitudes."""
    scale = 10.0 ** generator.uniform(-2, 2)
    return {"a": scale * generator.normal(size=2), "b": generator.normal(), "X": generator.normal(size=(2, 2))}


def magnitude(c: Case) -> float:
    """How large the terms of a x + b are."""
    return float(np.max(np.abs(c["X"]) @ np.abs(c["a"])) + abs(c["b"]) + 1)


def predictor() -> Suite:
    """Are the log-odds a x + b, so that points between two have log-odds between theirs?"""
    plain = lambda c: np.asarray([sum(a * x for a, x in zip(c["a"], row, strict=True)) + c["b"] for row in c["X"]])  # noqa: E731

    def between(f: Any, c: Case) -> tuple[Any, ...]:
        ends = np.asarray(f(c["a"], c["b"], c["X"]))
        middle = np.asarray(f(c["a"], c["b"], np.stack([c["X"].mean(0)] * 2)))
        return middle[0], ends.mean(), magnitude(c)

    return Suite(
        subject=response(lambda z: jax.nn.log_sigmoid(z) - jax.nn.log_sigmoid(-z)),
        draw=model,
        sizes=(1,),
        adversarial=[{"a": np.asarray([1e4, 0.0]), "b": 0.0, "X": np.asarray([[1.0, 0.0], [-1.0, 0.0]])}],
        properties={
            "are a x + b": lambda f, c: (np.asarray(f(**c)), plain(c), magnitude(c)),
            "are linear between two points": between,
        },
        mutants={
            "the probability": response(jax.nn.sigmoid),
            "the logarithm of the probability": response(jax.nn.log_sigmoid),
            "no intercept": jax.jit(lambda a, b, X: X @ a),
            "from rounded probabilities": response(lambda z: jnp.log(jax.nn.sigmoid(z) / (1 - jax.nn.sigmoid(z)))),
        },
    )


def regression() -> Suite:
    """Does linear regression answer with a x + b: on points of a line, with the line?"""

    def line(f: Any, c: Case) -> tuple[Any, ...]:
        y = c["a"] * c["X"][:, 0] + c["b"]
        return float(f(c["X"], y, np.asarray([[c["at"]]]))), c["a"] * c["at"] + c["b"], 1e3

    fitted = lambda fit, after: jax.jit(lambda X, y, at: after(linear_predictor(fit(X, y).params, at))[0])  # noqa: E731
    as_it_is = lambda z: z  # noqa: E731
    return Suite(
        subject=fitted(fit_least_squares, as_it_is),
        draw=lambda generator, size: (
            dict(zip("ab", generator.uniform(-3, 3, 2).tolist(), strict=True))
            | {"X": generator.normal(size=(size, 1)), "at": float(generator.uniform(-9, 9))}
        ),
        valid=lambda c: len(c["X"]) > 1 and bool(np.std(c["X"]) > 0.1 and np.max(np.abs(c["X"])) < 5),
        sizes=(2, 5),
        adversarial=[{"a": 0.0, "b": 0.0, "X": np.asarray([[0.0], [1.0]]), "at": 2.0}],
        properties={"is the line": line},
        mutants={
            "its sigmoid": fitted(fit_least_squares, jax.nn.sigmoid),
            "no intercept": fitted(lambda X, y: fit_least_squares(X, y, intercept=False), as_it_is),
            "with a penalty": fitted(lambda X, y: fit_ridge(X, y, l2=0.1), as_it_is),
        },
    )


def probability() -> Suite:
    """Is the probability the sigmoid of a x + b, to its last digits, from -10,000 to 10,000?"""

    def sigmoid(c: Case) -> np.ndarray:
        z = c["X"] @ c["a"] + c["b"]
        small = np.exp(-np.abs(z))
        return np.where(z >= 0, 1 / (1 + small), small / (1 + small))

    def flipped(f: Any, c: Case) -> tuple[Any, ...]:
        return np.asarray(f(**c)) + np.asarray(f(-c["a"], -c["b"], c["X"])), np.ones(2), magnitude(c)

    far = [{"a": np.asarray([a, 0.0]), "b": 0.0, "X": np.asarray([[1.0, 0.0], [-1.0, 0.0]])} for a in (0, 90, 700, 1e4)]
    return Suite(
        subject=response(jax.nn.sigmoid),
        draw=model,
        sizes=(1,),
        adversarial=far,
        properties={
            "is 1 / (1 + exp(-z))": lambda f, c: (
                np.asarray(f(**c)),
                sigmoid(c),
                np.maximum(sigmoid(c), 1e-290) * magnitude(c),
            ),
            "of the other class, it is the rest": flipped,
        },
        mutants={
            "exp(z) / (1 + exp(z)) as it stands": response(lambda z: jnp.exp(z) / (1 + jnp.exp(z))),
            "probit": response(ndtr),
            "log link": response(jnp.exp),
            "tanh": response(jnp.tanh),
        },
    )


RULES: dict[str, Callable[[float, float, float], bool]] = {
    "the larger of p and 1 - p": lambda p, miss, alarm: p > 1 - p,
    "p above the share of a false alarm in the costs": lambda p, miss, alarm: p > alarm / (alarm + miss),
    "p above the share of a miss in the costs": lambda p, miss, alarm: p > miss / (alarm + miss),
    "the smaller of p and 1 - p": lambda p, miss, alarm: p < 1 - p,
    "always positive": lambda p, miss, alarm: True,
    "p above one third": lambda p, miss, alarm: p > 1 / 3,
}


def decision(rule: str, reference: str | None = None, *, equal: bool = False) -> Suite:
    """Does the rule decide at the least expected cost: where both mistakes cost the same, or whatever they cost?"""

    def draw(generator: np.random.Generator, size: int) -> Case:
        miss, alarm = (10.0 ** generator.uniform(-2, 2, 2)).tolist()
        return {"p": float(generator.random()), "miss": miss, "alarm": miss if equal else alarm}

    def least(f: Any, c: Case) -> bool:
        cost = {True: (1 - c["p"]) * c["alarm"], False: c["p"] * c["miss"]}
        return cost[bool(f(**c))] <= min(cost.values()) + 1e-12

    wrong = ["the smaller of p and 1 - p", "always positive", "p above one third"]
    return Suite(
        subject=RULES[rule],
        reference=RULES[reference] if reference else None,
        draw=draw,
        valid=lambda c: 0 <= c["p"] <= 1 and min(c["miss"], c["alarm"]) > 0 and (c["miss"] == c["alarm"] or not equal),
        sizes=(1,),
        adversarial=[{"p": p, "miss": 1.0, "alarm": 1.0} for p in (0.0, 0.5, 1.0)],
        properties={"costs least": least},
        mutants={n: RULES[n] for n in (*wrong, *([] if equal else ["p above the share of a miss in the costs"]))},
    )


experiment = Experiment(
    suites={
        "generalised": generalised,
        "predictor": predictor,
        "regression": regression,
        "probability": probability,
        "fewest_mistakes": lambda: decision("the larger of p and 1 - p", equal=True),
        "least_cost": lambda: decision("the larger of p and 1 - p", "p above the share of a false alarm in the costs"),
        "cost_threshold": lambda: decision("p above the share of a false alarm in the costs"),
    }
)
