"""How much of a Laplace law lies at 0 and near it, exactly."""

from collections.abc import Callable

from scipy import stats

from jaxml import Experiment, Suite

Mass = Callable[[float, float], float]
"""`mass(x, b)`: the probability of [-x, x] under a law of scale b."""


def laplace(x: float, b: float) -> float:
    """Of the Laplace law: 1 - exp(-x / b)."""
    return float(stats.laplace.cdf(x, scale=b) - stats.laplace.cdf(-x, scale=b))


def gauss(x: float, b: float) -> float:
    """Of the normal law with the variance of the Laplace law, 2 b^2."""
    return float(stats.norm.cdf(x, scale=b * 2**0.5) - stats.norm.cdf(-x, scale=b * 2**0.5))


def near_zero() -> Suite:
    """Are most draws of a Laplace law 0 or tiny, that is within a tenth of its scale, some exactly 0?"""
    return Suite(
        subject=laplace,
        reference=lambda x, b: 0.9 + 0.1 * laplace(x, b),
        draw=lambda generator: {"b": 10.0 ** generator.uniform(-3, 3)},
        valid=lambda b: b > 0,
        adversarial=[{"b": 1.0}],
        properties={
            "more than half within b / 10": lambda f, b: f(0.1 * b, b) > 0.5,
            "0 has a probability": lambda f, b: f(0.0, b) > 0,
        },
        mutants={
            "normal": gauss,
            "uniform": lambda x, b: min(x / b, 1.0),
            "half exact zeros, the rest far": lambda x, b: 0.5 * (x >= 0) + 0.5 * (x > b),
        },
    )


def shares(mass: Mass) -> Callable[[], dict[str, float]]:
    """The probability of 0 and of what lies within a tenth of the scale."""
    return lambda: {"zero": mass(0.0, 1.0), "tiny": mass(0.1, 1.0)}


experiment = Experiment(suites={"near_zero": near_zero}, numbers={"laplace": shares(laplace), "gauss": shares(gauss)})
