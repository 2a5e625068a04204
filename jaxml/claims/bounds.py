"""`at_least` and `at_most`: one arm against a number, read as the direction and the margin that a spec holds."""

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from pydantic import ValidationError

from jaxml.claims.spec import Level

BOUNDS = {"at_least": "larger", "at_most": "smaller"}


def bounded(said: Any) -> Any:
    """A claim as a config says it, its bounds and those of its controls as directions and margins.

    Raises:
        ValueError: for a bound beside what it stands for, or beside a second arm.

    >>> claim = bounded({"arms": {"claimed": {}}, "at_most": {"value": 0.3, "reason": "A guess has as much."}})
    >>> claim["direction"], claim["margin"].value
    ('smaller', -0.3)
    """
    if not isinstance(said, dict):
        return said
    scale, arms, controls = said.get("scale", "difference"), said.get("arms"), said.get("controls")
    found = _bounded(said, scale, arms)
    bound = next((name for name in BOUNDS if said.get(name) is not None), None)
    if isinstance(controls, dict):
        found["controls"] = {
            side: [_bounded(each, each.get("scale", scale), each.get("arms", arms), bound) for each in several]
            if isinstance(several, (list, tuple)) and all(isinstance(each, dict) for each in several)
            else several
            for side, several in controls.items()
        }
    return found


def _bounded(said: Mapping[str, Any], scale: Any, arms: Any, inherited: str | None = None) -> dict[str, Any]:
    names = [name for name in BOUNDS if said.get(name) is not None]
    compared = isinstance(arms, dict) and arms.get("against") is not None
    if compared and said.get("margin") is None and (names or inherited):
        raise ValueError(
            f"'{(names or [inherited])[0]}' holds one arm against a number; leave arms.against out, or give a margin"
        )
    if not names:
        return dict(said) if compared else _reread(said)
    if len(names) > 1 or any(said.get(name) is not None for name in ("margin", "direction")):
        raise ValueError("give one of 'at_least', 'at_most' and 'margin'; a bound has its direction")
    (name,) = names
    bound = said[name] if isinstance(said[name], dict) else {}
    value = bound.get("value")
    effect = _on_scale(value, scale, name) if _is_number(value) else 0.0  # what is no number is refused as a bound
    level = Level.model_construct(value=effect if name == "at_least" else -effect, reason=bound.get("reason", ""))
    return {**said, "direction": BOUNDS[name], "margin": level}


def _reread(said: Mapping[str, Any]) -> dict[str, Any]:
    """A claim as a spec holds it: its level may be 0 or below."""
    margin = said.get("margin")
    if isinstance(margin, dict) and _is_number(margin.get("value")) and margin["value"] <= 0:
        try:
            return {**said, "margin": Level.model_validate(margin)}
        except ValidationError:  # refused as a margin, where its own place can be named
            pass
    return dict(said)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _on_scale(value: float, scale: Any, name: str) -> float:
    if scale == "log_ratio":
        if value <= 0:
            raise ValueError(f"{name}.value must be above 0 on the scale log_ratio, got {value}")
        return math.log(value)
    if scale == "logit":
        if not 0 < value < 1:
            raise ValueError(f"{name}.value must lie between 0 and 1 on the scale logit, got {value}")
        return math.log(value) - math.log1p(-value)
    return value * 100.0 if scale == "points" else float(value)
