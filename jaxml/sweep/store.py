"""Where results go: NumPy arrays in memory, or a Zarr store on disk that outlives the process.

Both keep a `status` per cell, and a chunk is done when none of its cells is missing. The outputs of a chunk are
written before their status, each file appears whole or not at all, and every file carries a checksum.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxml.errors import StoreError
from jaxml.sweep.layout import Layout, Lock, read_layout, remove_partial_files
from jaxml.sweep.plan import ChunkId, Plan
from jaxml.sweep.trace import MISSING, NO_STEP, STATUS, Output

if TYPE_CHECKING:
    import xarray


class MemoryStore:
    """Results as NumPy arrays."""

    repaired: tuple[str, ...] = ()

    def __init__(self, plan: Plan, outputs: Mapping[str, Output]):
        self.plan, self._outputs = plan, outputs
        self._arrays = {n: np.full(plan.shape + o.shape, _fill(n, o), o.dtype) for n, o in outputs.items()}
        self.status = self._arrays[STATUS]

    def write(self, plan: Plan, chunk: ChunkId, values: Mapping[str, np.ndarray]) -> None:
        for name, value in complete(values, self._outputs).items():
            self._arrays[name][plan.region(chunk)] = value

    def dataset(self) -> "xarray.Dataset":
        import xarray

        dims = {n: self.plan.dims + o.axes for n, o in self._outputs.items()}
        data = {n: (dims[n], array) for n, array in self._arrays.items()}
        return _marked(xarray.Dataset(data, coordinates(self.plan)))

    def close(self) -> None:
        pass


class ZarrStore:
    """Results in a Zarr group, opened for writing by one process at a time.

    Args:
        path: a directory, or a URL that fsspec knows.
        plan: the grid asked for; `self.plan` is the grid of the store, which may hold more.
        outputs: what the trial returns.
        identity: the sweep's fingerprint.
        attributes: what else to keep at the group.
        shared: open without the lock, for a worker that writes whole chunks of its own.

    Raises:
        StoreError: when the store belongs to another sweep or another process, or cannot be read or written.
    """

    def __init__(
        self,
        path: Path | str,
        plan: Plan,
        outputs: Mapping[str, Output],
        identity: Mapping[str, Any],
        attributes: Mapping[str, Any],
        *,
        shared: bool = False,
    ):
        import zarr

        self._path, self._outputs, self._asked = path, outputs, plan
        self.repaired: list[str] = []
        self._lock: Lock | None = None
        try:
            if isinstance(path, Path) and not shared:
                path.mkdir(parents=True, exist_ok=True)
                self._lock = Lock(path)
                remove_partial_files(path)
            self.layout = Layout.joined(read_layout(path, identity, self.repaired), plan, identity)
            if not shared:
                self.layout.write(path, attributes)
            self.plan = self.layout.plan(plan)
            with zarr.config.set({"array.write_empty_chunks": True}):  # a chunk without a file counts as lost
                self._arrays = {name: self._array(name, output) for name, output in outputs.items()}
            if not shared:
                self._write_coordinates()
                self.status = self._verify()
        except OSError as error:
            self.close()
            raise StoreError(f"{path}: the store cannot be opened: {error.strerror or error}.") from error
        except BaseException:
            self.close()
            raise

    def _array(self, name: str, output: Output) -> Any:
        """Open an array at the store's size; create it where it is new or its metadata is lost, keeping its chunks."""
        import zarr
        from zarr.codecs import Crc32cCodec, ZstdCodec

        shape = self.plan.shape + output.shape
        try:
            array = zarr.open_array(self._path, path=name, mode="r+")
            if array.shape != shape:
                array.resize(shape)
            return array
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError) as error:
            if not isinstance(self._path, Path):
                raise StoreError(f"{self._path}/{name}: the metadata is damaged: {error}.") from error
            (self._path / name / "zarr.json").unlink()
            self.repaired.append(f"{name}/zarr.json was damaged and is written again")
        return zarr.create_array(
            self._path,
            name=name,
            shape=shape,
            chunks=self.layout.block + tuple(max(n, 1) for n in output.shape),
            dtype=output.dtype,
            fill_value=_fill(name, output),
            compressors=[ZstdCodec(level=1), Crc32cCodec()],
            dimension_names=self.plan.dims + output.axes,
            attributes=self.layout.to_json() if name == STATUS else {},
        )

    def _write_coordinates(self) -> None:
        import zarr

        for name, (dims, values) in coordinates(self.plan).items():
            column = np.asarray(values)
            if column.dtype.kind == "U":
                column = column.astype(np.dtypes.StringDType())
            try:
                held = zarr.open_array(self._path, path=name, mode="r")
                if held.shape == column.shape and np.array_equal(held[...], column):
                    continue
            except Exception:  # missing or damaged: it is written anew from the layout either way
                pass
            zarr.create_array(self._path, name=name, data=column, dimension_names=dims, overwrite=True)

    def _verify(self) -> np.ndarray:
        """Read the status of every cell, and every file it calls computed; what is damaged counts as missing."""
        status = np.full(self.plan.shape, MISSING, np.uint8)
        files = (-(-size // extent) for size, extent in zip(self.plan.shape, self.layout.block, strict=True))
        for place in np.ndindex(*files):
            region = tuple(slice(i * b, (i + 1) * b) for i, b in zip(place, self.layout.block, strict=True))
            try:
                held = self._arrays[STATUS][region]
                if (held != MISSING).any():
                    for name in self._outputs:
                        self._check_file(name, place, region)
                status[region] = held
            except Exception as error:
                self.repaired.append(f"chunk {'/'.join(map(str, place))}: {error}; it is computed again")
                for name, array in self._arrays.items():
                    if isinstance(self._path, Path):
                        self._file(name, place).unlink(missing_ok=True)
                    else:
                        array[region] = _fill(name, self._outputs[name])
        return status

    def _check_file(self, name: str, place: tuple[int, ...], region: tuple[slice, ...]) -> None:
        if isinstance(self._path, Path) and not self._file(name, place).exists():
            raise FileNotFoundError(f"{self._file(name, place)} is gone")
        self._arrays[name][region]

    def _file(self, name: str, place: tuple[int, ...]) -> Path:
        inner = len(self._outputs[name].shape)
        return Path(self._path, name, "c", *map(str, place), *["0"] * inner)

    def write(self, plan: Plan, chunk: ChunkId, values: Mapping[str, np.ndarray]) -> None:
        """Write one chunk, its status last."""
        region = plan.region(chunk)
        try:
            for name, value in complete(values, self._outputs).items():
                shape = tuple(place.stop - place.start for place in region) + self._outputs[name].shape
                self._arrays[name][region] = np.broadcast_to(value, shape)
        except OSError as error:
            raise StoreError(
                f"{self._path}: chunk {chunk} could not be written: {error.strerror or error}. "
                "What was computed before is safe; mend the cause and run again."
            ) from error
        if hasattr(self, "status"):
            self.status[region] = values[STATUS]

    def dataset(self) -> "xarray.Dataset":
        """The part that was asked for, in the order asked for."""
        return open_results(self._path, {axis.name: axis.points for axis in self._asked.axes}, self._asked.seeds)

    def close(self) -> None:
        if self._lock is not None:
            self._lock.release()


def complete(values: Mapping[str, np.ndarray], outputs: Mapping[str, Output]) -> dict[str, Any]:
    """A chunk's outputs, with NaN for those that its static point does not return; the status comes last."""
    every = {n: values.get(n, np.asarray(_fill(n, o), o.dtype)) for n, o in outputs.items() if n != STATUS}
    return {**every, STATUS: values[STATUS]}


def _fill(name: str, output: Output) -> Any:
    if name.startswith("nonfinite_"):
        return NO_STEP
    return np.nan if output.dtype.kind == "f" else 0


def open_results(
    path: Path | str, axes: Mapping[str, Sequence[Mapping[str, Any]]] | None = None, seeds: Sequence[int] = ()
) -> "xarray.Dataset":
    """Load a results store as a labelled data set; where a cell is not computed yet, `nonfinite` is True.

    Args:
        path: the store.
        axes: the points of every axis that are wanted, in order; by default all, in the order they were asked for.
        seeds: likewise.

    Raises:
        StoreError: when there is none, it cannot be read, or it lacks what is wanted.
    """
    import xarray

    if isinstance(path, Path) and not path.exists():
        raise StoreError(f"{path}: no results here.")
    try:
        held = xarray.open_zarr(path, consolidated=False, chunks=None).load()
        if axes is not None and "sweep" in held.attrs:
            held = held.isel(Layout.from_json(held.attrs).positions(axes, seeds))
    except KeyError as error:
        raise StoreError(f"{path}: {error} is not in these results yet; run again to go on.") from None
    except Exception as error:
        raise StoreError(f"{path}: the results cannot be read: {error}") from error
    held.attrs.pop("sweep", None)
    labels = [name for name, values in held.data_vars.items() if "seed" not in values.dims]  # of zipped axes
    return _marked(held.set_coords(labels))


def write_dataset(held: "xarray.Dataset", path: Path) -> None:
    """Write a labelled data set as a Zarr group, replacing what is there; `open_results` reads it.

    Text becomes Zarr's own string type: fixed-width text, which NumPy makes of it, has no specification there.
    """
    text = {n: v.astype(np.dtypes.StringDType()) for n, v in held.coords.items() if v.dtype.kind in "UO"}
    held.assign_coords(text).to_zarr(path, mode="w", consolidated=False, zarr_format=3)


def _marked(results: "xarray.Dataset") -> "xarray.Dataset":
    """Replace the status by `nonfinite`, the mark of every cell that holds no finite result."""
    if STATUS not in results:
        return results
    status = results[STATUS]
    return results.drop_vars(STATUS).assign(nonfinite=(status.dims, status.values != 1))


def coordinates(plan: Plan) -> dict[str, tuple[tuple[str, ...], list[Any]]]:
    """The labels of every axis: one coordinate per parameter, and the seeds."""
    coords: dict[str, tuple[tuple[str, ...], list[Any]]] = {}
    for axis in plan.axes:
        for name in axis.parameters:
            coords[name] = ((axis.name,), axis.values(name))
    coords["seed"] = (("seed",), list(plan.seeds))
    return coords
