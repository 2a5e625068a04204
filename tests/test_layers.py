"""The house: who may import whom, what the command line may not import, and that configs and experiments pair up."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PURE = {"ops", "learn", "nn", "data"}
ALLOWED = {
    "ops": set(),
    "learn": {"ops"},
    "nn": {"ops", "learn"},
    "data": {"ops", "cache"},
    "gallery": {"errors"},
    "sweep": {"backend", "errors"},
    "claims": {"errors", "records", "sweep"},
    "config": {"backend", "errors", "sweep", "claims", "experiment", "gallery"},
    "runs": {"errors", "records", "sweep", "claims"},
    "report": {"cache", "errors", "sweep", "claims", "runs", "experiment"},
    "runner": {"backend", "errors", "experiment", "sweep", "claims", "config", "runs", "watch"},
    "explore": {"backend", "errors", "experiment", "metric", "sweep", "claims", "config", "runs", "runner", "report"},
}


def imported(path: Path) -> set[str]:
    """The parts of jaxml that a module imports."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{a.name}" for a in node.names] if node.module == "jaxml" else [node.module]
        parts |= {name.split(".")[1] for name in names if name.startswith("jaxml.")}
    return parts


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_a_part_imports_only_what_stands_below_it(part):
    for path in (ROOT / "jaxml" / part).rglob("*.py"):
        assert imported(path) <= ALLOWED[part] | {part}, path


def test_experiments_use_the_pure_parts_and_of_each_other_only_what_is_shared():
    for path in (ROOT / "experiments").rglob("*.py"):
        assert not imported(path) & {"runner", "cli", "report", "config", "claims"}, path
        for line in path.read_text().replace("experiments/", "").splitlines():
            assert "experiments" not in line or line.startswith("from experiments.shared."), path


def test_the_walk_sees_a_breach(tmp_path):
    (tmp_path / "bad.py").write_text("from jaxml import runner\nimport jaxml.cli\n")
    assert imported(tmp_path / "bad.py") == {"runner", "cli"}


def test_every_config_has_an_experiment_and_the_reverse():
    import yaml

    used = {yaml.safe_load(path.read_text())["experiment"] for path in (ROOT / "configs").glob("*.yaml")}
    assert used == {path.stem for path in (ROOT / "experiments").glob("*.py")}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["list"],
        ["list", "--gallery"],
        ["validate", "configs/l1_sparsity.yaml"],
        ["validate", "--schema"],
        ["show", "--help"],
    ],
)
def test_light_commands_never_import_jax(arguments):
    code = f"import sys; sys.argv = ['jaxml', *{arguments!r}]\nfrom jaxml.cli import main\ntry: main()\nfinally: " + (
        "assert not {'jax', 'numpy', 'scipy', 'xarray'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_ops_pull_in_nothing_of_the_runner():
    code = "import sys, jaxml.ops; print(sorted(m for m in sys.modules if m.startswith('jaxml.')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.split(".")[1] for name in ast.literal_eval(done.stdout)}
    assert loaded <= {"ops", "sweep", "errors"}
