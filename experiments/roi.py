"""E38: does RoIAlign locate and name objects better than RoIPool, and is it for the quantisation?

A proxy for a detector, not one. An object is drawn at a sub-pixel position into an image of `canvas` pixels: a digit on
random clutter, or one of ten regions of a photograph on a piece of another. A fixed map of features at the given stride
follows (brightness, and brightness that rises or falls along x and y, each blurred with half a stride and read at the
cells' centres). A proposal, the object's box shifted and resized at random, is pooled into 4 x 4 bins, and a ridge
regression tells from the bins where the object lies in the proposal and which of ten it is.

Ways of pooling: RoIPool as the reference computes it; RoIPool with both quantisations rounded down, as it is often
told; RoIAlign; RoIAlign with the largest of a bin's samples; RoIAlign of the box rounded to whole cells; RoIAlign of
the box displaced at random by up to a cell.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from jaxml import Experiment, Figure, Traced, select
from jaxml.data import load_problem
from jaxml.learn import solve_positive
from jaxml.ops import roi_align, roi_pool

DIGITS = load_problem("digits")


def shrunk(photograph: str) -> np.ndarray:
    """Brightness of one of scikit-learn's photographs, 0 to 1, averaged over blocks of 4 x 4 pixels: 106 x 160."""
    package = find_spec("sklearn")  # which takes over a second to import
    assert package is not None
    assert package.origin is not None
    grey = np.asarray(Image.open(Path(package.origin).parent / "datasets/images" / photograph)).mean(-1)[:424] / 255
    return grey.reshape(106, 4, 160, 4).mean((1, 3))


TEMPLE, FLOWER = shrunk("china.jpg"), shrunk("flower.jpg")
REGIONS = np.stack([TEMPLE[y : y + 16, x : x + 16] for y in (32, 64) for x in range(0, 160, 32)])


class Scenes(NamedTuple):
    """What is drawn: one object on one background per image, as small grids that are interpolated to any size."""

    objects: jax.Array
    backgrounds: jax.Array
    classes: jax.Array


def draw_scenes(key: jax.Array, scene: str, n: int) -> Scenes:
    """Ten classes in equal shares on average."""
    which_key, back_key = jax.random.split(key)
    if scene == "digits":
        rows = jax.random.permutation(which_key, len(DIGITS.y))[:n]
        ink = jnp.asarray(DIGITS.X / 16, float)[rows].reshape(n, 8, 8)
        return Scenes(ink, 0.15 * jax.random.normal(back_key, (n, 16, 16)), jnp.asarray(DIGITS.y)[rows])
    classes = jax.random.randint(which_key, (n,), 0, 10)
    corners = jax.random.randint(back_key, (n, 2), 0, jnp.asarray([106 - 32, 160 - 32]))
    flower = jnp.asarray(FLOWER, float)
    pieces = jax.vmap(lambda corner: jax.lax.dynamic_slice(flower, corner, (32, 32)))(corners)
    return Scenes(jnp.asarray(REGIONS, float)[classes], pieces, classes)


def interpolation(start: Any, side: Any, grid: int, canvas: int) -> jax.Array:
    """Weights that draw `grid` values along pixels: linear between the values' centres, 0 outside of the side."""
    place = (jnp.arange(canvas) + 0.5 - start) / side * grid - 0.5
    tent = jnp.maximum(1 - jnp.abs(jnp.clip(place, 0, grid - 1)[:, None] - jnp.arange(grid).astype(float)), 0)
    covered = jnp.clip(jnp.minimum(place + 0.5, grid - 0.5 - place) * side / grid + 0.5, 0, 1)
    return tent * covered[:, None]


def feature_map(stride: Any, scene: str, image: tuple[Any, ...], canvas: int, cells: int) -> jax.Array:
    """Draw one image and blur its five channels to cells, (cells, cells, 5); beyond the image its edge goes on."""
    thing, back, (x, y, side) = image
    rows, columns = (interpolation(start, side, thing.shape[0], canvas) for start in (y, x))
    whole = interpolation(0.0, float(canvas), back.shape[0], canvas)
    cover = jnp.outer(rows.sum(1), columns.sum(1)) if scene == "photograph" else 0.0
    picture = (1 - cover) * (whole @ back @ whole.T) + rows @ thing @ columns.T
    down = jnp.diff(picture, axis=0, append=picture[-1:])
    right = jnp.diff(picture, axis=1, append=picture[:, -1:])
    channels = [picture, *(8 * jax.nn.relu(c) for c in (down, -down, right, -right))]
    centres = jnp.minimum((jnp.arange(cells) + 0.5) * stride, canvas)
    distance = (jnp.arange(canvas) + 0.5)[None] - centres[:, None]
    blur = jnp.exp(-0.5 * (distance / (0.5 * stride)) ** 2)
    blur = blur / blur.sum(1, keepdims=True)
    return jnp.stack([blur @ c @ blur.T for c in channels], axis=-1)


