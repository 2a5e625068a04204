"""The results of a run as claims ask for them: one quantity at some positions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxml.claims.cells import Indices
from jaxml.claims.spec import Seeded
from jaxml.errors import ConfigError, nearest
from jaxml.sweep.grid import Axis

if TYPE_CHECKING:
    import xarray


class Quantities:
    """The results as plain arrays, each made once: indexing them is faster than xarray."""

    def __init__(self, results: "xarray.Dataset"):
        self.seeds = results.seed.values
        self._results = results
        self._held: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}

    def telling(self, claim: Seeded, axes: Sequence[Axis]) -> dict[str, Any]:
        """What the arms of a claim pin, but for axes that its metric has reduced over: there a pin plays no part."""
        left = {axis.name: axis.name in self._results[claim.metric].dims for axis in axes}
        alive = {name: left[axis.name] for axis in axes for name in axis.parameters}
        arms = claim.sides
        return {side: pins and {n: v for n, v in pins.items() if alive[n]} for side, pins in arms.items()}

    def at(self, name: str, indices: Indices, where: str) -> tuple[tuple[str, ...], np.ndarray]:
        """A quantity at some positions: the axes that are left, the seeds last, and its values.

        Raises:
            ConfigError: when the results do not hold it.
        """
        if name not in self._held:
            values = metric_of(self._results, name, where).transpose(..., "seed")
            self._held[name] = tuple(map(str, values.dims)), values.values.astype(np.float64)
        dims, values = self._held[name]
        left = tuple(dim for dim in dims if dim not in indices)
        return left, values[tuple(indices.get(dim, slice(None)) for dim in dims)]


def metric_of(results: "xarray.Dataset", name: str, where: str) -> "xarray.DataArray":
    """A quantity of the results, NaN where the trial is not finite.

    Raises:
        ConfigError: when there is none of that name.
    """
    if name not in results.data_vars:
        known = [str(n) for n in results.data_vars if n != "nonfinite"]
        raise ConfigError(f"{where}.metric: the trial returns no '{name}'. {nearest(name, known)}")
    values = results[name].astype(float)
    return values.where(~results["nonfinite"]) if "nonfinite" in results else values
