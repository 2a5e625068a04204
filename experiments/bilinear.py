"""Bilinear interpolation: what it is exact on, and how far it errs, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.ops import bilinear_sample

Case = dict[str, Any]
SHAPE = (4, 5)


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

    def exact(f: Any, terms: Any, point: Any) -> tuple[Any, Any, Any]:
        (a, b, c, d), (px, py) = terms, point
        surface = a + b * x + c * y + d * x * y
        return f(surface, point), a + b * px + c * py + d * px * py, 20 * np.abs(terms).sum()

    def bounded(f: Any, case: Case) -> bool:
        (wx, wy, phase), (px, py) = case["wave"], case["point"]
        wave = lambda x, y: np.sin(wx * x + phase) * np.cos(wy * y)  # noqa: E731
        error = abs(float(f(wave(x, y), case["point"])) - wave(px, py))
        return error <= (wx**2 + wy**2) / 8 + 1e-12  # the second derivatives are at most the frequencies squared

    def between(f: Any, image: Any, point: Any) -> bool:
        cells = [float(cell) for cell in corners(image, point)[:4]]
        return min(cells) - 1e-12 <= float(f(image, point)) <= max(cells) + 1e-12

    def draw(generator: np.random.Generator) -> Case:
        point = generator.uniform(0, np.array(SHAPE[::-1]) - 1)
        return {
            "image": generator.normal(size=SHAPE),
            "point": np.round(point) if generator.random() < 0.1 else point,
            "terms": generator.normal(size=4),
            "wave": np.append(10.0 ** generator.uniform(-2, 0.5, 2), generator.uniform(0, 6)),
        }

    def same(other: Any) -> Any:
        return lambda f, image, point: (*(float(g(image, point)) for g in (f, other)), np.abs(image).max())

    return Suite(
        subject=along_x_then_y,
        draw=draw,
        adversarial=[draw(np.random.default_rng(i)) | {"point": np.array([4.0 * i, 3.0])} for i in range(2)],
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


experiment = Experiment(suites={"interpolation": interpolation})