def pooled(features: jax.Array, box: jax.Array, drift: jax.Array, bins: int = 4) -> dict[str, jax.Array]:
    """One box pooled in all ways; the box in cells, `drift` a displacement in cells."""
    start, end = box[:2], box[2:]
    low = jnp.floor(start)
    whole = jnp.maximum(jnp.floor((jnp.floor(end - start)) / bins), 1)  # a bin's side, rounded down
    last = low + bins * whole - 1  # RoIPool includes the last cell
    drifts = jnp.concatenate([drift, drift])
    quantised = roi_pool(features, jnp.stack([box, jnp.concatenate([low, last])]), output_size=bins)
    averaged = roi_align(features, jnp.stack([box, jnp.round(box), box + drifts]), output_size=bins)
    largest = roi_align(features, box[None], output_size=bins, mode="max")
    ways = {
        "RoIPool": quantised[0],
        "RoIPool, rounded down": quantised[1],
        "RoIAlign": averaged[0],
        "RoIAlign, maximum": largest[0],
        "RoIAlign, rounded": averaged[1],
        "displaced": averaged[2],
    }
    return {name: values.ravel() for name, values in ways.items()}


def trial(
    key: jax.Array,
    *,
    lam: float = 0.01,
    stride: float = 16.0,
    snapped: float = 0.0,
    pooling: Traced[
        Literal["RoIPool", "RoIPool, rounded down", "RoIAlign", "RoIAlign, maximum", "RoIAlign, rounded", "displaced"]
    ] = "RoIAlign",
    scene: Literal["digits", "photograph"] = "digits",
    n: int = 240,
    test_rows: int = 120,
    canvas: int = 160,
    side_bins: int = 4,
) -> dict[str, Any]:
    """Draw, pool, fit the head on `n` images and measure it on others.

    `snapped` 1 moves proposals to multiples of 16 pixels with a side of 64, so that strides 8 and 16 cut them into
    whole cells; less moves them so much of the way. A box is pooled into `side_bins` bins each way.
    """
    rows = n + test_rows
    scene_key, place_key, jitter_key, drift_key = jax.random.split(key, 4)
    objects, backgrounds, classes = draw_scenes(scene_key, scene, rows)
    place = jax.random.uniform(place_key, (rows, 3))
    side = 48 * 2.0 ** place[:, 2]
    corner = 0.5 * canvas - 0.5 * side[:, None] + 32 * (place[:, :2] - 0.5)
    boxes = jnp.concatenate([corner, side[:, None]], axis=1)

    jitter = jax.random.uniform(jitter_key, (rows, 3), minval=-1.0)
    wide = side * jnp.exp(0.15 * jitter[:, 2])
    loose = corner + 0.5 * (side - wide)[:, None] + 0.15 * side[:, None] * jitter[:, :2]
    whole = 16 * jnp.round((corner + 0.5 * side[:, None] - 32) / 16)
    own_side = (1 - snapped) * wide + snapped * 64.0
    own_corner = (1 - snapped) * loose + snapped * whole
    proposals = jnp.concatenate([own_corner, own_corner + own_side[:, None]], axis=1)

    def bins(image: tuple[Any, ...]) -> dict[str, jax.Array]:
        *drawn, box, drift = image
        return pooled(feature_map(stride, scene, tuple(drawn), canvas, canvas // 8), box / stride, drift, side_bins)

    drifts = jax.random.uniform(drift_key, (rows, 2), minval=-1.0)
    X = select(pooling, jax.lax.map(bins, (objects, backgrounds, boxes, proposals, drifts)))
    centre = (corner + 0.5 * side[:, None] - own_corner - 0.5 * own_side[:, None]) / own_side[:, None]
    targets = jnp.concatenate([centre, jnp.log(side / own_side)[:, None], jax.nn.one_hot(classes, 10)], axis=1)

    found = ridge_predictions(X[:n], targets[:n], X[n:], lam)
    miss = (found[:, :2] - targets[n:, :2]) * own_side[n:, None]
    trivial = (targets[n:, :2] - targets[:n, :2].mean(0)) * own_side[n:, None]
    return {
        "miss": jnp.sqrt((miss**2).mean()),  # pixels
        "explained": 1 - (miss**2).mean() / (trivial**2).mean(),
        "accuracy": (found[:, 3:].argmax(1) == classes[n:]).mean(),
    }


def ridge_predictions(X: jax.Array, targets: jax.Array, fresh: jax.Array, lam: Any) -> jax.Array:
    """Ridge on standardised features, with an intercept that is not penalised."""
    mean, scale = X.mean(0), X.std(0) + 1e-6
    A, level = (X - mean) / scale, targets.mean(0)
    gram, right = A.T @ A / len(A), A.T @ (targets - level) / len(A)
    return (fresh - mean) / scale @ solve_positive(gram + lam * jnp.eye(len(gram)), right) + level


experiment = Experiment(
    trial=trial,
    labels={"snapped": {0.0: "no", 0.99: "nearly", 1.0: "yes"}},
    figures=(
        Figure("Root mean square error of the object's place, in pixels", y="miss", x="stride", lines="pooling",
               panels="scene", log_x=True, log_y=True, at={"snapped": 0.0}, tune={"over": "lam", "minimise": "miss"}),
        Figure("Share of objects that are named rightly", y="accuracy", x="stride", lines="pooling",
               panels="scene", log_x=True, at={"snapped": 0.0}, tune={"over": "lam", "maximise": "accuracy"}),
    ),
)  # fmt: skip
