"""The models behind a config file: frozen, strict, and no key they do not know."""

import itertools
import math
from typing import Annotated, Any, Literal, Union

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from jaxml.claims.kinds import KINDS
from jaxml.claims.population import Population
from jaxml.claims.rule.looks import check_looks
from jaxml.claims.spec import Finite, Identifier, Spec, Value
from jaxml.config.described import described
from jaxml.errors import ConfigError, nearest
from jaxml.sweep.grid import Axis, Zip, build_axes, geomspace, linspace, logspace, whole_range, zipped
from jaxml.sweep.signature import Schema

Values = Annotated[tuple[Value, ...], Field(min_length=1, strict=False)]
Ends = Annotated[tuple[Finite, Finite, int], Field(strict=False)]

MOST_VALUES, MOST_POINTS = 100_000, 1_000_000
"""Values along one axis, and points of a map. They are counted before they are made."""


class AxisSpec(Spec):
    """The values along one axis; several generators are joined in the order below. A bare list means `values`."""

    values: Values = ()
    linspace: Ends | None = None
    logspace: Ends | None = None
    geomspace: Ends | None = None
    range: Annotated[tuple[int, ...], Field(min_length=1, max_length=3, strict=False)] | None = None
    zip: "dict[str, AxisSpec] | None" = None

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, data: Any) -> Any:
        if not isinstance(data, (list, tuple, dict, AxisSpec)):
            raise ValueError("expected a list of values, or a generator such as {linspace: [0, 1, 5]}")
        return {"values": data} if isinstance(data, (list, tuple)) else data

    @model_validator(mode="after")
    def _something(self) -> "AxisSpec":
        if self.zip is not None and len(self.model_fields_set) > 1:
            raise ValueError("'zip' stands alone")
        if self.zip is not None and (not self.zip or any(column.zip for column in self.zip.values())):
            raise ValueError("'zip' takes the values of each parameter, such as {n: [50, 100], d: [20, 40]}")
        if not self.model_fields_set:
            raise ValueError("the grid is empty; give values, linspace, logspace, geomspace, range or zip")
        if self.range and len(self.range) == 3 and self.range[2] == 0:
            raise ValueError("the step of a range is 0, so that it never ends; give another")
        if self.points > MOST_VALUES:
            raise ValueError(f"an axis has at most {MOST_VALUES:,} values, these are {self.points:,}")
        return self

    @property
    def points(self) -> int:
        """How many values `expand` makes."""
        if self.zip is not None:
            return max((column.points for column in self.zip.values()), default=0)
        spaced = sum(max(ends[2], 0) for ends in (self.linspace, self.logspace, self.geomspace) if ends)
        return len(self.values) + spaced + (len(range(*self.range)) if self.range else 0)

    def expand(self) -> tuple[Value, ...] | Zip:
        """The values themselves."""
        if self.zip is not None:
            columns = {name: column.expand() for name, column in self.zip.items()}
            return zipped(**{name: c for name, c in columns.items() if not isinstance(c, Zip)})
        generated: list[Value] = list(self.values)
        for make, ends in ((linspace, self.linspace), (logspace, self.logspace), (geomspace, self.geomspace)):
            generated += make(*ends) if ends else ()
        generated += whole_range(*self.range) if self.range else ()
        return tuple(generated)


class MapSpec(Spec):
    """Where a claim holds in the plane of two traced parameters: computed after the verdict, for the reader only."""

    axes: dict[str, AxisSpec]
    at: dict[str, Value | tuple[Value, ...]] = Field(default_factory=dict)
    seeds: Annotated[int, Field(ge=2)] | None = None
    stride: Annotated[int, Field(ge=2)] = 8

    @field_validator("at", mode="before")
    @classmethod
    def _lists(cls, at: Any) -> Any:
        return {n: tuple(v) if isinstance(v, list) else v for n, v in at.items()} if isinstance(at, dict) else at

    @model_validator(mode="after")
    def _a_plane(self) -> "MapSpec":
        if len(self.axes) != 2 or any(axis.zip for axis in self.axes.values()):
            raise ValueError("a map has two axes, the first across and the second up, each a list of numbers")
        points = math.prod(axis.points for axis in self.axes.values())
        if points > MOST_POINTS:
            raise ValueError(f"a map has at most {MOST_POINTS:,} points, these are {points:,}")
        if math.prod(len(v) for v in self.at.values() if isinstance(v, tuple)) > 1000:
            raise ValueError("'at' asks for more than 1,000 maps")
        return self

    def places(self) -> list[dict[str, Value]]:
        """The settings of the other axes; one map is drawn for each."""
        lists = [value if isinstance(value, tuple) else (value,) for value in self.at.values()]
        return [dict(zip(self.at, values, strict=True)) for values in itertools.product(*lists)]

    def plane(self, schema: Schema, where: str) -> tuple[Axis, Axis]:
        """The fine grid.

        Raises:
            ConfigError: when the values of an axis do not fit the trial or do not rise.
        """
        axes = build_axes(schema, {name: axis.expand() for name, axis in self.axes.items()}, f"{where}.axes")
        for axis in axes:
            values = axis.values(axis.name)
            rising = all(a < b for a, b in itertools.pairwise(values))  # pyright: ignore[reportOperatorIssue]
            if isinstance(values[0], (bool, str)) or len(values) < 2 or not rising:
                raise ConfigError(f"{where}.axes.{axis.name}: expected two or more increasing numbers.")
        return axes[0], axes[1]


