"""Gather the saved output of the benchmarks into docs/benchmarks.md.

Each file benchmarks/results/AREA-NAME.txt is what ``python benchmarks/AREA/NAME.py`` printed, with the machine in its
first line:  ``python benchmarks/collect.py run AREA/NAME [arguments]`` runs one and saves it, without ``run`` the page,
and the summary in README.md, are written from what is there.
"""

import os
import platform
import re
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
HEAD = """# Benchmarks

Every table below is what its script printed, ours beside the peer on the same inputs in the same run, median of
repeats, compile time apart. This page is written by `python benchmarks/collect.py`.
"""


PEERS = {
    "ops-roi_align": ("RoIAlign, alone and with gradients", "torchvision"),
    "ops-nms": ("non-maximum suppression, 100 to 20,000 boxes", "torchvision"),
    "ops-iou": ("pairwise overlaps, five kinds", "torchvision"),
    "ops-sampling": ("grid_sample, crop_and_resize, deform_conv2d", "torch, torchvision"),
    "ops-batch_norm": ("batch norm in training", "torch, channels last"),
    "learn-roc_auc": ("areas under 1,000 ROC curves", "scikit-learn loop"),
    "learn-l1_logistic": ("1,024 L1-logistic fits to a certificate", "scikit-learn, skglm"),
    "learn-boosting": ("boosting, 256 models at once and single ones", "scikit-learn, xgboost, lightgbm"),
    "learn-forest": ("1,000 bagged trees", "scikit-learn"),
    "nn-resnet18": ("ResNet-18, forward and training step", "torch, channels last"),
}
"""What README.md says of a table: the work, and the peer of its first column of ratios."""
MARKS = ("<!-- speed: written by benchmarks/collect.py -->\n", "<!-- end of speed -->\n")


def machine() -> str:
    """Processor, cores in use and versions."""
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    cores = len(os.sched_getaffinity(0))
    return f"{names[0] if names else platform.machine()}, {cores} cores in use, Python {platform.python_version()}"


def save(name: str, arguments: list[str]) -> None:
    """Run one benchmark and keep what it prints."""
    command = [sys.executable, str(HERE / f"{name}.py"), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name.replace('/', '-')}.txt").write_text(f"{machine()}\n{done.stdout}")
    print(done.stdout)


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for path in sorted(RESULTS.glob("*.txt")):
        script = path.stem.replace("-", "/", 1)
        where, _, table = path.read_text().partition("\n")
        parts.append(f"## `benchmarks/{script}.py`\n\n{where}\n\n```text\n{table.strip()}\n```\n")
        picture = f"images/{path.stem.replace('-', '_')}.svg"
        if (HERE.parent / "docs" / picture).exists():
            parts.append(f"![{script}]({picture})\n")
    return "\n".join(parts)


def ratios(table: str) -> list[float]:
    """The numbers of a table's first column of ratios, which end where its head ends."""
    lines = table.splitlines()
    head = next((line for line in lines if re.search(r"\bratio\b(?! [>=])", line)), "")
    place = re.search(r"\bratio\b", head)
    if place is None:
        return []
    cells = (line[: place.end()].split()[-1] for line in lines[lines.index(head) + 1 :] if len(line) >= place.end())
    return [float(cell) for cell in cells if re.fullmatch(r"[0-9.]+", cell)]


def summary() -> str:
    """How many times faster than its peer each benchmark found us: the least, the middle and the most of its rows."""
    rows = ["| work | peer | slowest row | median | fastest row |", "|---|---|---|---|---|"]
    for name, (work, peer) in PEERS.items():
        path = RESULTS / f"{name}.txt"
        found = sorted(ratios(path.read_text())) if path.exists() else []
        if found:
            low, middle, high = (
                f"{value:.{0 if value >= 10 else 1 if value >= 1 else 2}f}x"
                for value in (found[0], statistics.median(found), found[-1])
            )
            rows.append(f"| {work} | {peer} | {low} | {middle} | {high} |")
    return "\n".join(rows) + "\n"


def readme(text: str) -> str:
    """README.md with the summary between its marks."""
    before, rest = text.split(MARKS[0])
    return before + MARKS[0] + summary() + MARKS[1] + rest.split(MARKS[1])[1]


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        save(sys.argv[2], sys.argv[3:])
    else:
        (HERE.parent / "docs" / "benchmarks.md").write_text(page())
        start = HERE.parent / "README.md"
        start.write_text(readme(start.read_text()))
