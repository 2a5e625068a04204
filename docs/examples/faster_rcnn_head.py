"""The second half of a Faster R-CNN in one jitted, vmapped function: decode, clip, NMS, multi-scale RoIAlign.

    python docs/examples/faster_rcnn_head.py docs/images/faster_rcnn_head.svg

A trained network would give a feature pyramid, and a score and four deltas per anchor. To run on any photograph
without weights, the pyramid here is the picture itself, averaged down to strides 4 to 32, with a fourth channel that
says how much redder than green and blue a pixel is. An anchor scores by how much more of that channel it holds than a
frame around it, and its deltas are steps uphill: PrRoIPool is smooth in the box, so `jax.grad` finds them.
"""

import base64
import io
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxml.ops import clip_boxes, decode_boxes, multiscale_roi_align, nms, prroi_pool

HEIGHT, WIDTH = 416, 640  # the bundled photographs, cut to a multiple of the coarsest stride
STEPS, STEP = 40, 0.05


class Detections(NamedTuple):
    """The boxes that survive, best first; rows from `count` on are padding. `pooled` holds one 7 x 7 grid each."""

    boxes: Array
    scores: Array
    count: Array
    pooled: Array


def pyramid_of(image: Array) -> list[Array]:
    """Average an image [h, w, 3] with values in [0, 1] down to strides 4, 8, 16 and 32."""
    red, green, blue = jnp.unstack(image, axis=-1)
    warmth = jnp.tanh(4 * jnp.maximum(red - (green + blue) / 2, 0))
    features = jnp.concatenate([image, warmth[..., None]], axis=-1)
    h, w, c = features.shape
    return [features.reshape(h // s, s, w // s, s, c).mean((1, 3)) for s in (4, 8, 16, 32)]


def objectness(level: Array, boxes: Array) -> Array:
    """Mean of the last channel in each box less that in a frame around it, more for larger boxes."""
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    frame = jnp.concatenate([centre - 1.4 * half, centre + 1.4 * half], axis=1)
    inner, outer = (prroi_pool(level, b, output_size=1, spatial_scale=1 / 8)[:, 0, 0, 0] for b in (boxes, frame))
    ratio = 1 / 1.4**2  # of the areas, so that the frame's own mean is (outer - ratio * inner) / (1 - ratio)
    size = jnp.sqrt(jnp.prod(jnp.maximum(2 * half, 1), axis=-1) / (HEIGHT * WIDTH))
    return (inner - (outer - ratio * inner) / (1 - ratio)) * jnp.sqrt(size)


def head(image: Array, anchors: Array) -> Detections:
    """Detect on one image; `jax.vmap` makes it a batch."""
    pyramid = pyramid_of(image)
    warmth = pyramid[1][:, :, 3:]

    def total(deltas: Array) -> Array:
        return jnp.sum(objectness(warmth, decode_boxes(deltas, anchors)))

    def uphill(_: int, deltas: Array) -> Array:
        slope = jax.grad(total)(deltas)
        return deltas + STEP * slope / (jnp.linalg.norm(slope, axis=-1, keepdims=True) + 1e-3)

    deltas = jax.lax.fori_loop(0, STEPS, uphill, jnp.zeros_like(anchors))
    boxes = clip_boxes(decode_boxes(deltas, anchors), height=HEIGHT, width=WIDTH)
    scores = objectness(warmth, boxes)
    kept = nms(boxes, scores, iou_threshold=0.2, score_threshold=0.15, max_outputs=6)
    best = boxes[kept.indices]
    pooled = multiscale_roi_align(pyramid, best, output_size=7)
    return Detections(best, scores[kept.indices], kept.count, pooled)


def make_anchors() -> Array:
    """Squares and 1:2 rectangles of three sizes on a grid of 64 pixels."""
    y, x = np.meshgrid(np.arange(32, HEIGHT, 64), np.arange(32, WIDTH, 64), indexing="ij")
    sides = [(s * r, s / r) for s in (64, 128, 256) for r in (0.7, 1.0, 1.4)]
    centres = np.stack([x.ravel(), y.ravel()], -1)
    return jnp.array([[a - w / 2, b - h / 2, a + w / 2, b + h / 2] for a, b in centres for w, h in sides])


detect = jax.jit(jax.vmap(head, in_axes=(0, None)))


def photographs() -> np.ndarray:
    """scikit-learn's two bundled photographs, [2, h, w, 3] in [0, 1]; reading them needs Pillow."""
    from sklearn.datasets import load_sample_image

    names = ("flower.jpg", "china.jpg")
    return np.stack([load_sample_image(name)[:HEIGHT, :WIDTH] for name in names]).astype(np.float32) / 255


def draw(images: np.ndarray, found: Detections) -> str:
    """An SVG of the photographs with their boxes, and under each the 7 x 7 colours that RoIAlign pooled."""
    from PIL import Image

    parts, colours = [], ("#ff3b30", "#ffd60a", "#32d74b", "#0a84ff", "#bf5af2", "#ffffff")
    for i, image in enumerate(images):
        stream = io.BytesIO()
        Image.fromarray((255 * image).astype(np.uint8)).resize((480, 312)).save(stream, "JPEG", quality=70)
        data = base64.b64encode(stream.getvalue()).decode()
        parts.append(f'<g transform="translate({i * 660} 0)">')
        parts.append(f'<image width="{WIDTH}" height="{HEIGHT}" href="data:image/jpeg;base64,{data}"/>')
        for j in range(int(found.count[i])):
            x1, y1, x2, y2 = (float(v) for v in found.boxes[i, j])
            box = f'x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" height="{y2 - y1:.1f}"'
            parts.append(f'<rect {box} fill="none" stroke="{colours[j]}" stroke-width="4"/>')
            for p, q in np.ndindex(7, 7):
                rgb = ",".join(str(int(255 * v)) for v in np.clip(found.pooled[i, j, p, q, :3], 0, 1))
                place = f'x="{108 * j + 13 * q + 4}" y="{HEIGHT + 12 + 13 * p}" width="13" height="13"'
                parts.append(f'<rect {place} fill="rgb({rgb})"/>')
            frame = f'x="{108 * j + 2}" y="{HEIGHT + 10}" width="95" height="95"'
            parts.append(f'<rect {frame} fill="none" stroke="{colours[j]}" stroke-width="4"/>')
        parts.append("</g>")
    size = f'viewBox="0 0 {2 * WIDTH + 20} {HEIGHT + 110}"'
    title = "<title>Boxes kept by NMS on two photographs and what multi-scale RoIAlign pooled from each</title>"
    ground = '<rect width="100%" height="100%" fill="#333"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{title}{ground}{"".join(parts)}</svg>\n'


def main(path: str) -> None:
    images = photographs()
    found = jax.tree.map(np.asarray, detect(jnp.asarray(images), make_anchors()))
    for name, count, scores, boxes in zip(("flower", "china"), found.count, found.scores, found.boxes, strict=True):
        for score, box in zip(scores[:count], boxes[:count], strict=True):
            print(f"{name:>7} {score:.2f} {np.round(box).astype(int).tolist()}")
    with open(path, "w") as file:
        file.write(draw(images, found))


if __name__ == "__main__":
    main(sys.argv[1])
