"""Lowered programs kept between runs, found by what was traced for one lane.

JAX's cache of compiled programs is asked only after all lanes have been traced and lowered, which for a small run takes
longer than everything else. So what was lowered is kept as StableHLO (`jax.export`): data, no code of Python's or the
machine's (`flatbuffers` is what JAX writes it with). Only programs of JAX's own primitives are kept, whose trace says
all that they compute; the arrays that a trial encloses are arguments, never part of what is kept. Where JAX has no
cache in a local folder, nothing is kept.
"""

import functools
import hashlib
import importlib.metadata
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from jax import export


def keep_lowered(function: Callable[..., Any], inputs: Any, output: Any, code: str) -> Callable[..., Any]:
    """The same function, lowered once for all runs; itself where it cannot be kept.

    Args:
        function: what the lanes compute together.
        inputs: its arguments.
        output: the structure of what it returns.
        code: what identifies the computation of one lane.
    """
    folder = getattr(jax.config, "jax_compilation_cache_dir", None)
    if not folder or "://" in folder:
        return function
    shapes = jax.tree.map(lambda x: (jax.numpy.shape(x), str(x.dtype)), inputs)
    depends = repr((code, shapes, str(output), _surroundings(), jax.default_backend(), _settings()))
    path = Path(folder, f"{hashlib.sha256(depends.encode()).hexdigest()}.lowered")
    held = _read(path) or _write(path, function, inputs)
    if held is None:
        return function

    def block(*inputs: Any) -> Any:
        return jax.tree.unflatten(output, held.call(*jax.tree.leaves(inputs)))

    return block


def _read(path: Path) -> export.Exported | None:
    """What is kept; None where it is not, or cannot be read."""
    try:
        return export.deserialize(bytearray(zlib.decompress(path.read_bytes())))
    except FileNotFoundError:
        return None
    except Exception:  # damaged: it is lowered again
        return None


def _write(path: Path, function: Callable[..., Any], inputs: Any) -> export.Exported | None:
    """Lower the function and keep it; None where that cannot be done, as with callbacks into this process.

    What is returned is read back: what JAX exports holds on to the function, and JAX's caches to what was exported.
    """
    leaves, tree = jax.tree.flatten(inputs)
    partial = path.with_suffix(f".{uuid.uuid4().hex}.partial")
    try:
        held = export.export(jax.jit(lambda *leaves: jax.tree.leaves(function(*jax.tree.unflatten(tree, leaves)))))(
            *leaves
        )
        data = held.serialize()
        held = export.deserialize(data)
    except Exception:
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(zlib.compress(data, 1))
        partial.replace(path)
    except OSError:  # a full disk: the run does not need it
        partial.unlink(missing_ok=True)
    return held


def _settings() -> list[tuple[str, str]]:
    return sorted((name, str(value)) for name, value in jax.config.values.items())


@functools.cache
def _surroundings() -> str:
    """What else lowering depends on: JAX, and this package, whose primitives a trace names without their code."""
    digest = hashlib.sha256(f"{importlib.metadata.version('jax')} {importlib.metadata.version('jaxlib')}".encode())
    for path in sorted(Path(__file__).resolve().parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
