"""`jaxml falsify`: a search for the smallest counter-example to a claim inside the domain it is said to hold in.

Points are drawn evenly over the domain, those with the least effect are led down the gradient of the mean effect, and
what the rule refutes is drawn back towards the reference. Seeds that led the search prove nothing: the points nearest
to the reference are tested again on fresh ones, by the rule of every run, all together.
"""

import itertools
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxml.claims.effect import oriented
from jaxml.claims.falsification import CounterExample, Falsification
from jaxml.claims.labels import named
from jaxml.config import Study, load_study
from jaxml.config.models import DomainSpec
from jaxml.errors import ConfigError, nearest
from jaxml.experiment import contained
from jaxml.explore.derived import DerivedPoints, asked

FRESH = 1_000_000
"""The first of the seeds that test what the search found; no run comes that far."""
STARTS, STEPS, FIRST_STEP, SHORTER = 4, 16, 0.2, 0.82
"""Points led down the gradient, how often, and how far in shares of a side: the first step, and each after the last."""
GUIDES = 4
"""Seeds whose mean effect the gradient follows: a direction is all that is asked of them."""
RAYS, ALONG = 6, 12
"""Counter-examples drawn back towards the reference, and points tried on the way, twice."""
TESTED = 8
BEYOND = (1.03, 1.06, 1.12, 1.25)
"""How far beyond the nearest counter-example is tested too: the nearest owes its place to its seeds."""


def falsify(
    config: str | Path,
    overrides: Sequence[str] = (),
    *,
    claims: Sequence[str] = (),
    points: int = 512,
    notify: Callable[[str], None] = lambda message: None,
) -> list[Falsification]:
    """Search the domains of a config for counter-examples.

    Args:
        config: a YAML file with a `domain:` section.
        overrides: as on the command line.
        claims: which claims; by default all that have a domain.
        points: points drawn over each domain.
        notify: called with one sentence at each stage.

    Returns:
        One report for each claim.

    Raises:
        ConfigError: when the config is wrong or declares no domain.

    It is no proof that a claim holds where nothing is found: the report says which share of the domain may still fail.
    """
    study = load_study(config, overrides)
    wanted = list(claims) or list(study.config.domain)
    if not wanted:
        raise ConfigError(f"{study.document.name}: there is no 'domain' section, so there is nothing to search.")
    for name in wanted:
        if name not in study.config.domain:
            raise ConfigError(f"falsify: claim '{name}' has no domain. {nearest(name, study.config.domain)}")
    if points < 1:
        raise ConfigError(f"falsify: at least one point is needed, got {points}.")
    with contained(f"experiments/{study.config.experiment}.py"):
        return [Search(study, name, notify).run(points) for name in wanted]


class Domain:
    """A box of parameters and its unit cube."""

    def __init__(self, spec: DomainSpec, whole: Sequence[bool]):
        self.names, self.whole = list(spec.axes), list(whole)
        sides = list(spec.axes.values())
        self.log = np.asarray([side.log for side in sides])
        ends = np.asarray([(side.low, side.high) for side in sides], float)
        self.low, self.high = np.where(self.log[:, None], np.log(np.where(self.log[:, None], ends, 1.0)), ends).T

    def values(self, places: np.ndarray) -> list[tuple[Any, ...]]:
        """The parameters at places of the cube, whole numbers rounded."""
        found = self.low + places * (self.high - self.low)
        found = np.where(self.log, np.exp(np.where(self.log, found, 0.0)), found)
        return [
            tuple(round(v) if whole else float(v) for v, whole in zip(row, self.whole, strict=True)) for row in found
        ]

    def places(self, values: Sequence[Sequence[Any]]) -> np.ndarray:
        """Where parameters lie in the cube."""
        given = np.asarray(values, float)
        given = np.where(self.log, np.log(np.where(self.log, given, 1.0)), given)
        return (given - self.low) / (self.high - self.low)


