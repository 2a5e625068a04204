"""The `jaxml` command: the only part of jaxml that prints. Nothing here imports jax until a command needs it."""

from jaxml.cli.app import command, main

__all__ = ["command", "main"]
