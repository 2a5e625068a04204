"""From paired per-seed differences to decisions: looks, cells, labels; then quantifiers and controls.

Let theta be oriented so that the claim says theta > 0, and delta > 0 the margin. A cell is *supported* when its
interval lies at or above delta, *refuted* when it lies below delta, and otherwise undecided. Three corrections
make P(supported | theta <= delta) and P(refuted | theta >= delta) at most alpha / 2 each over the whole run:

* **Looks.** Each of the declared looks uses the Pocock level for all declared looks, reached or not. A cell is
  decided at the first look that can decide it, from that look's seeds only: seeds beyond it change nothing.
* **Cells.** Holm's step-down twice, over the hypotheses theta <= delta of all cells and over theta >= delta of all
  cells, each at alpha / 2. With j cells already decided in a direction, the next one is tested at the Pocock level
  for alpha / (m - j), its interval ends at the same level. A family looks only one way, so Holm's proof holds
  for any dependence between cells, and cells do share their seeds. A decision is never revised: what is decided
  at a look depends on the seeds up to that look.
* **Robustness.** The interval is the union of t, Hall's skewness-corrected t and BCa; where the exact interval of
  the median contradicts it, the look decides nothing.
"""
