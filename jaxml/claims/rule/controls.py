"""What controls are worth, and what becomes of a verdict whose controls are worth nothing."""

from collections.abc import Mapping
from typing import Literal

from jaxml.claims.verdict import ClaimVerdict, Decision

Worth = Literal["counts", "vacuous", "uninformative", "fails"]

_ROUNDING = 1e-6
"""Seeds that differ by less than this share of margin or effect do not differ: the rest is rounding."""


def worth(control: Decision, margin: float) -> Worth:
    """What a negative control says by how it came out.

    Only one that was refuted, and that varied from seed to seed, could have noticed a comparison which finds an effect
    everywhere. One that is the same in every seed is *vacuous*: two names of one thing, or a quantity of another kind.
    One that is inconclusive is *uninformative*.

    Args:
        control: how it was decided.
        margin: of the control.

    >>> same = Decision(verdict="refuted", reason="", estimate=0.0, sd=0.0)
    >>> worth(same, 0.1), worth(Decision(verdict="refuted", reason="", estimate=0.01, sd=0.02), 0.1)
    ('vacuous', 'counts')
    """
    if control.verdict in ("supported", "invalid"):
        return "fails"
    if control.sd is not None and control.sd <= _ROUNDING * max(abs(margin), abs(control.estimate or 0.0)):
        return "vacuous"
    return "counts" if control.verdict == "refuted" else "uninformative"


def with_controls(
    claim: ClaimVerdict, negatives: Mapping[str, tuple[Decision, float]], positives: Mapping[str, Decision]
) -> ClaimVerdict:
    """The claim's verdict if its controls came out as they must and one of them counts, else INVALID with the reason.

    Args:
        claim: the verdict without controls.
        negatives: settings, by name, where the claim must come out *refuted*, each with its margin.
        positives: settings where it must come out *supported*.

    Returns:
        The same verdict, or an invalid one.

    >>> claim = ClaimVerdict(verdict="supported", quantifier="all", reason="4 supported of 4 cells")
    >>> found = Decision(verdict="supported", reason="", estimate=1.0, sd=0.3)
    >>> with_controls(claim, {"shuffled labels": (found, 0.5)}, {}).reason
    "negative control 'shuffled labels' came out supported: the comparison finds an effect where none can be"
    >>> same = Decision(verdict="refuted", reason="", estimate=0.0, sd=0.0)
    >>> with_controls(claim, {"the same twice": (same, 0.5)}, {}).reason
    "no negative control could have failed: 'the same twice' is vacuous, the same in every seed"
    """
    worths = {name: worth(decision, margin) for name, (decision, margin) in negatives.items()}
    failures = [
        f"negative control {name!r} came out {decision.verdict}: "
        + ("the comparison finds an effect where none can be" if decision.verdict == "supported" else decision.reason)
        for name, (decision, _) in negatives.items()
        if worths[name] == "fails"
    ] + [
        f"positive control {name!r} came out {control.verdict}: "
        + (control.reason if control.verdict == "invalid" else "the comparison misses an effect that must be there")
        for name, control in positives.items()
        if control.verdict != "supported"
    ]
    if not failures and "counts" not in worths.values():
        why = {"vacuous": "the same in every seed", "uninformative": "its interval holds the margin"}
        each = [f"{name!r} is {kind}, {why[kind]}" for name, kind in worths.items()]
        failures = [f"no negative control could have failed: {'; '.join(each) or 'there is none'}"]
    if not failures:
        return claim
    return ClaimVerdict(**{**claim.to_json(), "verdict": "invalid", "label": None, "reason": "; ".join(failures)})
