"""The `jaxml` command: the only part of jaxml that prints. Nothing here imports jax until a command needs it."""

from jaxml.cli.app import main

__all__ = ["main"]
