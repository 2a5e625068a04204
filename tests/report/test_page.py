"""The page as a whole: safe, offline, complete, accessible, and the same every time."""

import dataclasses
import html.parser
import itertools
import json
import re

import numpy as np
import pytest

from jaxml.claims.rule.controls import with_controls
from jaxml.claims.telling import decided_words
from jaxml.claims.verdict import Later
from jaxml.cli.tables import print_verdicts
from jaxml.errors import ConfigError
from jaxml.report import write_report
from jaxml.report.bundle import content_policy, script_json, vega_scripts
from jaxml.runs.directory import RunDirectory
from tests.report.runs import FIGURE, card, cell, control, decision, make_run, results

HOSTILE = "</script><img src=x onerror=alert(1)>\u2028'\"&{{7*7}}"
VOID = {"meta", "br", "img", "input", "hr", "link"}


class Page(html.parser.HTMLParser):
    """What a browser would make of a page: its tags, its text, its scripts."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def page_of(run) -> Page:
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert page.open == []
    return page


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A run with everything: five claims and two figures, read once."""
    many = [cell("supported" if a > b else "refuted", depth=a, width=b) for a in (1, 2, 4) for b in (1, 2, 4)]
    failed = with_controls(card([cell("supported")]).verdict, {"the negative one": (decision("supported"), 1.0)}, {})
    cards = [
        card([cell("supported", {"claimed": {"lam": 0.25}, "against": {"lam": 0.75}}, depth=1)], id="A"),
        card([cell("refuted", depth=1)], id="B"),
        card([cell("inconclusive", depth=1)], id="C"),
        card([cell("supported")], id="D", verdict=failed, checks=[control("negative", "supported")]),
        card(many, id="E"),
    ]
    figures = (FIGURE, FIGURE | {"panels": "solver", "lines": None, "title": "In panels"})
    run = make_run(tmp_path_factory.mktemp("runs") / "full", cards, held=results(), figures=figures)
    return run, page_of(run)


def test_every_verdict_is_said_in_words(full):
    text = full[1].text
    for words in ("Supported", "Refuted, equivalent", "Inconclusive", "Invalid", "MIXED", "✗ FAILED", "✓ passed"):
        assert words in text


def test_a_card_tells_what_was_claimed_tuned_measured_and_why(full):
    text = full[1].text
    for words in (
        "Toys are larger than they seem.",
        "tuned to lam 0.25 against lam 0.75",
        "0.2 to 0.4",
        "Less is not seen.",
        "Toy (1999)",
        "positive control, must come out supported",
        "negative control, must come out refuted",
    ):
        assert words in text


def test_sections_come_in_the_order_of_a_reader_in_a_hurry(full):
    text = full[1].text
    wanted = [
        "What was found",
        "Error",
        "Verdicts",
        "More figures",
        "The grid",
        "How it was decided",
        "To repeat it",
        "Environment",
    ]
    places = [text.index(words) for words in wanted]
    assert places == sorted(places)
    for words in ("jaxml run configs/toy.yaml", "f" * 64, "56 (8 grid points × 7 seeds)", "1.25 s", "jax 0.10.2"):
        assert words in text


def test_headings_and_names_for_those_who_do_not_see(full):
    page = full[1]
    assert page.all("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels)), "no level is skipped"
    charts = [a for a in page.all("div") if "data-chart" in a]
    assert [int(a["data-chart"] or -1) for a in charts] == list(range(len(json.loads(page.scripts[0]))))
    pictures = [a for a in page.all("svg", "img", "div") if a.get("role") == "img"]
    assert all(a.get("aria-label") for a in pictures)
    assert all(a.get("role") == "img" or a.get("aria-hidden") for a in page.all("svg"))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a} <= set(ids)
    assert all("scope" in a for a in page.all("th"))


def test_every_chart_has_its_numbers_as_a_table(full):
    assert full[1].text.count("The numbers of this figure") == 2
    assert "All 9 cells" in full[1].text


