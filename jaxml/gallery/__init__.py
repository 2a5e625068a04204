"""The configs and experiments that come with jaxml, to be run by name and to be copied.

In a checkout they are its own ``configs/`` and ``experiments/``; a wheel carries both beside this file.
Standard library only: looking up a name must not slow the light commands down.
"""

import re
from functools import cache
from pathlib import Path

from jaxml.errors import ConfigError, nearest

_BARE = re.compile(r"[a-z][a-z0-9_]{0,63}")


@cache
def gallery_root() -> Path | None:
    """The folder that holds the gallery's ``configs/`` and ``experiments/``; None where it was not installed."""
    here = Path(__file__).resolve().parent
    for folder in (here, here.parent.parent):
        if (folder / "configs" / "l1_sparsity.yaml").is_file() and (folder / "experiments").is_dir():
            return folder
    return None


def gallery_names() -> list[str]:
    """The configs of the gallery, sorted.

    >>> "l1_sparsity" in gallery_names()
    True
    """
    root = gallery_root()
    return [] if root is None else sorted(path.stem for path in (root / "configs").glob("*.yaml"))


def config_path(given: Path) -> Path:
    """The file that is meant: a path, the name of a config in ``configs/``, or one of the gallery, in this order.

    Raises:
        ConfigError: when a name, or a path whose last part is the name of one in the gallery, leads nowhere.
    """
    if given.is_file():
        return given
    bare, root = _BARE.fullmatch(str(given)) is not None, gallery_root()
    own = Path("configs") / f"{given}.yaml"
    if bare and own.is_file():
        return own
    if root is not None and given.stem in gallery_names():
        if bare:
            return root / "configs" / f"{given}.yaml"
        if not given.exists():
            raise ConfigError(
                f"{given}: no such file. A config of this name comes with jaxml: write {given.stem}, without a folder "
                "and without .yaml."
            )
    if bare and not given.exists():
        known = [*(path.stem for path in own.parent.glob("*.yaml")), *gallery_names()]
        near = nearest(str(given), known)
        near = near if near.startswith("Did") else "jaxml list --gallery prints those that come with jaxml."
        raise ConfigError(f"{given}: no such file, and neither configs/ here nor the gallery has that name. {near}")
    return given


def spoken(path: Path) -> str:
    """How a command names a config: as it was given, and one that was found in the gallery by its name."""
    root = gallery_root()
    return path.stem if root is not None and path == root / "configs" / path.name else str(path)


def project_of(experiment: str) -> Path:
    """The folder whose ``experiments/`` holds an experiment of a finished run: this one, else the gallery."""
    root = gallery_root()
    held = root is not None and (root / "experiments" / f"{experiment}.py").is_file()
    here = Path.cwd()
    return root if root is not None and held and not (here / "experiments" / f"{experiment}.py").is_file() else here
