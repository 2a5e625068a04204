"""Configs: one YAML file, with overrides, becomes a frozen `RunConfig` checked against the trial it runs."""

from jaxml.config.load import LoadedConfig, load_config
from jaxml.config.models import RunConfig, json_schema

__all__ = ["LoadedConfig", "RunConfig", "json_schema", "load_config"]