def test_nothing_is_fetched(full):
    text = (full[0] / "report.html").read_text(encoding="utf-8")
    page = full[1]
    assert not [a for _, a in page.tags for name in ("src", "srcset", "action", "data", "poster") if name in a]
    assert all((a["href"] or "").startswith("#") for _, a in page.tags if "href" in a)
    assert not page.all("link", "iframe", "object", "base")
    style = text[text.index("<style>") : text.index("</style>")]
    assert not re.search(r"url\(|@import|https?:", style)
    assert not re.search(r"https?://", text.replace(vega_scripts(), ""))
    assert not re.search(r"\bimport\s*\(|importScripts|\bimport\s+[\w{*][^;]*from", vega_scripts())


def test_the_policy_admits_the_scripts_of_the_page_and_no_others(full):
    page = full[1]
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy") or ""
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for script in page.scripts[1:]:
        assert content_policy([script], []).split("script-src ")[1].split(";")[0] in policy
    assert not [a for _, a in page.tags for name in a if name.startswith("on") or name == "style"]


def test_a_report_of_the_same_run_is_the_same(full):
    before = (full[0] / "report.html").read_bytes()
    assert write_report(full[0]).read_bytes() == before
    assert str(full[0].parent).encode() not in before


def test_what_comes_from_a_config_is_text_and_nothing_else(tmp_path):
    cells = [
        cell("supported", {"claimed": {HOSTILE: HOSTILE}}, name=HOSTILE + str(i), depth=j)
        for i in (1, 2)
        for j in (1, 2)
    ]
    figure = FIGURE | {"title": HOSTILE, "panels": "solver", "lines": None}
    hostile = card(cells, id=HOSTILE, statement=HOSTILE, margin_reason=HOSTILE, source=HOSTILE, metric=HOSTILE)
    held = results().assign_coords(solver=np.array([HOSTILE, "l2"], np.dtypes.StringDType()))
    axes = {HOSTILE: [{HOSTILE: HOSTILE}]}
    spec = {"axes": axes, "fixed": {HOSTILE: HOSTILE}, "name": HOSTILE, "master_key": HOSTILE}
    run = make_run(
        tmp_path / "run",
        [hostile],
        held=held,
        figures=(figure,),
        title=HOSTILE,
        config=HOSTILE,
        status=("failed", HOSTILE),
        **spec,
    )
    page = page_of(run)
    assert not page.all("img")
    assert page.text.count("</script><img src=x onerror=alert(1)>") > 10
    assert page.text.count("{{7*7}}") == page.text.count("alert(1)"), "a name is never a template"
    assert len(page.all("script")) == 3
    raw = (run / "report.html").read_text(encoding="utf-8")
    data = raw[raw.index('id="specs">') + 11 :]
    data = data[: data.index("</script>")]
    assert not set("<>&\u2028\u2029") & set(data)
    titles = [spec["description"] for spec in json.loads(data)]
    assert any(HOSTILE in title for title in titles)


def test_json_inside_a_script_refuses_what_is_not_json():
    with pytest.raises(ValueError, match="Out of range"):
        script_json({"value": float("nan")})


def test_an_exploratory_run_gives_no_verdict(tmp_path):
    cells = [cell(v, depth=d, width=w) for d, v in enumerate(("supported", "refuted")) for w in (1, 2)]
    run = make_run(tmp_path / "run", [card(cells), card(cells[:1], id="T2")], exploratory="the spec was edited")
    page = page_of(run)
    assert "EXPLORATORY. No verdict is given: the spec was edited." in page.text
    assert "Nothing is decided." in page.text
    for word in ("Supported", "Refuted", "MIXED", "✓ passed", "equivalent"):
        assert word not in page.text
    assert "Supported" not in page.scripts[0]


