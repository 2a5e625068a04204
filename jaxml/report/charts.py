"""From the numbers of a figure to Vega-Lite: one small chart per panel, all on the same axes.

The specs are plain dictionaries with fixed field names; whatever comes from a config enters as data or as a title.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxml.claims.labels import named, named_results, read_labels
from jaxml.claims.words import phrase
from jaxml.errors import ConfigError
from jaxml.report.axes import Spec, left_axis, placed
from jaxml.report.series import Series, read_series
from jaxml.runs.directory import RunDirectory

PLAIN = {"titleFontWeight": "normal", "titleFontSize": 12, "labelFontSize": 11}
PICTURE: Spec = {
    "background": "#ffffff",
    "font": "sans-serif",
    "view": {"stroke": None},
    "title": {"fontWeight": "normal", "fontSize": 12},
    "axis": {**PLAIN, "gridColor": "#e6e3da", "domainOpacity": 0.5},
    "axisX": {"grid": False},
    "legend": PLAIN,
}
"""How a saved picture looks; a page's charts follow the reader's colour scheme instead (charts.js)."""

# Distinct to colour-blind readers, and at least 3 : 1 against both the light and the dark page.
COLOURS = ("#2a7fc4", "#c8741f", "#2a9d78", "#b3589b", "#7a8794", "#a08a1c")
RAMP = ((90, 79, 207), (28, 143, 181), (58, 163, 91), (196, 152, 32), (212, 96, 42))
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
GLYPHS = "●■▲◆✚▼"
DASHES = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [4, 4], [1, 4])


def save_figure(run_directory: Path | str, index: int, path: Path | str, *, scale: float = 2.0) -> Path:
    """Draw one figure of a run into a PNG or SVG file, without a browser.

    Args:
        run_directory: the run.
        index: which figure, 0 for the first.
        path: where to; its suffix, .png or .svg, says what.
        scale: pixels per unit of a PNG.

    Raises:
        ConfigError: when the run has no such figure, or the suffix is another.
    """
    import vl_convert

    spec, path = figure_spec(run_directory, index), Path(path)
    if path.suffix == ".svg":
        path.write_text(vl_convert.vegalite_to_svg(spec), encoding="utf-8")
    elif path.suffix == ".png":
        path.write_bytes(vl_convert.vegalite_to_png(spec, scale=scale))
    else:
        raise ConfigError(f"{path}: a figure is saved as .png or .svg.")
    return path


def figure_spec(run_directory: Path | str, index: int) -> Spec:
    """One figure of a run as a Vega-Lite spec that stands alone: its panels side by side, title and legend included.

    Raises:
        ConfigError: when the run has no such figure.
    """
    directory = RunDirectory.open(run_directory)
    figures, splits = directory.read_json("figures.json"), directory.read_json("spec.json")["spec"]["population"]
    if not figures:
        raise ConfigError(f"{directory.path}: the experiment draws no figures.")
    if not 0 <= index < len(figures):
        raise ConfigError(f"index: must be from 0 to {len(figures) - 1} for this run, got {index}.")
    labels = read_labels(directory.path)
    splits = [{**split, "where": named(split["where"], labels)} for split in splits]
    figure = figures[index] | {"at": named(figures[index].get("at", {}), labels)}
    series = read_series(named_results(directory.results(), labels), figure, splits)
    spec = {
        "title": {"text": series.figure["title"], "anchor": "start", "fontSize": 15, "offset": 10},
        "hconcat": [
            {**panel, "width": 250, "height": 210, "title": name}
            for name, panel in zip(series.panels, panels(series), strict=True)
        ],
        "config": PICTURE,
    }
    for panel in spec["hconcat"]:
        panel.pop("autosize")
    _add_legend(spec["hconcat"][-1], series)
    return spec


def line_colours(lines: Sequence[str]) -> list[str]:
    """One colour per line: distinct ones for a few, a ramp for many."""
    if len(lines) <= len(COLOURS):
        return list(COLOURS[: len(lines)])
    colours = []
    for i in range(len(lines)):
        at = i / (len(lines) - 1) * (len(RAMP) - 1)
        k = min(int(at), len(RAMP) - 2)
        mixed = [round(a + (b - a) * (at - k)) for a, b in zip(RAMP[k], RAMP[k + 1], strict=True)]
        colours.append("#{:02x}{:02x}{:02x}".format(*mixed))
    return colours


def line_dashes(lines: Sequence[str]) -> list[list[int]]:
    """One dash pattern per line, so that colour is never alone."""
    return [DASHES[i % len(DASHES)] if len(lines) <= len(DASHES) else DASHES[0] for i in range(len(lines))]


def line_shapes(lines: Sequence[str]) -> list[str]:
    """One shape per line, for points that no line joins."""
    return [SHAPES[i % len(SHAPES)] for i in range(len(lines))]


def legend(series: Series) -> list[tuple[str, str, str, str]]:
    """One entry per line: its name, colour, dash pattern (empty for a solid line) and, where x is no number, glyph."""
    if not series.figure.get("lines"):
        return []
    dashes = (" ".join(map(str, dash)) if dash[1] else "" for dash in line_dashes(series.lines))
    glyphs = ("" if series.numeric else GLYPHS[i % len(GLYPHS)] for i in range(len(series.lines)))
    return list(zip(series.lines, line_colours(series.lines), dashes, glyphs, strict=True))


def panels(series: Series) -> list[Spec]:
    """The Vega-Lite specs of a figure's panels, with shared axes."""
    rows, x = placed(series)
    y = left_axis(series, rows)
    colour = {"field": "line", "type": "nominal", "legend": None, "scale": _scale(series.lines, line_colours)}
    dash = {"field": "line", "type": "nominal", "legend": None, "scale": _scale(series.lines, line_dashes)}
    shared: Spec = {"x": x, "color": colour, "detail": {"field": "line"}}
    ends = {"y": {"field": "low", **y}, "y2": {"field": "high"}}
    tooltip = [{"field": name, "type": "nominal", "title": title} for name, title in _tooltip(series)]
    joined = [{"filter": "datum.joined"}]
    layers: list[Spec] = []
    if series.numeric:
        area: Spec = {"mark": {"type": "area", "opacity": 0.2}, "encoding": {**shared, **ends}, "transform": joined}
        line = {"mark": {"type": "line", "strokeWidth": 1.8}, "transform": joined}
        line["encoding"] = {**shared, "y": {"field": "mean", **y}, "strokeDash": dash}
        layers += [area, line]
    bars = [{"filter": "!datum.joined"}]
    layers.append({"mark": {"type": "rule", "strokeWidth": 1.8}, "encoding": {**shared, **ends}, "transform": bars})
    dots: Spec = {"mark": {"type": "point", "filled": True, "opacity": 1, "size": 14}}
    dots["encoding"] = {**shared, "y": {"field": "mean", **y}}
    reach: Spec = {"mark": {"type": "point", "filled": True, "opacity": 0, "size": 220}}  # easy to point at
    reach["encoding"] = {**dots["encoding"], "tooltip": tooltip}
    layers += [dots, reach]
    if not series.numeric and len(series.lines) > 1:
        shape = {"field": "line", "type": "nominal", "legend": None, "scale": _scale(series.lines, line_shapes)}
        dots["encoding"] |= {"shape": shape}
        dots["mark"] |= {"size": 70}
        offset = {"field": "line", "type": "nominal", "scale": {"domain": series.lines}}
        for layer in layers:
            layer["encoding"] = {**layer["encoding"], "xOffset": offset}
    return [
        {
            "description": _description(series, panel),
            "width": "container",
            "height": 230,
            "autosize": {"type": "fit", "contains": "padding"},
            "data": {
                "values": [{k: v for k, v in row.items() if k != "panel"} for row in rows if row["panel"] == panel]
            },
            "layer": layers,
        }
        for panel in series.panels
    ]


def _scale(lines: Sequence[str], of: Any) -> Spec:
    return {"domain": list(lines), "range": of(lines)}


def _tooltip(series: Series) -> list[tuple[str, str]]:
    figure = series.figure
    line = [("line", phrase(figure["lines"]))] if figure.get("lines") else []
    return [*line, ("at", phrase(figure["x"])), ("value", "mean"), ("interval", "95 % interval"), ("seeds", "seeds")]


def _description(series: Series, panel: str) -> str:
    where = f", {panel}" if panel else ""
    return f"{series.figure['title']}{where}: {phrase(series.figure['y'])} against {phrase(series.figure['x'])}"


def _add_legend(panel: Spec, series: Series) -> None:
    """A legend on the last panel of a saved picture; on a page it is part of the text."""
    if series.figure.get("lines"):
        for layer in panel["layer"]:
            for channel in ("color", "strokeDash"):
                if channel in layer["encoding"]:
                    legend = {"title": phrase(series.figure["lines"]), "symbolType": "stroke", "symbolOpacity": 1}
                    layer["encoding"][channel] = {**layer["encoding"][channel], "legend": legend}
