"""Reading YAML as data: safe tags only, YAML 1.2 numbers, no duplicate keys, and a memory of where each value stood.

A file is counted before it is built: its bytes, its values with every alias written out, and how deeply they nest.
"""

import contextlib
import math
import re
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from jaxml.errors import ConfigError, unprintable

PathKey = tuple[str | int, ...]

MOST_BYTES, MOST_VALUES, MOST_DEPTH = 1_000_000, 50_000, 32
"""What a file may hold: the largest config of this project has 9 kB and 9 levels."""
_PLAIN = ("str", "int", "float", "bool", "null", "map", "seq", "merge")

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


def _int(loader: Any, node: yaml.ScalarNode) -> int:
    # YAML 1.1 reads 0o- and sexagesimal integers; in 1.2 a leading zero means nothing.
    digits = node.value.lstrip("+-").lstrip("0")
    if len(digits) > 18:
        raise yaml.constructor.ConstructorError(
            None, None, f"{_short(node.value)} has more than 18 digits; write a float, such as 1e20", node.start_mark
        )
    return int(node.value)


def _float(loader: Any, node: yaml.ScalarNode) -> float:
    text = node.value.lower()
    number = float(text.replace(".inf", "inf").replace(".nan", "nan"))
    if math.isinf(number) and "inf" not in text:
        raise yaml.constructor.ConstructorError(
            None, None, f"{_short(node.value)} is beyond the largest number, 1.8e308", node.start_mark
        )
    return number


_Loader.add_constructor("tag:yaml.org,2002:int", _int)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)


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
        line = self.lines.get(key) if key else None
        return f"{self.name}, line {line}: {dotted}" if line and dotted else f"{self.name}: {dotted}".rstrip(": ")

    @contextlib.contextmanager
    def placed(self, sections: Container[str]) -> Iterator[None]:
        """Turn the dotted path that begins a ConfigError raised inside into file and line, if it begins so."""
        try:
            yield
        except ConfigError as error:
            head, _, rest = str(error).partition(": ")
            path = head.split(".")
            if path[0] not in sections:
                raise
            raise ConfigError(f"{self.place(path)}: {rest}") from None


def read_document(path: Path) -> Document:
    """Read one YAML file.

    Raises:
        ConfigError: when it is missing, unreadable, or not plain YAML data.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise ConfigError(f"{path}: expected a file, got a device or a pipe.")
        with path.open("rb") as file:
            held = file.read(MOST_BYTES + 1)
        if len(held) > MOST_BYTES:
            raise ConfigError(f"{path}: a config has at most {MOST_BYTES:,} bytes, this file has more.")
        text = held.decode("utf-8-sig")
    except FileNotFoundError:
        near = sorted(p.name for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        listed = f" In that folder: {', '.join(near)}." if near else ""
        raise ConfigError(f"{path}: no such file.{listed}") from None
    except (OSError, ValueError) as error:  # of which UnicodeDecodeError is one, and a path with a null character
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {reason}.") from None
    return parse_document(text, str(path))


def parse_document(text: str, name: str) -> Document:
    """Parse YAML text.

    Raises:
        ConfigError: with file, line and column when it does not parse, repeats a key, or asks for an object.
    """
    try:
        _count(text, name)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            lines: dict[PathKey, int] = {}
            if node is not None:
                _walk(node, (), lines, name)
            value = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except yaml.constructor.ConstructorError as error:
        raise ConfigError(f"{_at(error.problem_mark, name)}: {error.problem}.") from None
    except yaml.MarkedYAMLError as error:
        where = _at(error.problem_mark or error.context_mark, name)
        raise ConfigError(f"{where}: this is not YAML: {error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError, KeyError) as error:  # such as `!!int x` and `!!bool x`
        raise ConfigError(f"{name}: this is not YAML: {error}.") from None
    return Document(value, text, name, lines)


def _at(mark: Any, name: str) -> str:
    return f"{name}, line {mark.line + 1}, column {mark.column + 1}" if mark else name


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:20]}..."


def parse_value(text: str) -> Any:
    """One YAML value, as written after the ``=`` of an override."""
    return parse_document(text, f"'{text}'").value


def _count(text: str, name: str) -> None:
    """Refuse a document whose values, aliases written out, are too many or nest too deeply, or that holds itself.

    Reading events builds nothing and calls itself nowhere, so this costs little whatever the document holds.
    """
    sizes: dict[str, tuple[int, int] | None] = {}  # what an anchor names: values and levels, None while it is open
    total, open_nodes = 0, [(None, 0, 0)]  # of each open collection: its anchor, its values and levels so far
    for event in yaml.parse(text, Loader=_Loader):
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.CollectionStartEvent):
            total += 1
            open_nodes.append((anchor, 1, 1))
            if anchor is not None:
                sizes[anchor] = None
            found = (1, 1)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, *held = open_nodes.pop()
            found = (held[0], held[1])
        elif isinstance(event, yaml.AliasEvent):
            anchor, found = None, sizes.get(event.anchor, (1, 1))  # an unknown anchor is an error of its own
            if found is None:
                raise ConfigError(f"{_line(event, name)}: '*{event.anchor}' stands inside of what it names.")
            total += found[0]
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            found = (1, 1)
        else:
            continue
        if total > MOST_VALUES:
            raise ConfigError(
                f"{_line(event, name)}: a config has at most {MOST_VALUES:,} values, aliases written out."
            )
        if len(open_nodes) - 1 + found[1] > MOST_DEPTH:
            raise ConfigError(f"{_line(event, name)}: a config has at most {MOST_DEPTH} levels, here are more.")
        if not isinstance(event, yaml.CollectionStartEvent):
            if anchor is not None:
                sizes[anchor] = found
            outer, values, levels = open_nodes[-1]
            open_nodes[-1] = (outer, values + found[0], max(levels, 1 + found[1]))


def _line(thing: Any, name: str) -> str:
    return f"{name}, line {thing.start_mark.line + 1}"


def _walk(node: yaml.Node, path: PathKey, lines: dict[PathKey, int], name: str) -> None:
    """Note the line of every value and refuse tags, repeated keys, and keys that are not text."""
    if node.tag.rpartition(":")[2] not in _PLAIN:
        raise ConfigError(
            f"{_line(node, name)}: the tag '{node.tag}'. A config holds plain values; no tag builds objects."
        )
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.tag != "tag:yaml.org,2002:str":
                shown = repr(key.value) if isinstance(key, yaml.ScalarNode) else "a list or a mapping"
                raise ConfigError(f"{_line(key, name)}: a key is text, got {shown}. Put a name in its place.")
            if key.value in seen:
                before = seen[key.value]
                raise ConfigError(f"{_line(key, name)}: duplicate key '{key.value}' (first defined on line {before}).")
            if unprintable(key.value):
                raise ConfigError(f"{_line(key, name)}: the key {key.value!r} holds control characters.")
            seen[key.value] = line
            _walk(value, (*path, key.value), lines, name)
            lines[(*path, key.value)] = line
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            _walk(value, (*path, i), lines, name)
    elif unprintable(node.value):
        raise ConfigError(f"{_line(node, name)}: the text {node.value!r} holds control characters. Leave them out.")
