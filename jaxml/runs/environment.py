"""What a run ran on: versions, device, flags, and the state of the code."""

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_CODE = ("jaxml", "experiments", "configs")
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "scikit-learn", "xarray", "zarr", "pydantic")


def describe_environment(root: Path, used: Sequence[Path] = ()) -> dict[str, Any]:
    """Everything that might explain why two runs differ.

    Args:
        root: the project.
        used: files that a run depends on, wherever they are: the config, the experiment and what it imports.
    """
    import jax

    device = jax.devices()[0]
    return {
        "jaxml": importlib.metadata.version("jaxml"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "device": {"kind": device.device_kind, "platform": device.platform, "count": jax.device_count()},
        "packages": {name: _version(name) for name in PACKAGES},
        "flags": {name: os.environ[name] for name in ("XLA_FLAGS", "JAX_PLATFORMS") if name in os.environ},
        "git": None if "site-packages" in root.parts else _git(root, used),  # the gallery is in no commit
        "constraints_sha256": _digest(root / "constraints.txt"),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(root: Path, used: Sequence[Path]) -> dict[str, Any] | None:
    """The commit and, where the code differs from it, the difference and the files that it does not hold."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
        return done.stdout

    try:
        top = Path(git("rev-parse", "--show-toplevel").strip())
        files = [str(path.resolve()) for path in used if path.resolve().is_relative_to(top.resolve())]
        places = [*(str(root / name) for name in _CODE if (root / name).exists()), *files]
        difference = git("diff", "HEAD", "--", *places) if places else ""
        untracked = set(
            filter(None, git("ls-files", "-z", "--others", "--exclude-standard", "--", *places).split("\0"))
        )
        if files:  # ignored or not: what the run used is not in the commit
            untracked |= set(filter(None, git("ls-files", "-z", "--others", "--", *files).split("\0")))
        return {
            "commit": git("rev-parse", "HEAD").strip(),
            "dirty": bool(difference or untracked),
            "diff": difference[:100_000],
            "untracked": {name: _digest(root / name) for name in sorted(untracked)},
        }
    except (OSError, subprocess.SubprocessError):
        return None


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
