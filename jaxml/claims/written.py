"""A claim as it would be written down: as YAML in a config, or as Python, whichever of the two it came from."""

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel

_BOUNDS = ("at_least", "at_most")


def said(spec: BaseModel) -> dict[str, Any]:
    """What a config would say: every key that differs from its default, in the form that was read.

    Args:
        spec: a claim, or a part of one.

    Returns:
        Plain values; reading them gives an equal claim.
    """
    fields = type(spec).model_fields
    kept = {name: getattr(spec, name) for name in fields if not _unsaid(spec, name)}
    if kept.get("factor") is not None:
        del kept["value"]  # its logarithm
    if any(kept.get(name) is not None for name in _BOUNDS):
        kept = {name: value for name, value in kept.items() if name not in ("margin", "direction")}
    return {fields[name].alias or name: _plain(value) for name, value in kept.items()}


def as_yaml(claim: BaseModel) -> str:
    """The claim as it stands in a config, below its id."""
    return yaml.safe_dump(said(claim), sort_keys=False, allow_unicode=True, default_flow_style=None, width=110).rstrip()


def as_python(claim: BaseModel) -> str:
    """The call of `jaxml.Claim` that makes the claim."""
    written = {("relation" if key == "as" else key): value for key, value in said(claim).items()}
    return f"Claim({', '.join(f'{key}={value!r}' for key, value in written.items())})"


def _unsaid(spec: BaseModel, name: str) -> bool:
    value, default = getattr(spec, name), type(spec).model_fields[name].get_default(call_default_factory=True)
    return value == default and not (
        name == "kind" and value != "contrast"
    )  # the kind that is meant where none is named


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return said(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
