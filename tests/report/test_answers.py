"""The sentence that answers a claim: made from the numbers, right in sign, unit and count."""

import dataclasses
import math

import pytest

from jaxml.claims.answers import answer, boundary, not_borne_out
from jaxml.claims.verdict import Later
from tests.report.runs import card, cell, decision


def said(made, exploratory: str = "") -> str:
    return answer(made, not exploratory)


def one(
    verdict: str, label: str | None = None, *, numbers: tuple[float, float, float], needed: int | None = None, **changes
):
    estimate, low, high = numbers
    made = decision(verdict, label=label, estimate=estimate, low=low, high=high, seeds_needed=needed)
    return card([dataclasses.replace(cell(verdict), decision=made)], **changes)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (
            one("supported", numbers=(0.3, 0.2, 0.4)),
            "Yes: zero fraction is larger with solver prox than with solver l2 by 0.3 (interval 0.2 to 0.4, 16 seeds); "
            "0.1 or more matters.",
        ),
        (
            one("refuted", "reversed", numbers=(-0.3, -0.4, -0.2)),
            "No, the other way round: zero fraction is smaller with solver prox than with solver l2 by 0.3 "
            "(interval −0.4 to −0.2, 16 seeds); 0.1 or more matters.",
        ),
        (
            one("refuted", "equivalent", numbers=(0.0, 0.0, 0.0)),
            "No, not by enough to matter: zero fraction is the same with solver prox and with solver l2 "
            "(interval 0 to 0, 16 seeds); 0.1 or more matters.",
        ),
        (
            one("inconclusive", numbers=(0.1, 0.0, 0.2), needed=1234),
            "Undecided: zero fraction is larger with solver prox than with solver l2 by 0.1 "
            "(interval 0 to 0.2, 16 seeds); 0.1 or more matters. About 1,234 seeds would decide it.",
        ),
        (
            one("supported", numbers=(math.log(4), math.log(2), math.log(8)), scale="log_ratio", margin=math.log(1.5)),
            "Yes: zero fraction is larger with solver prox than with solver l2 by a factor of 4 "
            "(interval ×2 to ×8, 16 seeds); a factor of 1.5 or more matters.",
        ),
        (
            one("supported", numbers=(3.0, 2.0, 4.0), scale="points", margin=1.0, direction="smaller"),
            "Yes: zero fraction is smaller with solver prox than with solver l2 by 3 percentage points "
            "(interval 2 points to 4 points, 16 seeds); 1 percentage point or more matters.",
        ),
        (
            one("refuted", numbers=(0.0, 0.0, 0.0), arms={"claimed": {"solver": "l2"}, "against": None}),
            "No: zero fraction with solver l2 is 0 (interval 0 to 0, 16 seeds); the claim needs 0.1 or more.",
        ),
    ],
)
def test_one_cell(made, expected):
    assert said(made) == expected


def test_a_quantity_that_must_be_small_keeps_its_own_sign():
    made = one("refuted", numbers=(-0.5, -0.6, -0.4), direction="smaller", arms={"claimed": {"solver": "l2"}})
    assert "zero fraction with solver l2 is 0.5 (interval 0.4 to 0.6" in said(made)


def test_several_cells_name_the_extremes_and_the_rule():
    verdicts = ["supported", "supported", "refuted"]
    cells = [
        dataclasses.replace(cell(v, depth=d), decision=decision(v, estimate=e, low=e, high=e))
        for v, d, e in zip(verdicts, (1, 2, 4), (0.5, 0.2, -0.1), strict=True)
    ]
    assert said(card(cells)) == (
        "No: it fails in 1 of 3 cells and holds in 2. Supported at depth 1, 2; refuted at depth 4. The effect of "
        "solver prox over solver l2 on zero fraction is −0.1 (depth 4) to 0.5 (depth 1); 0.1 or more matters."
    )
    assert said(card(cells[:2])).startswith("Yes, in both cells. Zero fraction is larger with")
    assert said(card(cells, quantifier="some")).startswith("Yes, in 2 of 3 cells. Supported at depth 1, 2;")
    assert said(card([cells[2]] * 3)).startswith("No, in none of the 3 cells. Zero fraction is smaller with")


def test_a_reversed_effect_is_told_from_its_small_end():
    cells = [
        dataclasses.replace(cell("refuted", depth=d), decision=decision("refuted", estimate=e, low=e, high=e))
        for d, e in ((1, -0.5), (2, -0.2))
    ]
    assert "is smaller with solver prox than with solver l2 by 0.2 (depth 2) to 0.5 (depth 1);" in said(card(cells))


