"""Numbers as people write them, effects in their own unit, places on the grid in words."""

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxml.claims.finding import CellResult

WORDS = {
    "supported": "Supported",
    "refuted": "Refuted",
    "inconclusive": "Inconclusive",
    "invalid": "Invalid",
    "exploratory": "EXPLORATORY",
    "interrupted": "Not decided",
    "stands": "Fact: stands",
    "dated": "Fact: dated",
    "wrong": "Fact: wrong",
}
MARKS = {"supported": "✓", "refuted": "✗", "inconclusive": "?", "invalid": "!", "exploratory": "~", "interrupted": "…"}
MARKS |= dict.fromkeys(("stands", "dated", "wrong"), "§")
SCALES = {
    "difference": "difference",
    "log_ratio": "ratio, judged on its logarithm",
    "points": "difference in percentage points",
    "logit": "ratio of odds, judged on its logarithm",
}

ROUNDING = 1e-12
"""A smaller effect is what rounding leaves of 0."""


@dataclass(frozen=True)
class Unit:
    """How an effect theta is told: its scale, which way the claim points, and whether two arms are compared.

    >>> Unit("log_ratio", "larger", True).shown(math.log(2)), Unit("difference", "larger", True).amount(-0.45)
    ('×2', '0.45')
    """

    scale: str
    direction: str
    compared: bool

    def shown(self, theta: float | None) -> str:
        """An effect with its sign; without a second arm, the quantity itself."""
        if theta is None:
            return "–"
        theta = 0.0 if abs(theta) < ROUNDING else theta
        if not self.compared:
            value = theta if self.direction == "larger" else -theta
            if self.scale == "log_ratio":
                return number(_exp(value))
            if self.scale == "logit":
                return number(1 / (1 + _exp(-value)))
            return f"{number(value)} %" if self.scale == "points" else number(value)
        if self.scale == "points":
            return f"{number(theta)} points"
        if self.scale in ("log_ratio", "logit"):
            return f"{'odds ' if self.scale == 'logit' else ''}×{number(_exp(theta))}"
        return number(theta)

    def amount(self, theta: float) -> str:
        """How large an effect is, without its sign."""
        if self.scale in ("log_ratio", "logit"):
            kind = "a factor" if self.scale == "log_ratio" else "an odds ratio"
            return f"{kind} of {number(_exp(abs(theta)))}"
        text = number(abs(theta))
        return f"{text} percentage point{'' if text == '1' else 's'}" if self.scale == "points" else text

    def interval(self, low: float | None, high: float | None) -> str:
        """An interval, its ends apart by a word so that minus signs stay readable."""
        if low is None or high is None:
            return "no interval"
        turned = not self.compared and self.direction == "smaller"
        ends = (high, low) if turned else (low, high)
        return f"{self.shown(ends[0])} to {self.shown(ends[1])}"


def _exp(value: float) -> float:
    return math.exp(max(min(value, 700.0), -700.0))


def number(value: Any) -> str:
    """Three significant digits with a true minus sign; anything but a number as it is.

    >>> number(0.12345), number(-12345.6), number(None), number(1e-05), number(1.5e33), number("prox")
    ('0.123', '−12,346', '–', '1e−5', '1.5e33', 'prox')
    """
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "−∞"}.get(value, "not finite")
    if abs(value) < sys.float_info.min:  # what is left of 0 after sums and differences
        return "0"
    whole = isinstance(value, int) or 1000 <= abs(value) < 1e7
    text = f"{value:,.0f}" if whole else f"{value:.3g}"
    return text.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e").replace("-", "−")


def interval(low: float | None, high: float | None) -> str:
    """An interval of plain numbers; a single seed has none."""
    return "–" if low is None or math.isnan(low) else f"{number(low)} to {number(high)}"


def phrase(name: str) -> str:
    """A name as words: ``zero_fraction`` -> ``zero fraction``."""
    return name.replace("_", " ")


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def place(at: Mapping[str, Any] | None) -> str:
    """Where a cell or an arm lies.

    >>> place({"problem": "planted", "lam": 0.1})
    'problem planted, lam 0.1'
    """
    return ", ".join(f"{phrase(name)} {number(value)}" for name, value in (at or {}).items())


def varying(cells: Iterable[CellResult]) -> list[str]:
    """The coordinates along which cells differ, in the order of the grid."""
    seen: dict[str, list[Any]] = {}
    for cell in cells:
        for name, value in cell.at.items():
            values = seen.setdefault(name, [])
            if value not in values:
                values.append(value)
    return [name for name, values in seen.items() if len(values) > 1]


def numeric(values: Sequence[Any]) -> bool:
    """Whether all values are numbers; True and False are not."""
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
