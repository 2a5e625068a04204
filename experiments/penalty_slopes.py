"""How L1 and L2 pull at weights: their derivatives, exactly."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.ops import l1, l2_norm, l2_squared

NORM = jax.jit(l2_norm)


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
            "twice the weights, twice the pull": lambda f, w: (f(2 * w), 2 * np.asarray(f(w))),
            "along the weights": lambda f, w: (np.asarray(f(w)) * NORM(w), np.asarray(w) * NORM(f(w))),
        },
        mutants={
            "sum of absolute values": pull["l1"],
            "fourth powers": jax.jit(jax.grad(lambda w: jnp.sum(w**4))),
            "norm and square": jax.jit(jax.grad(lambda w: l2_norm(w) + l2_squared(w))),
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
        "L2: varies": lambda f, w: f["l2"](w) != f["l2"](w / 2),
    }
    found = {
        "L1: the sign of the weight": lambda f, w: (f["l1"](w), np.sign(w)),
        "L2: twice the weight": lambda f, w: (f["l2"](w), 2 * w),
    }
    return Suite(
        subject={"l1": slope["l1"], "l2": slope["l2"]},
        reference=None if right else {"l1": slope["l1"], "l2": slope["bounded"]},
        draw=lambda generator: float(generator.choice([-1.0, 1.0]) * 10.0 ** generator.uniform(-2, 2)),
        valid=lambda w: w != 0,
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
        "weight_decay": weight_decay,
        "derivatives": derivatives,
        "derivatives_right": lambda: derivatives(right=True),
    }
)
