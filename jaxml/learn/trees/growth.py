"""Growth of histogram trees, level by level, with shapes that depend on static arguments only.

A split search needs, for every node and every candidate split, the sums of the targets and of the weights on the left,
see `left_sums`. They are formed for left children only: the right child's are what those leave of their parent's.
"""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from jaxml.learn.trees.binning import Binned
from jaxml.learn.trees.sums import Method, left_sums
from jaxml.ops.checks import Scalar, check_choice, check_shapes

Score = Literal["quadratic", "entropy"]


class Tree(NamedTuple):
    """A binary tree as arrays over its N node slots, the root first; leading axes stack trees.

    Attributes:
        feature: feature to compare, (N,); -1 at a leaf and in an unused slot.
        threshold: an entry <= threshold goes left, (N,).
        missing_left: whether a missing entry goes left, (N,).
        left: slot of the left child, (N,); the right one follows it.
        value: prediction of each node, (N,) or (N, K).
        weight: total weight (or Hessian) of the rows in each node, (N,); 0 in an unused slot.
        gain: score gained by the node's split, (N,); 0 at a leaf.
    """

    feature: Array
    threshold: Array
    missing_left: Array
    left: Array
    value: Array
    weight: Array
    gain: Array


class Rules(NamedTuple):
    """What a split must satisfy; every field may be traced.

    Attributes:
        depth: effective depth, 0 (a single leaf) to the static `max_depth`.
        min_leaf_weight: least weight on either side.
        min_gain: a split must gain more than this.
        l2: penalty on squared leaf values.
        features_per_split: features drawn afresh for each node, or None for all. Where none of them can split it, more
            are drawn until one can.
        feature_mask: features that this tree may use, (d,), or None for all.
    """

    depth: Scalar
    min_leaf_weight: Scalar = 0.0
    min_gain: Scalar = 0.0
    l2: Scalar = 0.0
    features_per_split: Scalar | None = None
    feature_mask: Bool[Array, " d"] | None = None


class _Split(NamedTuple):
    feature: Array
    bin: Array
    missing_left: Array
    gain: Array
    left_totals: Array
    splits: Array


class _Draws(NamedTuple):
    """Uniform numbers for every node and feature, (w, d): which features may split it, and where; None if unused."""

    feature: Array | None
    threshold: Array | None


class _Level(NamedTuple):
    """State between two levels: `slot` is a row's node within the level, -1 once it rests in a leaf."""

    slot: Int[Array, " n"]
    node: Int[Array, " n"]
    sums: Float[Array, "w s c"]
    totals: Float[Array, "w s"]


