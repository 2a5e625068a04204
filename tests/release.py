"""What a release must do where nobody has the repository: build, install, check, and run the gallery.

``make release-check`` runs it; minutes for each Python that is there. ``ALL=1`` runs every config of the gallery, else
a few. Everything is made in a folder outside of the repository, which is removed at the end.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13")
FEW = ("l1_sparsity", "boosting_votes", "loss_shapes")
"""Trials, suites beside a module that is shared, numbers."""


def say(*arguments: object, cwd: Path | None = None) -> str:
    """Run a command to its end, whatever this process has in its environment about Python and jaxml."""
    apart = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")
    environment = {name: value for name, value in os.environ.items() if name not in apart}
    print("$", *arguments, flush=True)
    done = subprocess.run(
        [*map(str, arguments)], cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\nrelease-check: failed with {done.returncode}: {' '.join(map(str, arguments))}")
    return done.stdout


def fresh(python: object, place: Path) -> Path:
    """A new environment; its Python."""
    say(python, "-m", "venv", place)
    return place / "bin" / "python"


def built(work: Path) -> list[Path]:
    """The sdist, and the wheel that is built from it; the page of an index can show the README."""
    python = fresh(sys.executable, work / "tools")
    say(python, "-m", "pip", "install", "--quiet", "build", "twine")
    say(python, "-m", "build", "--outdir", work / "dist", ROOT)
    found = sorted((work / "dist").iterdir())
    say(python, "-m", "twine", "check", "--strict", *found)
    return found


def installed(python: object, package: Path, work: Path, everything: bool) -> None:
    """Install one package into a fresh environment, and use it in an empty folder."""
    place, empty = work / "environment", work / "empty"
    own = fresh(python, place)
    extra = "[images]" if everything else ""
    options = ("--quiet", "--disable-pip-version-check", "-c", ROOT / "constraints.txt")
    say(own, "-m", "pip", "install", *options, f"{package}{extra}")
    say(own, "-m", "pip", "check")
    empty.mkdir()
    command = place / "bin" / "jaxml"
    say(command, "--version", cwd=empty)
    say(own, "-c", "import jaxml\nfor name in dir(jaxml): getattr(jaxml, name)", cwd=empty)
    names = [row["name"] for row in json.loads(say(command, "list", "--gallery", "--json", cwd=empty))["gallery"]]
    missing = {path.stem for path in (ROOT / "configs").glob("*.yaml")} - {*names}
    if missing:
        sys.exit(f"release-check: {package.name} lacks {', '.join(sorted(missing))}")
    for name in names if everything else FEW:
        say(command, "run", name, "--smoke", cwd=empty)
    say(own, "-m", "jaxml", "show", cwd=empty)
    say(command, "new", "mine", "--like", "boosting_votes", cwd=empty)
    say(command, "run", "mine", "--smoke", cwd=empty)
    shutil.rmtree(place)
    shutil.rmtree(empty)


def main() -> None:
    """Both packages on every Python of `PYTHONS` that is here."""
    pythons = [found for version in PYTHONS if (found := shutil.which(f"python{version}"))]
    everything = os.environ.get("ALL", "0") not in ("", "0")
    with tempfile.TemporaryDirectory(prefix="jaxml-release-") as name:
        work = Path(name)
        packages = built(work)
        for python in pythons:
            for package in packages:
                installed(python, package, work, everything)
    here = ", ".join(Path(python).name for python in pythons)
    print(f"release-check: {' and '.join(package.name for package in packages)} are good on {here}")


if __name__ == "__main__":
    main()
