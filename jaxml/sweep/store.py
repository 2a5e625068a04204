"""Where results go: NumPy arrays in memory, or a Zarr store on disk whose chunks are the sweep's chunks."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxml.errors import StoreError
from jaxml.sweep.plan import ChunkId, Plan
from jaxml.sweep.trace import Output

if TYPE_CHECKING:
    import xarray


class MemoryStore:
    """Results as NumPy arrays."""

    def __init__(self, plan: Plan, outputs: Mapping[str, Output]):
        self._plan, self._outputs = plan, outputs
        self._arrays = {n: np.empty(plan.shape + o.shape, o.dtype) for n, o in outputs.items()}

    def done(self) -> frozenset[ChunkId]:
        return frozenset()

    def write(self, chunk: ChunkId, values: Mapping[str, np.ndarray]) -> None:
        for name, value in complete(values, self._outputs).items():
            self._arrays[name][self._plan.region(chunk)] = value

    def dataset(self) -> "xarray.Dataset":
        import xarray

        dims = {n: self._plan.dims + o.axes for n, o in self._outputs.items()}
        data = {n: (dims[n], array) for n, array in self._arrays.items()}
        return xarray.Dataset(data, coordinates(self._plan))


class ZarrStore:
    """Results in a Zarr directory; each chunk file appears whole or not at all, with a checksum inside."""

    def __init__(self, path: Path, plan: Plan, outputs: Mapping[str, Output], attributes: Mapping[str, Any]):
        import zarr

        self._path, self._plan, self._outputs = path, plan, outputs
        try:
            if path.exists():
                group = zarr.open_group(path, mode="r+")
                self._arrays: dict[str, Any] = {name: group[name] for name in outputs}
            else:
                self._arrays = self._create(attributes)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror or error}.") from error

    def _create(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        import zarr
        from zarr.codecs import Crc32cCodec, ZstdCodec

        group = zarr.create_group(self._path, attributes=dict(attributes))
        for name, (dims, values) in coordinates(self._plan).items():
            column = np.asarray(values)
            if column.dtype.kind == "U":
                column = column.astype(np.dtypes.StringDType())
            group.create_array(name, data=column, dimension_names=dims)
        return {
            name: group.create_array(
                name,
                shape=self._plan.shape + output.shape,
                chunks=self._plan.block + output.shape,
                dtype=output.dtype,
                fill_value=np.nan if output.dtype.kind == "f" else 0,
                compressors=[ZstdCodec(level=1), Crc32cCodec()],
                dimension_names=self._plan.dims + output.axes,
                config={"write_empty_chunks": True},
            )
            for name, output in self._outputs.items()
        }

    def done(self) -> frozenset[ChunkId]:
        """The chunks that are on disk with all their outputs."""
        found = None
        for name, output in self._outputs.items():
            tail = (0,) * len(output.shape)
            files = (self._path / name / "c").rglob("*")
            ids = {tuple(map(int, f.relative_to(self._path / name / "c").parts)) for f in files if f.is_file()}
            here = {i[: len(self._plan.dims)] for i in ids if i[len(self._plan.dims) :] == tail}
            found = here if found is None else found & here
        return frozenset(found or ())

    def write(self, chunk: ChunkId, values: Mapping[str, np.ndarray]) -> None:
        try:
            for name, value in complete(values, self._outputs).items():
                self._arrays[name][self._plan.region(chunk)] = value
        except OSError as error:
            raise StoreError(
                f"{self._path}: chunk {chunk} could not be written: {error.strerror or error}. "
                "What was computed before is safe; mend the cause and run again."
            ) from error

    def dataset(self) -> "xarray.Dataset":
        return open_results(self._path)


def complete(values: Mapping[str, np.ndarray], outputs: Mapping[str, Output]) -> dict[str, Any]:
    """A chunk's outputs, with NaN for those that its static point does not return."""
    return {name: values.get(name, np.float32(np.nan)) for name in outputs}


def open_results(path: Path) -> "xarray.Dataset":
    """Load a results store as a labelled data set.

    Raises:
        StoreError: when there is none, or it cannot be read.
    """
    import xarray

    if not path.exists():
        raise StoreError(f"{path}: no results here.")
    try:
        return xarray.open_zarr(path, consolidated=False, chunks=None).load()
    except Exception as error:
        raise StoreError(f"{path}: the results cannot be read: {error}") from error


def coordinates(plan: Plan) -> dict[str, tuple[tuple[str, ...], list[Any]]]:
    """The labels of every axis: one coordinate per parameter, and the seeds."""
    coords: dict[str, tuple[tuple[str, ...], list[Any]]] = {}
    for axis in plan.axes:
        for name in axis.parameters:
            coords[name] = ((axis.name,), axis.values(name))
    coords["seed"] = (("seed",), list(plan.seeds))
    return coords
