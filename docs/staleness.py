"""Which state of jaxml a config's stored verdicts were decided by: what its experiment and the engine consist of.

The engine is all that computes and decides: every module of jaxml but the reports, the command line, what finds and
copies configs, what is explored after a verdict, what judges results made elsewhere, and what computes lanes again to
check a compiler, which may stop a run and changes no number. Of `jaxml.ops`, `jaxml.learn`, `jaxml.nn` and `jaxml.data`
only what an experiment imports counts, name by name and on through their own imports. Comments, docstrings and layout
do not count.
"""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = (
    *("report", "cli", "explore", "gallery"),
    *("scaffold.py", "__main__.py", "pytest_plugin.py", "given.py", "labelled.py"),
)
LIBRARY = ("ops", "learn", "nn", "data")
CHECKS = tuple(f"sweep/{name}.py" for name in ("check", "numeric", "primitives", "draws", "places", "perturb"))


def deciding_identity(experiment: Path) -> str:
    """SHA-256 of the engine and of what an experiment takes from the library."""
    digest = hashlib.sha256()
    checks = {ROOT / "jaxml" / name for name in CHECKS}
    for path in sorted({*_engine(), *_taken(experiment)} - checks):
        digest.update(f"{path.relative_to(ROOT)} {_meaning(path)}\n".encode())
    return digest.hexdigest()


@functools.cache
def _engine() -> tuple[Path, ...]:
    package = ROOT / "jaxml"
    apart = {*OUTSIDE, *LIBRARY}
    return tuple(path for path in package.rglob("*.py") if path.relative_to(package).parts[0] not in apart)


def _taken(experiment: Path) -> set[Path]:
    """The modules of the library that an experiment runs."""
    found: set[Path] = set()
    open_ = [experiment]
    while open_:
        for path in _imports(open_.pop()):
            if path not in found:
                found.add(path)
                open_.append(path)
    return {path for path in found if path.is_relative_to(ROOT / "jaxml")}


@functools.cache
def _imports(path: Path) -> tuple[Path, ...]:
    """The files that a module's imports run, those of a package's names instead of the whole package."""
    found: list[Path] = []
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found += _modules(alias.name, ())
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += _modules(node.module, [alias.name for alias in node.names])
    return tuple(found)


def _modules(name: str, wanted: list[str] | tuple[str, ...]) -> Iterator[Path]:
    """The files of a dotted name: a module, or of a package the modules that define the wanted names."""
    place = ROOT.joinpath(*name.split("."))
    local = ROOT / "experiments" / f"{name.split('.')[0]}.py"
    if place.with_suffix(".py").is_file():
        yield place.with_suffix(".py")
    elif (place / "__init__.py").is_file():
        exports = _exports(place / "__init__.py")
        for each in wanted:
            if each in exports:
                yield from _modules(*exports[each])
            elif (place / f"{each}.py").is_file() or (place / each / "__init__.py").is_file():
                yield from _modules(f"{name}.{each}", ())
            else:
                yield place / "__init__.py"
        if not wanted:
            yield place / "__init__.py"
    elif local.is_file():
        yield local


@functools.cache
def _exports(path: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Where a package takes its names from."""
    return {
        alias.asname or alias.name: (node.module, (alias.name,))
        for node in _tree(path).body
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
        for alias in node.names
    }


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


@functools.cache
def _meaning(path: Path) -> str:
    """The SHA-256 of a module without its docstrings."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            node.body = body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()
