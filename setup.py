"""What pyproject.toml cannot say: the wheel carries the gallery, which lies at the top level of the repository.

And the README as an index shows it: links to files of the repository become absolute where ``project.urls`` has a
``Source``, and plain text where it has none.
"""

import re
import shutil
import tomllib
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

GALLERY = ("configs", "experiments", "catalogue.yaml")


class BuildWithGallery(build_py):
    """Copies configs and experiments beside ``jaxml/gallery/__init__.py``; an editable install finds them in place."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for source, target in self._gallery():
            self.mkpath(str(target.parent))
            shutil.copyfile(source, target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """What is built, for whoever lists it."""
        return [*super().get_outputs(include_bytecode), *(str(target) for _, target in self._gallery())]

    def _gallery(self) -> list[tuple[Path, Path]]:
        target = Path(self.build_lib) / "jaxml" / "gallery"
        found = [file for name in GALLERY for file in (Path(name), *Path(name).rglob("*")) if file.is_file()]
        return [(file, target / file) for file in sorted(found) if file.suffix in (".py", ".yaml")]


def read_me(text: str, source: str | None) -> str:
    """The README for an index, on which links relative to the repository would be dead."""
    link = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)]+)\)")

    def absolute(found: re.Match[str]) -> str:
        picture, words, target = found.groups()
        if source is None:
            return "" if picture else words
        return f"{picture}[{words}]({source}/{'raw' if picture else 'blob'}/main/{target})"

    return link.sub(absolute, text)


if __name__ == "__main__":
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    setup(
        cmdclass={"build_py": BuildWithGallery},
        long_description=read_me(Path("README.md").read_text(encoding="utf-8"), project.get("urls", {}).get("Source")),
        long_description_content_type="text/markdown",
    )
