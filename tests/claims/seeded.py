"""A planted grid of results, and claims on it as a config writes them: deciding them runs no trial."""

from typing import Any

import numpy as np
import xarray
import yaml

from jaxml.claims.given import Grid
from jaxml.claims.judge import judge
from jaxml.claims.kinds import KINDS
from jaxml.claims.spec import spec_hash
from jaxml.sweep.grid import Axis

ARMS = {"a": 3.0, "b": 2.0, "c": 1.0, "d": 0.5}
"""Mean score of each arm at x = 0; it falls by a tenth of x."""
X = (0.0, 1.0, 2.0, 4.0, 8.0)
SEEDS = (*range(-4, 0), *range(32))
LOOKS = (8, 16, 32)
AXES = (Axis("arm", tuple({"arm": arm} for arm in ARMS)), Axis("x", tuple({"x": x} for x in X)))
GRID = Grid(AXES, tuning_seeds=4, looks=LOOKS)


def world(sd=0.1, seed=0):
    """Scores, and a rate between 0 and 1, over arms, x and seeds."""
    rng = np.random.default_rng(seed)
    shape = (len(ARMS), len(X), len(SEEDS))
    level = np.array(list(ARMS.values()))[:, None, None] - 0.1 * np.array(X)[None, :, None]
    dims = ("arm", "x", "seed")
    data = {"score": level + sd * rng.normal(size=shape), "rate": 0.2 + 0.01 * rng.normal(size=shape)}
    data = {name: (dims, values) for name, values in data.items()}
    return xarray.Dataset(
        {**data, "nonfinite": (dims, np.zeros(shape, bool))}, {"arm": list(ARMS), "x": list(X), "seed": list(SEEDS)}
    )


def read(text) -> Any:
    """A claim as a config writes it."""
    said = yaml.safe_load(text)
    return KINDS[said.get("kind", "contrast")].Claim.model_validate(said, strict=False)


def decided(text, results=None, grid=GRID):
    """The finding of one claim."""
    claim = read(text)
    KINDS[claim.kind].check(claim, grid, "claims.it")
    again = KINDS[claim.kind].Claim.model_validate(claim.model_dump(), strict=False)
    assert spec_hash(again.model_dump()) == spec_hash(claim.model_dump())  # what a spec holds is read as it was meant
    (finding,) = judge({"it": again}, grid, world() if results is None else results)
    return finding


def told(finding):
    """It in words."""
    return KINDS[finding.kind].tell(finding, True)
