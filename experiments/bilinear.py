"""Bilinear interpolation, and whether what RoIAlign pools through it moves continuously with the box, exactly.

A map that changes by at most d from a cell to its neighbour is interpolated to a function that changes by at most d
per cell; samples move no farther than the ends of the box, and so their mean or maximum changes no faster.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.ops import bilinear_sample, prroi_pool, roi_align, roi_pool

Case = dict[str, Any]
SHAPE, SIZE = (4, 5), 6


def corners(image: Any, point: Any) -> tuple[Any, ...]:
    """The four cells around a point, row by row, and how far the point is beyond the first."""
    last = jnp.asarray(image.shape) - 2
    x0, y0 = jnp.clip(jnp.floor(point), 0, last[::-1]).astype(int)
    x, y = point[0] - x0, point[1] - y0
    return image[y0, x0], image[y0, x0 + 1], image[y0 + 1, x0], image[y0 + 1, x0 + 1], x, y


@jax.jit
def along_x_then_y(image: Any, point: Any) -> Any:
    """R1 and R2 between the cells of the upper and of the lower row, then P between R1 and R2."""
    a, b, c, d, x, y = corners(image, point)
    r1, r2 = (1 - x) * a + x * b, (1 - x) * c + x * d
    return (1 - y) * r1 + y * r2


@jax.jit
def along_y_then_x(image: Any, point: Any) -> Any:
    """The same with the columns first."""
    a, b, c, d, x, y = corners(image, point)
    left, right = (1 - y) * a + y * c, (1 - y) * b + y * d
    return (1 - x) * left + x * right


def by_weights(weigh: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Interpolation with other weights of the four cells, as a function of the fractions."""

    def interpolate(image: Any, point: Any) -> Any:
        *cells, x, y = corners(image, point)
        return jnp.dot(jnp.asarray(weigh(x, y)), jnp.asarray(cells))

    return jax.jit(interpolate)


def triangles(x: Any, y: Any) -> Any:
    """Linear on each of the two triangles of a square."""
    lower = jnp.stack([1 - x - y, x, y, 0 * x])
    return jnp.where(x + y <= 1, lower, jnp.stack([0 * x, 1 - y, 1 - x, x + y - 1]))


def distances(x: Any, y: Any) -> Any:
    """Inversely to the distance from each cell."""
    near = 1 / (1e-9 + jnp.hypot(jnp.stack([x, 1 - x, x, 1 - x]), jnp.stack([y, y, 1 - y, 1 - y])))
    return near / near.sum()


def interpolation() -> Suite:
    """Does R1, R2 along x, then y, give bilinear interpolation: exact on 1, x, y and xy, within the known error?"""
    y, x = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")

    def exact(f: Any, case: Case) -> tuple[Any, Any, Any]:
        (a, b, c, d), (px, py) = case["terms"], case["point"]
        surface = a + b * x + c * y + d * x * y
        return float(f(surface, case["point"])), a + b * px + c * py + d * px * py, 20 * np.abs(case["terms"]).sum()

    def bounded(f: Any, case: Case) -> bool:
        (wx, wy, phase), (px, py) = case["wave"], case["point"]
        wave = lambda x, y: np.sin(wx * x + phase) * np.cos(wy * y)  # noqa: E731
        error = abs(float(f(wave(x, y), case["point"])) - wave(px, py))
        return error <= (wx**2 + wy**2) / 8 + 1e-12  # the second derivatives are at most the frequencies squared

    def between(f: Any, case: Case) -> bool:
        cells = [float(cell) for cell in corners(case["image"], case["point"])[:4]]
        return min(cells) - 1e-12 <= float(f(case["image"], case["point"])) <= max(cells) + 1e-12

    def draw(generator: np.random.Generator, size: int) -> Case:
        point = generator.uniform(0, np.array(SHAPE[::-1]) - 1)
        return {
            "image": generator.normal(size=SHAPE),
            "point": np.round(point) if generator.random() < 0.1 else point,
            "terms": generator.normal(size=4),
            "wave": np.append(10.0 ** generator.uniform(-2, 0.5, 2), generator.uniform(0, 6)),
        }

    def same(other: Any) -> Any:
        return lambda f, c: (*(float(g(c["image"], c["point"])) for g in (f, other)), np.abs(c["image"]).max())

    return Suite(
        subject=along_x_then_y,
        draw=draw,
        sizes=(1,),
        adversarial=[draw(np.random.default_rng(i), 1) | {"point": np.array([4.0 * i, 3.0])} for i in range(2)],
        properties={
            "exact on 1, x, y and xy": exact,
            "error within the bound": bounded,
            "between the four cells": between,
            "along y, then x, is the same": same(along_y_then_x),
            "is bilinear_sample": same(jax.jit(lambda image, point: bilinear_sample(image[..., None], point)[..., 0])),
        },
        mutants={
            "nearest cell": by_weights(lambda x, y: jnp.eye(4)[2 * (y > 0.5).astype(int) + (x > 0.5)]),
            "weights turned round": by_weights(
                lambda x, y: jnp.stack([x * y, (1 - x) * y, x * (1 - y), (1 - x) * (1 - y)])
            ),
            "axes swapped": by_weights(lambda x, y: jnp.stack([(1 - x) * (1 - y), y * (1 - x), x * (1 - y), x * y])),
            "two triangles": by_weights(triangles),
            "by distance": by_weights(distances),
            "mean of the four": by_weights(lambda x, y: jnp.full(4, 0.25)),
        },
    )


