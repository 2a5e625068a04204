"""What a run ran on: versions, device, flags, and the state of the code."""

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "scikit-learn", "xarray", "zarr", "pydantic")


def describe_environment(root: Path) -> dict[str, Any]:
    """Everything that might explain why two runs differ."""
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
        "git": _git(root),
        "constraints_sha256": _digest(root / "constraints.txt"),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(root: Path) -> dict[str, Any] | None:
    """The commit and, where the tree differs from it, the difference."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
        return done.stdout

    try:
        difference = git("diff", "HEAD", "--", "jaxml", "experiments", "configs")
        return {
            "commit": git("rev-parse", "HEAD").strip(),
            "dirty": bool(difference),
            "diff": difference[:100_000],
        }
    except (OSError, subprocess.SubprocessError):
        return None


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
