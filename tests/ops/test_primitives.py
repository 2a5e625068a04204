"""What jaxml.ops takes from JAX's interpreters is in one file, each symbol of it named here."""

import ast
from pathlib import Path

from jaxml import ops

FOLDER = Path(ops.__file__).parent
SYMBOLS = {
    "ad": {"Zero", "deflinear2", "is_undefined_primal", "primitive_jvps", "primitive_transposes"},
    "batching": {"defvectorized", "primitive_batchers"},
    "mlir": {"lower_fun", "register_lowering"},
    "jax.core": {"ShapedArray"},
    "jax.extend.core": {"Primitive"},
}
INNER = ("jax.core", "jax.extend", "jax.interpreters", "jax._src")


def imports(tree: ast.AST) -> set[tuple[str, str]]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {(node.module, name.name) for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {(name.name, "") for name in node.names}
        elif isinstance(node, ast.Attribute):
            found.add((ast.unparse(node), ""))
    return {(module, name) for module, name in found if f"{module}.{name}".startswith(INNER)}


def test_primitives_is_the_only_file_that_looks_inside_of_jax():
    inside = {path.name for path in FOLDER.rglob("*.py") if imports(ast.parse(path.read_text()))}
    assert inside == {"primitives.py"}
    assert imports(ast.parse("import jax.core\nx = jax.interpreters.ad.Zero")) != set()


def test_every_symbol_from_inside_of_jax_is_named():
    tree = ast.parse((FOLDER / "primitives.py").read_text())
    used: dict[str, set[str]] = {}
    for module, name in imports(tree):
        if module != "jax.interpreters":
            used.setdefault(module, set()).add(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in SYMBOLS:
            used.setdefault(node.value.id, set()).add(node.attr)
    assert used == SYMBOLS
