"""The configs of a project and its runs, read from their files alone."""

from pathlib import Path
from typing import Any

from jaxml.config.document import read_document
from jaxml.errors import JaxmlError
from jaxml.runs.directory import find_runs


def list_configs(root: Path) -> list[dict[str, Any]]:
    """Every YAML file in ``configs/``, by title and number of claims."""
    rows = []
    for path in sorted((root / "configs").glob("*.yaml")):
        try:
            value = read_document(path).value
        except JaxmlError as error:
            value = {"title": f"cannot be read: {error}"}
        value = value if isinstance(value, dict) else {}
        row = {"path": str(path.relative_to(root)), "title": str(value.get("title", ""))}
        claims = value.get("claims")
        rows.append(row | {"claims": len(claims) if isinstance(claims, dict) else 0})
    return rows


def list_runs(parent: Path) -> list[dict[str, Any]]:
    """Every run, newest first, with its verdicts."""
    rows = []
    for run in find_runs(parent):
        verdicts: dict[str, str] = {}
        try:
            status = run.status
            if status == "finished":
                # Reading every chunk of every run would take long.
                verdicts = run.verdicts(parts=("spec.json", "verdicts.json")).words
        except (JaxmlError, ValueError) as error:
            status = f"unreadable: {error}"
        rows.append({"path": str(run.path), "status": status, "verdicts": verdicts})
    return rows