@cache  # compiled once for all suites
def pooled(op: Callable[..., Any], whole: bool = False, **options: Any) -> Callable[[Any, Any], Any]:
    """One map and one box pooled into 2 x 2 bins; the box may be rounded to whole cells before."""

    def pool(cells: Any, box: Any) -> Any:
        box = jnp.round(box) if whole else box
        return op(cells[..., None], box[None], output_size=2, **options)[0, ..., 0]

    return jax.jit(pool)


def continuity(subject: Callable[..., Any], *, out: float = 0.0, reference: Callable[..., Any] | None = None) -> Suite:
    """Do pooled values move no faster than the map's steepest step allows, for boxes up to `out` cells off the map?"""

    def draw(generator: np.random.Generator, size: int) -> Case:
        side = generator.uniform(1, SIZE + 2 * out, 2)
        corner = generator.uniform(-out, SIZE + out - side)
        box = np.r_[corner, corner + side]
        if generator.random() < 0.5:  # at whole cells, where bins, samples and their number change
            box = np.round(box)
        move = generator.uniform(-1, 1, 4) * 10.0 ** generator.uniform(-6, -0.6)
        return {"cells": generator.normal(size=(SIZE, SIZE)), "box": box, "move": fit(box + move) - box}

    def fit(box: Any) -> Any:
        return np.clip(box, -out, SIZE + out)

    def valid(case: Case) -> bool:
        boxes = np.stack([case["box"], case["box"] + case["move"]])
        return bool(np.all(boxes[:, 2:] - boxes[:, :2] >= 0.4) and np.abs(boxes - fit(boxes)).max() < 1e-12)

    def excess(f: Any, case: Case) -> tuple[float, float, float]:
        move, (here, there) = np.abs(case["move"]), (f(case["cells"], case["box"] + m) for m in (0.0, case["move"]))
        step = float(np.abs(np.asarray(there) - np.asarray(here)).max())
        cells = np.pad(case["cells"], 1) if out else case["cells"]  # beyond the map, its values fall to 0 in a cell
        along_x, along_y = (np.abs(np.diff(cells, axis=axis)).max() for axis in (1, 0))
        limit = along_x * max(move[0], move[2]) + along_y * max(move[1], move[3])
        return max(step - limit, 0.0), 0.0, 10 * (1 + np.abs(cells).max())

    return Suite(
        subject=subject,
        reference=reference,
        draw=draw,
        sizes=(1,),
        valid=valid,
        adversarial=[
            {"cells": np.eye(SIZE), "box": np.array(box, float), "move": np.array([0.0, 0.0, 0.01, 0.0])}
            for box in ([0, 0, 4, 4], [0, 0, 1, 1], [1, 1, 3.99, 5], [3, 3, 7, 7])
        ],
        properties={"excess over the map's steepest step": excess},
        mutants={
            "RoIPool": pooled(roi_pool),
            "of the box rounded to whole cells": pooled(roi_align, whole=True),
            "the integral over the rounded box": pooled(prroi_pool, whole=True),
        },
    )


experiment = Experiment(
    suites={
        "interpolation": interpolation,
        "mean": lambda: continuity(pooled(roi_align)),
        "largest": lambda: continuity(pooled(roi_align, mode="max")),
        "by_size": lambda: continuity(pooled(roi_align, sampling_ratio=0), reference=pooled(roi_align)),
        "off_the_map": lambda: continuity(pooled(roi_align), out=3.0, reference=pooled(prroi_pool)),
        "integral": lambda: continuity(pooled(prroi_pool), out=3.0),
    }
)
