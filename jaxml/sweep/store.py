"""Where results go: NumPy arrays in memory, and beside them a Zarr store on disk that outlives the process.

Both keep a `status` per trial, and a chunk is done when none of its trials is missing. The outputs of a chunk are
written before their status, each file appears whole or not at all, and every file carries a checksum.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxml.errors import StoreError
from jaxml.sweep.arrays import Arrays, complete, file_name, file_of, files_in, fill
from jaxml.sweep.layout import Layout, Lock, read_layout, remove_partial_files
from jaxml.sweep.plan import ChunkId, Plan
from jaxml.sweep.trace import FINITE, MISSING, STATUS, Output

if TYPE_CHECKING:
    import xarray


class MemoryStore:
    """Results as NumPy arrays; `repaired` says what was found damaged."""

    repaired: list[str]

    def __init__(self, plan: Plan, outputs: Mapping[str, Output]):
        self.plan, self._outputs = plan, outputs
        self.repaired = []
        self._values = {n: np.full(plan.shape + o.shape, fill(n, o), o.dtype) for n, o in outputs.items()}

    @property
    def status(self) -> np.ndarray:
        return self._values[STATUS]

    def open(self) -> None:
        """Get ready to be written to."""

    def wants(self, plan: Plan, chunk: ChunkId) -> bool:
        """Whether a chunk holds a trial that was asked for: a store may hold more than this call wants."""
        return True

    def counted(self) -> tuple[int, int]:
        """How many of the trials that were asked for are done, and how many they are."""
        return int(np.count_nonzero(self.status)), self.status.size

    def mine(self, plan: Plan, chunks: Sequence[ChunkId]) -> Sequence[ChunkId]:
        """Which of the missing chunks this process computes."""
        return chunks

    def shared(self) -> dict[str, Any]:
        """What a worker must know to write whole files itself."""
        return {}

    def is_file(self, plan: Plan, chunk: ChunkId) -> bool:
        """Whether a chunk fills a file of its own, so that any process may write it."""
        return False

    def written(self, plan: Plan, chunk: ChunkId, status: np.ndarray) -> None:
        """Note a chunk that a worker has written."""

    def write(self, plan: Plan, chunk: ChunkId, values: Mapping[str, np.ndarray]) -> None:
        """Keep one chunk."""
        for name, value in complete(values, self._outputs).items():
            self._values[name][plan.region(chunk)] = value

    def dataset(self) -> "xarray.Dataset":
        return _marked(self._labelled())

    def _labelled(self) -> "xarray.Dataset":
        import xarray

        dims = {n: self.plan.dims + o.axes for n, o in self._outputs.items()}
        data = {n: (dims[n], values) for n, values in self._values.items()}
        return xarray.Dataset(data, coordinates(self.plan))

    def close(self) -> None:
        """Let go of what is held."""


class ZarrStore(MemoryStore):
    """Results in a Zarr group, opened for writing by one process at a time, and the same in memory.

    A directory that does not exist yet is made by `open`, so that programs compile meanwhile.

    Args:
        path: a directory, or a URL that fsspec knows.
        plan: the grid asked for; `self.plan` is the grid of the store, which may hold more.
        outputs: what the trial returns.
        identity: makes the sweep's fingerprint.
        attributes: what else to keep at the group.

    Raises:
        StoreError: when the store belongs to another sweep or another process, or cannot be read or written.
    """

    def __init__(
        self,
        path: Path | str,
        plan: Plan,
        outputs: Mapping[str, Output],
        identity: Callable[[], Mapping[str, Any]],
        attributes: Mapping[str, Any],
    ):
        self._path, self._asked, self._identity, self._attributes = path, plan, identity, attributes
        self._names = list(outputs)
        self._at: list[list[int]] | None = None
        self._lock: Lock | None = None
        self._arrays: Arrays | None = None
        self._in_memory = True
        if isinstance(path, Path) and not path.exists():
            super().__init__(Layout.joined(None, plan, {}).plan(plan), outputs)
        else:
            self._open(outputs)

    def open(self) -> None:
        if self._arrays is None:
            self._open(self._outputs)

    def _open(self, outputs: Mapping[str, Output]) -> None:
        path = self._path
        try:
            if isinstance(path, Path):
                path.mkdir(parents=True, exist_ok=True)
                self._lock = Lock(path)
                remove_partial_files(path)
            identity = self._identity()
            repaired: list[str] = []
            held, begun = read_layout(path, identity, repaired), hasattr(self, "plan")
            if held is not None and begun:
                raise StoreError(f"{path}: another process began to write here meanwhile. Run again to go on with it.")
            self.layout = Layout.joined(held, self._asked, identity)
            outputs = {**self.layout.outputs(), **outputs}
            self.layout.write(path, self._attributes)
            if not begun:
                super().__init__(self.layout.plan(self._asked), outputs)
            self.repaired += repaired
            self._arrays = Arrays.created(path, outputs, self.layout, self.plan, self.repaired)
            self._write_coordinates()
            if held is not None:
                for name in outputs.keys() - held.identity["outputs"].keys():
                    self._arrays.clear(name)
                self._read_all(self._arrays)
        except OSError as error:
            self.close()
            raise StoreError(f"{path}: the store cannot be opened: {error.strerror or error}.") from error
        except BaseException:
            self.close()
            raise

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

    def _read_all(self, arrays: Arrays) -> None:
        """Read every file that the status calls computed; what is damaged counts as missing."""
        files = (-(-size // extent) for size, extent in zip(self.plan.shape, self.layout.block, strict=True))
        for place in np.ndindex(*files):
            region = tuple(slice(i * b, (i + 1) * b) for i, b in zip(place, self.layout.block, strict=True))
            try:
                for name, values in arrays.read(place, region).items():
                    self._values[name][region] = values
            except Exception as error:
                self.repaired.append(f"chunk {'/'.join(map(str, place))}: {error}; it is computed again")
                self.status[region] = MISSING
                arrays.forget(place, region)

    def write(self, plan: Plan, chunk: ChunkId, values: Mapping[str, np.ndarray]) -> None:
        """Write one chunk, its status last."""
        self.open()
        assert self._arrays is not None
        self._arrays.write(plan, chunk, values)
        super().write(plan, chunk, values)

    def _places(self) -> list[list[int]]:
        if self._at is None:
            axes = {axis.name: axis.points for axis in self._asked.axes}
            whole = [list(range(size)) for size in self.plan.shape]
            held = hasattr(self, "layout")  # a store that does not exist yet is as large as what is asked for
            self._at = list(self.layout.positions(axes, self._asked.seeds).values()) if held else whole
        return self._at

    def wants(self, plan: Plan, chunk: ChunkId) -> bool:
        region = zip(self._places(), plan.region(chunk), strict=True)
        return all(any(part.start <= i < part.stop for i in places) for places, part in region)

    def counted(self) -> tuple[int, int]:
        if all(len(places) == size for places, size in zip(self._places(), self.plan.shape, strict=True)):
            return super().counted()
        here = self.status[np.ix_(*self._places())]
        return int(np.count_nonzero(here)), here.size

    def shared(self) -> dict[str, Any]:
        path = self._path.absolute() if isinstance(self._path, Path) else self._path  # workers may stand elsewhere
        return {"store": path, "outputs": dict(self._outputs)}

    def is_file(self, plan: Plan, chunk: ChunkId) -> bool:
        self.open()
        return file_of(plan.region(chunk), self.layout.block, self.plan.shape) is not None

    def written(self, plan: Plan, chunk: ChunkId, status: np.ndarray) -> None:
        self.status[plan.region(chunk)] = status
        self._in_memory = False

    def dataset(self) -> "xarray.Dataset":
        """The part that was asked for, in the order asked for."""
        self.open()
        axes = {axis.name: axis.points for axis in self._asked.axes}
        if not self._in_memory:
            return asked_for(open_results(self._path, axes, self._asked.seeds), self._names)
        places = self.layout.positions(axes, self._asked.seeds)
        whole = tuple(places.values()) == tuple(list(range(size)) for size in self.plan.shape)
        results = self._labelled()[self._names].assign_attrs(self._attributes)
        return _marked(results if whole else results.isel(places))

    def close(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def open_results(
    path: Path | str, axes: Mapping[str, Sequence[Mapping[str, Any]]] | None = None, seeds: Sequence[int] = ()
) -> "xarray.Dataset":
    """Load a results store as a labelled data set; where a trial is not computed yet, `nonfinite` is True.

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
        if "sweep" in held.attrs:
            held = _without_lost(held, path, Layout.from_json(held.attrs))
        if axes is not None and "sweep" in held.attrs:
            held = held.isel(Layout.from_json(held.attrs).positions(axes, seeds))
    except KeyError as error:
        raise StoreError(f"{path}: {error} is not in these results yet; run again to go on.") from None
    except Exception as error:
        raise StoreError(f"{path}: the results cannot be read: {error}") from error
    held.attrs.pop("sweep", None)
    labels = [name for name, values in held.data_vars.items() if "seed" not in values.dims]  # of zipped axes
    return _marked(held.set_coords(labels))


