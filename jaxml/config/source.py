"""What an experiment's text alone tells of mistakes, without importing it, so that `jaxml validate` is fast.

Only what is certain is reported. What a trial computes is known once it is traced: `jaxml validate --trace`.
"""

import ast
import builtins
import symtable
from collections.abc import Iterator, Mapping
from pathlib import Path

from jaxml.claims.kinds import KINDS
from jaxml.config.models import RunConfig
from jaxml.config.study import Study
from jaxml.errors import ConfigError, TrialError, nearest
from jaxml.sweep.signature import Schema

_MODULE = {*dir(builtins), "__file__", "__annotations__", "__path__", "__class__"}


def quantities(config: RunConfig) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every quantity that a claim or a control asks for, after its place in the config."""
    for name, claim in config.claims.items():
        for place, wanted in KINDS[claim.kind].quantities(claim):
            yield ("claims", name, *place), wanted


def check_source(study: Study) -> None:
    """Check the text of a config's experiment.

    Raises:
        TrialError: for a name that is defined nowhere, or a Python ``if`` on a traced parameter.
        ConfigError: for a quantity that neither the trial returns nor a metric computes.
    """
    path = study.path
    text = path.read_text(encoding="utf-8")
    module = ast.parse(text, str(path))
    _check_names(module, text, path)
    trial = next((n for n in module.body if isinstance(n, ast.FunctionDef) and n.name == "trial"), None)
    if trial is None:
        return
    _check_branches(trial, study.plan.schema, path)
    returned, derived = _returned(trial), _metrics(module)
    if returned is None or derived is None:
        return
    known = [*returned, *derived]
    for place, wanted in quantities(study.config):
        if wanted not in known and not wanted.startswith("nonfinite_"):
            where = study.document.place(place)
            raise ConfigError(f"{where}: the trial returns no '{wanted}'. {nearest(wanted, known)}")


def _check_names(module: ast.Module, text: str, path: Path) -> None:
    """Refuse a name that no scope binds, as Python itself resolves names."""
    if any(isinstance(n, ast.ImportFrom) and n.names[0].name == "*" for n in ast.walk(module)):
        return
    table = symtable.symtable(text, str(path), "exec")
    scopes = list(_scopes(table))
    bound = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    bound |= {s.get_name() for scope in scopes for s in scope.get_symbols() if s.is_declared_global()}
    unbound = {
        s.get_name()
        for scope in scopes
        for s in scope.get_symbols()
        if s.is_referenced() and (s.is_global() or scope is table) and s.get_name() not in bound | _MODULE
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Name) and node.id in unbound:
            near = nearest(node.id, sorted(bound))
            near = near if near.startswith("Did") else "Define or import it."
            raise TrialError(f"{path}, line {node.lineno}: the name '{node.id}' is not defined. {near}")


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _scopes(child)


def _own(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function, those of functions inside it left out."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting[:0] = ast.iter_child_nodes(node)


def _check_branches(trial: ast.FunctionDef, schema: Schema, path: Path) -> None:
    """Refuse a branch of Python's on the value of a traced parameter, which tracing does not know."""
    nodes = list(_own(trial))
    stored = [n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)]
    traced = {name: name for name, parameter in schema.items() if parameter.traced and name not in stored}
    for node in nodes:  # in the order of the text
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and len(node.targets) == 1:
            name = node.targets[0].id
            if stored.count(name) == 1 and name not in schema and (of := _arithmetic_of(node.value, traced)):
                traced[name] = of
    for node in nodes:
        if not isinstance(node, (ast.If, ast.IfExp, ast.While, ast.Assert)):
            continue
        test = node.test
        while isinstance(test, (ast.BoolOp, ast.UnaryOp)):  # what is evaluated first
            test = test.values[0] if isinstance(test, ast.BoolOp) else test.operand
        sides = [test]
        if isinstance(test, ast.Compare):
            plain = all(isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)) for op in test.ops)
            sides = [test.left, *test.comparators] if plain else []
        for side in sides:
            if parameter := _arithmetic_of(side, traced):
                kind, shown = schema[parameter].type.__name__, ast.unparse(side)
                raise TrialError(
                    f"{path}, line {side.lineno}: '{shown}' is traced, so that Python cannot branch on its value. "
                    f"Use jnp.where or lax.cond, or declare '{parameter}: Static[{kind}]'."
                )


def _arithmetic_of(value: ast.expr, traced: Mapping[str, str]) -> str:
    """The traced parameter that names, constants, arithmetic and comparisons make a value of; empty for any other."""
    found = ""
    for node in ast.walk(value):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found = found or traced.get(node.id, "")
        elif not isinstance(
            node,
            (ast.BinOp, ast.UnaryOp, ast.Compare, ast.Constant, ast.operator, ast.unaryop, ast.cmpop, ast.expr_context),
        ) or isinstance(node, (ast.Not, ast.Is, ast.IsNot, ast.In, ast.NotIn)):
            return ""
    return found


def _returned(trial: ast.FunctionDef) -> list[str] | None:
    """The names that a trial returns, where each of its returns writes them out; else None."""
    returns = [node.value for node in _own(trial) if isinstance(node, ast.Return)]
    names = [_keys(value) for value in returns]
    if not names or any(each is None for each in names):
        return None
    return list(dict.fromkeys(name for each in names for name in each or ()))


def _metrics(module: ast.Module) -> list[str] | None:
    """The names of the metrics of ``Experiment(...)``, where they are written out; else None."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Experiment":
            if node.args[1:] or any(keyword.arg is None for keyword in node.keywords):
                return None
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            return _keys(given["metrics"]) if "metrics" in given else []
    return None


def _keys(value: ast.expr | None) -> list[str] | None:
    """The keys of a dictionary that is written out, those inside another joined by dots; else None."""
    if not isinstance(value, ast.Dict):
        return None
    names: list[str] = []
    for key, item in zip(value.keys, value.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            return None
        inner = _keys(item) if isinstance(item, ast.Dict) else [""]
        if inner is None:
            return None
        names += [f"{key.value}.{name}" if name else key.value for name in inner]
    return names