class Side(Spec):
    """The values of one parameter that a claim is held to, both ends included; `log` measures them by their ratio."""

    low: Annotated[float, Field(allow_inf_nan=False)]
    high: Annotated[float, Field(allow_inf_nan=False)]
    log: bool = False

    @model_validator(mode="after")
    def _rising(self) -> "Side":
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("'low' must lie below 'high', and above 0 where log is true")
        return self


class DomainSpec(Spec):
    """Where a claim is said to hold: `jaxml falsify` searches it for a counter-example."""

    axes: Annotated[dict[str, Side], Field(min_length=1)]
    at: dict[str, Value] = Field(default_factory=dict)
    reference: dict[str, float] = Field(default_factory=dict)

    def check(self, schema: Schema, where: str) -> None:
        """Check the sides against the trial.

        Raises:
            ConfigError: when an end does not fit its parameter, or the reference lies outside.
        """
        for name, side in self.axes.items():
            for end in ("low", "high"):
                schema.find(name, f"{where}.axes.{name}").accept(getattr(side, end), f"{where}.axes.{name}.{end}")
        for name, value in self.reference.items():
            place = f"{where}.reference.{name}"
            if name not in self.axes:
                raise ConfigError(f"{place}: this is no side of the domain. {nearest(name, self.axes)}")
            if not self.axes[name].low <= value <= self.axes[name].high:
                raise ConfigError(f"{place}: {value} lies outside the domain.")


def _kind(claim: Any) -> Any:
    return claim.get("kind", "contrast") if isinstance(claim, dict) else getattr(claim, "kind", "contrast")


AnyClaim = Annotated[
    Union[tuple(Annotated[kind.Claim, Tag(name)] for name, kind in KINDS.items())],  # noqa: UP007
    Discriminator(_kind),
]
"""A claim of the kind that it names; a contrast where it names none."""


class RunConfig(Spec):
    """One run: an experiment, its grid, its seeds, its claims."""

    experiment: str
    name: str
    title: str
    about: str = ""
    data: dict[str, Value] = Field(default_factory=dict)
    fixed: dict[str, Value] = Field(default_factory=dict)
    sweep: dict[str, AxisSpec] = Field(default_factory=dict)
    seeds: Annotated[int, Field(ge=1, le=100_000)] = 64
    tuning_seeds: Annotated[int, Field(ge=0, le=100_000)] = 0
    looks: Annotated[tuple[int, ...], Field(min_length=1, strict=False)] = (16, 32, 64)
    alpha: Annotated[float, Field(ge=1e-6, lt=0.5)] = 0.05
    population: Annotated[tuple[Population, ...], Field(strict=False)] = ()
    claims: dict[Identifier, AnyClaim] = Field(default_factory=dict)  # pyright: ignore[reportInvalidTypeForm]
    map: dict[str, MapSpec] = Field(default_factory=dict)
    domain: dict[str, DomainSpec] = Field(default_factory=dict)
    smoke: dict[str, Value] = Field(default_factory=dict)
    precision: Literal["float32", "float64"] = "float32"
    master_key: str = ""
    lanes: Annotated[int, Field(ge=1)] | None = None

    @field_validator("looks")
    @classmethod
    def _apart(cls, looks: tuple[int, ...]) -> tuple[int, ...]:
        try:
            return check_looks("looks", looks)
        except ValueError as error:
            raise ValueError(str(error).removeprefix("looks: ")) from None

    @field_validator("population", mode="before")
    @classmethod
    def _one(cls, population: Any) -> Any:
        return [population] if isinstance(population, dict) else population

    @property
    def entries(self) -> dict[str, Any]:
        """What `make_plan` takes: fixed values and axes by name."""
        axes = {}
        for name, axis in self.sweep.items():
            try:
                axes[name] = axis.expand()
            except ConfigError as error:
                raise ConfigError(f"sweep.{name}: {error}") from None
        return {**self.data, **self.fixed, **axes}

    def check_smoke(self, schema: Schema) -> None:
        """Check the overrides used by `--smoke`.

        Raises:
            ConfigError: for a value that does not fit the trial, or a parameter of the grid, whose values claims name.
        """
        swept = {name for axis, spec in self.sweep.items() for name in spec.zip or (axis,)}
        for name, value in self.smoke.items():
            schema.find(name, f"smoke.{name}").accept(value, f"smoke.{name}")
            if name in swept:
                raise ConfigError(f"smoke.{name}: '{name}' is swept, and claims name its values. Leave it out.")

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Tuning seeds count down from -1, reported seeds up from 0: neither depends on how many the other has."""
        return (*range(-self.tuning_seeds, 0), *range(self.seeds))


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a config file, for editors that complete and check YAML."""
    schema = described(RunConfig.model_json_schema())
    schema["properties"]["extends"] = {"type": "string", "description": "a config in the same folder to start from"}
    schema["properties"]["sweep"]["additionalProperties"] = {
        "anyOf": [{"$ref": "#/$defs/AxisSpec"}, {"type": "array", "minItems": 1}]
    }
    schema["required"] = ["experiment", "title"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "jaxml config"}
