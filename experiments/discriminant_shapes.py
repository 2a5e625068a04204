"""Fisher's direction beside that of the best classifier, for classes of one shape and of two, exactly."""

from typing import Any

import numpy as np

from jaxml import Experiment, Suite

Case = dict[str, Any]


def shape(A: np.ndarray) -> np.ndarray:
    """A covariance."""
    return A @ A.T + 0.1 * np.eye(2)


def gradient(c: Case) -> np.ndarray:
    """Of the log ratio of the densities of two Gaussian classes, at x."""
    return np.linalg.solve(shape(c["A1"]), c["x"] - c["m1"]) - np.linalg.solve(shape(c["A0"]), c["x"] - c["m0"])


def fisher(c: Case) -> np.ndarray:
    """S_w^-1 (mu_0 - mu_1)."""
    return np.linalg.solve((shape(c["A0"]) + shape(c["A1"])) / 2, c["m0"] - c["m1"])


def bayes(*, equal: bool) -> Suite:
    """Is Fisher's direction the one in which the log odds of two Gaussian classes rise, everywhere?"""

    def draw(generator: np.random.Generator) -> Case:
        m0, m1, x = generator.normal(size=(3, 2))
        A0, A1 = generator.normal(size=(2, 2, 2))
        return {"m0": m0, "m1": m1, "x": x, "A0": A0, "A1": A0 if equal else A1}

    def along(f: Any, c: Case) -> tuple[Any, ...]:
        w, rise = f(c), gradient(c)
        return w / np.linalg.norm(w), rise / np.linalg.norm(rise), 1e6

    def valid(c: Case) -> bool:
        fair = np.linalg.norm(c["m0"] - c["m1"]) > 0.1 and np.linalg.norm(gradient(c)) > 1e-3
        conditioned = max(np.linalg.norm(c[k]) for k in ("A0", "A1", "x", "m0", "m1")) < 10
        return bool(fair and conditioned and (np.array_equal(c["A0"], c["A1"]) or not equal))

    return Suite(
        subject=fisher,
        reference=None if equal else gradient,
        draw=draw,
        valid=valid,
        properties={"the log odds rise along it": along},
        mutants={
            "difference of the means": lambda c: c["m0"] - c["m1"],
            "features one by one": lambda c: (c["m0"] - c["m1"]) / np.diagonal(shape(c["A0"])),
            "turned round": lambda c: -fisher(c),
            "not inverted": lambda c: shape(c["A0"]) @ (c["m0"] - c["m1"]),
        },
    )


experiment = Experiment(suites={"bayes": lambda: bayes(equal=False), "bayes_equal": lambda: bayes(equal=True)})
