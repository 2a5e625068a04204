"""`jaxml new`: an experiment and a config that run as they are, to be made one's own."""

import ast
import json
import re
from collections.abc import Mapping
from pathlib import Path

from jaxml.errors import ConfigError
from jaxml.experiment import check_name, experiment_path, project_root

SCHEMA = "jaxml.schema.json"
"""The JSON Schema beside the configs, by which an editor completes and checks them."""
_EDITOR = f"# yaml-language-server: $schema={SCHEMA}\n"

_EXPERIMENT = '''"""{title}: say in one line what is compared, and where the claim comes from."""

from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxml import Experiment, Figure


def trial(
    key: jax.Array,
    *,
    outliers: float = 0.1,
    estimator: Literal["mean", "median"] = "mean",
    n: int = 101,
) -> dict[str, Any]:
    """Estimate the centre of contaminated data; the truth is 0."""
    noise_key, which_key = jax.random.split(key)
    x = jax.random.normal(noise_key, (n,))
    x = jnp.where(jax.random.uniform(which_key, (n,)) < outliers, x + 10.0, x)
    estimate = jnp.mean(x) if estimator == "mean" else jnp.median(x)
    return {{"error": jnp.abs(estimate)}}


experiment = Experiment(
    trial=trial,
    figures=(Figure("Error of the estimate", y="error", x="outliers", lines="estimator"),),
)
'''
_CONFIG = """# {title}. Every number that decides stands here, with its reason.
experiment: {name}
title: {title}
about: The centre of a sample is estimated while a share of it is shifted by ten standard deviations.

sweep:
  estimator: [mean, median]
  outliers: {{linspace: [0.0, 0.4, 9]}}

seeds: 64
looks: [16, 32, 64]

claims:
  median-resists:
    statement: With one outlier in ten, the median errs less than the mean.
    quantifier: reference
    reference: {{outliers: 0.1}}
    metric: error
    direction: smaller
    arms:
      claimed: {{estimator: median}}
      against: {{estimator: mean}}
    margin:
      value: 0.1
      reason: A tenth of the noise's standard deviation, the standard error of the mean of 100 clean values.
    controls:
      negative:
        - name: without outliers the mean is as good
          where: {{outliers: 0.0}}
      positive:
        - name: many outliers
          where: {{outliers: 0.4}}
"""


def scaffold(name: str, root: Path) -> list[Path]:
    """Write ``experiments/NAME.py`` and ``configs/NAME.yaml``, and beside the latter the schema of configs.

    Raises:
        ConfigError: when the name is not one, or a file is there already.
    """
    check_name(name, "new")
    title = name.replace("_", " ").capitalize()
    return _written(name, root, _EXPERIMENT.format(title=title), _CONFIG.format(title=title, name=name), {})


def copied(name: str, like: Path, root: Path) -> list[Path]:
    """Write what `scaffold` writes, as a copy of another config and its experiment, with what that imports beside it.

    The copy says no longer which entries of a catalogue its claims are; they are to be changed.

    Args:
        name: of the copy.
        like: a config, by its path or by its name in the gallery.
        root: the project to write into.

    Raises:
        ConfigError: when either name is none, a file is there already, or the config extends another.
    """
    from jaxml.config.document import read_document
    from jaxml.gallery import config_path

    check_name(name, "new")
    path = config_path(like)
    document = read_document(path)
    held = document.value if isinstance(document.value, dict) else {}
    if not isinstance(held.get("experiment"), str):
        raise ConfigError(f"{path}: this is no config, it names no experiment.")
    if "extends" in held:
        raise ConfigError(f"{document.place(['extends'])}: a config that extends another is copied by hand.")
    source = project_root(path)
    experiment = experiment_path(held["experiment"], source).read_text(encoding="utf-8")
    claims = held.get("claims") or {}
    lineage = {document.lines.get(("claims", id, key)) for id in claims for key in ("of", "as")}
    lines = [
        line
        for number, line in enumerate(document.text.splitlines(keepends=True), 1)
        if not (number in lineage and re.match(r"\s+(of|as):\s", line)) and line != _EDITOR
    ]
    config = re.sub(r"(?m)^experiment:.*$", f"experiment: {name}", "".join(lines), count=1)
    config = re.sub(r"(?m)^(name|master_key):.*\n", "", config)  # else it would draw the same numbers
    return _written(name, root, experiment, config, _beside(experiment, source))


def _beside(text: str, source: Path) -> dict[Path, str]:
    """What a module takes from ``experiments/``, on through its own imports: place in the project -> text."""
    found: dict[Path, str] = {}
    waiting = [text]
    while waiting:
        for node in ast.walk(ast.parse(waiting.pop())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("experiments."):
                place = Path(*str(node.module).split(".")).with_suffix(".py")
                if place not in found and (source / place).is_file():
                    found[place] = (source / place).read_text(encoding="utf-8")
                    waiting.append(found[place])
    return found


def _written(name: str, root: Path, experiment: str, config: str, beside: Mapping[Path, str]) -> list[Path]:
    from jaxml.config import json_schema

    texts = {
        root / "experiments" / f"{name}.py": experiment,
        **{root / place: text for place, text in beside.items()},
        root / "configs" / f"{name}.yaml": _EDITOR + config,
    }
    for path, text in texts.items():
        shared = path.name != f"{name}.py" and path.suffix == ".py" and path.is_file()
        if path.exists() and not (shared and path.read_text(encoding="utf-8") == text):
            raise ConfigError(f"{path}: is there already{', and differs' * shared}. Choose another name.")
    texts[root / "configs" / SCHEMA] = json.dumps(json_schema(), indent=1) + "\n"
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{error.filename}: cannot be written: {error.strerror}.") from None
    return list(texts)
