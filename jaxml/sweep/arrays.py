"""The Zarr arrays of a store, one file for each output of each chunk; a file appears whole or not at all.

Each file holds a checksum, which says that it is whole, not that it is in its place. So beside the status of a chunk
lies a list of the SHA-256 of its files, written last: ``sha256sum -c status/c/0/1/0.sha256`` in the folder of the
store. A chunk without one, as a kill in the last moment leaves it, is believed; stores behind a URL have none.
"""

import hashlib
import itertools
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxml.errors import StoreError
from jaxml.sweep.layout import Layout
from jaxml.sweep.plan import ChunkId, Plan
from jaxml.sweep.trace import NO_STEP, STATUS, Output

_LEVEL = 1


class Arrays:
    """The arrays of one store, open for writing."""

    def __init__(self, path: Path | str, outputs: Mapping[str, Output], arrays: Mapping[str, Any]):
        self._path, self._outputs, self._arrays = path, outputs, arrays
        self._there: Callable[[str], bool] | None = None

    @classmethod
    def held(cls, path: Path | str, outputs: Mapping[str, Output]) -> "Arrays":
        """The arrays of a store that another process has opened, for a worker that writes whole files of its own.

        Raises:
            StoreError: when the store is not there.
        """
        import zarr

        try:
            with zarr.config.set({"array.write_empty_chunks": True}):
                return cls(path, outputs, {name: zarr.open_array(path, path=name, mode="r+") for name in outputs})
        except FileNotFoundError:
            raise StoreError(
                f"{path}: a worker does not see this store. Put it where all workers reach it, or leave out "
                "shared_store: the results then come back to the calling process, which writes them."
            ) from None

    @classmethod
    def created(
        cls, path: Path | str, outputs: Mapping[str, Output], layout: Layout, plan: Plan, repaired: list[str]
    ) -> "Arrays":
        """The arrays of a store at the size of `plan`, made where they are missing; chunks that are there are kept."""
        import zarr

        with zarr.config.set({"array.write_empty_chunks": True}):  # a chunk without a file counts as lost
            return cls(path, outputs, {n: _created(path, n, o, layout, plan, repaired) for n, o in outputs.items()})

    def write(self, plan: Plan, chunk: ChunkId, values: Mapping[str, np.ndarray]) -> None:
        """Write one chunk, its status last."""
        region = plan.region(chunk)
        size = tuple(place.stop - place.start for place in region)
        try:
            written: dict[str, str] = {}
            self._unlist(region)
            for name, value in complete(values, self._outputs).items():
                block = np.broadcast_to(value, size + self._outputs[name].shape)
                array = self._arrays[name]
                place = file_of(region, array.chunks, array.shape)
                if place is None or not isinstance(self._path, Path) or not block.size:
                    array[region] = block
                else:
                    inner = len(self._outputs[name].shape)
                    written[file_name(name, place, inner)] = _put(self._file(name, place), block, array)
            self._list(region, written)
        except OSError as error:
            raise StoreError(
                f"{self._path}: chunk {chunk} could not be written: {error.strerror or error}. "
                "What was computed before is safe; fix the problem and run again."
            ) from error

    def clear(self, name: str) -> None:
        """Write NaN all over the array of an output that nothing computed so far returns."""
        self._arrays[name][...] = fill(name, self._outputs[name])

    def status(self) -> np.ndarray:
        """The status of every trial."""
        return self._arrays[STATUS][...]

    def read(self, place: tuple[int, ...], region: tuple[slice, ...]) -> dict[str, np.ndarray]:
        """Everything at one place; empty where its status says that nothing was computed.

        Raises:
            Exception: when a file is gone or damaged.
        """
        if not self._arrays[STATUS][region].any():
            return {}
        found = {name: self._read(name, place, region) for name in self._outputs}
        self._check(place)
        return found

    def _read(self, name: str, place: tuple[int, ...], region: tuple[slice, ...]) -> np.ndarray:
        if self._there is None:
            self._there = files_in(self._path)
        file = file_name(name, place, len(self._outputs[name].shape))
        if not self._there(file):
            raise FileNotFoundError(f"{self._path}/{file} is gone")
        return self._arrays[name][region]

    def forget(self, place: tuple[int, ...], region: tuple[slice, ...]) -> None:
        """Remove what stands at one place."""
        self._unlist(region)
        for name, array in self._arrays.items():
            if isinstance(self._path, Path):
                self._file(name, place).unlink(missing_ok=True)
            else:
                array[region] = fill(name, self._outputs[name])

    def _check(self, place: tuple[int, ...]) -> None:
        """Compare the files at one place with their list.

        Raises:
            ValueError: when one is another.
        """
        listed = self._listed_at(place)
        if not isinstance(self._path, Path) or not listed.exists():
            return
        for line in listed.read_text(encoding="utf-8").splitlines():
            digest, _, name = line.partition("  ")
            if _digest((self._path / name).read_bytes()) != digest:
                raise ValueError(f"{name} is not what was written there")

    def _unlist(self, region: tuple[slice, ...]) -> None:
        """Remove the lists of the files that a region lies in, before one of them changes."""
        if isinstance(self._path, Path):
            for place in self._places(region):
                self._listed_at(place).unlink(missing_ok=True)

    def _list(self, region: tuple[slice, ...], written: Mapping[str, str]) -> None:
        """List the files that a region lies in; those digested while they were written are not read again."""
        if not isinstance(self._path, Path):
            return
        for place in self._places(region):
            files = [file_name(name, place, len(output.shape)) for name, output in self._outputs.items()]
            there = [name for name in files if name in written or (self._path / name).exists()]
            lines = [f"{written.get(name) or _digest((self._path / name).read_bytes())}  {name}\n" for name in there]
            _replace(self._listed_at(place), "".join(lines).encode())

    def _places(self, region: tuple[slice, ...]) -> Iterator[tuple[int, ...]]:
        """The files that a region lies in."""
        parts = zip(region, self._arrays[STATUS].chunks, strict=True)
        return itertools.product(*(range(part.start // n, -(-part.stop // n)) for part, n in parts))

    def _listed_at(self, place: tuple[int, ...]) -> Path:
        return self._file(STATUS, place).with_suffix(".sha256")

    def _file(self, name: str, place: tuple[int, ...]) -> Path:
        return Path(self._path, file_name(name, place, len(self._outputs[name].shape)))


def file_name(name: str, place: tuple[int, ...], inner: int) -> str:
    """The file of one output at one place, below its store; its last `inner` axes are never cut."""
    return "/".join([name, "c", *map(str, place), *["0"] * inner])


def files_in(path: Path | str) -> Callable[[str], bool]:
    """Whether a store holds a file. One behind a URL is listed once, as it is now."""
    if isinstance(path, Path):
        return lambda name: (path / name).exists()
    from fsspec.core import url_to_fs

    system, root = url_to_fs(path)
    held = {str(file).removeprefix(root.rstrip("/") + "/") for file in system.find(root)}
    return held.__contains__


def _created(path: Path | str, name: str, output: Output, layout: Layout, plan: Plan, repaired: list[str]) -> Any:
    """Open an array at the store's size; create it where it is new or its metadata is lost, keeping its chunks."""
    import zarr
    from zarr.codecs import Crc32cCodec, ZstdCodec

    shape, dims = plan.shape + output.shape, plan.dims + output.axes
    chunks = layout.block + tuple(max(n, 1) for n in output.shape)
    try:
        array = zarr.open_array(path, path=name, mode="r+")
        found = (array.chunks, array.dtype, getattr(array.metadata, "dimension_names", None))
        if found != (chunks, output.dtype, dims):
            raise ValueError(f"it describes another array, {found}")
        if array.shape != shape:
            array.resize(shape)
        return array
    except FileNotFoundError:
        pass
    except (ValueError, KeyError, TypeError) as error:
        if not isinstance(path, Path):
            raise StoreError(f"{path}/{name}: the metadata is damaged: {error}.") from error
        (path / name / "zarr.json").unlink()
        repaired.append(f"{name}/zarr.json was damaged and is written again")
    return zarr.create_array(
        path,
        name=name,
        shape=shape,
        chunks=chunks,
        dtype=output.dtype,
        fill_value=fill(name, output),
        compressors=[ZstdCodec(level=_LEVEL), Crc32cCodec()],
        dimension_names=dims,
        attributes=layout.to_json() if name == STATUS else {},
    )


def file_of(region: tuple[slice, ...], block: Sequence[int], shape: Sequence[int]) -> tuple[int, ...] | None:
    """The file that holds a region and nothing else; None when there is none."""
    for place, extent, size in zip(region, block, shape, strict=False):
        if place.start % extent or place.stop != min(place.start + extent, size):
            return None
    return tuple(place.start // extent for place, extent in zip(region, block, strict=False))


def _put(file: Path, block: np.ndarray, array: Any) -> str:
    """Write one chunk file as Zarr would, several times as fast: the bytes, compressed, and their checksum.

    Returns:
        The digest of the file.
    """
    import google_crc32c
    from numcodecs.zstd import Zstd

    whole = np.full(array.chunks, array.fill_value, array.dtype.newbyteorder("<"))
    whole[tuple(map(slice, block.shape))] = block
    data = Zstd(_LEVEL).encode(whole)
    data += google_crc32c.value(data).to_bytes(4, "little")
    _replace(file, data)
    return _digest(data)


def _replace(file: Path, data: bytes) -> None:
    """Write a file, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{uuid.uuid4().hex}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(file)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def complete(values: Mapping[str, np.ndarray], outputs: Mapping[str, Output]) -> dict[str, Any]:
    """A chunk's outputs, with NaN for those that its static point does not return; the status comes last."""
    every = {n: values.get(n, np.asarray(fill(n, o), o.dtype)) for n, o in outputs.items() if n != STATUS}
    return {**every, STATUS: values[STATUS]}


def fill(name: str, output: Output) -> Any:
    """What stands where nothing was computed."""
    if name.startswith("nonfinite_"):
        return NO_STEP
    return np.nan if output.dtype.kind in "fc" else 0
