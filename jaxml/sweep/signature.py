"""The signature of a trial is the schema of its parameters: names, types, defaults, and which of them are traced.

`float` parameters are traced (they become vmapped lanes), every other type is static (one compilation for each
value); `Traced[int]` and `Static[float]` override that. The signature is read from a function or, without running
or importing anything, from the source text of a module.
"""

import ast
import inspect
import math
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeVar

from jaxml.errors import ConfigError, TrialError, nearest

T = TypeVar("T")
Traced = Annotated[T, "traced"]
"""Marks a trial's parameter as a lane of the vmapped program, whatever its type: ``depth: Traced[int]``. Text needs
its choices, ``loss: Traced[Literal["huber", "square"]]``; the trial is given a `jaxml.sweep.choice.Choice`."""
Static = Annotated[T, "static"]
"""Marks a trial's parameter as a compile-time constant, whatever its type: ``momentum: Static[float]``."""

REQUIRED: Any = inspect.Parameter.empty
_NAMES = {"float": float, "int": int, "bool": bool, "str": str, "Literal": Literal}
_NAMES |= {"Traced": Traced, "Static": Static}

Value = float | int | bool | str
Precision = Literal["float32", "float64"]
_FLOATS = {"float32": (2.0**-126, float(2**128 - 2**104)), "float64": (sys.float_info.min, sys.float_info.max)}
"""The smallest normal number, below which XLA flushes to 0, and the largest one."""


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter of a trial."""

    name: str
    type: type
    traced: bool
    default: Any = REQUIRED
    choices: tuple[Value, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names among which a traced choice picks; empty for any other parameter."""
        return tuple(map(str, self.choices or ())) if self.traced and self.type is str else ()

    def code(self, value: Value) -> Value:
        """What a program takes for a value: of a traced choice its place among the names."""
        return self.names.index(str(value)) if self.names else value

    def accept(self, value: Any, where: str) -> Value:
        """Return `value` in this parameter's type.

        Raises:
            ConfigError: when it does not fit; `where` says which place of the config or call holds it.
        """
        value = plain(value)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(
                f"{where}: expected a finite number, got {value!r}. Nothing can be looked up under it; use a large "
                "number, or a parameter of its own for the case without a limit."
            )
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ConfigError(f"{where}: expected a number of at most 64 bits, got one of {value.bit_length()} bits.")
        if self.choices is not None:
            if not any(type(value) is type(choice) and value == choice for choice in self.choices):
                raise ConfigError(f"{where}: {value!r} is not allowed. {nearest(value, self.choices)}")
            return value
        if self.type is float and number:
            return float(value)
        if self.type is int and number and value == int(value) and -(2**63) <= value < 2**63:
            return int(value)
        if isinstance(value, self.type) and (number or self.type in (bool, str)):
            return value
        raise ConfigError(f"{where}: expected {self.type.__name__}, got {value!r} ({type(value).__name__}).")

    def check_precision(self, value: Value, precision: Precision, where: str) -> None:
        """Check that a traced number is still itself in the precision that the trial computes in.

        Raises:
            ConfigError: when it would overflow, or be flushed to 0.
        """
        if not self.traced or isinstance(value, (bool, str)):
            return
        bits = precision.removeprefix("float")
        if self.type is int:
            least, most, kind = -(2 ** (int(bits) - 1)), 2 ** (int(bits) - 1) - 1, f"int{bits}"
            fits = least <= value <= most
        else:
            least, most, kind = *_FLOATS[precision], precision
            fits = value == 0 or least <= abs(value) <= most
        if not fits:
            remedy = (
                "" if precision == "float64" else ", or compute in float64 (`precision: float64`, `jax_enable_x64`)"
            )
            raise ConfigError(f"{where}: {value!r} does not fit into {kind} ({least} to {most}). Rescale it{remedy}.")

    def given_default(self, where: str) -> Value:
        """Return the default.

        Raises:
            ConfigError: when there is none.
        """
        if self.default is REQUIRED:
            raise ConfigError(f"{where}: a value is needed for '{self.name}', which has no default.")
        return self.default


def plain(value: Any) -> Any:
    """A NumPy or JAX scalar as the Python value that a person would type for it; anything else as it is.

    >>> plain(np.float32(0.1)), plain(jnp.int32(3)), plain(np.bool_(True))
    (0.1, 3, True)
    """
    if not hasattr(value, "dtype") or getattr(value, "ndim", None) != 0:
        return value
    import numpy as np

    scalar = np.asarray(value)[()]
    narrow = np.issubdtype(scalar.dtype, np.floating) and scalar.dtype.itemsize < 8
    return float(str(scalar)) if narrow else scalar.item()


