"""From paired per-seed differences to decisions: one rule for all seeded claims; then quantifiers and controls.

Kinds of claims hand up hypotheses (`hypothesis.Hypothesis`: theta by seed, a region, "all" or "any" of its rows) and
get decisions down (`hypothesis.decide`). `estimates` makes the thetas that are more than a difference, `quantifier` a
claim's verdict from its cells' decisions, `calibrate` measures how often all this errs.

A hypothesis is *supported* when its interval lies in the region, *refuted* when it lies outside, and else undecided.
Three corrections make P(supported | theta not in the region) and P(refuted | theta in it) at most alpha / 2 each over
the whole run:

* **Looks.** Each of the declared looks may spend its share of the error (`spending`), whatever the schedule. A
  hypothesis is decided at the first look that can decide it, from that look's seeds only: seeds beyond it change
  nothing. A run of 8 hypotheses or more takes no look before 32 seeds.
* **Families.** Holm's step-down twice, over what would support the hypotheses and over what would refute them, each at
  alpha / 2. With j already decided in a direction, the next one is tested at the look's level for alpha / (m - j), its
  interval ends at the same level. What is of use only together, as the cells of a claim about all of them, counts as
  one. A family looks only one way, so Holm's proof holds for any dependence, and cells do share their seeds. A decision
  is never revised: what is decided at a look depends on the seeds up to that look.
* **Robustness.** The interval joins t and Hall's skewness-corrected t, capped at twice the half-widths of t. Where too
  few seeds differ to know a spread, only a declared range lets anything be decided (`bounded`).
"""
