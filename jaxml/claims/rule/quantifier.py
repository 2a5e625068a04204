"""From the cells' decisions to a claim's verdict."""

from collections.abc import Mapping, Sequence

from jaxml.claims.verdict import VERDICTS, ClaimVerdict, Decision, Label, Quantifier, Verdict

MOST_PERCENT = 80
"""Percentage of the cells that must be supported for "usually"; whole, because 0.8 * 5 is not 4 in binary."""


def decide_claim(
    decisions: Sequence[Decision], *, quantifier: Quantifier, reference: int | None = None
) -> ClaimVerdict:
    """A claim's verdict from its cells' decisions.

    | quantifier | supported if | refuted if |
    |---|---|---|
    | exact, all | every cell is | at least one cell is |
    | reference | the reference cell is | the reference cell is |
    | most | at least 80 % of the cells are | more than 20 % of the cells are |
    | some | at least one cell is | all cells are |

    A cell that is invalid counts as neither; a claim that the other cells cannot decide is then invalid.

    Args:
        decisions: the claim's cells.
        quantifier: how strong the claim is.
        reference: index of the reference cell, for `reference`.

    Returns:
        The verdict with the cells' counts, the refuted cells' common label and the badge MIXED when supported
        and refuted cells coexist.

    Raises:
        ValueError: without cells, for an unknown quantifier, or a missing reference.

    >>> cells = [Decision(verdict=v, reason="") for v in ("supported", "supported", "refuted")]
    >>> verdict = decide_claim(cells, quantifier="all")
    >>> verdict.verdict, verdict.badge
    ('refuted', 'MIXED')
    """
    n = len(decisions)
    if not n:
        raise ValueError("decide_claim: 'decisions' must hold at least one cell, got none. Declare a grid.")
    counts = {verdict: sum(d.verdict == verdict for d in decisions) for verdict in VERDICTS}
    supported, refuted = counts["supported"], counts["refuted"]
    match quantifier:
        case "exact" | "all":
            rule, holds, fails = "needs every cell", supported == n, refuted > 0
        case "reference":
            if reference is None or not 0 <= reference < n:
                raise ValueError(
                    f"decide_claim: 'reference' must be a cell index in [0, {n}) for 'reference', got "
                    f"{reference}. Name the reference cell in the claim."
                )
            there = decisions[reference].verdict
            rule, holds, fails = "is judged at the reference cell", there == "supported", there == "refuted"
        case "most":
            rule = f"needs {MOST_PERCENT} % of the cells"
            holds, fails = 100 * supported >= MOST_PERCENT * n, 100 * refuted > (100 - MOST_PERCENT) * n
        case "some":
            rule, holds, fails = "needs one cell", supported > 0, refuted == n
        case _:
            raise ValueError(
                f"decide_claim: 'quantifier' must be one of exact, reference, all, most, some, got {quantifier!r}."
            )
    judged = [decisions[reference]] if quantifier == "reference" and reference is not None else decisions
    undecided: Verdict = "invalid" if any(d.verdict == "invalid" for d in judged) else "inconclusive"
    verdict: Verdict = "supported" if holds else "refuted" if fails else undecided
    labels: set[Label | None] = {d.label for d in judged if d.verdict == "refuted"}
    found = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return ClaimVerdict(
        verdict=verdict,
        quantifier=quantifier,
        label=next(iter(labels)) if verdict == "refuted" and len(labels) == 1 else None,
        badge="MIXED" if supported and refuted else None,
        reason=f"{found} of {n} cells; the claim {rule}" if n > 1 else f"{decisions[0].reason}",
        **counts,
    )


def exact_verdict(decisions: Sequence[Decision], passed: Mapping[str, bool], blind: str) -> ClaimVerdict:
    """The verdict on what is computed once: every decision must hold, and what must fail must have failed.

    Args:
        decisions: one for each figure or count.
        passed: by name, whether what must not come out so did not.
        blind: what one that came out so means.

    >>> exact_verdict([Decision(verdict="supported", reason="it is")], {"another": False}, "no telling apart").verdict
    'invalid'
    """
    verdict = decide_claim(decisions, quantifier="exact")
    same = [name for name, right in passed.items() if not right]
    if not same:
        return verdict
    return ClaimVerdict(**{**verdict.to_json(), "verdict": "invalid", "reason": f"{same[0]!r} {blind}"})
