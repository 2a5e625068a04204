"""`jaxml new`: an experiment and a config that run as they are, to be made one's own."""

from pathlib import Path

from jaxml.errors import ConfigError
from jaxml.experiment import check_name

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
    """Write ``experiments/NAME.py`` and ``configs/NAME.yaml``.

    Raises:
        ConfigError: when the name is not one, or a file is there already.
    """
    check_name(name, "new")
    title = name.replace("_", " ").capitalize()
    texts = {
        root / "experiments" / f"{name}.py": _EXPERIMENT.format(title=title),
        root / "configs" / f"{name}.yaml": _CONFIG.format(title=title, name=name),
    }
    for path in texts:
        if path.exists():
            raise ConfigError(f"{path}: is there already. Choose another name.")
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{error.filename}: cannot be written: {error.strerror}.") from None
    return list(texts)
