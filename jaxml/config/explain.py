"""What pydantic found wrong, as sentences: place, what was expected, what came, the nearest valid name."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from jaxml.claims.kinds import KINDS
from jaxml.claims.spec import Claim
from jaxml.config.document import Document
from jaxml.config.models import RunConfig
from jaxml.errors import nearest

_BRANCHES = ("bool", "int", "float", "str")
"""How pydantic ends the place of an error in one of the types that a value may have."""
_EXPECTED = {"dict": "a mapping of names to values", "model": "a mapping of keys to values", "tuple": "a list"}
_EXPECTED |= {"int": "a whole number", "float": "a number", "string": "text", "bool": "true or false"}
_EXPECTED |= {"finite_number": "a finite number"}
_RENAMED = {"estimand": "metric", "dependent_splits": "population"}


def explained(error: ValidationError, document: Document, raw: Mapping[str, Any]) -> list[str]:
    """The errors as sentences: one for each place, and none that only follows from another.

    Args:
        error: what pydantic found.
        document: the file.
        raw: its values with overrides applied, which are what was read.
    """
    found: dict[Any, list[Any]] = {}
    for item in error.errors():
        loc = item["loc"][:-1] if item["loc"][-1:] and item["loc"][-1] in _BRANCHES else item["loc"]
        if item["type"] == "too_short" and len(item["input"]) >= item.get("ctx", {})["min_length"]:
            continue  # the values that are there are wrong, each with an error of its own
        found.setdefault((loc, item["type"] == "extra_forbidden"), []).append({**item, "loc": loc})
    lines = []
    for items in found.values():
        if len(items) > 1:  # one value, held against each type that it may have
            finite = any(item["type"] == "finite_number" for item in items)
            expected = "a finite number" if finite else "a number, text, true or false"
            lines.append(f"{_place(items[0], document, raw)}: expected {expected}, got {_shown(items[0]['input'])}.")
        else:
            lines.append(_explain(items[0], document, raw))
    return list(dict.fromkeys(lines))


def _place(item: Any, document: Document, raw: Mapping[str, Any]) -> str:
    """The place of an error, as far as the values themselves have it: pydantic names branches of a type too."""
    value: Any = raw
    path: list[str | int] = []
    for part in item["loc"]:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            continue
        path.append(part)
    return document.place(path)


def _shown(value: Any) -> str:
    text = "nothing" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."


def _explain(item: Any, document: Document, raw: Mapping[str, Any]) -> str:
    """One pydantic error as one sentence: place, what was expected, what came, the nearest valid name."""
    where, kind = _place(item, document, raw), item["type"]
    if kind == "extra_forbidden":
        if item["loc"] == ("suites",):
            return f"{where}: a suite is a claim like any other now. Move it under claims, with 'kind: suite'."
        name = item["loc"][-1]
        if name in _RENAMED:
            return f"{where}: it is called '{_RENAMED[name]}' now; see docs/writing-a-claim.md."
        return f"{where}: unknown key. {nearest(name, _allowed(item['loc'][:-1]))}"
    if kind == "union_tag_invalid":
        tag = item["ctx"]["tag"]
        return f"{where}: there is no kind of claim called '{tag}'. {nearest(tag, KINDS)}"
    if kind == "missing":
        return f"{where}: '{item['loc'][-1]}' is missing.".replace(": :", ":")
    expected = _EXPECTED.get(kind.removesuffix("_type"))
    if kind == "too_short":
        expected = f"at least {item['ctx']['min_length']} value{'s' if item['ctx']['min_length'] > 1 else ''}"
    if kind == "string_too_short":
        expected = f"text of at least {item['ctx']['min_length']} characters"
    if expected:
        fractional = "range" in item["loc"] and isinstance(item["input"], float)
        advice = " For steps that are no whole numbers, use linspace: [first, last, count]." if fractional else ""
        return f"{where}: expected {expected}, got {_shown(item['input'])}.{advice}"
    message = item["msg"].removeprefix("Value error, ")
    got = "" if "got" in message else f"; got {_shown(item['input'])}."
    return f"{where}: {message[0].lower()}{message[1:]}{got}"


def _allowed(loc: Sequence[str | int]) -> list[str]:
    """The keys that the model at `loc` knows."""
    model: Any = RunConfig
    for part in loc:
        if part in KINDS and issubclass(model, Claim):
            model = KINDS[str(part)].Claim
            continue
        annotation = model.model_fields[part].annotation if _is_model(model) and part in model.model_fields else None
        models = [m for m in _models_in(annotation) if _is_model(m)]
        model = models[0] if models else model
    names = [field.alias or name for name, field in model.model_fields.items()] if _is_model(model) else []
    return [*names, *(["extends"] if model is RunConfig else [])]


def _is_model(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, BaseModel)


def _models_in(annotation: Any) -> list[Any]:
    inner = [model for arg in getattr(annotation, "__args__", ()) for model in _models_in(arg)]
    return [annotation, *inner] if _is_model(annotation) else inner