class _Grower(NamedTuple):
    """What stays fixed while one tree grows: rows, static modes, rules."""

    binned: Binned
    stats: Float[Array, "s n"]  # targets x weight, then the weight itself
    rules: Rules
    score: Score
    missing: bool
    method: Method

    def quality(self, sums: Array) -> Array:
        """Score of a group of rows, up if purer: (w, s, ...) to (w, ...).

        quadratic:  |sum of targets|^2 / (weight + l2)
        entropy:    sum_k  G_k log(G_k / weight),  G_k the weight of class k
        """
        targets, weight = sums[:, :-1], sums[:, -1:]
        tiny = jnp.finfo(sums.dtype).tiny
        if self.score == "quadratic":
            return jnp.sum(targets * targets, axis=1) / jnp.maximum(weight[:, 0] + self.rules.l2, tiny)
        # A difference of logarithms: the quotient of the smallest float and a weight would be 0.
        log_share = jnp.log(jnp.maximum(targets, tiny)) - jnp.log(jnp.maximum(weight, tiny))
        return jnp.sum(jnp.maximum(targets, 0.0) * log_share, axis=1)

    def best_split(self, draws: _Draws, level: _Level, root_weight: Array, may_split: Array) -> _Split:
        """The candidate of greatest gain in each node; ties go to missing-right, low features, low thresholds.

        Of thresholds that part the node's rows alike, which no gain can tell apart, the middle one.
        """
        (d, cuts), rules = self.binned.edges.shape, self.rules
        w, s, _ = level.sums.shape
        totals = level.totals[:, :, None, None]
        left = level.sums.reshape(w, s, d, cuts)
        absent = totals - left[..., -1:]  # what has no bin, if `missing`
        # A weight this far below the root's is what rounding leaves of an empty side.
        eps = jnp.finfo(left.dtype).eps
        nothing = 8 * eps * root_weight
        least = jnp.maximum(jnp.asarray(rules.min_leaf_weight, left.dtype), nothing)
        parent = self.quality(level.totals)

        def gains(left: Array, spot: Array | None) -> Array:
            """Gain of every candidate of some features: (w, s, features, cuts) to (w, features, cuts)."""
            right = totals - left
            allowed = (left[:, -1] >= least) & (right[:, -1] >= least)
            if spot is not None:
                # Left weights grow with the threshold, so the allowed candidates are consecutive.
                low = jnp.sum(left[:, -1] < least, axis=2, dtype=jnp.int32)
                count = jnp.sum(allowed, axis=2, dtype=jnp.int32)
                pick = low + jnp.floor(spot * count.astype(left.dtype)).astype(low.dtype)
                allowed &= jnp.arange(cuts, dtype=jnp.int32)[None, None] == pick[:, :, None]
            gain = self.quality(left) + self.quality(right) - parent[:, None, None]
            return jnp.where(allowed, gain, -jnp.inf)

        # First the best feature, then the best of its cuts: one pass over all candidates.
        by_feature = jnp.max(gains(left, draws.threshold), axis=2)[:, None]
        if self.missing:
            with_absent = jnp.max(gains(left + absent, draws.threshold), axis=2)
            with_absent = jnp.where(absent[:, -1, :, 0] >= nothing, with_absent, -jnp.inf)
            by_feature = jnp.concatenate([by_feature, with_absent[:, None]], axis=1)
        if rules.feature_mask is not None:
            by_feature = jnp.where(rules.feature_mask[None, None], by_feature, -jnp.inf)
        if rules.features_per_split is not None and draws.feature is not None:
            rank = jnp.sum(draws.feature[:, None, :] < draws.feature[:, :, None], axis=2)
            wanted = jnp.asarray(rules.features_per_split).astype(left.dtype)
            # Where none of the features drawn can split the node, drawing goes on until one can.
            able = jnp.any(by_feature > -jnp.inf, axis=1)
            first_able = jnp.min(jnp.where(able, rank, d), axis=1, keepdims=True)
            drawn = (rank.astype(left.dtype) < wanted) | (rank <= first_able)
            by_feature = jnp.where(drawn[:, None], by_feature, -jnp.inf)
        by_feature = by_feature.reshape(w, -1)
        best, which = jnp.max(by_feature, axis=1), jnp.argmax(by_feature, axis=1).astype(jnp.int32)
        missing_left, feature = which >= d, which % d

        def of_feature(sums: Array) -> Array:
            return jnp.take_along_axis(sums, feature[:, None, None, None], axis=2)

        left = of_feature(left)
        if self.missing:
            left = left + jnp.where(missing_left[:, None, None, None], of_feature(absent), 0.0)
        spot = None if draws.threshold is None else jnp.take_along_axis(draws.threshold, feature[:, None], axis=1)
        cut = jnp.argmax(gains(left, spot)[:, 0], axis=1).astype(jnp.int32)
        left = left[:, :, 0]
        left_totals = jnp.take_along_axis(left, cut[:, None, None], axis=2)[:, :, 0]
        if spot is None:
            # Cuts between the same two of the node's entries part its rows alike, but not rows yet unseen: the middle
            # one leaves as much room on either side. The last one of all parts present entries from missing ones.
            start = jnp.sum(left[:, -1] < left_totals[:, -1:] - nothing, axis=1, dtype=jnp.int32)
            end = jnp.sum(left[:, -1] <= left_totals[:, -1:] + nothing, axis=1, dtype=jnp.int32) - 1
            cut = jnp.where(self.missing & (end == cuts - 1), end, (start + end) // 2)
        # Gains below the rounding of the scores they are the difference of are no gains.
        splits = may_split & (best > rules.min_gain + 8 * eps * jnp.abs(parent))
        return _Split(feature, cut, missing_left, best, left_totals, splits)

    def advance(
        self, draws: _Draws, level: _Level, depth: Array, first: Array, width: int, search: bool = True
    ) -> tuple[_Level, Tree]:
        """Split the nodes of one level; their children take `width` slots, which start at node `first`."""
        root_weight = jnp.sum(self.stats[-1])
        split = self.best_split(draws, level, root_weight, depth < self.rules.depth)
        w, half = level.totals.shape[0], width // 2
        splits, order = split.splits, jnp.arange(w, dtype=jnp.int32)
        rank = order
        if half < w:  # more nodes than pairs of slots: the greatest gains first
            order = jnp.argsort(jnp.where(splits, -split.gain, jnp.inf))[:half].astype(jnp.int32)
            rank = jnp.full(w, half, jnp.int32).at[order].set(jnp.arange(half, dtype=jnp.int32))
            splits &= rank < half
        nodes = self._nodes(level.totals, split, splits, first + 2 * rank)
        # Send each row to its child.
        slot = jnp.maximum(level.slot, 0)
        feature, row = split.feature[slot], jnp.arange(level.slot.shape[0], dtype=jnp.int32)
        code = self.binned.codes.at[feature, row].get(mode="promise_in_bounds")
        goes_left = code <= split.bin[slot]
        if self.missing:
            goes_left |= (code == self.binned.edges.shape[1]) & split.missing_left[slot]
        moves = (level.slot >= 0) & splits[slot]
        child = jnp.where(moves, 2 * rank[slot] + jnp.where(goes_left, 0, 1), -1)
        node = jnp.where(moves, first + child, level.node)
        # The right child is what the left one leaves of its parent.
        kept = splits[order][:, None]
        left_totals = jnp.where(kept, split.left_totals[order], 0.0)
        right_totals = jnp.where(kept, level.totals[order] - left_totals, 0.0)
        totals = jnp.stack([left_totals, right_totals], axis=1).reshape(width, -1)
        if not search:
            return _Level(child, node, level.sums[:0], totals), nodes
        left = left_sums(self.binned, self.stats, jnp.where(moves & goes_left, rank[slot], -1), half, self.method)
        parents = level.sums if half == w else level.sums[order]
        sums = jnp.stack([left, parents - left], axis=1).reshape(width, *left.shape[1:])
        return _Level(child, node, sums, totals), nodes

    def _nodes(self, totals: Array, split: _Split | None, splits: Array, left: Array) -> Tree:
        """One level of the finished tree."""
        targets, weight = totals[:, :-1], totals[:, -1]
        weighty = weight > 0
        denominator = jnp.where(weighty, weight + self.rules.l2, 1.0)
        value = jnp.where(weighty[:, None], targets / denominator[:, None], 0.0)
        if split is None:
            none = jnp.zeros_like(left)
            split = _Split(none, none, splits, weight, totals, splits)
        return Tree(
            feature=jnp.where(splits, split.feature, -1),
            threshold=jnp.where(splits, self.binned.edges[split.feature, split.bin], 0.0),
            missing_left=splits & split.missing_left,
            left=jnp.where(splits, left, 0),
            value=value,
            weight=weight,
            gain=jnp.where(splits, split.gain, 0.0),
        )


@partial(jax.jit, static_argnames=("max_depth", "width", "score", "splitter", "missing", "method"))
def grow_tree(
    key: Array | None,
    binned: Binned,
    targets: Float[Array, "n k"],
    weights: Float[Array, " n"],
    *,
    max_depth: int,
    rules: Rules,
    width: int | None = None,
    score: Score = "quadratic",
    splitter: Literal["best", "random"] = "best",
    missing: bool = True,
    method: Method = "auto",
) -> tuple[Tree, Int[Array, " n"]]:
    """Grow one tree on binned features, level by level.

    Every split maximises, with G = sum of targets and H = sum of weights over a group of rows,

        gain = S(left) + S(right) - S(parent),    S = |G|^2 / (H + l2),    value of a leaf = G / (H + l2).

    With targets w * y and weights w this is squared error, with w * onehot(y) Gini's impurity, with negative
    gradients and Hessians the second-order gain of boosting.

    Args:
        key: drawn from for features and random thresholds; None where neither is used.
        binned: features, from `bin_features`.
        targets: weighted targets or negative gradients, (n, K).
        weights: weights or Hessians, (n,), >= 0; a row with 0 in both is led to its leaf but counts for nothing.
        max_depth: levels of splits, static, >= 1.
        rules: limits of a split, all of them traced.
        width: most nodes on one level, static and even; where more wait, the width / 2 of greatest gain split.
            None keeps all 2^level of them.
        score: ``"quadratic"``, or ``"entropy"`` for S = sum_k G_k log(G_k / H).
        splitter: ``"random"`` draws one threshold per node and feature, evenly from the allowed bins.
        missing: whether entries may be missing, as it was given to `bin_features`.
        method: how sums are formed: ``"matmul"``, ``"segment"``, or the faster one for each level.

    Returns:
        The tree, with values (N, K), and the leaf of every row, (n,).

    Raises:
        ValueError: for a wrong shape, width, depth or mode, or a missing key.

    Note: not best-first growth: levels are finished one by one, whatever their gains.

    References:
        Chen and Guestrin (2016), XGBoost, equations 5 to 7; Ke et al. (2017), LightGBM, algorithm 1.

    >>> from jaxml.learn import bin_features
    >>> binned = bin_features(jnp.array([[0.0], [1.0], [2.0], [3.0]]))
    >>> y = jnp.array([[1.0], [1.0], [5.0], [5.0]])
    >>> tree, leaf = grow_tree(None, binned, y, jnp.ones(4), max_depth=1, rules=Rules(depth=1))
    >>> tree.threshold[0], tree.value[leaf, 0]
    (Array(1.5, dtype=float32), Array([1., 1., 5., 5.], dtype=float32))
    """
    sizes = check_shapes("grow_tree", codes=(binned.codes, "d n"), targets=(targets, "n k"), weights=(weights, "n"))
    check_choice("grow_tree", "score", score, ("quadratic", "entropy"))
    check_choice("grow_tree", "splitter", splitter, ("best", "random"))
    check_choice("grow_tree", "method", method, ("auto", "matmul", "segment"))
    if max_depth < 1:
        raise ValueError(f"grow_tree: 'max_depth' must be at least 1, got {max_depth}.")
    if width is not None and (width < 2 or width % 2):
        raise ValueError(f"grow_tree: 'width' must be even and at least 2, got {width}. Use None for no limit.")
    if key is None and (splitter == "random" or rules.features_per_split is not None):
        raise ValueError("grow_tree: 'key' must be a PRNG key where splits are random, got None.")
    most = 2**max_depth if width is None else width
    widths = [min(2**level, most) for level in range(max_depth + 1)]
    firsts = [sum(widths[:level]) for level in range(max_depth + 1)]
    stats = jnp.concatenate([targets, weights[:, None].astype(targets.dtype)], axis=1).T
    grower = _Grower(binned, stats, rules, score, missing, method)
    # One draw for all levels: code that makes random numbers is slow to compile, once per level above all.
    shape = (firsts[-1], sizes["d"])

    def uniform(stream: int, wanted: bool) -> Array | None:
        if not wanted or key is None:
            return None
        return jax.random.uniform(jax.random.fold_in(key, stream), shape, stats.dtype)

    draws = _Draws(uniform(0, rules.features_per_split is not None), uniform(1, splitter == "random"))

    def level_draws(depth: int) -> _Draws:
        return jax.tree.map(lambda u: u[firsts[depth] : firsts[depth + 1]], draws)

    root = jnp.zeros(sizes["n"], jnp.int32)
    state = _Level(root, root, left_sums(binned, stats, root, 1, method), jnp.sum(stats, axis=1)[None])
    nodes = []
    # Levels that double are unrolled; levels at full width share one body.
    full = next((level for level in range(max_depth) if widths[level] == widths[level + 1]), max_depth)
    last = max_depth - 1
    for depth in range(full):
        arguments = level_draws(depth), state, jnp.int32(depth), jnp.int32(firsts[depth + 1])
        state, level = grower.advance(*arguments, widths[depth + 1], search=depth < last)
        nodes.append(level)
    if full < last:

        def step(state: _Level, inputs: tuple[_Draws, Array]) -> tuple[_Level, Tree]:
            draws, depth = inputs
            return grower.advance(draws, state, depth, firsts[full] + (depth - full + 1) * most, most)

        shared = jax.tree.map(lambda u: u[firsts[full] : firsts[last]].reshape(-1, most, sizes["d"]), draws)
        state, levels = lax.scan(step, state, (shared, jnp.arange(full, last, dtype=jnp.int32)))
        nodes.append(jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), levels))
    if full <= last:
        arguments = level_draws(last), state, jnp.int32(last), jnp.int32(firsts[max_depth])
        state, level = grower.advance(*arguments, most, search=False)
        nodes.append(level)
    leaves = jnp.zeros(widths[max_depth], jnp.int32)
    nodes.append(grower._nodes(state.totals, None, leaves > 0, leaves))
    return jax.tree.map(lambda *parts: jnp.concatenate(parts), *nodes), state.node
