"""Write docs/verdict-history.md: what became of the verdicts that an earlier state of this repository holds.

``python docs/make_history.py [--since COMMIT]`` reads docs/scoreboard/*.json as they were then, from git, and as they
are, and names for every claim what changed in its design. Nothing is judged here: both verdicts are as runs left them.
"""

import argparse
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
STORED = "docs/scoreboard"
SINCE = "669ea0c"
"""The last scoreboard under the first edition of the rule, with claims as they were when their faults were listed."""
RENAMED = {
    "universal": "all",
    "generic": "most",
    "existential": "some",
    "at_reference": "reference",
    "null": "equivalent",
}
HEAD = """# What became of earlier verdicts

The {count} claims that were decided at {since} ({date}), under the first edition of the [rule](statistics.md), and what
they came to since. `python docs/make_history.py` writes this page from the verdicts that both states of the repository
hold. Every claim was decided again by the second edition of the rule, with the tests, looks and control rule that it
has; what else changed in a claim's design stands in the last column, and its config says why. {changed} of {count}
verdicts are others now.

| config | claim | then | now | what changed in its design |
| --- | --- | --- | --- | --- |
"""
Claim = Mapping[str, Any]


def git(*arguments: str) -> str:
    """What git prints."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def then(commit: str) -> Iterator[tuple[str, Claim]]:
    """Config and claim of every verdict at a commit, suites included."""
    for path in git("ls-tree", "--name-only", commit, f"{STORED}/").split():
        if path.endswith(".json"):
            held = json.loads(git("show", f"{commit}:{path}"))
            suites = [{**suite, "verdict": suite["report"]["verdict"]} for suite in held.get("suites", ())]
            claims = held.get("findings") or [*held["claims"], *suites]
            yield from ((Path(path).stem, claim) for claim in claims)


def now() -> dict[str, dict[str, Claim]]:
    """The claims that are stored, by config and id."""
    held = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / STORED).glob("*.json"))}
    return {name: {claim["id"]: claim for claim in each["findings"]} for name, each in held.items()}


def successor(config: str, claim: Claim, claims: Mapping[str, Mapping[str, Claim]]) -> tuple[str, Claim] | None:
    """Where a claim is now: under its id, or under another one with the same statement, or with the same measure."""
    id, about = claim["id"], detail(claim)
    for name in (config, *claims):
        if id in claims.get(name, {}):
            return name, claims[name][id]
    alike = [(name, other) for name, each in claims.items() for other in each.values()]
    for name, other in alike:
        if other["statement"] == claim["statement"]:
            return name, other
    for name, other in alike:
        measured = detail(other)
        if (
            name == config
            and measured
            and all(measured[key] == about[key] for key in ("metric", "direction", "margin"))
        ):
            return name, other
    return None


def detail(claim: Claim) -> dict[str, Any]:
    """What a seeded claim measures, under today's names; empty for one of another kind."""
    held = claim.get("detail", claim)
    if "metric" not in held and "estimand" not in held:
        return {}
    found = {key: held.get(key) for key in ("direction", "scale", "margin")}
    return {"metric": held.get("metric", held.get("estimand")), **found}


def changes(before: Claim, after: Claim) -> list[str]:
    """What differs between two states of a claim, in words."""
    found = [] if before["id"] == after["id"] else [f"now called {after['id']}"]
    found += ["its statement"] if before["statement"] != after["statement"] else []
    first, second = detail(before), detail(after)
    if bool(first) != bool(second) or (first and after["kind"] != before.get("kind", after["kind"])):
        found.append(f"its kind is {after['kind']} now")
    elif first:
        if after["kind"] not in ("contrast",):
            found.append(f"its kind is {after['kind']} now")
        found += [f"{key} {first[key]} to {second[key]}" for key in first if not alike(first[key], second[key])]
    quantifiers = [RENAMED.get(q, q) for q in (each["verdict"]["quantifier"] for each in (before, after))]
    found += [f"quantifier {quantifiers[0]} to {quantifiers[1]}"] if quantifiers[0] != quantifiers[1] else []
    cells = [len(each.get("cells", ())) for each in (before, after)]
    found += [f"{cells[0]} to {cells[1]} cells"] if cells[0] != cells[1] and first else []
    controls = [
        {check["name"] for check in each.get("checks", each.get("controls", ()))} if first else set()
        for each in (before, after)
    ]
    gone, new = sorted(controls[0] - controls[1]), sorted(controls[1] - controls[0])
    found += [f"control '{name}' went" for name in gone] + [f"control '{name}' came" for name in new]
    return found


def alike(a: Any, b: Any) -> bool:
    """Whether two values are one, numbers to six digits."""
    return f"{a:.6g}" == f"{b:.6g}" if isinstance(a, (int, float)) and isinstance(b, (int, float)) else a == b


def word(claim: Claim) -> str:
    """A verdict with its label and badge."""
    verdict = claim["verdict"]
    more = [RENAMED.get(verdict.get("label"), verdict.get("label")), "MIXED" if verdict.get("badge") else None]
    extra = ", ".join(each for each in more if each)
    return verdict["verdict"] + (f" ({extra})" if extra else "")


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--since", default=SINCE, metavar="COMMIT")
    since = parser.parse_args().since
    claims, rows, changed, count = now(), "", 0, 0
    for config, before in then(since):
        count += 1
        found = successor(config, before, claims)
        if found is None:
            rows += f"| {config} | {before['id']} | {word(before)} | - | it is claimed no more |\n"
            continue
        name, after = found
        other = before["verdict"]["verdict"] != after["verdict"]["verdict"]
        changed += other
        new = f"**{word(after)}**" if other else word(after)
        what = [f"in {name} now"] * (name != config) + changes(before, after)
        again = (after.get("attempt") or {}).get("number", 1) > 1
        rule = "its seeds, and its grid where the config says so" if again else "nothing but the rule"
        why = "; ".join(what) or (rule if other else "-")
        rows += f"| {config} | {before['id']} | {word(before)} | {new} | {why} |\n"
    date = git("show", "-s", "--format=%cs", since).strip()
    head = HEAD.format(count=count, since=since, date=date, changed=changed)
    (ROOT / "docs/verdict-history.md").write_text(head + rows, encoding="utf-8")


if __name__ == "__main__":
    main()
