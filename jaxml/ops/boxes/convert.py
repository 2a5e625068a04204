"""Box layouts, areas and clipping; every function takes `(..., k)` arrays, one box per row.

Coordinates are continuous: a box covers `x2 - x1` by `y2 - y1`. `pixel_offset=1` selects the legacy convention of
inclusive pixel indices, where a box covers `x2 - x1 + 1`.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Num, Shaped

from jaxml.ops.checks import Scalar, check_choice, check_shapes
from jaxml.ops.exact import midpoint
from jaxml.ops.finite import hypotenuse, narrowed, saturated, unit_of, widened

BoxFormat = Literal["xyxy", "xywh", "cxcywh", "xywhr", "cxcywhr", "xyxyxyxy"]
PixelOffset = Literal[0, 1]

BOX_HINT = "Boxes are (x1, y1, x2, y2) rows; convert others with box_convert."
SIZES = {"xyxy": 4, "xywh": 4, "cxcywh": 4, "xywhr": 5, "cxcywhr": 5, "xyxyxyxy": 8}


def working(array: Num[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Cast to the dtype that box arithmetic uses: at least float32, so that integers cannot overflow."""
    dtype = jnp.result_type(array)
    if not jnp.issubdtype(dtype, jnp.floating):
        return array.astype(jnp.result_type(float))
    return widened(array, jnp.float32) if jnp.finfo(dtype).bits < 32 else array


def restored(result: Float[Array, "*shape"], *inputs: Num[Array, "..."]) -> Float[Array, "*shape"]:
    """Cast a result back to the inputs' dtype where that one is floating."""
    dtype = jnp.result_type(*inputs)
    return narrowed(result, jax.ShapeDtypeStruct((), dtype)) if jnp.issubdtype(dtype, jnp.floating) else result


def box_convert(boxes: Num[Array, "... k"], *, from_format: BoxFormat, to_format: BoxFormat) -> Float[Array, "... m"]:
    """Convert boxes from one layout to another, all pairs.

    | format     | numbers                                                               |
    |------------|-----------------------------------------------------------------------|
    | `xyxy`     | left, top, right, bottom                                              |
    | `xywh`     | left, top, width, height                                              |
    | `cxcywh`   | centre x, centre y, width, height                                     |
    | `cxcywhr`  | the same and a rotation about the centre                              |
    | `xywhr`    | the rotated top left corner, width, height, rotation                  |
    | `xyxyxyxy` | the corners top left, top right, bottom right, bottom left, rotated   |

    The rotation is in degrees, counter-clockwise as seen in an image (y points down). An axis-aligned box becomes a
    rotated one with angle 0; a rotated box becomes the smallest axis-aligned box that encloses it.

    Args:
        boxes: `(..., k)`, with k = 4, 5 or 8 numbers as `from_format` says; integers are converted to floating.
        from_format: the layout that arrives.
        to_format: the layout wanted.

    Returns:
        `(..., m)`, floating, with m = 4, 5 or 8 as `to_format` says.

    Raises:
        ValueError: for an unknown format, or when the last axis does not fit `from_format`.

    This is not a check of the boxes: inverted ones pass through with a negative side. Corners that form no
    rectangle are read by their first three. Angles come back in (-180, 180].

    Reference: the layouts are those of torchvision.ops.box_convert, which refuses axis-aligned <-> rotated.

    >>> box_convert(jnp.array([1.0, 2.0, 5.0, 4.0]), from_format="xyxy", to_format="cxcywh")
    Array([3., 3., 4., 2.], dtype=float32)
    >>> box_convert(jnp.array([3.0, 3.0, 4.0, 2.0, 90.0]), from_format="cxcywhr", to_format="xyxy").round(3)
    Array([2., 1., 4., 5.], dtype=float32)
    """
    check_choice("box_convert", "from_format", from_format, tuple(SIZES))
    check_choice("box_convert", "to_format", to_format, tuple(SIZES))
    check_shapes(
        "box_convert",
        boxes=(boxes, f"... {SIZES[from_format]}"),
        hint=f"'{from_format}' has {SIZES[from_format]} numbers in its last axis.",
    )
    if from_format == to_format:
        return restored(working(boxes), boxes)
    given = list(jnp.unstack(working(boxes), axis=-1))
    # In eighths, of which no sum overflows; the fifth number is an angle.
    numbers = [number if i == 4 and len(given) == 5 else number / 8 for i, number in enumerate(given)]
    if SIZES[from_format] == 4 and SIZES[to_format] == 4:
        result = _from_corners(_to_corners(numbers, from_format), to_format)
    elif SIZES[to_format] == 4:
        points = _to_points(numbers, from_format)
        hull = [f(*points[axis]) for f in (_least, _greatest) for axis in (0, 1)]
        result = _from_corners(hull, to_format)
    else:
        if SIZES[from_format] == 4:
            x1, y1, x2, y2 = _to_corners(numbers, from_format)
            numbers = [x1, y1, x2 - x1, y2 - y1, jnp.zeros_like(x1)]
            from_format = "xywhr"
        result = _from_points(_to_points(numbers, from_format), numbers, from_format, to_format)
    result = [r if i == 4 and len(result) == 5 else saturated(8 * r, *given) for i, r in enumerate(result)]
    return restored(jnp.stack(result, axis=-1), boxes)


