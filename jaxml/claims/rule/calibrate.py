"""The engine on trial: worlds whose truth is known, decided as any run is, and how often it errs in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

import numpy as np

from jaxml.claims.rule.decide import walked
from jaxml.claims.rule.looks import MANY, check_looks, looks_of
from jaxml.claims.rule.power import power_at
from jaxml.claims.rule.spending import look_levels
from jaxml.claims.rule.walk import Layout
from jaxml.records import Record

SIGMA = {"lognormal": 0.4, "strong lognormal": 1.0}  # skewness 1.3 and 6.2
RARE = {"rare event": 0.05, "event": 0.2}
"""How often a seed shows the one of two values that is the rarer."""
FAILURES, DEPTH = 0.02, 10.0
"""Under "failures", the share of runs that go wrong, and how many standard deviations of the others."""
NOISES = {
    "normal": 1,
    "t3": 1,
    "lognormal": 2,
    "strong lognormal": 4,
    "uniform": 1,
    "rare event": 1,
    "event": 1,
    "failures": 5,
}
"""How many times alpha / 2 is declared under each noise: small samples hide the tail that skew puts the mean in."""

MANY_SKEWED = 1.5
"""How many times more where many cells are skewed."""
CENSORED = 1.5
"""Where the grid ends, in margins from theory's value."""
Kind = Literal["contrast", "equality", "trend", "all rivals", "any rival", "share", "boundary"]


@dataclass(frozen=True, kw_only=True)
class World:
    """A planted truth.

    Attributes:
        noise: normal, t3 (heavy tails), lognormal (mild skew), "strong lognormal", which shows why a claim's scale must
            remove skew, uniform, two values of which one is rare ("rare event", "event"), or "failures": normal, with a
            few runs that go far wrong, of which no small sample can tell.
        effects: theta of each cell in margins; 0 is no effect, 1 lies exactly at the margin. Of the kinds that hold
            several thetas together: of each step or rival, in one cell.
        kind: what is claimed of them: each is at least a margin (contrast), lies within a margin (equality), no step
            is below minus a margin (trend), all or any are at least a margin (rivals), the whole effect is at least a
            margin and what a part brings beyond its share at least 0 (share); a root lies within a margin of theory's,
            and what is more than `CENSORED` margins above it lies beyond the grid (boundary).
        correlation: between the cells of a run, which share their seeds.
        correction: n_test / n_train of dependent splits, which are then correlated r / (1 + r); None for fresh seeds.
        bounded: the range of the metric is declared.
    """

    noise: str = "normal"
    effects: tuple[float, ...] = (0.0,)
    correlation: float = 0.0
    correction: float | None = None
    kind: Kind = "contrast"
    bounded: bool = False

    @property
    def span(self) -> tuple[float, float] | None:
        """The range of the noise, in standard deviations, where it has one and it is declared."""
        if not self.bounded:
            return None
        if self.noise == "uniform":
            return -sqrt(3), sqrt(3)
        p = RARE[self.noise]
        return -sqrt(p / (1 - p)), sqrt((1 - p) / p)


@dataclass(frozen=True, kw_only=True)
class Rates(Record):
    """How a world was judged, with Monte Carlo errors beside what the rule declares.

    Attributes:
        world: the planted truth in words.
        effects: theta / margin of the cells.
        replications: number of runs.
        supported: mean share of supported cells.
        refuted: mean share of refuted cells.
        inconclusive: mean share of undecided cells.
        false_support: share of runs with at least one cell supported though theta <= margin; None if no cell is so.
        false_refute: share of runs with at least one cell refuted though theta >= margin.
        support_error: Monte Carlo standard error of `false_support`.
        refute_error: of `false_refute`.
        declared: bound on either error rate: alpha / 2 for symmetric noise, twice that under mild skew and four
            times under strong skew.
        power: chance that the last look alone decides the easiest cell, by the noncentral t; None at the margin, and
            for trends, rivals, shares and boundaries.
        holds: neither rate exceeds the declared bound by more than three Monte Carlo errors.
    """

    world: str
    effects: tuple[float, ...]
    replications: int
    supported: float
    refuted: float
    inconclusive: float
    false_support: float | None
    false_refute: float | None
    support_error: float | None
    refute_error: float | None
    declared: float
    power: float | None
    holds: bool


