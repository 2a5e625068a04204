"""Thresholds, positions and pixels in greedy non-maximum suppression, exactly."""

import numpy as np

from experiments.shared.suppression import (
    DEFINED,
    EDGES,
    OURS,
    WRONG,
    Suppression,
    defined,
    of,
    py_cpu_nms,
    suite,
    variant,
)
from jaxml import Experiment

END = np.asarray([0.0, 0.0, 1.0, 1.0])
BELOW = {"keeps those below the threshold": lambda f, c: (of(f, c), of(defined, c, stays=np.less))}
MORE = {"no fewer at the higher": lambda f, c: len(of(f, c)) <= len(of(f, c, "higher"))}
FURTHER = {"as without, one further": lambda f, c: (of(f, c), of(defined, c | {"boxes": c["boxes"] + END}, edge=0.0))}
SAME = {"as without": lambda f, c: (of(f, c), of(defined, c, edge=0.0))}


FALLING = {
    "those beyond the threshold stay": variant(stays=np.greater),
    "one less the threshold": lambda boxes, scores, t: py_cpu_nms(boxes, scores, 1 - t),
    "the dropped returned": lambda boxes, scores, t: [*{*range(len(scores))} - {*py_cpu_nms(boxes, scores, t)}],
}
left_by_best: Suppression = lambda boxes, scores, t: [  # noqa: E731
    i for i in range(len(boxes)) if len(py_cpu_nms(boxes[[scores.argmax(), i]], np.asarray([1.0, 0.0]), t)) == 2
]
STARTS = {"starts one further": lambda boxes, *c: py_cpu_nms(boxes + END[[2, 3, 0, 1]], *c)}


experiment = Experiment(
    suites={
        "more": lambda: suite(MORE, FALLING, reference=left_by_best, higher=True),
        "more_of_three": lambda: suite(MORE, FALLING, sizes=(2, 3), higher=True),
        "below": lambda: suite(BELOW, WRONG, reference=variant(stays=np.less)),
        "at_most": lambda: suite(DEFINED | OURS, WRONG | {"below only": variant(stays=np.less)}, sizes=(2, 3)),
        "not_shifted": lambda: suite(DEFINED, WRONG, subject=variant(shift=0), reference=py_cpu_nms),
        "one_further": lambda: suite(FURTHER, EDGES | STARTS),
        "one_convention": lambda: suite(SAME, WRONG, reference=variant(edge=0.0), least=0.25),
    }
)