def test_undecided_cells_are_counted():
    cells = [cell(v, depth=i) for i, v in enumerate(("supported", "inconclusive", "inconclusive"))]
    assert said(card(cells)).startswith(
        "Undecided: 1 supported, 2 inconclusive of 3 cells. Supported at depth 0; inconc"
    )


def test_no_answer_without_a_valid_cell_and_no_verdict_when_exploratory():
    assert said(card([cell("invalid")])) == "No answer: it is invalid."
    assert said(card([cell("supported")]), "edited").startswith("Nothing is decided. Zero fraction is larger")
    assert "No finite effect" in said(card([cell("invalid")]), "edited")


def test_runs_of_equal_verdicts_in_the_order_of_the_grid():
    cells = [cell("supported" if 2 <= d <= 16 else "refuted", depth=d) for d in (1, 2, 4, 8, 16, 32)]
    assert boundary(cells) == "Refuted at depth 1; supported at depth 2 to 16; refuted at depth 32."
    assert boundary([cell("refuted", a=a, b=b, c=c) for a in (1, 2) for b in (1, 2) for c in (1, 2)]) == ""


def test_a_boundary_over_two_axes_is_told_row_by_row():
    held = {"tanh": (1, 2, 4), "relu": (), "erf": (1, 2, 4), "sigmoid": (1, 2, 4, 8), "linear": (1, 4, 8)}
    cells = [
        cell("supported" if depth in depths else "refuted", activation=name, depth=depth)
        for name, depths in held.items()
        for depth in (1, 2, 4, 8)
    ]
    assert boundary(cells) == (
        "Supported with activation tanh and erf at depth 1 to 4; with activation relu nowhere; "
        "with activation sigmoid throughout; with activation linear at depth 1 and 4, 8."
    )
    assert boundary([cell("refuted", a=a, b=b) for a in range(7) for b in range(8)]) == ""
    assert boundary([cell("refuted", a=a, b=b) for a in ("x", "y") for b in ("z", "w")]) == ""


def test_arms_are_told_by_what_tells_them_apart():
    arms = {"claimed": {"block": "residual"}, "against": {"block": "plain", "depth": 64}}
    assert "with block residual than with block plain by" in said(one("supported", numbers=(0.3, 0.2, 0.4), arms=arms))
    everything = one("supported", numbers=(0.3, 0.2, 0.4), arms={"claimed": {}, "against": None})
    assert said(everything).startswith("Yes: zero fraction is 0.3 (")


def test_what_rounding_leaves_of_0_is_0():
    assert "(interval 0 to 0.2," in said(one("inconclusive", numbers=(0.1, -2e-17, 0.2)))


LATER = Later(first=17, last=64, estimate=math.log(1.02), low=math.log(0.98), high=math.log(1.05))


def test_later_seeds_that_do_not_bear_the_verdict_out_are_told_in_its_unit():
    made = one("supported", numbers=(0.3, 0.2, 0.4), scale="log_ratio")
    (held,) = made.cells
    against = dataclasses.replace(held, decision=dataclasses.replace(held.decision, later=LATER))
    told = "seeds 17 to 64 contradict this: ×1.02 (interval ×0.98 to ×1.05)."
    assert said(dataclasses.replace(made, cells=[against])).endswith(f" But {told}")
    unsure = dataclasses.replace(LATER, high=math.log(1.3))
    less = dataclasses.replace(held, decision=dataclasses.replace(held.decision, later=unsure))
    assert "seeds 17 to 64 do not bear this out:" in said(dataclasses.replace(made, cells=[less]))
    assert "seeds 17" not in said(made)
    many = [dataclasses.replace(against, at={"lam": lam}) for lam in (0.1, 0.2)] + [cell("supported", lam=0.3)]
    assert not_borne_out(card(many, scale="log_ratio")) == [
        "In 2 of 3 cells the seeds computed later do not bear this out.",
        f"At lam 0.1, {told}",
        f"At lam 0.2, {told}",
    ]
    assert "In 2 of 3 cells the seeds computed later do not bear this out." in said(card(many, scale="log_ratio"))
    assert "Nothing is decided" in said(card(many), exploratory="edited")
    assert "bear" not in said(card(many), exploratory="edited")