def worlds(noises: Sequence[str] = ("normal", "t3", "lognormal"), cells: int = 8) -> list[World]:
    """The standard worlds: one cell at -1, 0, 1 and 2 margins under each noise, runs of several cells, and splits; then
    things that are the same, trends, rivals, shares and boundaries, each true, false and at the edge.

    >>> len(worlds())
    46
    """
    single = [World(noise=noise, effects=(effect,)) for noise in noises for effect in (-1.0, 0.0, 1.0, 2.0)]
    half = cells // 2
    return [
        *single,
        World(effects=(1.0,) * cells),
        World(effects=(1.0,) * cells, correlation=0.8),
        *(World(noise=noise, effects=(1.0,)) for noise in ("rare event", "event", "failures")),
        *(
            World(noise=n, effects=(e,), bounded=True)
            for n in ("rare event", "event", "uniform")
            for e in (0.0, 1.0, 2.0)
        ),
        World(noise="lognormal", effects=(1.0,) * 40),
        World(effects=(1.0,) * half + (0.0, 2.0) * (half // 2), correlation=0.5),
        World(effects=(1.0,), correction=0.25),
        *(World(kind="equality", effects=(effect,)) for effect in (0.0, 1.0, 2.0)),
        *(World(kind="trend", effects=(1.0, step, 1.0)) for step in (0.0, -1.0, -2.0)),
        *(World(kind="all rivals", effects=(2.0, 2.0, one), correlation=0.5) for one in (2.0, 1.0, 0.0)),
        *(World(kind="any rival", effects=(one, 0.0, 1.0), correlation=0.5) for one in (1.0, 2.0)),
        *(World(kind="share", effects=(2.0, beyond), correlation=0.5) for beyond in (1.0, 0.0, -1.0)),
        *(World(kind="boundary", effects=(effect,)) for effect in (0.0, 1.0, 3.0)),
    ]


def calibrate(
    planted: Sequence[World] | None = None,
    *,
    margin_sd: float = 0.5,
    looks: Sequence[int] = (16, 32, 64),
    alpha: float = 0.05,
    replications: int = 2_000,
    seed: int = 0,
) -> list[Rates]:
    """Decide thousands of runs in each planted world and count the errors.

    Args:
        planted: the worlds, by default `worlds()`.
        margin_sd: the margin in standard deviations of theta.
        looks: declared seed counts.
        alpha: two-sided error of a run.
        replications: runs for each world.
        seed: of the noise.

    Returns:
        One row of rates for each world.

    Raises:
        ValueError: for an unknown noise, and as `decide_runs`.

    >>> (row,) = calibrate([World(effects=(0.0,))], replications=200)
    >>> row.world, row.refuted > 0.8, row.holds
    ('normal, theta = 0 margins', True, True)
    """
    rows, declared = [], check_looks("calibrate", looks)
    for index, world in enumerate(worlds() if planted is None else planted):
        generator = np.random.default_rng([seed, index])
        effects = np.asarray(world.effects)
        given = looks_of(declared, len(effects) if world.kind == "contrast" else 1)
        noise = draw_noise(generator, world, (replications, len(effects), looks[-1]))
        shift = margin_sd * float(effects[0])
        theta = noise + margin_sd * effects[:, None]
        upper = None
        if world.kind == "boundary":
            end = CENSORED * margin_sd
            theta, upper = np.minimum(theta, end), np.where(theta > end, np.inf, theta)
        walk = walked(
            theta,
            _layout(world),
            margin=margin_sd * _edge(world),
            looks=given,
            alpha=alpha,
            correction=world.correction,
            upper=upper,
            span=None if world.span is None else (world.span[0] + shift, world.span[1] + shift),
        )
        rows.append(_rates(world, walk.verdict, margin_sd, given, alpha))
    return rows


WITHIN = ("equality", "boundary")


def _edge(world: World) -> np.ndarray:
    """The value of each row, in margins."""
    first = np.full(len(world.effects), -1.0 if world.kind == "trend" else 1.0)
    return np.where(np.arange(len(first)) > 0, 0.0, first) if world.kind == "share" else first


def _layout(world: World) -> Layout:
    """How the effects of a world make up what is claimed."""
    if world.kind == "contrast":
        return Layout.single(len(world.effects))
    no, yes = np.array([False]), np.array([True])
    return Layout(
        np.array([len(world.effects)]),
        within=yes if world.kind in WITHIN else no,
        every=no if world.kind == "any rival" else yes,
        alone=no,
        support=np.zeros(1, int),
        refute=np.zeros(1, int),
    )


def _truth(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Of which hypotheses support would be false, and of which refutation; at the edge both are."""
    effects = np.asarray(world.effects)
    match world.kind:
        case "contrast":
            return effects <= 1, effects >= 1
        case "equality" | "boundary":
            return np.abs(effects) >= 1, np.abs(effects) <= 1
        case "any rival":
            return np.array([(effects <= 1).all()]), np.array([(effects >= 1).any()])
    edge = _edge(world)
    return np.array([(effects <= edge).any()]), np.array([(effects >= edge).all()])


def draw_noise(generator: np.random.Generator, world: World, shape: tuple[int, int, int]) -> np.ndarray:
    """Noise of mean 0 and standard deviation 1, shape (runs, cells, seeds), as the world correlates it.

    Raises:
        ValueError: for an unknown noise.
    """
    from scipy.special import ndtr

    runs, _, seeds = shape
    shared = generator.normal(size=(runs, 1, seeds))
    z = sqrt(world.correlation) * shared + sqrt(1 - world.correlation) * generator.normal(size=shape)
    if world.noise == "normal":
        noise = z
    elif world.noise == "t3":
        # One chi-square for each seed, so that all cells of a run are heavy-tailed together; variance 3.
        noise = z * np.sqrt(3 / generator.chisquare(3, size=(runs, 1, seeds))) / sqrt(3)
    elif world.noise == "uniform":
        noise = sqrt(12) * (ndtr(z) - 0.5)
    elif world.noise in RARE:
        p = RARE[world.noise]
        noise = (1.0 * (ndtr(z) > 1 - p) - p) / sqrt(p * (1 - p))
    elif world.noise == "failures":
        wrong = generator.random(shape) < FAILURES
        spread = sqrt((1 - FAILURES) * (1 + FAILURES * DEPTH**2))
        noise = (np.where(wrong, -DEPTH, z) + FAILURES * DEPTH) / spread
    elif world.noise in SIGMA:
        sigma = SIGMA[world.noise]
        noise = (np.exp(sigma * z) - np.exp(sigma**2 / 2)) / sqrt(np.expm1(sigma**2) * np.exp(sigma**2))
    else:
        raise ValueError(f"calibrate: 'noise' must be one of {', '.join(NOISES)}, got {world.noise!r}.")
    if world.correction:
        common = world.correction / (1 + world.correction)
        noise = sqrt(common) * generator.normal(size=(*shape[:2], 1)) + sqrt(1 - common) * noise
    return noise


def _rates(world: World, verdict: np.ndarray, margin_sd: float, looks: Sequence[int], alpha: float) -> Rates:
    runs = len(verdict)
    not_so, so = _truth(world)
    false_support, false_refute = _share(verdict[:, not_so] == 1), _share(verdict[:, so] == -1)
    errors = [None if rate is None else sqrt(rate * (1 - rate) / runs) for rate in (false_support, false_refute)]
    declared = alpha / 2 * NOISES[world.noise] * (MANY_SKEWED if _many_skewed(world) else 1)
    allowed = declared + 3 * sqrt(declared * (1 - declared) / runs)
    return Rates(
        world=_words(world),
        effects=world.effects,
        replications=runs,
        supported=float(np.mean(verdict == 1)),
        refuted=float(np.mean(verdict == -1)),
        inconclusive=float(np.mean(verdict == 0)),
        false_support=false_support,
        false_refute=false_refute,
        support_error=errors[0],
        refute_error=errors[1],
        declared=declared,
        power=_power(world, margin_sd, looks, alpha),
        holds=all(rate is None or rate <= allowed for rate in (false_support, false_refute)),
    )


def _many_skewed(world: World) -> bool:
    return world.kind == "contrast" and world.noise in SIGMA and len(world.effects) >= MANY


def _power(world: World, margin_sd: float, looks: Sequence[int], alpha: float) -> float | None:
    effects = np.asarray(world.effects)
    level = look_levels(looks, alpha / (len(effects) if world.kind == "contrast" else 1))[-1]
    at = lambda effect: power_at(effect, looks[-1], level=level, correction=world.correction)  # noqa: E731
    if world.kind == "contrast":
        farthest = margin_sd * float(np.max(np.abs(effects - 1)))
        return at(farthest) if farthest else None
    if world.kind != "equality" or abs(effects[0]) == 1:
        return None
    near, far = (margin_sd * abs(abs(float(effects[0])) + side) for side in (-1, 1))
    return at(near) + at(far) - 1 if abs(effects[0]) < 1 else at(near)


def _share(wrong: np.ndarray) -> float | None:
    """Share of runs with a wrong cell, None when no cell could be wrong."""
    return float(np.mean(wrong.any(-1))) if wrong.shape[-1] else None


def _words(world: World) -> str:
    counts = {effect: world.effects.count(effect) for effect in sorted(set(world.effects))}
    if world.kind != "contrast":
        where = f"{world.kind}, theta = {', '.join(f'{effect:g}' for effect in world.effects)} margins"
    elif len(world.effects) == 1:
        where = f"theta = {world.effects[0]:g} margins"
    else:
        where = f"{len(world.effects)} cells: " + ", ".join(f"{n} at {e:g}" for e, n in counts.items())
    extra: list[Any] = ["range declared"] if world.bounded else []
    extra += [f"correlation {world.correlation:g}"] if world.correlation else []
    extra += [f"splits, n_test / n_train = {world.correction:g}"] if world.correction else []
    return ", ".join([world.noise, where, *extra])
