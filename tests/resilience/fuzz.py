"""What passes today, tried at length: stores that grow, and every optimiser as lanes. The suite tries a few of each."""

import random
import tempfile
from pathlib import Path

import numpy as np

from jaxml.sweep.store import open_results
from tests.resilience.project import Count
from tests.sweep import test_growth, test_optimisers

STORES = 45


def grown_stores() -> list[Count]:
    """Stores asked for other parts of their grid three times: every cell its own value, nothing computed twice."""
    count = Count("store grown three times")
    for number in range(STORES):
        rng = random.Random(1000 + number)
        calls = [test_growth.asked(rng) for _ in range(3)]
        with tempfile.TemporaryDirectory() as folder:
            path, total = Path(folder, "results.zarr"), 0
            try:
                for call in calls:
                    results, cells = test_growth.ask(path, *call)
                    test_growth.check(results, *call[:4])
                    total += cells
                assert total == int((~open_results(path).nonfinite).sum())
            except Exception as error:
                count.fail(f"{number}: {error}")
            else:
                count.add("every cell its own value")
    return [count]


def optimisers() -> list[Count]:
    """Each of Optax's optimisers with its rate as lanes: a lane trains as it would alone."""
    count = Count("optimiser as lanes")
    for name in test_optimisers.OPTIMISERS:
        try:
            lane, alone = test_optimisers.lanes_and_alone(name)
            np.testing.assert_allclose(lane, alone, rtol=1e-5, atol=1e-6)
        except Exception as error:
            count.fail(f"{name}: {error}")
        else:
            count.add("as alone")
    return [count]
