"""A run directory as one HTML page that opens offline: what was found, every verdict, everything to repeat it."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from jaxml.claims.certificate import read_certificate
from jaxml.claims.finding import Verdicts
from jaxml.claims.labels import Labels, named, named_maps, named_results, named_verdicts, read_labels
from jaxml.claims.mapped import read_maps
from jaxml.claims.words import MARKS, WORDS, interval, number, phrase
from jaxml.errors import JaxmlError
from jaxml.report.boundary import THEORY
from jaxml.report.bundle import content_policy, script_json, vega_scripts
from jaxml.report.cards import make_cards
from jaxml.report.charts import legend, panels
from jaxml.report.provenance import cost_of, flat, grid_of
from jaxml.report.series import Series, read_series
from jaxml.runs.directory import RunDirectory

TEMPLATES = Path(__file__).parent / "templates"
MOST_ROWS = 500


def write_report(run_directory: Path | str) -> Path:
    """Write ``report.html`` into a run directory, from what lies in it.

    Args:
        run_directory: a run: finished, interrupted or failed.

    Returns:
        The path of the page.

    Raises:
        ConfigError: when it is not a run directory.
        StoreError: when the page cannot be written.
    """
    directory = RunDirectory.open(run_directory)
    directory.write("report.html", render(directory))
    return directory.path / "report.html"


def render(directory: RunDirectory) -> str:
    """The page as text; the same directory gives the same text."""
    spec, status = directory.read_json("spec.json"), _optional(directory, "status.json", {})
    labels = read_labels(directory.path)
    verdicts = _verdicts(directory, labels)
    maps = named_maps(read_maps(directory.path), labels)
    cards = make_cards(verdicts, maps) if verdicts else []
    figures = _figures(directory, spec["spec"], labels)
    specs: list[Any] = [chart for figure in figures[:1] for chart in figure["specs"]]  # in the order of the page
    for card in cards:
        specs += [chart for _, chart in card.charts] + [panel.spec for panel in card.maps]
    for figure in figures[1:]:
        specs += figure["specs"]
    vega, script = (vega_scripts() if specs else ""), _asset("charts.js")
    style = _asset("style.css")
    resolved = _yaml(directory, "resolved.yaml")
    return (
        _environment()
        .get_template("report.html")
        .render(
            policy=content_policy([vega, script] if specs else [], [style]),
            style=Markup(style),
            vega=Markup(vega),
            script=Markup(script),
            data=Markup(script_json(specs)),
            charts=bool(specs),
            name=spec["spec"].get("name", directory.path.name),
            title=resolved.get("title") or phrase(str(spec["spec"].get("name", "run"))),
            about=resolved.get("about") or "",
            run=directory.path.name,
            status=status,
            verdicts=verdicts,
            cards=cards,
            undecided={} if verdicts else spec["spec"].get("claims", {}),
            certificate=read_certificate(directory.path),
            figures=figures,
            grid=grid_of(spec["spec"], labels),
            fixed=named(spec["spec"].get("fixed", {}), labels),
            spec=spec["spec"],
            digest=spec["sha256"],
            cost=cost_of(_optional(directory, "cost.json", {}), spec["spec"]),
            environment=flat(_optional(directory, "environment.json", {})),
            command=_optional(directory, "environment.json", {}).get("command", ""),
            config=_text(directory, "config.yaml"),
        )
    )


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "phrase": phrase}
    environment.globals |= {"WORDS": WORDS, "MARKS": MARKS, "THEORY": THEORY}
    return environment


@functools.cache
def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _optional(directory: RunDirectory, name: str, default: Any) -> Any:
    return directory.read_json(name) if (directory.path / name).is_file() else default


def _text(directory: RunDirectory, name: str) -> str:
    path = directory.path / name
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _yaml(directory: RunDirectory, name: str) -> Mapping[str, Any]:
    found = yaml.safe_load(_text(directory, name))
    return found if isinstance(found, dict) else {}


def _verdicts(directory: RunDirectory, labels: Labels) -> Verdicts | None:
    held = (directory.path / "verdicts.json").is_file()
    return named_verdicts(directory.verdicts(), labels) if held else None


def _figures(directory: RunDirectory, spec: Mapping[str, Any], labels: Labels) -> list[dict[str, Any]]:
    """Every figure with its specs, legend and table; results that cannot be read leave the figures out."""
    wanted = _optional(directory, "figures.json", [])
    if not wanted:
        return []
    try:
        results = named_results(directory.results(), labels)
    except JaxmlError as error:
        why = str(error).replace(f"{directory.path}/", "")
        return [_figure(Series(figure, [], [""], [""], True, [why])) for figure in wanted]
    splits = [{**split, "where": named(split["where"], labels)} for split in spec.get("population", ())]
    return [
        _figure(read_series(results, figure | {"at": named(figure.get("at", {}), labels)}, splits)) for figure in wanted
    ]


def _figure(series: Series) -> dict[str, Any]:
    figure = series.figure
    specs = panels(series) if series.rows else []
    table = [
        [
            row["panel"],
            row["line"],
            number(row["x"]),
            number(row["mean"]),
            interval(row["low"], row["high"]),
            row["seeds"],
        ]
        for row in series.rows[:MOST_ROWS]
    ]
    heads = ["panel", phrase(figure.get("lines") or ""), phrase(figure["x"]), "mean", "95 % interval", "seeds"]
    kept = [i for i, head in enumerate(heads) if head and (head != "panel" or series.panels != [""])]
    return {
        "title": figure["title"],
        "notes": series.notes,
        "panels": series.panels,
        "specs": specs,
        "lines": phrase(figure.get("lines") or ""),
        "legend": legend(series) if specs else [],
        "heads": [heads[i] for i in kept],
        "table": [[row[i] for i in kept] for row in table],
        "left_out": len(series.rows) - len(table),
    }
