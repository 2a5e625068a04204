"""What L0, L1, L2 and Lp are: counts, sums, norms, derivatives, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite, hard_vectors
from jaxml.ops import l0_count, l1, l2_norm, l2_squared

Case = dict[str, Any]
L0, L1, NORM, SQUARED = (jax.jit(penalty) for penalty in (l0_count, l1, l2_norm, l2_squared))
SUM_OF_NONZERO = jax.jit(lambda w: jnp.sum(jnp.where(w != 0, w, 0.0)))
LARGEST = jax.jit(lambda w: jnp.max(jnp.abs(w), initial=0.0))


def whole(generator: np.random.Generator, size: int) -> np.ndarray:
    """Weights of small whole numbers, zeros and ties among them."""
    return generator.integers(-3, 4, size).astype(float)


def count(subject: Callable[..., Any]) -> Suite:
    """Is it the number of weights that are not zero?"""
    return Suite(
        subject=subject,
        reference=L0,
        draw=whole,
        sizes=(1, 2, 5),
        adversarial=[np.zeros(0), np.zeros(2), np.array([3.0, -3.0]), np.array([1e-300, 0.0])],
        properties={
            "how many are not zero": lambda f, w: (float(f(w)), float(sum(x != 0 for x in w)), 1.0),
            "0 for zeros alone": lambda f, w: (float(f(w)) == 0) == (not w.any()),
        },
        mutants={
            "sum of absolute values": L1,
            "largest": LARGEST,
            "length": jax.jit(lambda w: jnp.sum(jnp.ones_like(w))),
            "positive ones only": jax.jit(lambda w: jnp.sum(w > 0, dtype=w.dtype)),
        },
    )


def sum_of_sizes() -> Suite:
    """Is L1 the sum of absolute values, and a norm?"""
    return Suite(
        subject=L1,
        draw=lambda generator, size: generator.normal(size=size) * 10.0 ** generator.uniform(-3, 3),
        sizes=(1, 2, 7),
        adversarial=hard_vectors(),
        properties={
            "sum of |w_i|": lambda f, w: (float(f(w)), sum(-x if x < 0 else x for x in w.tolist()) + 0.0),
            "sign does not matter": lambda f, w: (float(f(-w)), float(f(w))),
            "twice the weights, twice the sum": lambda f, w: (float(f(2 * w)), 2 * float(f(w))),
        },
        mutants={
            "signs kept": jax.jit(jnp.sum),
            "Euclidean norm": NORM,
            "mean": jax.jit(lambda w: jnp.sum(jnp.abs(w)) / max(w.size, 1)),
            "largest": LARGEST,
        },
    )


def is_norm(subject: Callable[..., Any]) -> Suite:
    """Is it the Euclidean length, with the triangle inequality?"""
    return Suite(
        subject=subject,
        draw=lambda generator, size: {"u": generator.normal(size=size), "v": generator.normal(size=size)},
        valid=lambda c: len(c["u"]) == len(c["v"]),
        sizes=(1, 2, 5),
        adversarial=[{"u": np.array([3.0, 4.0]), "v": -np.array([3.0, 4.0])}, {"u": np.zeros(2), "v": np.zeros(2)}],
        properties={
            "root of the sum of squares": lambda f, c: (float(f(c["u"])), float(np.hypot.reduce(c["u"]))),
            "triangle": lambda f, c: float(f(c["u"] + c["v"])) <= float(f(c["u"]) + f(c["v"])) * (1 + 1e-12),
            "twice": lambda f, c: (float(f(2 * c["u"])), 2 * float(f(c["u"]))),
        },
        mutants={"no root": SQUARED, "sum of absolute values": L1, "largest": LARGEST},
    )


def weight_decay() -> Suite:
    """Does it pull at each weight in proportion to that weight, as the L2 penalty of ridge and weight decay does?"""
    pull = {name: jax.jit(jax.grad(f)) for name, f in {"norm": l2_norm, "squared": l2_squared, "l1": l1}.items()}
    return Suite(
        subject=pull["norm"],
        reference=pull["squared"],
        draw=lambda generator, size: generator.normal(size=size),
        valid=lambda w: bool(w.any()),
        sizes=(1, 2, 5),
        adversarial=[np.array([3.0, 4.0]), np.array([0.0, 2.0])],
        properties={
            "twice the weights, twice the pull": lambda f, w: (np.asarray(f(2 * w)), 2 * np.asarray(f(w))),
            "along the weights": lambda f, w: (np.asarray(f(w)) * NORM(w), np.asarray(w) * NORM(f(w))),
        },
        mutants={
            "sum of absolute values": pull["l1"],
            "fourth powers": jax.jit(jax.grad(lambda w: jnp.sum(w**4))),
            "norm and square": jax.jit(jax.grad(lambda w: l2_norm(w) + l2_squared(w))),
        },
    )


def lp(least: float) -> Suite:
    """Is (sum |w_i|^p)^(1/p) a norm for every p from `least` on?"""
    length = jax.jit(lambda w, p: jnp.sum(jnp.abs(w) ** p) ** (1 / p))

    def draw(generator: np.random.Generator, size: int) -> Case:
        p = max(generator.choice([0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0]), least)
        return {"u": whole(generator, size), "v": whole(generator, size), "p": p}

    return Suite(
        subject=length,
        reference=jax.jit(lambda w, p: length(w, jnp.maximum(p, 1.0))),
        draw=draw,
        valid=lambda c: len(c["u"]) == len(c["v"]) and c["p"] > 0 and c["p"] >= least,
        sizes=(1, 2, 4),
        adversarial=[{"u": np.array([1.0, 0.0]), "v": np.array([0.0, 1.0]), "p": max(p, least)} for p in (0.5, 1, 3)],
        properties={
            "triangle": lambda f, c: (
                float(f(c["u"] + c["v"], c["p"])) <= float(f(c["u"], c["p"]) + f(c["v"], c["p"])) * (1 + 1e-12)
            ),
            "twice": lambda f, c: (float(f(2 * c["u"], c["p"])), 2 * float(f(c["u"], c["p"]))),
            "0 for zeros alone": lambda f, c: (float(f(c["u"], c["p"])) == 0) == (not c["u"].any()),
        },
        mutants={
            "no root": jax.jit(lambda w, p: jnp.sum(jnp.abs(w) ** p)),
            "signs kept": jax.jit(lambda w, p: jnp.abs(jnp.sum(w))),
            "count": jax.jit(lambda w, p: l0_count(w)),
        },
    )


def derivatives(*, right: bool = False) -> Suite:
    """At one weight, not 0: is the derivative of L1 constant in size, and that of squared L2 below 1 (or 2w)?"""
    slope = {
        "l1": jax.jit(jax.grad(l1)),
        "l2": jax.jit(jax.grad(l2_squared)),
        "bounded": jax.jit(jax.grad(lambda w: jnp.sqrt(1 + w**2))),
    }
    constant = {"L1: constant in size": lambda f, w: (abs(float(f["l1"](w))), abs(float(f["l1"](1.0))))}
    written = {
        "L2: below 1 in size": lambda f, w: abs(float(f["l2"](w))) < 1,
        "L2: varies": lambda f, w: float(f["l2"](w)) != float(f["l2"](w / 2)),
    }
    found = {
        "L1: the sign of the weight": lambda f, w: (float(f["l1"](w)), np.sign(w)),
        "L2: twice the weight": lambda f, w: (float(f["l2"](w)), 2 * w),
    }
    return Suite(
        subject={"l1": slope["l1"], "l2": slope["l2"]},
        reference=None if right else {"l1": slope["l1"], "l2": slope["bounded"]},
        draw=lambda generator, size: float(generator.choice([-1.0, 1.0]) * 10.0 ** generator.uniform(-2, 2)),
        valid=lambda w: w != 0,
        sizes=(1,),
        adversarial=[1.0, -1.0, 0.5, 1e-6],
        properties=constant | (found if right else written),
        mutants={
            "turned round": {"l1": slope["l2"], "l2": slope["l1"]},
            "norm for its square": {"l1": slope["l1"], "l2": jax.jit(jax.grad(l2_norm))},
            "L1 smoothed": {"l1": slope["bounded"], "l2": slope["l2"]},
            "fourth power": {"l1": slope["l1"], "l2": jax.jit(lambda w: 4 * w**3)},
        },
    )


experiment = Experiment(
    suites={
        "sum_of_nonzero": lambda: count(SUM_OF_NONZERO),
        "count": lambda: count(L0),
        "sum_of_sizes": sum_of_sizes,
        "euclidean": lambda: is_norm(NORM),
        "weight_decay": weight_decay,
        "lp": lambda: lp(0.0),
        "lp_from_1": lambda: lp(1.0),
        "derivatives": derivatives,
        "derivatives_right": lambda: derivatives(right=True),
    }
)