def _to_corners(numbers: list[Array], from_format: str) -> list[Array]:
    if from_format == "xyxy":
        return numbers
    x, y, w, h = numbers
    if from_format == "cxcywh":
        x, y = x - w / 2, y - h / 2
    return [x, y, x + w, y + h]


def _from_corners(corners: list[Array], to_format: str) -> list[Array]:
    x1, y1, x2, y2 = corners
    if to_format == "xyxy":
        return corners
    if to_format == "xywh":
        return [x1, y1, x2 - x1, y2 - y1]
    return [midpoint(x1, x2), midpoint(y1, y2), x2 - x1, y2 - y1]


def _to_points(numbers: list[Array], from_format: str) -> tuple[list[Array], list[Array]]:
    """The x and the y coordinates of the four corners, clockwise as seen, from the top left."""
    if from_format == "xyxyxyxy":
        return numbers[0::2], numbers[1::2]
    x, y, w, h, degrees = numbers
    angle = jnp.deg2rad(degrees)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    if from_format == "cxcywhr":
        x, y = x - (w * cos + h * sin) / 2, y + (w * sin - h * cos) / 2
    return (
        [x, x + w * cos, x + w * cos + h * sin, x + h * sin],
        [y, y - w * sin, y - w * sin + h * cos, y + h * cos],
    )


def _from_points(
    points: tuple[list[Array], list[Array]], numbers: list[Array], from_format: str, to_format: str
) -> list[Array]:
    xs, ys = points
    if to_format == "xyxyxyxy":
        return [coordinate for point in zip(xs, ys, strict=True) for coordinate in point]
    if from_format == "xyxyxyxy":
        along, down = (xs[1] - xs[0], ys[1] - ys[0]), (xs[2] - xs[1], ys[2] - ys[1])
        size = [hypotenuse(*along), hypotenuse(*down), jnp.rad2deg(_angle(along, down))]
    else:
        size = numbers[2:]
    if to_format == "xywhr":
        return [xs[0], ys[0], *size]
    return [midpoint(xs[0], xs[2]), midpoint(ys[0], ys[2]), *size]


def _angle(along: tuple[Array, Array], down: tuple[Array, Array]) -> Array:
    """The rotation, from the top side, or from the right side where the top one has no length."""
    no_width = (along[0] == 0) & (along[1] == 0)
    x = jnp.where(no_width, down[1], along[0])
    y = jnp.where(no_width, down[0], -along[1])
    unit = unit_of(jnp.maximum(jnp.abs(x), jnp.abs(y)))
    # The angle of a side whose square would vanish has no derivatives, which would be that large.
    x, y = (jnp.where(unit < 2.0**60, v, jax.lax.stop_gradient(v)) * unit for v in (x, y))
    point = (x == 0) & (y == 0)
    return jnp.arctan2(y, jnp.where(point, 1, x))


def _least(first: Array, *rest: Array) -> Array:
    for other in rest:
        first = jnp.minimum(first, other)
    return first


def _greatest(first: Array, *rest: Array) -> Array:
    for other in rest:
        first = jnp.maximum(first, other)
    return first


def box_area(boxes: Num[Array, "... 4"], *, pixel_offset: PixelOffset = 0) -> Float[Array, "..."]:
    """Area of each box: `(x2 - x1 + o) (y2 - y1 + o)` with o the pixel offset.

    Args:
        boxes: `(..., 4)`, (x1, y1, x2, y2); integers are converted to floating first and cannot overflow.
        pixel_offset: 0 for continuous coordinates, 1 for inclusive pixel indices.

    Returns:
        `(...)`, floating.

    Raises:
        ValueError: when the last axis is not 4, or for another pixel offset.

    This is not clamped: an inverted box has a negative area, as in torchvision.

    Reference: Everingham et al. 2010 (Pascal VOC), whose inclusive pixel convention is `pixel_offset=1`.

    >>> box_area(jnp.array([[0, 0, 30000, 30000], [1, 1, 1, 5]], jnp.int16))
    Array([9.e+08, 0.e+00], dtype=float32)
    """
    check_shapes("box_area", boxes=(boxes, "... 4"), hint=BOX_HINT)
    check_choice("box_area", "pixel_offset", pixel_offset, (0, 1))
    x1, y1, x2, y2 = jnp.unstack(working(boxes), axis=-1)
    width, height = (saturated(b - a + pixel_offset, a, b) for a, b in ((x1, x2), (y1, y2)))
    return restored(saturated(width * height, width, height), boxes)