def _without_lost(held: "xarray.Dataset", path: Path | str, layout: Layout) -> "xarray.Dataset":
    """The results with nothing computed where a file of theirs is gone: Zarr would read zeros there."""
    status = held[STATUS]
    there = files_in(path)
    outputs = {str(n): v.ndim - status.ndim for n, v in held.data_vars.items() if {*status.dims} <= {*v.dims}}
    files = (-(-size // extent) for size, extent in zip(status.shape, layout.block, strict=True))
    for place in np.ndindex(*files):
        region = tuple(slice(i * b, (i + 1) * b) for i, b in zip(place, layout.block, strict=True))
        whole = all(there(file_name(output, place, n)) for output, n in outputs.items())
        if not whole and status.values[region].any():
            status.values[region] = MISSING
    return held


def write_dataset(held: "xarray.Dataset", path: Path) -> None:
    """Write a labelled data set as a Zarr group, replacing what is there; `open_results` reads it.

    Text becomes Zarr's own string type: fixed-width text, which NumPy makes of it, has no specification there.
    """
    text = {n: v.astype(np.dtypes.StringDType()) for n, v in held.coords.items() if v.dtype.kind in "UO"}
    held.assign_coords(text).to_zarr(path, mode="w", consolidated=False, zarr_format=3)


def asked_for(results: "xarray.Dataset", names: Collection[str]) -> "xarray.Dataset":
    """The results without the outputs that only static points have which were not asked for."""
    return results[[name for name in results.data_vars if name in names or name == "nonfinite"]]


def _marked(results: "xarray.Dataset") -> "xarray.Dataset":
    """Replace the status by `nonfinite`, the mark of every trial that holds no finite result.

    What was not computed is NaN in every output: whole numbers, which have none, become floats where some are missing.
    """
    if STATUS not in results:
        return results
    status = results[STATUS]
    results = results.drop_vars(STATUS)
    missing = status == MISSING
    if missing.any():
        for name, values in results.data_vars.items():
            if {*status.dims} <= {*values.dims}:
                values = values.astype(float) if values.dtype.kind in "iub" else values
                results = results.assign({name: values.where(~missing)})
    return results.assign(nonfinite=(status.dims, status.values != FINITE))


def coordinates(plan: Plan) -> dict[str, tuple[tuple[str, ...], list[Any]]]:
    """The labels of every axis: one coordinate per parameter, and the seeds."""
    coords: dict[str, tuple[tuple[str, ...], list[Any]]] = {}
    for axis in plan.axes:
        for name in axis.parameters:
            coords[name] = ((axis.name,), axis.values(name))
    coords["seed"] = (("seed",), list(plan.seeds))
    return coords
