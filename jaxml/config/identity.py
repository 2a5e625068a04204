"""The code that a run's numbers come from: the experiment, every local module it imports, and jaxml itself.

Nothing is imported: imports are read from the text and found as Python would find them. Packages that were installed
count by their version, which environment.json records; a module that is imported under a computed name is not seen.
"""

import ast
import functools
import hashlib
import importlib.machinery
import importlib.metadata
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = {"site-packages", "dist-packages"}


def local_modules(file: Path, root: Path) -> dict[str, Path]:
    """Every local module that a file imports, directly or through others: its dotted name -> where it is.

    Local is whatever is neither Python's own, nor installed, nor part of jaxml. Imports inside functions count, and so
    do ``importlib.import_module("name")`` and ``__import__("name")``.

    Args:
        file: the module to begin with, which does not count itself.
        root: the project, where modules are looked for after ``sys.path``.
    """
    places = [*sys.path, str(root), str(root / "experiments")]
    begin = file.resolve()
    found: dict[str, Path] = {}
    waiting = [(begin, "experiments")]
    while waiting:
        path, package = waiting.pop()
        for name in _imports(path, package):
            for module, origin in _located(name, places):
                if module not in found and origin != begin:
                    found[module] = origin
                    inside = module if origin.name == "__init__.py" else module.rpartition(".")[0]
                    waiting.append((origin, inside))
    return dict(sorted(found.items()))


def code_identity(file: Path, root: Path) -> dict[str, Any]:
    """What identifies the code behind a run.

    Returns:
        ``experiment``: the SHA-256 of the file, ``modules``: that of every local module it imports, by name, ``files``:
        where those are, ``engine``: version and SHA-256 of jaxml.
    """
    modules = local_modules(file, root)
    return {
        "experiment": _sha256(file),
        "modules": {name: _sha256(path) for name, path in modules.items()},
        "files": [str(path) for path in modules.values()],
        "engine": engine_identity(),
    }


@functools.cache
def engine_identity() -> dict[str, str]:
    """Version of jaxml, and the SHA-256 of its source files, which tells two states of one version apart."""
    digest = hashlib.sha256()
    gallery = _PACKAGE / "gallery"  # where a wheel carries what a checkout has elsewhere
    for path in sorted(path for path in _PACKAGE.rglob("*.py") if not path.is_relative_to(gallery)):
        digest.update(f"{path.relative_to(_PACKAGE)} {_sha256(path)}\n".encode())
    return {"version": importlib.metadata.version("jaxml"), "sha256": digest.hexdigest()}


def _imports(path: Path, package: str) -> Iterator[str]:
    """The absolute names a source file imports, submodules that it may mean included."""
    if path.suffix != ".py":
        return
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # whoever imports it gets the message
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parent, *([node.module] if node.module else [])])
            yield from [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value


def _located(name: str, places: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """The local files that importing a dotted name runs: its packages from the outside in, then itself."""
    parts = name.split(".")
    if parts[0] in sys.stdlib_module_names or parts[0] == "jaxml":
        return
    search: Any = places
    for depth in range(len(parts)):
        module = ".".join(parts[: depth + 1])
        spec = _found(module, search)
        if spec is None:
            return
        if spec.origin is not None and spec.has_location:
            origin = Path(spec.origin).resolve()
            if not _local(origin):
                return
            yield module, origin
        search = spec.submodule_search_locations
        if search is None:
            return


def _found(module: str, search: Any) -> importlib.machinery.ModuleSpec | None:
    # By its last name: a folder without __init__.py asks for its parent among the modules imported, under a dotted one.
    spec = importlib.machinery.PathFinder.find_spec(module.rpartition(".")[2], search)
    if spec is not None or "." in module:
        return spec
    for finder in sys.meta_path:  # editable installations bring finders of their own
        if finder is not importlib.machinery.PathFinder:
            spec = getattr(finder, "find_spec", lambda *_: None)(module, None)
            if spec is not None:
                return spec
    return None


def _local(path: Path) -> bool:
    if path.is_relative_to(_PACKAGE / "gallery" / "experiments"):  # the same code as in a checkout
        return True
    if _INSTALLED & set(path.parts) or path.is_relative_to(_PACKAGE):
        return False
    return not any(path.is_relative_to(place) for place in _standard())


@functools.cache
def _standard() -> tuple[Path, ...]:
    return tuple({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")})


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
