"""Write docs/scoreboard.md, one line for every claim, from the verdicts stored in docs/scoreboard.

``python docs/make_scoreboard.py RUNS`` first stores the verdicts of the newest finished run of every config found under
RUNS, without what varies from run to run, coded values by name; a run of another state of jaxml is left alone.
``--stale`` only prints the configs whose stored verdicts are not those of the config, the experiment, its local modules
and what these use of jaxml as it is now (see staleness.py): ``make scoreboard`` runs these and stores them,
``make scoreboard FRESH=1`` runs all.
A run that was certified leaves its certificate in docs/scoreboard/certificates, where it stays as long as the spec that
it vouches for is the one that is stored: ``make certify`` does that for all that ``--uncertified`` prints, one by one.
Runs of the scoreboard enter
docs/scoreboard/ledger.jsonl, so that a claim that was changed is a further attempt; an exploratory run is named and not
stored. Nothing is written by hand but docs/scoreboard/literature.yaml: values that others have published, with their
source.
"""

import dataclasses
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from staleness import deciding_identity

from jaxml.claims.certificate import Certificate, marked, read_certificate
from jaxml.claims.finding import Verdicts
from jaxml.claims.kinds import KINDS, tell
from jaxml.claims.labels import named_verdicts, read_labels
from jaxml.claims.lineage import Lineage, read_catalogue
from jaxml.claims.told import Told
from jaxml.claims.verdict import STATUSES, VERDICTS
from jaxml.claims.words import MARKS, WORDS
from jaxml.config import load_study
from jaxml.config.identity import engine_identity
from jaxml.errors import JaxmlError
from jaxml.runs.directory import find_runs

ENGINES = "engines.yaml"
"""Which state of jaxml each config was run by."""
ROOT = Path(__file__).resolve().parent.parent
STORED = ROOT / "docs" / "scoreboard"
HEAD = """# Scoreboard

Every claim of every config with what its run decided: `make scoreboard` runs those that changed, with their full seeds,
and writes this page; `make scoreboard FRESH=1` runs all. Statements, margins and controls stand in the configs;
[statistics.md](statistics.md) says how a verdict is reached. The effect is that of the cell that decided, or of the
first one, with its interval; where two arms are compared, positive (or above ×1) is in the claimed direction. Cells
count supported / refuted / undecided. **MIXED**
marks claims that hold in some cells and not in others: `jaxml run CONFIG` writes the report that shows where. Where
`make certify` has decided a config again under other settings, the outcome is listed; **FRAGILE** marks a verdict
that another master key, which means another draw of seeds, has flipped. *Attempt 2* marks a claim that was tried before
in another design or on other seeds, with what that came to: it is decided at half the level, the next one at a quarter,
see [ledger.md](ledger.md). *Of* names the entry of the catalogue that a claim is about, and how it relates to it: as
*written*, *weaker*, *stronger*, *reversed*, or *part* of it. What became of the verdicts under the first edition of the
rule stands in [verdict-history.md](verdict-history.md).
"""


def stored(name: str) -> Verdicts:
    """The verdicts stored for a config."""
    return Verdicts.from_json(json.loads((STORED / f"{name}.json").read_text(encoding="utf-8")))


def store(runs: Path) -> list[str]:
    """Store the verdicts of the newest finished, confirmatory run of every config; return the names stored.

    Raises:
        RunError: when such a run is not as it was written.
    """
    names = {path.stem for path in (ROOT / "configs").glob("*.yaml")}
    done: list[str] = []
    for directory in find_runs(runs):
        name = directory.spec()["name"]
        if name in done or name not in names or directory.status != "finished":
            continue
        verdicts = directory.verdicts()
        current = directory.read_json("code.json")["engine"]["sha256"] == engine_identity()["sha256"]
        if verdicts.status == "confirmatory" and current:
            STORED.mkdir(exist_ok=True)
            shown = marked(named_verdicts(verdicts, read_labels(directory.path)), None)
            text = json.dumps(slim(shown), indent=0, allow_nan=False, ensure_ascii=False)
            (STORED / f"{name}.json").write_text(text + "\n", encoding="utf-8")
            if certificate := read_certificate(directory.path):
                (STORED / "certificates").mkdir(exist_ok=True)
                held = {"spec_sha256": verdicts.spec_sha256, **certificate.to_json()}
                text = json.dumps(held, indent=1, ensure_ascii=False)
                (STORED / "certificates" / f"{name}.json").write_text(text + "\n", encoding="utf-8")
            elif certificate_of(name, verdicts) is None:  # it vouches for what is no longer stored
                (STORED / "certificates" / f"{name}.json").unlink(missing_ok=True)
            done.append(name)
            _note_engine(name)
    return sorted(done)


