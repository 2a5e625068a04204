"""Metrics: quantities that are derived from what a trial returns at several points of the grid."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jaxml.errors import TrialError

if TYPE_CHECKING:
    import xarray

HERE = "here"


@dataclass(frozen=True)
class Metric:
    """A quantity derived from the trial's outputs at the point itself and at others that it names.

    ``metric = function(here=outputs, name=outputs with some parameters pinned, ...)``

    Args:
        function: takes the data sets by name and returns an array that keeps the axis ``seed``. ``here`` is left out
            where it has no such parameter.
        inputs: by name, the parameters that are pinned for it. ``...`` instead of a value keeps the whole axis, which
            the function then sees and has to reduce over.

    A function of the whole results will do where a quantity is asked for on the grid alone. A metric says what it
    needs, so that maps and searches can ask for it between the points of the grid too.

    >>> kept = Metric(lambda here, clean: clean.error / here.error, inputs={"clean": {"size": 0.0}})
    >>> import xarray
    >>> results = xarray.Dataset({"error": (("size", "seed"), [[1.0, 2.0], [4.0, 4.0]])}, {"size": [0.0, 5.0]})
    >>> kept(results).sel(size=5.0).values.tolist()
    [0.25, 0.5]
    """

    function: Callable[..., "xarray.DataArray"]
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, Mapping[str, Any]]:
        """The pins of every data set that the function takes."""
        here = {HERE: {}} if HERE in inspect.signature(self.function).parameters else {}
        return {**here, **self.inputs}

    def __call__(self, results: "xarray.Dataset") -> "xarray.DataArray":
        """The metric at every point of a grid.

        Raises:
            TrialError: when the grid does not hold what is pinned.
        """
        given = {}
        for name, pins in self.parts.items():
            values = {parameter: value for parameter, value in pins.items() if value is not ...}
            for parameter in pins:
                if parameter not in results.dims:
                    raise TrialError(f"a metric needs several values of '{parameter}', which is no axis of this config")
                if parameter in values and values[parameter] not in results[parameter].values:
                    raise TrialError(f"a metric needs {parameter} = {values[parameter]}, which is not on the grid")
            given[name] = results.sel(values, drop=True)
        return self.function(**given)
