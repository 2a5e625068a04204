"""A tree to read and a tree to look at. These run on the host: they give text, not arrays."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from jaxml.learn.trees.growth import Tree
from jaxml.ops.checks import check_shapes

_BOX, _GAP, _ROW, _LINE = (132, 46), 14, 84, 15  # pixels: box size, space between, between levels, per text line
_FILLS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#9c755f", "#ff9da7", "#bab0ac")


class _Drawn(NamedTuple):
    """A node in depth-first order: its slot, depth and the label of the branch that leads to it."""

    slot: int
    depth: int
    branch: str


def _walk(tree: Tree) -> Iterator[_Drawn]:
    stack = [_Drawn(0, 0, "")]
    while stack:
        node = stack.pop()
        yield node
        if tree.feature[node.slot] >= 0:
            left = int(tree.left[node.slot])
            stack += [_Drawn(left + 1, node.depth + 1, "no"), _Drawn(left, node.depth + 1, "yes")]


def _question(tree: Tree, slot: int, names: Sequence[str] | None) -> str:
    feature = int(tree.feature[slot])
    name = names[feature] if names is not None else f"x[{feature}]"
    missing = " or missing" if tree.missing_left[slot] else ""
    if np.isinf(tree.threshold[slot]):
        return f"{name} is missing" if missing else f"{name} is present"
    return f"{name} <= {tree.threshold[slot]:.4g}{missing}"


def _answer(tree: Tree, slot: int, classes: Sequence[str] | None) -> str:
    value = np.asarray(tree.value[slot])
    if value.ndim == 0:
        return f"{value:.4g}"
    best = int(value.argmax())
    return f"{classes[best] if classes is not None else best} ({value[best]:.2f})"


def _on_host(where: str, tree: Tree) -> Tree:
    check_shapes(
        where, tree=(tree.feature, "slots"), hint="Draw one tree of a stack: jax.tree.map(lambda a: a[0], trees)."
    )
    return Tree(*(np.asarray(leaf) for leaf in tree))  # pyright: ignore[reportArgumentType]


def tree_text(
    tree: Tree, *, feature_names: Sequence[str] | None = None, class_names: Sequence[str] | None = None
) -> str:
    """Write a tree as indented questions; the first branch below each is "yes".

    Args:
        tree: one tree, from `decision_tree`.
        feature_names: d names, or None for x[0], x[1], ...
        class_names: names of the classes, or None for 0, 1, ...

    Returns:
        One line per node: question or answer, and the weight that reached it.

    Raises:
        ValueError: for a stack of trees.

    Note: not jittable: the tree must hold numbers.

    References:
        Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees, section 2.1.

    >>> from jaxml.learn import decision_tree
    >>> X = jnp.array([[0.0], [1.0], [5.0]])
    >>> fit = decision_tree(None, X, jnp.array([1.0, 1.0, 3.0]), max_depth=1)
    >>> print(tree_text(fit.params, feature_names=["height"]))
    height <= 3?  [3]
      yes: 1  [2]
      no: 3  [1]
    """
    tree = _on_host("tree_text", tree)
    lines = []
    for node in _walk(tree):
        leaf = tree.feature[node.slot] < 0
        text = _answer(tree, node.slot, class_names) if leaf else _question(tree, node.slot, feature_names) + "?"
        branch = f"{node.branch}: " if node.branch else ""
        lines.append(f"{'  ' * node.depth}{branch}{text}  [{tree.weight[node.slot]:.6g}]")
    return "\n".join(lines)


def tree_svg(
    tree: Tree, *, feature_names: Sequence[str] | None = None, class_names: Sequence[str] | None = None
) -> str:
    """Draw a tree as an SVG picture: questions above, answers below, "yes" to the left.

    A node's colour is its class, or for regression its value from pale (least) to dark (greatest); the width of
    the line into it grows with the share of weight that goes there.

    Args:
        tree: one tree, from `decision_tree`.
        feature_names: d names, or None for x[0], x[1], ...
        class_names: names of the classes, or None for 0, 1, ...

    Returns:
        The text of a self-contained SVG file.

    Raises:
        ValueError: for a stack of trees.

    Note: not jittable: the tree must hold numbers.

    References:
        Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees, section 2.1.

    >>> from jaxml.learn import decision_tree
    >>> X = jnp.array([[0.0], [1.0], [5.0]])
    >>> fit = decision_tree(None, X, jnp.array([1.0, 1.0, 3.0]), max_depth=1)
    >>> tree_svg(fit.params).count("<rect")
    3
    """
    tree = _on_host("tree_svg", tree)
    drawn = list(_walk(tree))
    # A leaf takes the next free column; a question stands midway between its two answers.
    column: dict[int, float] = {}
    leaves = [node.slot for node in drawn if tree.feature[node.slot] < 0]
    column |= {slot: float(position) for position, slot in enumerate(leaves)}
    for node in reversed(drawn):
        if tree.feature[node.slot] >= 0:
            left = int(tree.left[node.slot])
            column[node.slot] = (column[left] + column[left + 1]) / 2
    depth = {node.slot: node.depth for node in drawn}
    (box, tall), total = _BOX, max(float(tree.weight[0]), 1e-30)

    def corner(slot: int) -> tuple[float, float]:
        return _GAP + column[slot] * (box + _GAP), float(_GAP + depth[slot] * _ROW)

    lines, boxes = [], []
    for node in drawn:
        slot, (x, y) = node.slot, corner(node.slot)
        if tree.feature[slot] >= 0:
            for child in (int(tree.left[slot]), int(tree.left[slot]) + 1):
                to_x, to_y = corner(child)
                thick = 1 + 6 * float(tree.weight[child]) / total
                ends = f'x1="{x + box / 2:.1f}" y1="{y + tall}" x2="{to_x + box / 2:.1f}" y2="{to_y}"'
                lines.append(f'<line {ends} stroke="#888" stroke-width="{thick:.1f}"/>')
            text = [_question(tree, slot, feature_names), _answer(tree, slot, class_names)]
        else:
            text = [_answer(tree, slot, class_names)]
        text.append(f"weight {tree.weight[slot]:.5g}")
        fill, strength = _colour(tree, slot, leaves)
        boxes.append(
            f'<rect x="{x:.1f}" y="{y}" width="{box}" height="{tall}" rx="5" fill="{fill}" '
            f'fill-opacity="{strength:.2f}" stroke="#555"/>'
        )
        top = y + tall / 2 - _LINE * (len(text) - 1) / 2
        for i, line in enumerate(text):
            boxes.append(f'<text x="{x + box / 2:.1f}" y="{top + i * _LINE:.1f}">{escape(line)}</text>')
    width = 2 * _GAP + len(leaves) * (box + _GAP) - _GAP
    height = 2 * _GAP + max(depth.values()) * _ROW + tall
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11" text-anchor="middle" dominant-baseline="central">\n'
        + "\n".join(lines + boxes)
        + "\n</svg>\n"
    )


def _colour(tree: Tree, slot: int, leaves: Sequence[int]) -> tuple[str, float]:
    """Fill and opacity of a node's box."""
    value = np.asarray(tree.value[slot])
    if value.ndim:
        best = int(value.argmax())
        return _FILLS[best % len(_FILLS)], 0.15 + 0.6 * float(value[best])
    ends = [float(tree.value[leaf]) for leaf in leaves]
    spread = max(ends) - min(ends)
    place = (float(value) - min(ends)) / spread if spread > 0 else 0.0
    return _FILLS[0], 0.1 + 0.7 * min(max(place, 0.0), 1.0)
