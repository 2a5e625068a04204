"""Regions of a plane of cells: a coarse grid first, then ever finer wherever neighbours disagree.

Cells are named by their places (i, j) on the fine grid. A box is a rectangle whose four corner cells are judged; one
whose judged cells all agree is left alone, any other is split in the middle, down to neighbouring cells.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Cell = tuple[int, int]
Box = tuple[int, int, int, int]
"""First and last i, first and last j; both ends belong to it."""
Line = list[tuple[float, float]]

UNKNOWN = -128


@dataclass
class Region:
    """What is known of the plane.

    Attributes:
        codes: the outcome of every judged cell, `UNKNOWN` elsewhere, shape (nx, ny).
        boxes: a cover of the plane.
        batches: how many cells were judged at a time.
        gap: distance in cells between disagreeing neighbours that could not be paid for; 1 when there is none.
    """

    codes: np.ndarray
    boxes: list[Box]
    batches: list[int]
    gap: int = 1

    @property
    def judged(self) -> int:
        return int((self.codes != UNKNOWN).sum())

    def filled(self) -> np.ndarray:
        """The outcome of every cell; in a box whose judged cells agree, all others are taken to agree with them."""
        filled = self.codes.copy()
        for i0, i1, j0, j1 in self.boxes:
            inside = filled[i0 : i1 + 1, j0 : j1 + 1]
            known = inside[inside != UNKNOWN]
            if (known == known[0]).all():
                inside[inside == UNKNOWN] = known[0]
        return filled


def refine(shape: Cell, judge: Callable[[list[Cell]], Sequence[int]], *, stride: int = 8, most: int) -> Region:
    """Judge a coarse grid, then the cells around every change of outcome.

    Args:
        shape: cells across and up, at least 2 each.
        judge: outcomes of some cells, as numbers; each cell is asked once.
        stride: cells between neighbours of the coarse grid.
        most: the number of cells that may be judged. A refinement that would pass it is not begun.

    Returns:
        The region. An island of another outcome that lies between the cells of the coarse grid is not seen.

    >>> disc = lambda cells: [int((i - 30) ** 2 + (j - 30) ** 2 < 400) for i, j in cells]
    >>> region = refine((65, 65), disc, most=65 * 65 // 5)
    >>> region.judged, int(region.filled().sum()), sum(disc(list(np.ndindex(65, 65))))
    (625, 1245, 1245)
    """
    codes = np.full(shape, UNKNOWN, np.int8)
    across, up = (sorted({*range(0, n, stride), n - 1}) for n in shape)
    region = Region(codes, [(*x, *y) for x in _steps(across) for y in _steps(up)], [])

    def ask(cells: list[Cell]) -> None:
        outcomes = judge(cells)
        for cell, outcome in zip(cells, outcomes, strict=True):
            codes[cell] = outcome
        region.batches.append(len(cells))

    ask([(i, j) for i in across for j in up])
    while True:
        mixed = [box for box in region.boxes if _span(box) > 1 and not _agree(codes, box)]
        if not mixed:
            return region
        widest = max(map(_span, mixed))
        mixed = [box for box in mixed if _span(box) == widest]
        parts = [part for box in mixed for part in _split(box)]
        corners = dict.fromkeys((i, j) for i0, i1, j0, j1 in parts for i in (i0, i1) for j in (j0, j1))
        new = [cell for cell in corners if codes[cell] == UNKNOWN]
        if region.judged + len(new) > most:
            region.gap = widest
            return region
        if new:
            ask(new)
        gone = set(mixed)
        region.boxes = [box for box in region.boxes if box not in gone] + parts


def _steps(places: Sequence[int]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(places))


def _span(box: Box) -> int:
    return max(box[1] - box[0], box[3] - box[2])


def _agree(codes: np.ndarray, box: Box) -> bool:
    inside = codes[box[0] : box[1] + 1, box[2] : box[3] + 1]
    known = inside[inside != UNKNOWN]
    return bool((known == known[0]).all())


def _split(box: Box) -> list[Box]:
    def halves(low: int, high: int) -> list[tuple[int, int]]:
        return _steps(sorted({low, (low + high) // 2, high}))

    return [(*x, *y) for x in halves(*box[:2]) for y in halves(*box[2:])]


def unit_boxes(shape: Cell) -> list[Box]:
    """All boxes of four neighbouring cells."""
    return [(i, i + 1, j, j + 1) for i in range(shape[0] - 1) for j in range(shape[1] - 1)]


def contour(field: np.ndarray, boxes: Sequence[Box]) -> list[Line]:
    """The lines along which a field passes through 0, by marching squares over boxes; places between cells.

    Args:
        field: a number for each cell; boxes with a corner that is not finite hold no line.
        boxes: where to look.

    >>> plane = np.arange(4.0)[:, None] - 1.5 + np.zeros(3)
    >>> contour(plane, unit_boxes((4, 3)))
    [[(1.5, 0.0), (1.5, 1.0), (1.5, 2.0)]]
    """
    pieces: list[Line] = []
    for i0, i1, j0, j1 in boxes:
        ring = [(i0, j0), (i1, j0), (i1, j1), (i0, j1)]
        values = [float(field[cell]) for cell in ring]
        if not np.isfinite(values).all():
            continue
        crossings = []
        for a, b, u, v in zip(ring, ring[1:] + ring[:1], values, values[1:] + values[:1], strict=True):
            if (u >= 0) != (v >= 0):
                share = u / (u - v)
                crossings.append((a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])))
        if len(crossings) == 4 and (sum(values) >= 0) == (values[0] >= 0):  # a saddle: keep the middle's side joined
            crossings = crossings[1:] + crossings[:1]
        pieces += [list(pair) for pair in zip(crossings[::2], crossings[1::2], strict=True)]
    return _joined(pieces)


def _joined(pieces: list[Line]) -> list[Line]:
    """Pieces that share an end become one line."""
    key = lambda point: (round(point[0], 6), round(point[1], 6))  # noqa: E731
    pieces = [piece for piece in pieces if key(piece[0]) != key(piece[-1])]  # a corner that is exactly 0 leaves a dot
    ends: dict[tuple[float, float], list[int]] = {}
    for number, piece in enumerate(pieces):
        for point in (piece[0], piece[-1]):
            ends.setdefault(key(point), []).append(number)
    left, lines = set(range(len(pieces))), []
    # Begin at loose ends, so that an open line is not cut in two; what remains are closed ones.
    order = sorted(left, key=lambda n: min(len(ends[key(p)]) for p in (pieces[n][0], pieces[n][-1])))
    for start in order:
        if start not in left:
            continue
        left.remove(start)
        line = list(pieces[start])
        if len(ends[key(line[0])]) > len(ends[key(line[-1])]):
            line.reverse()
        while following := [n for n in ends[key(line[-1])] if n in left]:
            left.remove(following[0])
            a, b = pieces[following[0]]
            line.append(b if key(a) == key(line[-1]) else a)
        lines.append(line)
    return lines
