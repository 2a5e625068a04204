"""Write docs/calibration.md: how often the rule errs in planted worlds, and what it sees at its first look.

``python docs/make_calibration.py [--replications N]`` plants every world of `jaxml calibrate` and three more for power.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy import stats

from jaxml.claims.rule.calibrate import calibrate
from jaxml.claims.rule.decide import decide_runs
from jaxml.claims.rule.spending import look_levels
from jaxml.runs.adversaries import bend_all

PAGE = Path(__file__).resolve().parent / "calibration.md"
LOOKS = (16, 32, 64)
HEAD = """# How often the rule errs

Worlds whose truth is known, decided as any run is: `python docs/make_calibration.py` writes this page, `jaxml
calibrate` prints such a table. {replications:,} runs of each world, looks at 16, 32 and 64 seeds, a margin of half a
standard deviation; theta is counted in margins. Rates in percent with their Monte Carlo error. The declared bound is
alpha / 2, a multiple of it under skew, and five times it where a few runs fail and no sample of this size can tell; see
[statistics.md](statistics.md).

| world | supported | refuted | false support | false refutation | declared | holds |
| --- | --- | --- | --- | --- | --- | --- |
"""
POWER = """
## At the first look

Share of runs in which 16 seeds suffice, in percent, beside the t test at the same level, for an effect of 2 margins, a
margin being half a standard deviation. What the rule adds to t costs this much where it is not needed.

| theta | supported | by t alone |
| --- | --- | --- |
"""

BENT = """
## Against gaming

Tries at a verdict that the data do not give, {replications:,} times each on planted data: how often the claim comes out
supported by the rule alone, and how often it comes out supported and confirmatory where a [ledger](ledger.md) is kept.
What is allowed is alpha / 2 for one attempt, and alpha for however many.

| what is tried | by the rule alone | with the ledger | allowed | what the ledger says of the last try |
| --- | --- | --- | --- | --- |
"""


def percent(rate: float | None, error: float | None = None) -> str:
    """As it stands in a table."""
    if rate is None:
        return "-"
    return f"{100 * rate:.1f}" + (f" ± {100 * error:.1f}" if error is not None else "")


def draws(generator: np.random.Generator, runs: int) -> dict[str, np.ndarray]:
    """Theta of three kinds, mean 1 and standard deviation 1, shape (runs, 1, seeds)."""
    shape = (runs, 1, LOOKS[-1])
    hits = generator.binomial(200, 0.8, size=shape) / 200
    return {
        "normal": 1 + generator.normal(size=shape),
        "exponential": generator.exponential(size=shape),
        "an accuracy on 200 cases": 1 + (hits - 0.8) / np.sqrt(0.8 * 0.2 / 200),
    }


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replications", type=int, default=4_000)
    runs = parser.parse_args().replications
    text = HEAD.format(replications=runs)
    for row in calibrate(replications=runs, looks=LOOKS):
        cells = (
            row.world,
            percent(row.supported),
            percent(row.refuted),
            percent(row.false_support, row.support_error),
            percent(row.false_refute, row.refute_error),
            percent(row.declared),
            "yes" if row.holds else "**no**",
        )
        text += f"| {' | '.join(cells)} |\n"
    text += POWER
    level = float(look_levels(LOOKS)[0])
    for name, theta in draws(np.random.default_rng(1), runs).items():
        found = decide_runs(theta, margin=0.5, looks=LOOKS)
        ours = float(np.mean((found["verdict"] == 1) & (found["look"] == 1)))
        t = stats.ttest_1samp(theta[:, 0, : LOOKS[0]], 0.5, axis=-1, alternative="greater").pvalue
        text += f"| {name} | {percent(ours)} | {percent(float(np.mean(t <= level / 2)))} |\n"
    text += BENT.format(replications=runs)
    for bent in bend_all(runs):
        why = bent.why if len(bent.why) < 200 else f"{bent.why[:90].rstrip(' ;,')} ... {bent.why[-70:]}"
        rates = percent(bent.alone), percent(bent.caught, bent.error), percent(bent.declared)
        text += f"| {' | '.join((bent.does, *rates, why))} |\n"
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
