"""``python -m tests.resilience``: run every part, print its counts, and with ``--write`` put them into the docs."""

import argparse
import datetime
import os
import random
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.resilience import damage, disk, fuzz, kills
from tests.resilience.project import ROOT, Count, Project

PAGE = ROOT / "docs" / "resilience.md"
PARTS = ["kills", "continued", "disk", "ray", "damage", "hostile", "fuzz"]
BEGIN, END = "<!-- counts -->\n", "<!-- end of counts -->\n"


def main() -> int:
    """The number of things that went wrong, as an exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="rounds of kills, one kill in every stage each")
    parser.add_argument("--continued", type=int, default=30, help="damaged runs to continue")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--write", action="store_true", help="write the counts into docs/resilience.md")
    options = parser.parse_args()
    chance, begin = random.Random(options.seed), time.monotonic()
    root = Path(tempfile.mkdtemp(prefix="jaxml-resilience-"))
    os.environ["JAXML_CACHE"] = str(root / "cache")
    project = Project.create(root)
    code, text = project.run("--runs", "reference")
    if code:
        print(text, file=sys.stderr)
        return 1
    reference = project.the_run("reference")
    parts = {
        "kills": lambda: kills.kills(project, reference, options.rounds, chance),
        "continued": lambda: damage.unfinished(project, reference, options.continued, chance),
        "disk": lambda: disk.full_disks(project, reference),
        "ray": lambda: kills.ray_driver(project, reference),
        "damage": lambda: damage.finished(reference, damage.DAMAGE, "a file damaged") + damage.swapped(reference),
        "hostile": lambda: damage.finished(reference, damage.HOSTILE, "a file replaced by something hostile"),
        "fuzz": lambda: fuzz.grown_stores() + fuzz.optimisers(),
    }
    counts: list[Count] = []
    for name, part in parts.items():
        if not options.only or name in options.only:
            counts += part()
            print(f"{name}: done after {time.monotonic() - begin:.0f} s", flush=True)
    table = _table(counts, time.monotonic() - begin)
    print(table)
    if options.write:
        page = re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}{table}{END}", PAGE.read_text(), flags=re.DOTALL)
        PAGE.write_text(page)
    wrong = sum(len(count.wrong) for count in counts)
    if not wrong:
        shutil.rmtree(root)
    return min(wrong, 1)


def _table(counts: list[Count], seconds: float) -> str:
    rows = ["| what happened | tried | how it ended | wrong |", "|---|---|---|---|"]
    for count in counts:
        ends = ", ".join(f"{n} {end}" for end, n in count.ends.items())
        rows.append(f"| {count.name} | {count.tried} | {ends} | {len(count.wrong)} |")
    day = datetime.date.today().isoformat()
    return "\n".join([*rows, "", f"Measured on {day} in {seconds / 60:.0f} minutes on {os.cpu_count()} cores.", ""])


if __name__ == "__main__":
    sys.exit(main())
