"""What runs that no seed showed would have to be like to overturn a verdict."""

from jaxml.claims.answers import measured
from jaxml.claims.finding import Finding
from jaxml.claims.words import number, place, varying

CONFIDENCE = 0.975
"""With which a share of runs would have shown itself."""


def tipping_point(finding: Finding) -> str:
    r"""In words, for a metric without a range: nothing is assumed of values that were never seen.

    With probability 0.975 a share q = 1 - 0.025^{1/n} of runs, or a larger one, shows at least once in n seeds. A share
    as large, of effect x, would move the lower end L of an interval about the mean m to the margin at
    x = m - (L - margin) / q; likewise the upper end of what is refuted.
    """
    about, cell = measured(finding), finding.headline
    decision = cell.decision
    end = {"supported": decision.low, "refuted": decision.high}.get(decision.verdict)
    if (
        about.range
        or about.cap is not None
        or end is None
        or decision.estimate is None
        or decision.verdict != finding.verdict.verdict
    ):
        return ""
    q = 1 - (1 - CONFIDENCE) ** (1 / decision.seeds)
    margin = about.level(decision)
    effect = decision.estimate - (end - margin) / q
    side = (
        "below"
        if (decision.verdict == "supported") == (about.unit.compared or about.direction == "larger")
        else "above"
    )
    where = place({name: cell.at[name] for name in varying(finding.cells)}) if len(finding.cells) > 1 else ""
    kind = "effect" if about.unit.compared else "value"
    return (
        f"Up to {number(100 * q)} % of runs may be of a kind that none of {decision.seeds} seeds showed"
        f"{f' at {where}' if where else ''}; were their {kind} {side} {about.unit.shown(effect)}, this would not stand"
    )
