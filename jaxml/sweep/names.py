"""Names of outputs, axes and coordinates, which become folders of a store and columns of a table."""

from typing import Any

_LONGEST = 120
"""Bytes: folders have 255, and a page or a chart may build file names of its own from this one."""


def trouble_with(name: Any) -> str:
    """Why a name cannot be kept, in words that follow it; empty when it can.

    >>> trouble_with("val loss (%)"), trouble_with("train/loss")
    ('', "holds a '/', which separates folders; write 'train.loss'")
    """
    if not isinstance(name, str):
        return f"is of type {type(name).__name__}; names are text"
    if not name.strip():
        return "is empty"
    for letter in "/\\":
        if letter in name:
            return f"holds a '{letter}', which separates folders; write {name.strip(letter).replace(letter, '.')!r}"
    if not name.isprintable():
        return "holds characters that cannot be printed"
    if name.startswith((".", "__")) or name == "zarr.json":
        return "is kept for the store's own files, as are names that begin with '.' or '__'"
    if len(name.encode()) > _LONGEST:
        return f"is longer than {_LONGEST} bytes"
    return ""
