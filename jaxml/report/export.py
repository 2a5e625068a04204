"""A run for papers and other tools: tables of its verdicts, and its figures as pictures.

Results in numbers are written by `jaxml.runs.comparison.export`; what is here reads what the page reads.
"""

from collections.abc import Sequence
from pathlib import Path

from jaxml.claims.finding import Verdicts
from jaxml.claims.kinds import tell
from jaxml.claims.labels import named_verdicts, read_labels
from jaxml.claims.told import Told
from jaxml.errors import ConfigError, StoreError
from jaxml.report.charts import save_figure
from jaxml.runs.comparison import table_of
from jaxml.runs.directory import RunDirectory

FORMATS = {
    "markdown": "verdicts.md",
    "latex": "verdicts.tex",
    "parquet": "results.parquet",
    "png": "figures",
    "svg": "figures",
}
"""What a run is written as, and where by default, in its directory; figures go to a folder."""
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    **{mark: f"\\{mark}" for mark in "&%$#_"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
}


def export(directory: RunDirectory, to: str, target: Path | str | None = None) -> Path:
    """Write a run in one of `FORMATS`.

    Args:
        directory: a finished run.
        to: the format.
        target: the file, or for figures the folder.

    Returns:
        Where it was written.

    Raises:
        ConfigError: when the run has nothing of the kind, or a package is missing.
        StoreError: when it cannot be written.
    """
    path = Path(target) if target is not None else directory.path / FORMATS[to]
    try:
        if to in ("png", "svg"):
            _figures(directory, path, to)
        elif to == "parquet":
            _parquet(directory, path)
        else:
            verdicts = named_verdicts(directory.verdicts(), read_labels(directory.path))
            path.write_text(markdown(verdicts) if to == "markdown" else latex(verdicts), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}.") from None
    return path


def markdown(verdicts: Verdicts) -> str:
    """A table with a row for each claim, for a page or a pull request."""
    head, rows = _table(verdicts)
    lines = [head, ["---"] * len(head), *rows]
    body = "\n".join(f"| {' | '.join(_escaped(cell) for cell in line)} |" for line in lines)
    return f"{_note(verdicts)}{body}\n"


def latex(verdicts: Verdicts) -> str:
    """A table with a row for each claim, between the rules of booktabs, for a paper."""
    head, rows = _table(verdicts)
    lines = [r"\begin{tabular}{lp{6cm}l" + "l" * (len(head) - 3) + "}", r"\toprule"]
    lines += [" & ".join(map(_tex, head)) + r" \\", r"\midrule"]
    lines += [" & ".join(map(_tex, row)) + r" \\" for row in rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    note = _note(verdicts).strip()
    return "\n".join([*([f"% {note}"] if note else []), *lines]) + "\n"


def _table(verdicts: Verdicts) -> tuple[list[str], list[list[str]]]:
    """Id, statement, verdict, and the numbers that the claims have, each under its head."""
    claims = tell(verdicts)
    heads = list(dict.fromkeys(head for told in claims for head in told.summary))
    return ["claim", "statement", "verdict", *heads], [_row(told, heads) for told in claims]


def _row(told: Told, heads: Sequence[str]) -> list[str]:
    verdict = told.word + (f" ({told.label})" if told.label else "") + (f", {told.badge}" if told.badge else "")
    return [told.finding.id, told.finding.statement, verdict, *(told.summary.get(head, "") for head in heads)]


def _note(verdicts: Verdicts) -> str:
    return "" if verdicts.decided else f"Exploratory, nothing is decided: {' '.join(verdicts.why.split())}.\n\n"


def _escaped(cell: str) -> str:
    text = " ".join(str(cell).split()).replace("\\", "\\\\").replace("|", "\\|")
    return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_").replace("`", "\\`")


def _tex(cell: str) -> str:
    return "".join(_LATEX.get(mark, mark) for mark in " ".join(str(cell).split()))


def _figures(directory: RunDirectory, folder: Path, suffix: str) -> None:
    figures = directory.read_json("figures.json")
    if not figures:
        raise ConfigError(f"export: the experiment of {directory.path} draws no figures.")
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(len(figures)):
        save_figure(directory.path, index, folder / f"figure-{index}.{suffix}")


def _parquet(directory: RunDirectory, path: Path) -> None:
    results = directory.results()
    if not results.data_vars:
        raise ConfigError(f"export: {directory.path} holds no trials, so that there is no table to write.")
    try:
        table_of(results).to_parquet(path, index=False)
    except ImportError:
        raise ConfigError("export: Parquet needs pyarrow: pip install pyarrow.") from None