def checked(runs: Path) -> str:
    """What the checks of the compiler took in the runs of a folder, and how many of these ended without one."""
    costs = [
        directory.read_json("cost.json") for directory in find_runs(runs) if (directory.path / "cost.json").is_file()
    ]
    costs = [cost for cost in costs if "check_seconds" in cost]
    if not costs:
        return ""
    spent, ran = (sum(cost[name] for cost in costs) for name in ("check_seconds", "run_seconds"))
    without = sum(not cost["checked_programs"] for cost in costs)
    return f"compiler checks: {spent:.0f} of {ran:.0f} s, {spent / ran:.1%}; none in {without} of {len(costs)} runs"


def exploratory(runs: Path) -> dict[str, str]:
    """Why nothing is stored of a config: the newest finished run of it decided nothing."""
    found: dict[str, str] = {}
    for directory in find_runs(runs):
        if directory.status == "finished":
            found.setdefault(directory.spec()["name"], directory.verdicts().why)
    return {name: why for name, why in found.items() if why}


def engines() -> dict[str, str]:
    """Which state of jaxml each config was run by, by config."""
    path = STORED / ENGINES
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}


def identity(name: str) -> str:
    """The state of jaxml by which a config is decided now."""
    config = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8"))
    return deciding_identity(ROOT / "experiments" / f"{config['experiment']}.py")


def _note_engine(name: str) -> None:
    text = yaml.safe_dump({**engines(), name: identity(name)}, sort_keys=True)
    (STORED / ENGINES).write_text(text, encoding="utf-8")


def stale() -> list[str]:
    """The configs whose stored verdicts are not those of everything that decides them as it is now."""
    known, found = engines(), []
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        held = (STORED / f"{path.stem}.json").is_file()
        if (
            not held
            or known.get(path.stem) != identity(path.stem)
            or stored(path.stem).spec_sha256 != load_study(path).spec_sha256
        ):
            found.append(path.relative_to(ROOT).as_posix())
    return found


def certificate_of(name: str, verdicts: Verdicts) -> Certificate | None:
    """The certificate stored for a config; None where there is none for these verdicts."""
    path = STORED / "certificates" / f"{name}.json"
    held = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return Certificate.from_json(held) if held.pop("spec_sha256", None) == verdicts.spec_sha256 else None


def uncertified() -> list[str]:
    """The configs without a certificate for the verdicts stored; where only a machine was timed none can be."""
    found = []
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        held = (STORED / f"{path.stem}.json").is_file()
        verdicts = stored(path.stem) if held else None
        timed = verdicts and all(KINDS[f.kind].of_this_machine or f.is_fact for f in verdicts.findings)
        if not timed and (verdicts is None or certificate_of(path.stem, verdicts) is None):
            found.append(path.relative_to(ROOT).as_posix())
    return found


def outcome(certificate: Certificate) -> str:
    """What deciding again came to, in a sentence."""
    done = [check for check in certificate.checks if not check.skipped]
    told = [] if any(check.flips or check.failed for check in done) else ["every verdict stands"]
    told += [
        f"{check.name}: {check.outcome.removeprefix('every verdict stands; ')}"
        for check in done
        if check.flips or check.cells or check.checks or check.failed
    ]
    return f"Decided again with one setting changed at a time ({', '.join(c.name for c in done)}): {'; '.join(told)}."


def slim(verdicts: Verdicts) -> dict[str, Any]:
    """The verdicts without every seed's effect, numbers to four digits: small, and still read by `--against`."""
    held = verdicts.to_json()
    for finding in held["findings"]:
        for cell in [*finding["cells"], *(check["cell"] for check in finding["checks"] if check["cell"])]:
            cell["theta"] = []
    return _rounded(held)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) and math.isfinite(value) else value


def related(verdicts: Verdicts, claims: Mapping[str, Any]) -> Verdicts:
    """The verdicts with the lineage that the config states now: it is no part of what was decided, see its module."""
    found = {
        id: Lineage(of=claim["of"], relation=claim["as"])
        for id, claim in claims.items()
        if isinstance(claim.get("of"), str)
    }
    return dataclasses.replace(
        verdicts, findings=[dataclasses.replace(each, lineage=found.get(each.id)) for each in verdicts.findings]
    )


