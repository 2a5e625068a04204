"""Reading YAML as data: safe tags only, YAML 1.2 numbers, no duplicate keys, and a memory of where each value stood."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from jaxml.errors import ConfigError

PathKey = tuple[str | int, ...]


_SafeLoader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C wherever that was built


class _Loader(_SafeLoader):
    """The safe loader with YAML 1.2 scalars: `1e-3` is a number, `yes` and `12:30` are text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag in ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF")
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), "-+0123456789")
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    "-+0123456789.",
)
# YAML 1.1 reads 0o- and sexagesimal integers; in 1.2 a leading zero means nothing.
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(str(node.value)))
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: _float(str(node.value)))


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


class Document:
    """A parsed YAML file: its values, its text, and the line of every value."""

    def __init__(self, value: Any, text: str, name: str, lines: dict[PathKey, int]):
        self.value, self.text, self.name, self.lines = value, text, name, lines

    def place(self, path: Sequence[str | int]) -> str:
        """``file.yaml, line 7: claims.r9.margin``, with the line of the nearest enclosing value that has one."""
        key = tuple(path)
        dotted = ".".join(str(part) for part in key)
        while key and key not in self.lines:
            key = key[:-1]
        line = self.lines.get(key)
        return f"{self.name}, line {line}: {dotted}" if line and dotted else f"{self.name}: {dotted}".rstrip(": ")


def read_document(path: Path) -> Document:
    """Read one YAML file.

    Raises:
        ConfigError: when it is missing, unreadable, or not plain YAML data.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = sorted(p.name for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        listed = f" In that folder: {', '.join(near)}." if near else ""
        raise ConfigError(f"{path}: no such file.{listed}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {reason}.") from None
    return parse_document(text, str(path))


def parse_document(text: str, name: str) -> Document:
    """Parse YAML text.

    Raises:
        ConfigError: with file, line and column when it does not parse, repeats a key, or asks for an object.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        lines: dict[PathKey, int] = {}
        if node is not None:
            _walk(node, (), lines, name)
        value = loader.construct_document(node) if node is not None else None
    except yaml.constructor.ConstructorError as error:
        mark = error.problem_mark
        where = f"{name}, line {mark.line + 1}, column {mark.column + 1}" if mark else name
        raise ConfigError(
            f"{where}: {error.problem}. A config holds plain values only; no tag builds objects."
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}, line {mark.line + 1}, column {mark.column + 1}" if mark else name
        raise ConfigError(f"{where}: this is not YAML: {error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{name}: this is not YAML: {error}.") from None
    finally:
        loader.dispose()
    return Document(value, text, name, lines)


def parse_value(text: str) -> Any:
    """One YAML value, as written after the ``=`` of an override."""
    return parse_document(text, f"'{text}'").value


def _walk(node: yaml.Node, path: PathKey, lines: dict[PathKey, int], name: str) -> None:
    """Note the line of every value and refuse repeated keys."""
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise ConfigError(
                    f"{name}, line {line}: the key '{key.value}' stands already on line {seen[key.value]}."
                )
            seen[key.value] = line
            _walk(value, (*path, key.value), lines, name)
            lines[(*path, key.value)] = line
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            _walk(value, (*path, i), lines, name)
