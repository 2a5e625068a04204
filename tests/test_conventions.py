"""The op conventions, enforced: what `jaxml.ops` exports is named, documented and called in one way."""

import ast
import importlib
import inspect
import pkgutil
import sys
import types
from pathlib import Path

import pytest

from jaxml import ops

FUNCTIONS = {name: getattr(ops, name) for name in ops.__all__ if inspect.isroutine(getattr(ops, name))}
MODULES = [
    importlib.import_module(module.name)
    for module in pkgutil.iter_modules(ops.__path__, "jaxml.ops.")
    # Shared by the ops, not exported.
    if module.name
    not in {f"jaxml.ops.{name}" for name in ("checks", "exact", "finite", "lapack", "once", "primitives")}
]


def test_what_is_exported_is_what_is_public():
    assert sorted(ops.__all__) == list(ops.__all__)
    public = {n for n, v in vars(ops).items() if not n.startswith("_") and not isinstance(v, types.ModuleType)}
    assert public == set(ops.__all__)


def test_each_module_declares_what_is_public():
    declared = [name for module in MODULES for name in module.__all__]
    assert sorted(declared) == sorted(ops.__all__)
    for module in MODULES:
        for name in module.__all__:
            assert getattr(module, name) is getattr(ops, name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstring_has_every_part(name):
    doc = inspect.getdoc(FUNCTIONS[name]) or ""
    summary = doc.splitlines()[0]
    assert summary.endswith("."), "the first line is a sentence"
    for part in ("Args:", "Returns:", ">>> "):
        assert part in doc, f"{name} lacks {part!r}"
    assert "Reference" in doc or "See also" in doc, f"{name} lacks a reference or a see-also"
    for parameter in inspect.signature(FUNCTIONS[name]).parameters:
        assert f"{parameter}:" in doc or f"{parameter}," in doc, f"{name} does not explain {parameter!r}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signature_keeps_the_conventions(name):
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    for i, (parameter, value) in enumerate(parameters.items()):
        assert parameter not in ("reduction", "reduce"), f"{name} reduces: that is the caller's"
        if value.default is not inspect.Parameter.empty:
            assert value.kind is inspect.Parameter.KEYWORD_ONLY, f"{name}: {parameter!r} must be keyword-only"
        if parameter in ("key", "rng", "seed"):
            assert (i, parameter) == (0, "key"), f"{name}: randomness comes first and is called 'key'"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_traced_hyperparameters_are_not_annotated_float(name):
    for parameter, value in inspect.signature(FUNCTIONS[name]).parameters.items():
        assert value.annotation is not float, f"{name}: annotate {parameter!r} as Scalar, so that it may be traced"


def test_ops_import_nothing_else_of_jaxml():
    for path in Path(ops.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                top = name.split(".")[0]
                assert (
                    top in {"jax", "numpy", "chex", "jaxtyping"}
                    or name.startswith("jaxml.ops")
                    or top in sys.stdlib_module_names
                )