def totals(claims: Sequence[Told], catalogue: Mapping[str, Mapping[str, str]]) -> str:
    """How many claims came out how, facts apart, and how much of the catalogue they speak of."""
    words = [told.word for told in claims]
    parts = [f"{words.count(word)} {word}" for word in VERDICTS]
    decided = sum(word in VERDICTS for word in words)
    facts = [f"{words.count(word)} {word}" for word in STATUSES if word in words]
    told = f"{decided} claims decided: {', '.join(parts)}."
    if facts:
        told += f" {len(words) - decided} facts that no code decides: {', '.join(facts)}."
    lineage = [each.finding.lineage for each in claims if each.finding.lineage and each.finding.lineage.of]
    of, written = {each.of for each in lineage}, {each.of for each in lineage if each.relation == "written"}
    for name, ids in catalogue.items():
        told += (
            f" Of the {len(ids)} {name} statements in [catalogue.yaml](../catalogue.yaml), {len(of & set(ids))} have a "
            f"claim, {len(written & set(ids))} as written."
        )
    return f"{told}\n"


def page() -> str:
    """The whole page, one section for each config that has stored verdicts."""
    literature = yaml.safe_load((STORED / "literature.yaml").read_text(encoding="utf-8"))
    parts, everything = [], []
    for path in sorted(STORED.glob("*.json")):
        config = yaml.safe_load((ROOT / "configs" / f"{path.stem}.yaml").read_text(encoding="utf-8"))
        verdicts = related(stored(path.stem), config["claims"])
        certificate = certificate_of(path.stem, verdicts)
        verdicts = marked(verdicts, certificate)
        parts.append(
            f"## {config['title']}\n\n[{path.stem}.yaml](../configs/{path.stem}.yaml), "
            f"spec {verdicts.spec_sha256[:8]}\n"
        )
        if certificate:
            parts[-1] += f"\n{outcome(certificate)}\n"
        claims = tell(verdicts)
        everything += claims
        for kind in dict.fromkeys(told.finding.kind for told in claims):
            mine = [told for told in claims if told.finding.kind == kind]
            parts[-1] += _table(("claim", "of", "", "verdict", *mine[0].summary), [_row(told) for told in mine])
        notes = [f"* {note}" for note in literature.get(path.stem, [])]
        if notes:
            parts[-1] += "\nFrom the literature, not measured here:\n\n" + "\n".join(notes) + "\n"
    return "\n".join([HEAD, totals(everything, read_catalogue(ROOT)), *parts])


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [
        heads,
        ["---"] * len(heads),
        *([text.replace("|", "\\|").replace("\n", " ") for text in row] for row in rows),
    ]
    return "\n" + "\n".join(f"| {' | '.join(row)} |" for row in cells) + "\n"


def attempted(told: Told) -> str:
    """Which attempt a claim is, and what the others came to; empty for the first."""
    attempt = told.finding.attempt
    if attempt is None or attempt.number == 1:
        return ""
    return f"attempt {attempt.number} (before: {'; '.join(each.words for each in attempt.before)})"


def _row(told: Told) -> list[str]:
    label = f" ({told.label})" if told.label else ""
    badges = "".join(f" **{badge}**" for badge in (told.badge, "FRAGILE" if told.fragile else "") if badge)
    badges += f" {attempted(told)}" if attempted(told) else ""
    verdict = f"{MARKS[told.word]} {WORDS[told.word].lower()}{label}{badges}"
    lineage = told.finding.lineage
    of = f"{lineage.of}, {lineage.relation}" if lineage and lineage.of else ""
    return [told.finding.id, of, told.finding.statement, verdict, *told.summary.values()]


if __name__ == "__main__":
    for option, wanted in (("--stale", stale), ("--uncertified", uncertified)):
        if sys.argv[1:] == [option]:
            print("\n".join(wanted()))
            sys.exit()
    for folder in sys.argv[1:]:
        try:
            print("stored", ", ".join(store(Path(folder))))
            print(checked(Path(folder)))
            for name, why in exploratory(Path(folder)).items():
                print(f"not stored, exploratory: {name}: {why}")
        except JaxmlError as error:
            sys.exit(f"error: {error}")
    (ROOT / "docs" / "scoreboard.md").write_text(page(), encoding="utf-8")