class Search:
    """One claim, one domain."""

    def __init__(self, study: Study, claim: str, notify: Callable[[str], None]):
        config, experiment = study.config, study.experiment
        self.name, self.config, self.notify = claim, config, notify
        self.spec, self.free = study.domains[claim]
        self.schema, self.trial, self.labels = study.plan.schema, experiment.trial, experiment.labels
        names = list(self.spec.axes)
        self.domain = Domain(self.spec, [self.schema[name].type is int for name in names])
        where = study.document.place(["domain", claim])
        options: dict[str, Any] = {"master": config.master_key, "lanes": config.lanes}
        self.points = asked(study, self.free, where, **options)
        self.seeds = config.looks[0]
        self.known: dict[tuple[Any, ...], tuple[float, int]] = {}
        """Mean effect and outcome of every point of the search."""
        self.origin = self._origin(study)
        self.reference = dict(zip(names, self.domain.values(self.origin[None])[0], strict=True))

    def _origin(self, study: Study) -> np.ndarray:
        """Where distances begin: the declared reference, the claim's, the only value of the run, else the middle."""
        names = self.domain.names
        known = dict(study.plan.fixed)
        for axis in study.plan.axes:
            known |= axis.points[0] if len(axis) == 1 else {}
        claim = self.free.claim
        known = {**known, **claim.reference, **claim.arms.claimed, **self.spec.reference}
        middle = dict(zip(names, self.domain.values(np.full((1, len(names)), 0.5))[0], strict=True))
        place = self.domain.places([[known.get(name, middle[name]) for name in names]])[0]
        return np.clip(np.nan_to_num(place), 0, 1)

    def run(self, number: int) -> Falsification:
        """Search, then test on fresh seeds what was found."""
        from jaxml.claims.rule.proportion import clopper_pearson

        generator = np.random.default_rng([zlib.crc32(f"{self.config.master_key}/{self.name}".encode()), number])
        drawn = self.domain.values(generator.uniform(size=(number, len(self.domain.names))))
        self.notify(f"{self.name}: {number} points over the domain")
        failing = sum(outcome == -1 for _, outcome in self.judge(drawn))
        gradient = self.descend()
        self.draw_back()
        found, tested = self.test()
        return Falsification(
            claim=self.name,
            statement=self.free.claim.statement,
            at=named(self.free.at, self.labels),
            domain={name: side.model_dump() for name, side in self.spec.axes.items()},
            reference=self.reference,
            margin=self.free.claim.margin.value,
            points=number,
            failing=failing,
            volume=float(clopper_pearson(failing, number, level=0.1).high),
            gradient=gradient,
            computed=len(self.known),
            seeds=self.seeds,
            tested=tested,
            found=found,
            scale=self.free.claim.scale,
            direction=self.free.claim.direction,
            compared=self.free.claim.arms.against is not None,
        )

    def judge(self, points: Sequence[tuple[Any, ...]]) -> list[tuple[float, int]]:
        """Mean effect and outcome of each point on the seeds of the search: 1 supported, -1 refuted, else open."""
        from jaxml.claims.rule.decide import decide_apart

        new = [point for point in dict.fromkeys(points) if point not in self.known]
        if new:
            found = self._effects(new, range(self.seeds))
            decided = decide_apart(
                found.theta,
                margin=self.free.claim.margin.value,
                looks=(self.seeds,),
                alpha=self.config.alpha,
                correction=self.free.correction,
                nonfinite=found.failed,
                compared=self.free.claim.arms.against is not None,
                span=self.free.claim.span,
            )
            outcomes = zip(found.theta.mean(1).tolist(), decided["verdict"].astype(int).tolist(), strict=True)
            self.known |= dict(zip(new, outcomes, strict=True))
        return [self.known[point] for point in points]

    def descend(self) -> str:
        """Lead the points of least effect down the gradient; returns what came of it."""
        moving = [i for i, whole in enumerate(self.domain.whole) if not whole]
        if isinstance(self.points, DerivedPoints):
            return "not used: the quantity is derived"
        if self.free.tuned or not moving:
            return "not used: " + ("the claim tunes" if self.free.tuned else "all sides are whole numbers")
        starts = sorted(self.known, key=lambda point: self.known[point][0])[:STARTS]
        self.notify(f"{self.name}: {len(starts)} points down the gradient")
        places = self.domain.places(starts)
        try:
            slope = self._slope()
            trace = [places]
            for step in range(STEPS):
                gradient = np.asarray(slope(places))
                gradient[:, [i for i in range(places.shape[1]) if i not in moving]] = 0.0
                size = np.abs(gradient).max(1, keepdims=True)
                if not np.isfinite(gradient).all() or not size.any():
                    break
                length = FIRST_STEP * SHORTER**step
                places = np.clip(places - length * gradient / np.where(size > 0, size, 1.0), 0, 1)
                trace.append(places)
        except Exception as error:  # whatever keeps a trial from being differentiated, the search goes on without
            return f"not used: {type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
        if len(trace) == 1:
            return "not used: it is 0 or not finite"
        path = list(itertools.chain.from_iterable(self.domain.values(each) for each in trace[1::4] + trace[-1:]))
        before = min(mean for mean, _ in self.known.values())
        lowest = min(mean for mean, _ in self.judge(path))
        return f"least effect {before:.4g} of the points drawn, {min(before, lowest):.4g} down the gradient"

    def draw_back(self) -> None:
        """Try points between the reference and the refuted ones, twice, to come nearer to the reference."""
        for _ in range(2):
            refuted = self.refuted()[:RAYS]
            if not refuted:
                return
            self.notify(f"{self.name}: drawing back towards the reference")
            shares = np.arange(1, ALONG) / ALONG
            ends = self.domain.places(refuted)
            path = self.origin + shares[None, :, None] * (ends - self.origin)[:, None]
            self.judge(self.domain.values(path.reshape(-1, path.shape[-1])))

    def refuted(self) -> list[tuple[Any, ...]]:
        """The refuted points of the search, nearest to the reference first."""
        found = [point for point, (_, outcome) in self.known.items() if outcome == -1]
        return sorted(found, key=self.distance)

    def distance(self, point: tuple[Any, ...]) -> float:
        return float(np.linalg.norm(self.domain.places([point])[0] - self.origin))

    def test(self) -> tuple[CounterExample | None, int]:
        """Decide some points on fresh seeds, together: the nearest refuted one, some just beyond it, some farther."""
        from jaxml.claims.rule.decide import decide_cells

        refuted = self.refuted()
        if not refuted:
            return None, 0
        ray = self.domain.places(refuted[:1])[0] - self.origin
        beyond = self.domain.values(np.clip(self.origin + np.outer(BEYOND, ray), 0, 1))
        picked = [refuted[i] for i in sorted({min(2**k - 1, len(refuted) - 1) for k in range(TESTED)})]
        candidates = sorted(dict.fromkeys([*picked, *beyond]), key=self.distance)
        self.notify(f"{self.name}: {len(candidates)} points on fresh seeds")
        looks = self.config.looks
        found = self._effects(candidates, range(FRESH, FRESH + looks[-1]))
        decisions = decide_cells(
            found.theta,
            margin=self.free.claim.margin.value,
            looks=looks,
            alpha=self.config.alpha,
            correction=np.full(len(candidates), self.free.correction or 0.0),
            nonfinite=found.failed,
            compared=self.free.claim.arms.against is not None,
            span=self.free.claim.span,
        )
        for point, decision, theta in zip(candidates, decisions, found.theta, strict=True):
            if decision.verdict == "refuted":
                values = dict(zip(self.domain.names, point, strict=True))
                example = CounterExample(
                    point=values, distance=self.distance(point), theta=theta.tolist(), decision=decision
                )
                return example, len(candidates)
        return None, len(candidates)

    def _effects(self, points: Sequence[tuple[Any, ...]], seeds: Sequence[int]) -> Any:
        from jaxml.claims.measure import effects_at

        tuning = range(-self.config.tuning_seeds, 0)
        return effects_at(
            self.points(points, (*tuning, *seeds)), self.free, self.config.looks[0], f"domain.{self.name}"
        )

    def _slope(self) -> Callable[[np.ndarray], Any]:
        """The gradient of the mean effect over the seeds of the search, for several places of the cube at once."""
        import jax
        import jax.numpy as jnp

        from jaxml.sweep.trace import master_key

        claim, domain, config = self.free.claim, self.domain, self.config
        key = master_key(config.master_key)
        low, high, log = (jnp.asarray(side) for side in (domain.low, domain.high, domain.log))

        def parameters(place: jax.Array) -> Mapping[str, jax.Array]:
            found = low + place * (high - low)
            found = jnp.where(log, jnp.exp(jnp.where(log, found, 0.0)), found)
            return {
                name: jnp.round(found[i]).astype(int) if domain.whole[i] else found[i].astype(float)
                for i, name in enumerate(domain.names)
            }

        def effect(place: jax.Array, seed: jax.Array) -> jax.Array:
            lane, moved = jax.random.fold_in(key, seed), parameters(place)
            columns = []
            for arm in self.free.arms:
                fixed = {
                    n: jnp.asarray(self.schema[n].code(v), int if self.schema[n].names else self.schema[n].type)
                    if self.schema[n].traced
                    else v
                    for n, v in arm.items()
                }
                columns.append(
                    jnp.asarray(self.trial(lane, **self.schema.arguments({**fixed, **moved}))[claim.metric]).astype(
                        float
                    )
                )
            return oriented(columns, scale=claim.scale, direction=claim.direction, xp=jnp)

        def mean(place: jax.Array) -> jax.Array:
            seeds = jnp.arange(GUIDES, dtype=jnp.uint32)
            return jax.vmap(effect, (None, 0))(place, seeds).mean()

        slope = jax.jit(jax.vmap(jax.grad(mean)))
        return lambda places: np.array(slope(jnp.asarray(places, float)))
