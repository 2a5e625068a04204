"""Configs: one YAML file, with overrides, becomes a `Study`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxml.config.load import load_study
    from jaxml.config.models import RunConfig, json_schema
    from jaxml.config.study import Study

__all__ = ["RunConfig", "Study", "json_schema", "load_study"]

_PLACES = {"load_study": "load", "RunConfig": "models", "json_schema": "models", "Study": "study"}


def __getattr__(name: str) -> Any:
    """Import the models, and pydantic with them, only when they are asked for: listing configs needs neither."""
    from importlib import import_module

    if name not in _PLACES:
        raise AttributeError(f"module 'jaxml.config' has no attribute '{name}'")
    return getattr(import_module(f"jaxml.config.{_PLACES[name]}"), name)