def clip_boxes(
    boxes: Num[Array, "... 4"], *, height: Scalar, width: Scalar, pixel_offset: PixelOffset = 0
) -> Float[Array, "... 4"]:
    """Move every corner into the image: x into [0, width - o], y into [0, height - o], o the pixel offset.

    Args:
        boxes: `(..., 4)`, (x1, y1, x2, y2).
        height: the image's height in pixels, > 0; may be traced (images padded to one shape).
        width: the image's width in pixels, > 0; may be traced.
        pixel_offset: 0 for continuous coordinates, 1 for inclusive pixel indices.

    Returns:
        `(..., 4)`, floating.

    Raises:
        ValueError: when the last axis is not 4, or for another pixel offset.

    This is not a filter: a box wholly outside becomes one without area; find it with `small_box_mask`.

    Reference: Ren et al. 2015, Faster R-CNN, section 3.3.

    >>> clip_boxes(jnp.array([-3.0, 2.0, 50.0, 9.0]), height=8, width=32)
    Array([ 0.,  2., 32.,  8.], dtype=float32)
    """
    check_shapes("clip_boxes", boxes=(boxes, "... 4"), hint=BOX_HINT)
    check_choice("clip_boxes", "pixel_offset", pixel_offset, (0, 1))
    x1, y1, x2, y2 = jnp.unstack(working(boxes), axis=-1)
    right, bottom = (jnp.asarray(side).astype(x1.dtype) - pixel_offset for side in (width, height))
    inside = [jnp.clip(c, 0, limit) for c, limit in ((x1, right), (y1, bottom), (x2, right), (y2, bottom))]
    return restored(jnp.stack(inside, axis=-1), boxes)


def small_box_mask(
    boxes: Num[Array, "... 4"], *, min_size: Scalar, pixel_offset: PixelOffset = 0
) -> Bool[Array, "..."]:
    """Tell which boxes are small: True where the width or the height is below `min_size`.

    Args:
        boxes: `(..., 4)`, (x1, y1, x2, y2).
        min_size: the least side in pixels, >= 0; may be traced.
        pixel_offset: 0 for continuous coordinates, 1 for inclusive pixel indices.

    Returns:
        `(...)`, bool. Pass its negation as `nms(..., mask=~small)`; a box with a NaN counts as small.

    Raises:
        ValueError: when the last axis is not 4, or for another pixel offset.

    This is not a list of indices: its shape does not depend on the values, so it works under `jit`.

    Reference: torchvision.ops.remove_small_boxes returns the indices of the others.

    >>> small_box_mask(jnp.array([[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 0.5]]), min_size=1)
    Array([False,  True], dtype=bool)
    """
    check_shapes("small_box_mask", boxes=(boxes, "... 4"), hint=BOX_HINT)
    check_choice("small_box_mask", "pixel_offset", pixel_offset, (0, 1))
    x1, y1, x2, y2 = jnp.unstack(working(boxes), axis=-1)
    least = jnp.asarray(min_size).astype(x1.dtype)
    return ~((x2 - x1 + pixel_offset >= least) & (y2 - y1 + pixel_offset >= least))


def masks_to_boxes(masks: Shaped[Array, "... h w"]) -> Float[Array, "... 4"]:
    """Find the tightest box around each mask, as inclusive pixel indices.

    Args:
        masks: `(..., h, w)`, bool or a number that is not 0 inside; h, w >= 1.

    Returns:
        `(..., 4)`, float: (first column, first row, last column, last row); zeros for an empty mask.

    Raises:
        ValueError: when there are fewer than two axes, or h or w is 0.

    This is not the continuous layout: a mask of one pixel gives x1 = x2. Add 1 to x2 and y2 to get areas right, or
    go on with `pixel_offset=1`.

    Reference: torchvision.ops.masks_to_boxes.

    >>> masks_to_boxes(jnp.zeros((6, 8), bool).at[2:4, 3:7].set(True))
    Array([3., 2., 6., 3.], dtype=float32)
    """
    sizes = check_shapes("masks_to_boxes", masks=(masks, "... h w"), hint="Masks are (..., height, width).")
    h, w = sizes["h"], sizes["w"]
    if h == 0 or w == 0:
        raise ValueError(f"masks_to_boxes: 'masks' must have h, w >= 1, got {masks.shape}. An image has no empty side.")
    inside = masks.astype(bool)
    columns, rows = inside.any(-2), inside.any(-1)
    box = [
        jnp.argmax(columns, axis=-1),
        jnp.argmax(rows, axis=-1),
        w - 1 - jnp.argmax(columns[..., ::-1], axis=-1),
        h - 1 - jnp.argmax(rows[..., ::-1], axis=-1),
    ]
    found = columns.any(-1)[..., None]
    return jnp.where(found, jnp.stack(box, axis=-1), 0).astype(jnp.result_type(float))