class Schema(Mapping[str, Parameter]):
    """The parameters of one trial, by name and in order."""

    def __init__(self, trial_name: str, parameters: Mapping[str, Parameter]):
        self.trial_name = trial_name
        self._parameters = dict(parameters)

    def __getitem__(self, name: str) -> Parameter:
        return self._parameters[name]

    def __iter__(self):
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def arguments(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What the trial is called with: codes of traced choices as a `Choice`, all else as it is."""
        if not any(self[name].names for name in values):
            return dict(values)
        import jax.numpy as jnp

        from jaxml.sweep.choice import Choice

        return {n: Choice(jnp.asarray(v), self[n].names) if self[n].names else v for n, v in values.items()}

    def find(self, name: str, where: str) -> Parameter:
        """Return the parameter called `name`.

        Raises:
            ConfigError: when the trial has none, naming the nearest one it has.
        """
        if self is NO_TRIAL:
            raise ConfigError(f"{where}: the experiment has no trial, so nothing takes '{name}'.")
        if name not in self:
            raise ConfigError(f"{where}: the trial has no parameter '{name}'. {nearest(name, self)}")
        return self[name]


NO_TRIAL = Schema("", {})
"""Of an experiment whose claims need none."""


def schema_of(trial: Callable[..., Any]) -> Schema:
    """Read the schema from a function ``trial(key, *, ...)``.

    Raises:
        TrialError: when the signature is not a trial's.

    >>> def trial(key, *, lam: float, solver: Literal["prox", "l2"] = "prox", n: int = 200): ...
    >>> [(p.name, p.traced, p.default is REQUIRED) for p in schema_of(trial).values()]
    [('lam', True, True), ('solver', False, False), ('n', False, False)]
    """
    name = getattr(trial, "__name__", repr(trial))
    parameters = list(inspect.signature(trial).parameters.values())
    positional = [p for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    if len(positional) != 1 or positional[0].kind is inspect.Parameter.VAR_KEYWORD:
        raise TrialError(
            f"{name}: a trial is a function (key, *, hyperparameters...), got "
            f"({', '.join(str(p) for p in parameters)}). Put the key first and a '*' after it."
        )
    try:
        hints = typing.get_type_hints(trial, include_extras=True)
    except NameError:
        hints = {p.name: p.annotation for p in parameters}
    keyword = [p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    return Schema(name, {p.name: _parameter(name, p.name, hints.get(p.name), p.default) for p in keyword})


def schema_of_source(source: str, filename: str, function: str = "trial") -> Schema:
    """Read the schema of `function` from a module's text; nothing is imported or run.

    Returns:
        The schema; `NO_TRIAL` where the text neither defines the function nor speaks of it.

    Raises:
        TrialError: when the text does not parse, lacks the function, or its signature is not a trial's.
    """
    try:
        tree = ast.parse(source, filename)
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise TrialError(f"{filename}{line}: {error.msg}.") from None
    found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function]
    if not found:
        if not any(function in (getattr(n, "arg", None), getattr(n, "id", None)) for n in ast.walk(tree)):
            return NO_TRIAL
        raise TrialError(f"{filename}: there is no function '{function}'. Define {function}(key, *, ...).")
    arguments = found[0].args
    if len(arguments.posonlyargs + arguments.args) != 1 or arguments.vararg or arguments.kwarg:
        raise TrialError(f"{filename}: {function} must be {function}(key, *, hyperparameters...).")
    parameters = {}
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        annotation = ast.unparse(_Unqualified().visit(argument.annotation)) if argument.annotation else None
        value = _literal(f"{filename}: parameter '{argument.arg}'", default)
        parameters[argument.arg] = _parameter(function, argument.arg, annotation, value)
    return Schema(function, parameters)


class _Unqualified(ast.NodeTransformer):
    """Writes `jaxml.Traced` or `typing.Literal` as `Traced` and `Literal`, however the module imported them."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.Name:
        return ast.Name(node.attr, ast.Load())


def _literal(place: str, node: ast.expr | None) -> Any:
    """The value of a default, which must be a literal so that a config can be checked without running the module."""
    if node is None:
        return REQUIRED
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise TrialError(f"{place}: the default '{ast.unparse(node)}' is computed. Write its value.") from None


def _parameter(trial: str, name: str, annotation: Any, default: Any) -> Parameter:
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, {"__builtins__": {}}, dict(_NAMES))
        except Exception:
            annotation = None
    role = None
    if typing.get_origin(annotation) is Annotated:
        annotation, role = annotation.__origin__, annotation.__metadata__[0]
    choices = None
    if typing.get_origin(annotation) is Literal:
        choices = typing.get_args(annotation)
        kinds = {type(choice) for choice in choices}
        annotation = kinds.pop() if len(kinds) == 1 else None
    if annotation not in (float, int, bool, str):
        raise TrialError(
            f"{trial}: parameter '{name}' needs one of the types float, int, bool, str, Literal[...], "
            f"Traced[...] or Static[...]; write for example '{name}: float'."
        )
    traced = annotation is float if role is None else role == "traced"
    if traced and annotation is str and not choices:
        raise TrialError(
            f"{trial}: text can be traced only where its choices are given: write '{name}: Traced[Literal[...]]', "
            "or drop Traced."
        )
    parameter = Parameter(name, annotation, traced, default, choices)
    if default is REQUIRED:
        return parameter
    try:
        return replace(parameter, default=parameter.accept(default, f"{trial}: the default of '{name}'"))
    except ConfigError as error:
        raise TrialError(str(error)) from None
