"""One sweep by the processes of one `jax.distributed` program, on platforms that demand one, such as TPU slices.

Every process runs the same programs on its own devices, each on other chunks, and writes them to one store that all
reach. They wait for each other twice, before the first chunk and after the last, and exchange nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jaxml.errors import ConfigError, RunError
from jaxml.sweep.arrays import Arrays, file_of
from jaxml.sweep.layout import Layout
from jaxml.sweep.plan import ChunkId, Plan
from jaxml.sweep.store import MemoryStore, ZarrStore, asked_for, open_results
from jaxml.sweep.trace import STATUS, Output

if TYPE_CHECKING:
    import xarray


class SharedStore(MemoryStore):
    """A store that all processes of a program write: the first one opens it, each writes whole files of its own.

    Args:
        path, plan, outputs, identity, attributes: as for `ZarrStore`.

    Raises:
        RunError: when another process is gone.
    """

    def __init__(
        self,
        path: Path | str | None,
        plan: Plan,
        outputs: Mapping[str, Output],
        identity: Callable[[], Mapping[str, Any]],
        attributes: Mapping[str, Any],
    ):
        if path is None:
            raise ConfigError(
                f"store: {jax.process_count()} processes share this sweep, so it needs a store that all of them reach."
            )
        self._path, self._asked, self._first = path, plan, None
        if jax.process_index() == 0:
            self._first = ZarrStore(path, plan, outputs, identity, attributes)
            self._first.open()
        _meet("the store is open")
        self._layout = Layout.read(path)
        super().__init__(self._layout.plan(plan), {STATUS: outputs[STATUS]})
        self._arrays, self._names = Arrays.held(path, self._layout.outputs()), list(outputs)
        self.status[...] = self._arrays.status()
        _meet("every process knows what is missing")

    def mine(self, plan: Plan, chunks: Sequence[ChunkId]) -> list[ChunkId]:
        """This process's share of the missing chunks; what does not fill a file of its own is for the first one."""
        index, count = jax.process_index(), jax.process_count()
        whole = {c: file_of(plan.region(c), self._layout.block, self.plan.shape) is not None for c in chunks}
        rest = [chunk for chunk in chunks if not whole[chunk]] if index == 0 else []
        return rest + [chunk for chunk in chunks if whole[chunk]][index::count]

    def write(self, plan: Plan, chunk: ChunkId, values: Mapping[str, np.ndarray]) -> None:
        self._arrays.write(plan, chunk, values)
        self.status[plan.region(chunk)] = values[STATUS]

    def dataset(self) -> "xarray.Dataset":
        """The part that was asked for, once all processes are done."""
        _meet("every chunk is written")
        axes = {axis.name: axis.points for axis in self._asked.axes}
        return asked_for(open_results(self._path, axes, self._asked.seeds), self._names)

    def close(self) -> None:
        if self._first is not None:
            self._first.close()


def _meet(what: str) -> None:
    """Wait until every process is here.

    Raises:
        RunError: when one is gone.
    """
    from jax.experimental import multihost_utils

    try:
        multihost_utils.sync_global_devices(what)
    except Exception as error:
        raise RunError(
            f"process {jax.process_index()} of {jax.process_count()}: another process of this sweep is gone, or cannot "
            f"be reached. Every finished chunk is kept; start all processes again to go on. ({_first_line(error)})"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
