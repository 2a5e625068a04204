"""The configs of a project and its runs, read from their files alone."""

from pathlib import Path
from typing import Any

from jaxml.config.document import read_document
from jaxml.errors import JaxmlError
from jaxml.gallery import gallery_names, gallery_root
from jaxml.runs.directory import find_runs


def list_configs(root: Path) -> list[dict[str, Any]]:
    """Every YAML file in ``configs/``, by title and number of claims; of one that is no YAML, what is wrong."""
    rows = []
    for path in sorted((root / "configs").glob("*.yaml")):
        row = {"path": str(path.relative_to(root)), "title": "", "claims": 0}
        try:
            value = read_document(path).value
        except JaxmlError as error:
            row |= {"title": "cannot be read", "why": str(error)}
        else:
            if isinstance(value, dict):
                claims = value.get("claims")
                row |= {"title": str(value.get("title", "")), "claims": len(claims) if isinstance(claims, dict) else 0}
        rows.append(row)
    return rows


def list_gallery() -> list[dict[str, Any]]:
    """The configs that come with jaxml, by the name that commands take, title and number of claims."""
    root = gallery_root()
    rows = [] if root is None else list_configs(root)
    return [{"name": name, **row} for name, row in zip(gallery_names(), rows, strict=True)]


def list_runs(parent: Path) -> list[dict[str, Any]]:
    """Every run, newest first, with its verdicts; of one that is damaged, what is wrong."""
    rows = []
    for run in find_runs(parent):
        row: dict[str, Any] = {"path": str(run.path), "status": "damaged", "verdicts": {}}
        try:
            row["status"] = run.status
            if run.status == "finished":
                # Reading every chunk of every run would take long.
                row["verdicts"] = run.verdicts(parts=("spec.json", "verdicts.json")).words
        except (JaxmlError, ValueError) as error:
            row |= {"status": "damaged", "why": str(error)}
        rows.append(row)
    return rows
