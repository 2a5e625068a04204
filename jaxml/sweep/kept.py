"""Compiled programs kept between runs, found by what was traced for one lane.

JAX's own cache is asked only after all lanes have been traced and lowered, which for a small run takes longer than
everything else. So a program that JAX has just compiled and written to its cache is kept beside it under a name made
of all it depends on, and the next run loads it at once. Where JAX has no cache in a local folder, nothing is kept.
"""

import hashlib
import importlib.metadata
import os
import platform
import threading
import uuid
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from jax.experimental import serialize_executable

_COMPILED_ANEW = "/jax/compilation_cache/cache_misses"
_here = threading.local()


def _note(event: str, **_: Any) -> None:
    if event == _COMPILED_ANEW:
        _here.anew = True


jax.monitoring.register_event_listener(_note)


class Kept:
    """The place of one program.

    Args:
        code: what identifies the computation of one lane.
        inputs: the program's arguments.
        output: the structure of what it returns.
        options: how it is compiled.
    """

    def __init__(self, code: str, inputs: Any, output: Any, options: Mapping[str, Any]):
        folder = getattr(jax.config, "jax_compilation_cache_dir", None)
        self._trees = jax.tree.structure((inputs, {})), output
        self._path: Path | None = None
        if not folder or "://" in folder:
            return
        shapes = jax.tree.map(lambda x: (jax.numpy.shape(x), str(x.dtype)), inputs)
        depends = (code, shapes, output, sorted(options.items()), _surroundings())
        self._path = Path(folder, f"{hashlib.sha256(repr(depends).encode()).hexdigest()}.program")

    def load(self) -> Any:
        """The program, or None where it is not kept or cannot be read."""
        _here.anew = False
        if self._path is None or not self._path.exists():
            return None
        try:
            held = zlib.decompress(self._path.read_bytes())
            return serialize_executable.deserialize_and_load(
                held, *self._trees, execution_devices=jax.local_devices()[:1]
            )
        except Exception:  # damaged, or of a JAX that writes them otherwise: it is compiled again
            return None

    def save(self, compiled: Any) -> None:
        """Keep a program that this thread has compiled since `load`; one that JAX's cache gave cannot be written."""
        if self._path is None or not getattr(_here, "anew", False):
            return
        partial = self._path.with_suffix(f".{uuid.uuid4().hex}.partial")
        try:
            partial.write_bytes(zlib.compress(serialize_executable.serialize(compiled)[0], 1))
            partial.replace(self._path)
        except Exception:  # a full disk, a program that cannot be written: the run does not need it
            partial.unlink(missing_ok=True)


def _surroundings() -> tuple[Any, ...]:
    """What else a program depends on: this package's own lanes, JAX and its settings, the processor."""
    device, processor = jax.local_devices()[0], Path("/proc/cpuinfo")  # a home folder may serve several machines
    about = processor.read_text().splitlines() if processor.exists() else [platform.processor()]
    return (
        Path(__file__).with_name("block.py").read_bytes(),
        importlib.metadata.version("jax"),
        importlib.metadata.version("jaxlib"),
        device.client.platform_version,
        device.device_kind,
        sorted((name, str(value)) for name, value in jax.config.values.items()),
        os.environ.get("XLA_FLAGS"),
        sorted({line for line in about if line.startswith(("flags", "Features", "model"))} or about[:1]),
    )
