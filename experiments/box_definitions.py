"""Intersection over union by a short function: against counted pixels, and where it gives 0 or 1, exactly."""

from typing import Any

import numpy as np

from experiments.shared.box_pairs import MUTANTS, PAIR, SIDE, IoU, compute_iou, counted, of, ours, suite
from jaxml import Experiment

Case = dict[str, Any]


def moved(case: Case) -> Case:
    """Both boxes after a shift, which is exact, and in another unit, which is rounded."""
    return {name: case["unit"] * (case[name] + np.tile(case["shift"], 2)) for name in PAIR}


ALGORITHM = {
    "is the share of pixels": lambda f, c: (of(f, c), counted(c)[0] / counted(c)[1], 1.0),
    "is the same either way round": lambda f, c: of(f, c) == of(f, {"first": c["second"], "second": c["first"]}),
    # Rounding is relative to the corners, up to 16 pixels from the origin.
    "knows neither unit nor origin": lambda f, c: (of(f, moved(c)), of(f, c), 2.0 * SIDE),
    "lies between 0 and 1": lambda f, c: 0 <= of(f, c) <= 1,
    "is box_iou": lambda f, c: (of(f, c), of(ours, c), 1.0),
}


NOTHING_SHARED = {
    "is 0 where no pixel is shared": lambda f, c: counted(c)[0] > 0 or of(f, c) == 0,
    "is more elsewhere": lambda f, c: counted(c)[0] == 0 or of(f, c) > 0,
    "so is box_iou": lambda f, c: (of(f, c) == 0) == (of(ours, c) == 0),
}
ITSELF = {"is 1 with itself": lambda f, first: f(first, first) == 1}
PLACES = {name: mutant for name, mutant in MUTANTS.items() if "below" not in name}  # the others are right on what is 0
FLAT = {name: MUTANTS[name] for name in ("the sum of areas below", "an epsilon below", "a pixel added")}
one_with_itself: IoU = lambda a, b: 1.0 if (a == b).all() else compute_iou(a, b)  # noqa: E731


experiment = Experiment(
    suites={
        "algorithm": lambda: suite(ALGORITHM, MUTANTS, least=1.0, inputs=(*PAIR, "unit", "shift")),
        "nothing_shared": lambda: suite(NOTHING_SHARED, PLACES),
        "itself": lambda: suite(ITSELF, FLAT, reference=one_with_itself, inputs=("first",)),
        "itself_with_area": lambda: suite(ITSELF, FLAT, least=1.0, inputs=("first",)),
    }
)
