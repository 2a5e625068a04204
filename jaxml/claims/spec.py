"""What is claimed and how it will be decided: frozen before the first trial, hashed, kept with every result."""

import hashlib
import json
import math
import re
from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_serializer, model_validator

from jaxml.claims.lineage import Relation
from jaxml.claims.written import as_python, as_yaml

Finite = Annotated[float, Field(allow_inf_nan=False)]
Value = bool | int | Finite | str
Where = Annotated[dict[str, Value], BeforeValidator(lambda pins: {} if pins is None else pins)]
"""Axis values; a key with nothing after it pins nothing."""
Quantifier = Literal["reference", "all", "most", "some"]
Scale = Literal["difference", "log_ratio", "points", "logit"]


def _identifier(name: str) -> str:
    if not re.fullmatch(r"\w[\w -]*", name):
        raise ValueError("an id is made of letters, digits, '_', '-' and spaces, a letter or digit first")
    return name


Identifier = Annotated[str, AfterValidator(_identifier)]
"""The id of a claim: part of dotted places, of links in the page and of lines of text."""


class Spec(BaseModel):
    """Base of everything in a spec: immutable, and no key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Margin(Spec):
    """The smallest effect of interest, on the claim's scale, and why it is that.

    Where effects are logarithms of ratios, `factor` gives it as a ratio; a spec holds its logarithm as `value`.
    """

    value: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    reason: Annotated[str, Field(min_length=10)]
    factor: Annotated[float, Field(gt=1, allow_inf_nan=False)] | None = Field(default=None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _as_logarithm(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "factor" not in data:
            return data
        if "value" in data:
            raise ValueError("give either 'value' or 'factor'")
        factor = data["factor"]
        number = isinstance(factor, (int, float)) and not isinstance(factor, bool)
        return {**data, "value": math.log(factor) if number and 1 < factor < math.inf else 1.0}  # 'factor' is refused


class Level(Margin):
    """Where one arm is held against a number: that number as an effect, which need not be positive."""

    value: Finite


class Bound(Spec):
    """A number that one arm is held against, in the unit of the quantity itself, and why it is that."""

    value: Finite
    reason: Annotated[str, Field(min_length=10)]


def _check_factor(margin: Margin | None, scale: Scale) -> None:
    if margin is not None and margin.factor is not None and scale not in ("log_ratio", "logit"):
        raise ValueError(f"a margin by 'factor' needs scale log_ratio or logit, this is {scale}; give 'value'")


def _rising(ends: tuple[float, ...]) -> tuple[float, ...]:
    if ends[0] >= ends[1]:
        raise ValueError(f"the lowest value of the metric, then the highest; got {list(ends)}")
    return ends


Range = Annotated[tuple[Finite, Finite], Field(strict=False), AfterValidator(_rising)]
"""The lowest and the highest value that a metric can take."""


class Arms(Spec):
    """The two settings that are compared: axis values that pin each arm. Without `against`, the effect is absolute."""

    claimed: Where
    against: Where | None = None


class Tuning(Spec):
    """How every arm picks its own point along the tuned axes, on tuning seeds that are never reported.

    Attributes:
        over: the tuned axes.
        minimise: the quantity whose mean over the tuning seeds decides, or `maximise`.
        maximise: see `minimise`.
        per: one pick for the whole run, of which the interval then speaks; or one for each seed on draws of its own, so
            that the interval covers tuning too.
        ends: ends of an axis beyond which there is nothing, so that a pick there is no sign of a narrow grid.
    """

    over: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    minimise: str | None = None
    maximise: str | None = None
    per: Literal["run", "seed"] = "run"
    ends: dict[str, Literal["smallest", "largest"]] = {}

    @model_serializer(mode="wrap")
    def _without_what_is_unsaid(self, handler: Any) -> dict[str, Any]:
        """Keys that came later are no part of a spec that says nothing of them."""
        unsaid = {"per": "run", "ends": {}}
        return {n: v for n, v in handler(self).items() if n not in unsaid or v != unsaid[n]}

    @model_validator(mode="after")
    def _ends_of_what_is_tuned(self) -> "Tuning":
        for name in self.ends:
            if name not in self.over:
                raise ValueError(f"'ends' names '{name}', which is not tuned; name one of {list(self.over)}")
        return self

    @model_validator(mode="after")
    def _one_goal(self) -> "Tuning":
        if (self.minimise is None) == (self.maximise is None):
            raise ValueError("give either 'minimise' or 'maximise'")
        return self

    @property
    def goal(self) -> str:
        return self.minimise or self.maximise or ""


class Control(Spec):
    """A setting that must fail (negative) or must pass (positive); what it does not say, it takes from its claim."""

    name: str
    where: Where = {}
    arms: Arms | None = None
    metric: str | None = None
    direction: Literal["larger", "smaller"] | None = None
    scale: Scale | None = None
    margin: Margin | None = None
    at_least: Bound | None = Field(default=None, exclude=True)
    at_most: Bound | None = Field(default=None, exclude=True)
    tune: Tuning | Literal["none"] | None = None
    range: Range | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_unsaid(self, handler: Any) -> dict[str, Any]:
        """A key that came later is no part of a spec that says nothing of it."""
        return {n: v for n, v in handler(self).items() if n != "range" or v is not None}


class Controls(Spec):
    """Controls on both sides; either kind failing makes the verdict invalid."""

    negative: Annotated[tuple[Control, ...], Field(min_length=1, strict=False)]
    positive: Annotated[tuple[Control, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _names_apart(self) -> "Controls":
        for kind in ("negative", "positive"):
            name, count = Counter(control.name for control in getattr(self, kind)).most_common(1)[0]
            if count > 1:
                raise ValueError(f"two {kind} controls are called '{name}'; give each a name of its own")
        return self


class Claim(Spec):
    """What every claim says: of which kind it is, in words, and where it comes from.

    `of`, `as` and `does_not_show`, what the claim leaves open, are documentation and no part of a spec: see
    `jaxml.claims.lineage`.
    """

    kind: Any  # a literal in every kind, its name
    statement: Annotated[str, Field(min_length=10)]
    source: str | None = None
    does_not_show: Annotated[str, Field(min_length=10)] | None = Field(default=None, exclude=True)
    of: str | None = Field(default=None, exclude=True)
    relation: Relation | None = Field(default=None, alias="as", exclude=True)

    def __repr__(self) -> str:
        """The call of `jaxml.Claim` that makes it."""
        return as_python(self)

    def __str__(self) -> str:
        """It as a config says it, below its id."""
        return as_yaml(self)

    @model_validator(mode="after")
    def _whole_lineage(self) -> "Claim":
        if (self.of is None) != (self.relation is None):
            raise ValueError("'of' names an entry of the catalogue and 'as' how the claim relates to it; give both")
        return self


class Condition(Spec):
    """A quantity is at least, or at most, a number."""

    metric: str
    at_least: Finite | None = None
    at_most: Finite | None = None

    @model_validator(mode="after")
    def _one_side(self) -> "Condition":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give either 'at_least' or 'at_most'")
        return self

    @property
    def words(self) -> str:
        """It in words."""
        side, value = ("at least", self.at_least) if self.at_least is not None else ("at most", self.at_most)
        return f"{self.metric.replace('_', ' ')} {side} {value:g}"

    def holds(self, values: Any) -> Any:
        """Where it does; it does not where a value is not finite."""
        return values >= self.at_least if self.at_least is not None else values <= self.at_most


class Premise(Condition):
    """What must hold in a seed for the claim to speak of it, in an arm or in both; and in so many seeds at least."""

    arm: Literal["claimed", "against", "both"] = "claimed"
    seeds: Annotated[int, Field(ge=2)]


class Exclusion(Condition):
    """What leaves a cell out where it holds for the mean of every arm: a ceiling is reached, a dose does nothing."""

    name: str


class Seeded(Claim):
    """A claim on trials: theta = effect of the claimed arm over the other, oriented so that it says theta > 0."""

    quantifier: Quantifier
    metric: str
    direction: Literal["larger", "smaller"] = "larger"
    scale: Scale = "difference"
    arms: Arms
    tune: Tuning | None = None
    margin: Margin
    reference: Where = {}
    where: dict[str, Annotated[tuple[Value, ...], Field(min_length=1, strict=False)]] = {}
    applies_if: Premise | None = None
    leave_out: Annotated[tuple[Exclusion, ...], Field(strict=False)] = ()
    cap: Finite | None = None
    range: Range | None = None
    controls: Controls

    @model_serializer(mode="wrap")
    def _without_what_is_unsaid(self, handler: Any) -> dict[str, Any]:
        """Keys that came later are no part of a spec that says nothing of them."""
        unsaid = {"applies_if": None, "leave_out": (), "cap": None, "range": None}
        return {n: v for n, v in handler(self).items() if n not in unsaid or v not in (unsaid[n], [])}

    @property
    def sides(self) -> dict[str, Where | None]:
        """What each arm pins, by its part in the claim."""
        return self.arms.model_dump()

    @property
    def span(self) -> tuple[float, float] | None:
        """The lowest and the highest effect, where the metric has a range."""
        if self.range is None:
            return None
        unit = 100.0 if self.scale == "points" else 1.0
        low, high = (unit * end for end in self.range)
        if self.theta_is_difference:
            return low - high, high - low
        return (low, high) if self.direction == "larger" else (-high, -low)

    @property
    def theta_is_difference(self) -> bool:
        """Theta is one value of the metric less another, else one value."""
        return self.arms.against is not None

    @property
    def extra(self) -> dict[str, Any]:
        """What a kind adds to what is said of its measure, as plain values."""
        return {}

    def margin_scale(self, scale: Scale) -> Scale:
        """The scale of a margin where effects are on `scale`: the same, but for kinds whose theta is no effect."""
        return scale

    @model_validator(mode="after")
    def _factors(self) -> "Seeded":
        _check_factor(self.margin, self.margin_scale(self.scale))
        if self.cap is not None and self.kind not in ("contrast", "equality"):
            raise ValueError(
                f"'cap' is for contrasts and equalities; a {self.kind} has more than one time for each seed"
            )
        self._check_range(self.scale, self.range, "range")
        if self.applies_if and self.applies_if.arm != "claimed" and self.arms.against is None:
            raise ValueError("applies_if.arm: there is no second arm; leave it out")
        for side in ("negative", "positive"):
            for control in getattr(self.controls, side):
                _check_factor(control.margin, self.margin_scale(control.scale or self.scale))
                self._check_range(control.scale or self.scale, control.range, f"{side} control '{control.name}': range")
                if (control.at_least or control.at_most) and "at_least" not in type(self).model_fields:
                    raise ValueError(
                        f"{side} control '{control.name}': only a contrast has 'at_least' and 'at_most'; give a margin"
                    )
        return self

    def _check_range(self, scale: Scale, ends: tuple[float, float] | None, where: str) -> None:
        if ends is None:
            return
        if scale not in ("difference", "points"):
            raise ValueError(f"{where}: effects on the scale {scale} have no range; leave it out, or take differences")
        if self.kind == "boundary" or self.extra.get("form") in ("slope", "share", "interaction"):
            raise ValueError(f"{where}: it bounds a value or a difference of two, which this claim does not measure")


def spec_hash(spec: dict[str, Any]) -> str:
    """SHA-256 of a spec written as canonical JSON.

    >>> spec_hash({"b": 1, "a": [1.0]}) == spec_hash({"a": [1.0], "b": 1})
    True
    """
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
