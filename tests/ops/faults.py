"""Deliberate faults in RoI pooling, sampling and boxes, and whether their tests notice.

``python tests/ops/faults.py [FOLDER]`` tries all of them, or those of one folder of jaxml/ops. Each fault is put into a
copy of the repository, where the tests named beside it must then fail. All of them take some ten minutes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
POINTS, DEFORM, REGIONS = (f"sampling/{name}.py" for name in ("points", "deform", "regions"))
POOL, PRECISE, LEVELS, ALIGN = (f"roi/{name}.py" for name in ("pool", "precise", "levels", "align"))
CODING, CONVERT = "boxes/coding.py", "boxes/convert.py"
FAULTS = (
    (POINTS, "((grid + 1) * size - 1) / 2", "((grid + 1) * size) / 2"),
    (POINTS, "(size - 1) if align_corners", "size if align_corners"),
    (POINTS, "_axis_taps(flat[:, 1], h, mode", "_axis_taps(flat[:, 0], h, mode"),
    (
        POINTS,
        "(-0.5, size) if reflect_edges else (0.0, size - 1)",
        "(0.0, size - 1) if reflect_edges else (-0.5, size)",
    ),
    (POINTS, "rest, span - rest) + low", "rest, rest) + low"),
    (POINTS, "jnp.minimum(base, max(size - 2, 0))", "base"),
    (POINTS, "((_CUBIC + 2) * d - (_CUBIC + 3))", "((_CUBIC + 2) * d - (_CUBIC + 2.9))"),
    (POINTS, "jnp.where(known & (pixel < size), here, 0)", "jnp.where(pixel < size, here, 0)"),
    (POINTS, "jnp.round(x) if mode", "jnp.floor(x) if mode"),
    (DEFORM, "* s - p)[:, None]", "* s)[:, None]"),
    (DEFORM, "columns = columns * jnp.moveaxis(mask, 2, 0)", "columns = columns + 0 * jnp.moveaxis(mask, 2, 0)"),
    (REGIONS, "(size - 1) / (steps - 1)", "size / (steps - 1)"),
    (REGIONS, "inside = (y >= 0) & (y <= size - 1)", "inside = (y >= 0) & (y < size - 1)"),
    (REGIONS, "jnp.floor(y + 0.5)", "jnp.round(y)"),
    (POOL, "jnp.sign(x) * jnp.floor(jnp.abs(x) + 0.5)", "jnp.round(x)"),
    (POOL, "- first + 1, 1)", "- first, 1)"),
    (POOL, "larger = value > best[0]", "larger = value >= best[0]"),
    (POOL, "jnp.ceil((p + 1)", "jnp.floor((p + 1)"),
    (PRECISE, "(0.5 if aligned else 0.0)", "(0.0 if aligned else 0.5)"),
    (PRECISE, "(1 + slope * (a + b) / 2)", "(1 + slope * a)"),
    (LEVELS, "2.0 ** -(min_level + i)", "2.0 ** -(min_level + i + 1)"),
    (LEVELS, "index = level - min_level", "index = jnp.maximum(level - min_level - 1, 0)"),
    (CODING, "jnp.log(h / h_a)]", "jnp.log(h / h_a) + 0 * (h / 0)]"),
    (CODING, "(x - x_a) / w_a, (y - y_a) / h_a", "(x - x_a) / h_a, (y - y_a) / w_a"),
    (CONVERT, "x, y = x - w / 2, y - h / 2", "x, y = x - w / 2, y - w / 2"),
    (ALIGN, "jnp.max(jnp.where(taken, values, -jnp.inf), axis=3)", "jnp.max(values, axis=3)"),
)
"""The file in jaxml/ops, what it says, and what it says instead."""


def tests_of(file: str) -> str:
    """The tests that must notice a fault in a file."""
    folder = file.partition("/")[0]
    return "roi_align" if file == ALIGN else {"roi": "roi_pools"}.get(folder, folder)


def main() -> int:
    """Print one line per fault; the exit status is the number of faults that nobody noticed."""
    unnoticed, chosen = 0, [fault for fault in FAULTS if fault[0].startswith(tuple(sys.argv[1:]) or "")]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".venv", ".git", "runs"))
        for file, right, wrong in chosen:
            path = copy / "jaxml" / "ops" / file
            text = path.read_text()
            path.write_text(text.replace(right, wrong, 1))
            command = [sys.executable, "-m", "pytest", "-qx", "-n0", f"tests/ops/test_{tests_of(file)}.py"]
            environment = {**os.environ, "PYTHONPATH": str(copy)}
            failed = (
                subprocess.run(command, cwd=copy, env=environment, capture_output=True, check=False).returncode == 1
            )
            path.write_text(text)
            unnoticed += not failed
            print(f"{'noticed' if failed else 'UNNOTICED':<10} {file:<20} {right}  ->  {wrong}", flush=True)
    print(f"{len(chosen) - unnoticed} of {len(chosen)} faults noticed")
    return unnoticed


if __name__ == "__main__":
    sys.exit(main())
