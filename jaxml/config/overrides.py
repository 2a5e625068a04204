"""Overrides on the command line: ``seeds=32  lam=1e-3,1e-2  n=100  sweep.rho=linspace(0,0.9,10)``.

A name that is a parameter of the trial becomes a fixed value or, with several values, an axis; any other name is a
path into the config. What decides a verdict is written in the YAML only and cannot be overridden.
"""

import re
from collections.abc import Sequence
from typing import Any

from jaxml.config.document import parse_value
from jaxml.errors import ConfigError, nearest

_CALL = re.compile(r"(range|linspace|logspace|geomspace)\((.*)\)", re.DOTALL)
_DECIDES = ("claims", "looks", "alpha", "population", "experiment", "name", "extends")


def apply_overrides(raw: dict[str, Any], overrides: Sequence[str], *, fields: list[str], parameters: list[str]) -> bool:
    """Write overrides into the raw values of a config.

    Args:
        raw: the config's values, changed in place.
        overrides: ``key=value`` strings.
        fields: the config's top-level keys.
        parameters: the trial's parameters.

    Returns:
        Whether there was any override.

    Raises:
        ConfigError: for one that has no ``=``, names nothing, or would change how a claim is decided.
    """
    for override in overrides:
        key, equals, text = override.partition("=")
        key, where = key.strip(), f"override '{override}'"
        if not equals or not key:
            raise ConfigError(f"{where}: write it as key=value.")
        path = key.split(".")
        if path[0] in _DECIDES:
            raise ConfigError(f"{where}: '{path[0]}' is part of how a claim is decided; change it in the YAML file.")
        value = read_value(text, where)
        if path[0] not in fields:
            _set_parameter(raw, path, value, where, fields, parameters)
        elif path[0] in ("data", "fixed", "sweep"):
            if len(path) != 2:
                raise ConfigError(f"{where}: write {path[0]}.NAME=value.")
            if path[1] not in parameters and path[1] not in (raw.get(path[0]) or {}):
                raise ConfigError(f"{where}: the trial has no parameter '{path[1]}'. {nearest(path[1], parameters)}")
            _place(raw, path[1], path[0], value, where)
        elif len(path) > 1:
            raise ConfigError(f"{where}: '{path[0]}' is a single value; write {path[0]}=value.")
        else:
            raw[path[0]] = value
    return bool(overrides)


def read_value(text: str, where: str) -> Any:
    """One value, a list ``a,b,c``, or a generator such as ``logspace(-4, 0, 16)``, as the config would write it.

    >>> read_value("1e-3,1e-2", ""), read_value("range(0, 4)", ""), read_value("prox", "")
    ([0.001, 0.01], {'range': [0, 4]}, 'prox')
    """
    call = _CALL.fullmatch(text.strip())
    if call:
        return {call[1]: parse_value(f"[{call[2]}]")}
    if not text.strip():
        raise ConfigError(f"{where}: the value is missing.")
    value = parse_value(f"[{text}]")
    return value[0] if len(value) == 1 else value


def _set_parameter(
    raw: dict[str, Any], path: list[str], value: Any, where: str, fields: list[str], parameters: list[str]
) -> None:
    if len(path) > 1 or path[0] not in parameters:
        raise ConfigError(f"{where}: unknown name '{path[0]}'. {nearest(path[0], [*parameters, *fields])}")
    _place(raw, path[0], "sweep" if isinstance(value, (list, dict)) else "fixed", value, where)


def _place(raw: dict[str, Any], name: str, section: str, value: Any, where: str) -> None:
    """Give a parameter its value in one section and take it out of the others."""
    sweep = raw.get("sweep")
    for axis, entry in (sweep if isinstance(sweep, dict) else {}).items():
        columns = entry.get("zip") if isinstance(entry, dict) else None
        if isinstance(columns, dict) and name in columns and len(columns) > 1:
            raise ConfigError(
                f"{where}: '{name}' moves together with {', '.join(n for n in columns if n != name)} along the axis "
                f"'{axis}'. Change 'sweep.{axis}' in the YAML file instead."
            )
    for other in ("data", "fixed", "sweep"):
        if isinstance(raw.get(other), dict):
            raw[other].pop(name, None)
    if not isinstance(raw.get(section), dict):
        raw[section] = {}
    raw[section][name] = [value] if section == "sweep" and not isinstance(value, (list, dict)) else value
