"""Which class follows from a probability, and from what a miss and a false alarm cost, exactly."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxml import Experiment, Suite

Case = dict[str, Any]


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

    def draw(generator: np.random.Generator) -> Case:
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
        valid=lambda p, miss, alarm: 0 <= p <= 1 and min(miss, alarm) > 0 and (miss == alarm or not equal),
        adversarial=[{"p": p, "miss": 1.0, "alarm": 1.0} for p in (0.0, 0.5, 1.0)],
        properties={"costs least": least},
        mutants={n: RULES[n] for n in (*wrong, *([] if equal else ["p above the share of a miss in the costs"]))},
    )


experiment = Experiment(
    suites={
        "fewest_mistakes": lambda: decision("the larger of p and 1 - p", equal=True),
        "least_cost": lambda: decision("the larger of p and 1 - p", "p above the share of a false alarm in the costs"),
        "cost_threshold": lambda: decision("p above the share of a false alarm in the costs"),
    }
)
