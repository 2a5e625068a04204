"""Exact suites: definitions, algorithms and worked numbers, decided by properties rather than by seeds.

A suite holds a subject (what the claim asserts, as code), properties that must hold in every case, and mutants
(the subject with one thing wrong) that the properties must catch. One violation refutes the claim and comes back
as small as it can be made; a mutant that survives means the properties prove nothing, and makes the suite invalid.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from jaxml.claims.inputs import by_name, parameters
from jaxml.claims.rule.quantifier import decide_claim
from jaxml.claims.shrink import leaves_of, plain, shrink, varying_axes, weight
from jaxml.claims.verdict import ClaimVerdict, Decision, SuiteReport

Case = Any
"""Arrays and numbers in dicts, tuples or lists; best a dict of inputs by name."""

Property = Callable[..., Any]
"""`property(subject, *inputs)` -> truth values, (actual, expected), or (actual, expected, scale)."""

TOLERANCE = 50 * np.finfo(np.float64).eps
"""Of |actual - expected|, in units of the scale."""

LEAST_CASES, LEAST_MUTANTS, MOST_SHAPES = 1_000, 3, 32


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What an exact claim is put through.

    Attributes:
        subject: a function (or anything the properties know how to use) that embodies the claim.
        draw: `draw(generator, size)` or `draw(generator)` -> a random case; the generator is NumPy's.
        properties: by name; each takes the subject and the inputs of a case that it asks for by name, or the whole
            case, and compares what the subject gives with what must come out.
        mutants: by name, subjects with one thing wrong, at least three.
        adversarial: cases that random draws would miss: ties, zeros, empty, probabilities 0 and 1.
        sizes: passed to a `draw` that takes one, in turn; few, so that a compiled subject compiles few times.
        valid: which cases the claim speaks of, by their inputs or as a whole; a counter-example is made smaller only
            inside it.
        reference: a subject that must pass, when the claim's own is expected to fail: it shows that the
            properties can be met.
        jit: compile subject, reference and mutants, functions of arrays all, and keep every shape while a
            counter-example is made smaller; cases must come in few shapes, since each compiles.
        shrink: which inputs of a case, by name, a counter-example may change; by default all. Axes whose length is the
            same in every case keep it in any case.
    """

    subject: Any
    draw: Callable[..., Case]
    properties: Mapping[str, Property]
    mutants: Mapping[str, Any]
    adversarial: Sequence[Case] = ()
    sizes: Sequence[int] = (1, 2, 3, 5, 8, 17)
    valid: Callable[..., bool] = field(default=lambda case: True)
    reference: Any = None
    jit: bool = False
    shrink: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Refuse a suite that could not show anything."""
        if not self.properties:
            raise ValueError("Suite: 'properties' must hold at least one, got none. Name what must hold.")
        if len(self.mutants) < LEAST_MUTANTS:
            raise ValueError(
                f"Suite: 'mutants' must hold at least {LEAST_MUTANTS}, got {len(self.mutants)}. "
                "Break the subject in three ways that a reader would fear."
            )
        if self.jit:
            subjects = {"subject": self.subject, "reference": self.reference, **self.mutants}
            for name, subject in subjects.items():
                if not callable(subject) and not (name == "reference" and subject is None):
                    raise ValueError(f"Suite: 'jit' compiles functions, and {name!r} is {subject!r}. Leave 'jit' out.")


@dataclass(frozen=True)
class _Failure:
    """A violated property: which, on what, how it looked and of what kind it is."""

    name: str
    case: Case
    words: str
    kind: str
    raised: bool = False


def run_suite(suite: Suite, *, cases: int = LEAST_CASES, seed: int = 0) -> SuiteReport:
    """Put a suite's subject, reference and mutants through its cases.

    Args:
        suite: the suite.
        cases: number of random cases, besides the adversarial ones.
        seed: of the random cases.

    Returns:
        The report: verdict, a decision for each property, which property killed each mutant, and the smallest
        counter-example found. A property that raises in every case shows nothing, and makes the suite invalid.

    Raises:
        ValueError: when a property computes in less than float64 or asks for an input that cases do not hold, or a
            suite with `jit` cannot be compiled.

    Note: not a proof. A property that holds in all cases is supported, as a theorem's instance is.

    >>> l0 = lambda w: float(np.count_nonzero(w))
    >>> suite = Suite(
    ...     subject=np.sum,  # "the L0 norm is the sum of the non-zero elements"
    ...     reference=l0,
    ...     draw=lambda generator, size: {"w": generator.integers(-3, 4, size).astype(float)},
    ...     properties={"scaling changes nothing": lambda norm, w: (norm(2 * w), norm(w))},
    ...     mutants={"L1": lambda w: np.abs(w).sum(), "max": lambda w: np.max(w), "plus": lambda w: l0(w) + w.sum()},
    ... )
    >>> report = run_suite(suite)
    >>> report.verdict.verdict, report.counterexample
    ('refuted', {'w': [1.0]})
    """
    generator = np.random.default_rng(seed)
    sized = len(parameters(suite.draw) or ()) != 1
    sizes = [suite.sizes[i % len(suite.sizes)] for i in range(cases)]
    drawn = [suite.draw(generator, size) if sized else suite.draw(generator) for size in sizes]
    suite = _of_whole_cases(suite, (*suite.adversarial, *drawn)[0])
    everything = [case for case in (*suite.adversarial, *drawn) if suite.valid(case)]
    if not everything:
        raise ValueError("run_suite: no case is valid. Let 'draw' draw cases that 'valid' accepts.")
    suite = _compiled(suite, everything) if suite.jit else suite
    if suite.shrink is not None:
        leaves_of(everything[0], suite.shrink)  # before anything else: it names what is wrong

    failures: dict[str, _Failure] = {}
    decisions: dict[str, Decision] = {}
    for name in suite.properties:
        decisions[name], failure = _test(suite, name, everything)
        if failure:
            failures[name] = failure
    killers = {
        name: next((f.name for f in _failures(suite, mutant, everything)), None)
        for name, mutant in suite.mutants.items()
    }
    smallest = min(failures.values(), key=lambda f: weight(f.case), default=None)
    verdict = decide_claim(list(decisions.values()), quantifier="exact")
    words = f"{len(everything)} cases; properties that hold: {len(decisions)}; mutants killed: {len(killers)}"
    if smallest:
        words = f"'{smallest.name}' fails on {plain(smallest.case)}: {smallest.words}"
    never = [f"'{name}' {held.reason}" for name, held in decisions.items() if held.verdict == "invalid"]
    broken = never[0] if never else _flaw(suite, everything, killers)
    return SuiteReport(
        verdict=ClaimVerdict(
            **{
                **verdict.to_json(),
                "reason": broken or words,
                "verdict": "invalid" if broken else verdict.verdict,
                "badge": None,
            }
        ),
        properties=decisions,
        mutants=killers,
        counterexample=plain(smallest.case) if smallest else None,
        violated=smallest.name if smallest else None,
    )


def hard_vectors(sizes: Sequence[int] = (0, 1, 2, 7)) -> list[np.ndarray]:
    """Vectors that break careless code: zeros of both signs, ties, an outlier, the very large and very small.

    >>> [v.tolist() for v in hard_vectors((2,))][:4]
    [[0.0, -0.0], [1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]]
    """
    found = []
    for n in sizes:
        signs = np.where(np.arange(n) % 2, -1.0, 1.0)
        ramp = np.arange(n, dtype=float)
        outlier = np.where(np.arange(n) == n - 1, 1e6, 0.1)
        found += [0 * signs, np.ones(n), -np.ones(n), signs, ramp, ramp // 2, outlier, 1e150 * signs, 1e-150 * signs]
    return found


def _of_whole_cases(suite: Suite, case: Case) -> Suite:
    """The suite with functions of whole cases, given one of them."""
    of = {name: by_name(f, case, f"run_suite: property '{name}'", given=1) for name, f in suite.properties.items()}
    return replace(suite, properties=of, valid=by_name(suite.valid, case, "run_suite: 'valid'"))


class Uncompiled(ValueError):
    """A function of a suite with `jit` that cannot be compiled: no property of it is violated."""


def _compiled(suite: Suite, cases: Sequence[Case]) -> Suite:
    """The suite with everything compiled that its properties are put to.

    Raises:
        ValueError: when each case would compile anew.
    """
    shapes = {str(_shapes(case)) for case in cases}
    if len(shapes) > MOST_SHAPES:
        raise ValueError(
            f"run_suite: with 'jit' cases may come in {MOST_SHAPES} shapes, and these come in {len(shapes)}: each is "
            "compiled. Draw from fewer 'sizes'."
        )
    mutants = {name: _jitted(name, mutant) for name, mutant in suite.mutants.items()}
    reference = None if suite.reference is None else _jitted("reference", suite.reference)
    return replace(suite, subject=_jitted("subject", suite.subject), reference=reference, mutants=mutants)


def _shapes(case: Case) -> Any:
    """The shape of every array and number of a case."""
    import jax

    return jax.tree.map(np.shape, case)


def _jitted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    import jax

    compiled = jax.jit(function)

    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return compiled(*arguments, **named)
        except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as error:
            why = str(error).splitlines()[0]
            raise Uncompiled(f"'{name}' cannot be compiled: {why} Write it in JAX, or leave 'jit' out.") from None

    return call


def _test(suite: Suite, name: str, cases: Sequence[Case]) -> tuple[Decision, _Failure | None]:
    """Judge one property on all cases; its counter-example comes back shrunk."""
    worst, found, raised = 0.0, None, 0
    for case in cases:
        failure, error = _check(suite, name, suite.subject, case)
        worst, raised = max(worst, error), raised + (failure is not None and failure.raised)
        if failure and (found is None or weight(case) < weight(found.case)):
            found = failure
    if found is None:
        reason = f"{len(cases)} cases, largest error {worst:.2g} of the tolerance"
        return Decision(verdict="supported", reason=reason, seeds=len(cases)), None
    if raised == len(cases):
        reason = f"could be computed in none of {len(cases)} cases: {found.words}"
        return Decision(verdict="invalid", reason=reason, seeds=len(cases)), found
    kind = found.kind

    def still_fails(case: Case) -> bool:
        if not suite.valid(case):
            return False
        failure, _ = _check(suite, name, suite.subject, case)
        return failure is not None and failure.kind == kind

    axes = set() if suite.jit else varying_axes(cases)
    leaves = None if suite.shrink is None else leaves_of(found.case, suite.shrink)
    smaller = shrink(found.case, still_fails, axes=axes, leaves=leaves)
    smallest, _ = _check(suite, name, suite.subject, smaller)
    smallest = smallest or found
    reason = f"fails on {plain(smallest.case)}: {smallest.words}"
    return Decision(verdict="refuted", reason=reason, seeds=len(cases)), smallest


def _failures(suite: Suite, subject: Any, cases: Sequence[Case]) -> Iterator[_Failure]:
    for case in cases:
        for name in suite.properties:
            failure, _ = _check(suite, name, subject, case)
            if failure:
                yield failure


def _flaw(suite: Suite, cases: Sequence[Case], killers: Mapping[str, str | None]) -> str | None:
    """Why the suite itself shows nothing, if so."""
    survivors = [name for name, killer in killers.items() if killer is None]
    if survivors:
        return f"mutant '{survivors[0]}' survived {len(cases)} cases: the properties cannot tell right from wrong"
    if suite.reference is not None:
        failure = next(_failures(suite, suite.reference, cases), None)
        if failure:
            return f"the reference itself fails '{failure.name}' on {plain(failure.case)}: {failure.words}"
    return None


def _check(suite: Suite, name: str, subject: Any, case: Case) -> tuple[_Failure | None, float]:
    """Apply a property; an exception is a violation. The number is the error in tolerances."""
    try:
        result = suite.properties[name](subject, case)
    except Uncompiled:
        raise
    except Exception as error:  # a subject that breaks on a valid case violates the property, whatever it raises
        return _Failure(name, case, f"{type(error).__name__}: {error}", type(error).__name__, raised=True), np.inf
    if getattr(getattr(result, "dtype", None), "kind", "") == "b":  # truth values, JAX's among them: all must hold
        result = bool(np.all(result))
    if isinstance(result, bool):
        return (None, 0.0) if result else (_Failure(name, case, "it does not hold", "false"), np.inf)
    actual, expected, *scale = result
    error = _error(name, actual, expected, *scale)
    if error <= 1:
        return None, error
    sides = [np.asarray(side) for side in (actual, expected)]
    finite = all(np.isfinite(side).all() for side in sides if side.dtype.kind in "fc")
    words = f"got {plain(actual)}, expected {plain(expected)}"
    return _Failure(name, case, words, "values" if finite else "not finite"), error


def _error(name: str, actual: Any, expected: Any, scale: Any = None) -> float:
    """Largest |actual - expected| in tolerances; whole numbers, booleans and fractions must agree exactly."""
    a, e = np.asarray(actual), np.asarray(expected)
    for side in (a, e):
        if side.dtype.kind in "fc" and np.finfo(side.dtype).eps > np.finfo(np.float64).eps:
            raise ValueError(
                f"run_suite: property '{name}' must compute in float64, got {side.dtype}. "
                "Run it under jax.enable_x64(True) and draw float64 cases."
            )
    if a.shape != e.shape:
        return np.inf
    kinds = {a.dtype.kind, e.dtype.kind}
    if not kinds <= set("biufc") or not kinds & set("fc"):
        return 0.0 if np.all(a == e) else np.inf
    same = (a == e) | (np.isnan(a) & np.isnan(e))
    if np.all(same):
        return 0.0
    if not (np.isfinite(a) | same).all() or not (np.isfinite(e) | same).all():
        return np.inf
    size = np.max(np.abs(np.where(same, 0.0, e)), initial=0.0) if scale is None else np.asarray(scale, float)
    gap = np.where(same, 0.0, np.abs(np.where(same, 0.0, a - e)))
    with np.errstate(over="ignore"):  # any gap is too large where 0 is expected and no scale is given
        return float(np.max(gap / np.maximum(TOLERANCE * size, 5e-324)))
