"""The dual of a support vector machine with a kernel, solved two coefficients at a time (SMO).

    maximise  y . a - a^T K a / 2   over a,   0 <= y_i a_i <= c_i,   sum_i a_i = 0,   y_i = 1 or -1.

With r = y - K a, a is optimal when r_i <= b wherever a_i may rise and r_i >= b wherever it may fall, for some level b,
the intercept. A step moves the pair that promises most: O(n), two rows of K. Steps keep r up to date; once they see no
violation, r is computed afresh, which shows what their rounding hid, and they go on from there.

Reference: Platt (1998), MSR-TR-98-14; the choice of the pair: Fan, Chen and Lin (2005), "Working set selection using
second order information for training support vector machines", JMLR 6, eq. 9 and WSS 2.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxml.learn.hinge import HingeCertificate, certify
from jaxml.ops.checks import Scalar

Vector = Float[Array, " n"]


class Pairs(NamedTuple):
    """Where the steps ended.

    Attributes:
        coef: a, (n,); exactly 0 or y_i c_i where a bound holds.
        level: b, ().
        steps: done.
        certificate: of this point.
    """

    coef: Array
    level: Array
    steps: Array
    certificate: HingeCertificate


class _Steps(NamedTuple):
    coef: Array
    rest: Array
    worst: Array
    moved: Array
    steps: Array


class _Rounds(NamedTuple):
    coef: Array
    rest: Array
    target: Array
    steps: Array
    done: Array
    best: Pairs


def solve_pairs(
    K: Float[Array, "n n"],
    y: Vector,
    cost: Vector,
    *,
    rounding: Callable[[Vector], Vector],
    tolerance: Scalar,
    iterations: int,
) -> Pairs:
    """Solve the problem above.

    Args:
        K: kernel values, positive semidefinite.
        y: 1 or -1, and 0 for a row that does not steps, (n,).
        cost: c, (n,), >= 0.
        rounding: a -> what K a may be off by because entries of K were rounded, (n,).
        tolerance: largest accepted gap over objective.
        iterations: most steps.
    """
    dtype, eps = K.dtype, jnp.finfo(K.dtype).eps
    lowest, highest = jnp.minimum(y * cost, 0.0), jnp.maximum(y * cost, 0.0)
    diagonal = jnp.diagonal(K)
    least = jnp.maximum(eps * jnp.max(diagonal), jnp.finfo(dtype).tiny)

    def step(s: _Steps) -> _Steps:
        rising = jnp.where(s.coef < highest, s.rest, -jnp.inf)
        i = jnp.argmax(rising)
        ahead = jnp.where(s.coef > lowest, rising[i] - s.rest, -jnp.inf)
        curve = jnp.maximum(diagonal[i] + diagonal - 2 * K[i], least)
        j = jnp.argmax(jnp.where(ahead > 0, ahead**2 / curve, -jnp.inf))
        room_i, room_j = highest[i] - s.coef[i], s.coef[j] - lowest[j]
        # At least 0, as there may be nothing left that may fall.
        move = jnp.maximum(jnp.minimum(ahead[j] / curve[j], jnp.minimum(room_i, room_j)), 0.0)
        # At a bound exactly, and by what the coefficients really moved after rounding.
        to_i = jnp.where(move >= room_i, highest[i], s.coef[i] + move)
        to_j = jnp.where(move >= room_j, lowest[j], s.coef[j] - move)
        by_i, by_j = to_i - s.coef[i], to_j - s.coef[j]
        return _Steps(
            s.coef.at[i].set(to_i).at[j].set(to_j),
            s.rest - (by_i * K[i] + by_j * K[j]),
            jnp.max(ahead),
            (by_i != 0) | (by_j != 0),
            s.steps + 1,
        )

    def judge(coef: Array, rest: Array) -> Pairs:
        top = jnp.max(jnp.where(coef < highest, rest, -jnp.inf))
        bottom = jnp.min(jnp.where(coef > lowest, rest, jnp.inf))
        # Rows of one class only leave one side open.
        middle = jnp.where(jnp.isinf(top), bottom, jnp.where(jnp.isinf(bottom), top, (top + bottom) / 2))
        level = jnp.where(jnp.isinf(middle), 0.0, middle)
        slack = y * (rest - level)
        imbalance = level * jnp.sum(coef)
        norm = jnp.maximum(jnp.sum(jnp.abs(coef) * (1 - slack)) - imbalance, 0.0)
        certificate = certify(jnp.abs(coef), slack, rounding(coef), cost, norm, jnp.abs(imbalance))
        return Pairs(coef, level, jnp.zeros((), jnp.int32), certificate)

    def advance(s: _Rounds) -> _Rounds:
        begin = _Steps(s.coef, s.rest, jnp.full((), jnp.inf, dtype), jnp.ones((), bool), s.steps)
        # The last step is one that found nothing left to do, and did next to nothing.
        end = lax.while_loop(lambda t: (t.worst > s.target) & t.moved & (t.steps < iterations), step, begin)
        rest = y - K @ end.coef
        found = judge(end.coef, rest)._replace(steps=end.steps)
        better = found.certificate.gap < s.best.certificate.gap  # false for NaN
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), found, s.best)
        floor = 4 * eps * jnp.max(jnp.abs(rest))
        short = tolerance / jnp.maximum(found.certificate.excess, jnp.finfo(dtype).tiny) / 2
        target = jnp.maximum(s.target * jnp.clip(short, 0.01, 0.25), floor)
        done = (s.target <= floor) | ~end.moved | jnp.isnan(floor)
        return _Rounds(end.coef, rest, target, end.steps, done, best)

    def unfinished(s: _Rounds) -> Array:
        return ~(s.best.certificate.excess <= tolerance) & ~s.done & (s.steps < iterations)

    nothing = jnp.zeros_like(y)
    start = judge(nothing, y)
    begin = _Rounds(nothing, y, jnp.asarray(tolerance, dtype), jnp.zeros((), jnp.int32), jnp.zeros((), bool), start)
    return lax.while_loop(unfinished, advance, begin).best
