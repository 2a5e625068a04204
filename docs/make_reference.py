"""Write docs/ops.md, one line for every public op, from the docstrings: ``python docs/make_reference.py``."""

import importlib
import inspect
from pathlib import Path

import jaxml.ops

HEAD = """# Op reference

Every function of `jaxml.ops` in one line. `help(jaxml.ops.NAME)` shows formula, shapes, ranges, errors, source and an
example. Rules that hold for all: one example per call, batching by `jax.vmap`; hyperparameters keyword-only and
traceable; losses never reduced; boxes (x1, y1, x2, y2); images channels last; key first where random; finite values and
derivatives for every finite input. This page is written by `python docs/make_reference.py`.
"""


def page() -> str:
    """The whole page, grouped by module."""
    groups: dict[str, list[str]] = {}
    for name in jaxml.ops.__all__:
        groups.setdefault(getattr(jaxml.ops, name).__module__.split(".")[2], []).append(name)
    parts = [HEAD]
    for module, names in sorted(groups.items()):
        about = (importlib.import_module(f"jaxml.ops.{module}").__doc__ or "").strip().splitlines()[0]
        parts.append(f"## {module}\n\n{about}\n\n| name | arguments | what it does |\n|---|---|---|")
        for name in sorted(names):
            thing = getattr(jaxml.ops, name)
            summary = (inspect.getdoc(thing) or "").splitlines()[0].replace("|", "\\|")
            parts[-1] += f"\n| `{name}` | {arguments(thing)} | {summary} |"
        parts[-1] += "\n"
    return "\n".join(parts)


def arguments(thing: object) -> str:
    """The names of the arguments, hyperparameters after the star."""
    if inspect.isclass(thing) or not callable(thing):
        return ""
    parts, starred = [], False
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("\\*")
            starred = True
        parts.append(parameter.name)
    return ", ".join(parts)


if __name__ == "__main__":
    (Path(__file__).parent / "ops.md").write_text(page())
