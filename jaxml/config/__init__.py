"""Configs: one YAML file, with overrides, becomes a frozen `RunConfig` checked against the trial it runs."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxml.config.load import LoadedConfig, load_config
    from jaxml.config.models import RunConfig, json_schema

__all__ = ["LoadedConfig", "RunConfig", "json_schema", "load_config"]


def __getattr__(name: str) -> Any:
    """Import the models, and pydantic with them, only when they are asked for: listing configs needs neither."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module 'jaxml.config' has no attribute '{name}'")
    return getattr(
        import_module("jaxml.config.models" if name in ("RunConfig", "json_schema") else "jaxml.config.load"), name
    )