@pytest.mark.parametrize(("status", "word"), [("interrupted", "Interrupted."), ("failed", "Failed.")])
def test_a_run_that_did_not_end_says_so(tmp_path, status, word):
    claims = {"T1": {"statement": "Toys are larger than they seem."}}
    page = page_of(make_run(tmp_path / "run", None, status=(status, "stopped by the user"), claims=claims))
    assert word in page.text
    assert "stopped by the user" in page.text
    assert "Not decided" in page.text
    assert "Toys are larger than they seem." in page.text
    assert not page.all("script"), "without charts there is no script"


def test_a_run_without_claims_only_measures(tmp_path):
    page = page_of(make_run(tmp_path / "run", [], held=results(), figures=(FIGURE,)))
    assert "This run makes no claim" in page.text
    assert "Verdicts" not in page.text


def test_results_that_are_gone_leave_the_verdicts(tmp_path):
    page = page_of(make_run(tmp_path / "run", [card([cell("supported")])], figures=(FIGURE,)))
    assert "no results here" in page.text
    assert "Supported" in page.text


def test_only_a_run_directory_has_a_report(tmp_path):
    with pytest.raises(ConfigError, match="not a run directory"):
        write_report(tmp_path)


def test_the_bundle_is_kept_and_a_damaged_one_is_made_again(tmp_path, monkeypatch):
    import vl_convert

    monkeypatch.setenv("JAXML_CACHE", str(tmp_path))
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda snippet: f"{snippet};'</script>'")
    made = vega_scripts.__wrapped__()
    assert made == "window.vegaEmbed = vegaEmbed;'<\\/script>'"
    (kept,) = (tmp_path / "vega").iterdir()
    kept.write_text(kept.read_text(encoding="utf-8") + "x", encoding="utf-8")
    assert vega_scripts.__wrapped__() == made
    monkeypatch.setattr(vl_convert, "javascript_bundle", None)
    assert vega_scripts.__wrapped__() == made


def test_page_and_terminal_say_that_later_seeds_do_not_bear_a_verdict_out(tmp_path, capsys):
    later = Later(first=17, last=64, estimate=0.05, low=-0.02, high=0.08)
    held = cell("supported", depth=1)
    made = card([dataclasses.replace(held, decision=dataclasses.replace(held.decision, later=later))])
    run = make_run(tmp_path / "run", [made])
    told = "seeds 17 to 64 contradict this: 0.05 (interval −0.02 to 0.08)"
    assert page_of(run).text.count(told) == 2, "in the answer and in the cell"
    print_verdicts(RunDirectory(run).verdicts())
    assert told in " ".join(capsys.readouterr().out.split())
    exploratory = make_run(tmp_path / "other", [made], exploratory="the spec was edited")
    assert "seeds 17" not in page_of(exploratory).text


def test_the_interval_that_decided_is_told_in_the_unit_of_its_effects(tmp_path):
    """A margin of log 1.1 is ×1.1, wherever it stands."""
    log = {
        "estimate": np.log(2),
        "low": np.log(1.5),
        "high": np.log(2.5),
        "sd": 0.1,
        "reason": "interval [0.405, 0.916]",
    }
    held = dataclasses.replace(cell("supported"), decision=decision("supported", **log))
    made = card([held], scale="log_ratio", margin=float(np.log(1.1)))
    assert decided_words(made) == "Interval ×1.5 to ×2.5 lies at or beyond the margin ×1.1"
    assert "0.405" not in page_of(make_run(tmp_path / "run", [made])).text
    vetoed = decision("inconclusive", **log | {"reason": "the median contradicts the mean"})
    other = card([dataclasses.replace(held, decision=vetoed)], scale="log_ratio", margin=0.1)
    assert decided_words(other) == "the median contradicts the mean"
    failed = with_controls(made.verdict, {"the negative one": (decision("supported"), 1.0)}, {})
    assert "negative control" in decided_words(dataclasses.replace(made, verdict=failed))
