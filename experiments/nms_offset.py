"""E35: does counting a box's width as x2 - x1 + 1 change which boxes non-maximum suppression keeps?

Clusters of boxes around random objects, as a detector gives them, in an image `scale` units wide: 1 for coordinates as
shares of the image, 1000 for pixels. The same boxes are suppressed with widths x2 - x1 and with x2 - x1 + 1. `snapped`
puts corners on whole numbers and gives each convention what it expects: the last pixel included for the second, the end
one further for the first; then both mean the same box.
"""

from typing import Any

import jax
import jax.numpy as jnp

from jaxml import Experiment, Figure
from jaxml.ops import box_iou, nms


def trial(
    key: jax.Array,
    *,
    scale: float = 1000.0,
    threshold: float = 0.5,
    snapped: float = 0.0,
    objects: int = 20,
    each: int = 10,
) -> dict[str, Any]:
    """Suppress the same boxes under both conventions, and compare what is kept."""
    place_key, jitter_key, score_key = jax.random.split(key, 3)
    place = jax.random.uniform(place_key, (objects, 1, 4))
    size = 0.05 + 0.25 * place[..., 2:]
    jitter = 0.15 * jax.random.normal(jitter_key, (objects, each, 4))
    centre = place[..., :2] * (1 - size) + 0.5 * size + size * jitter[..., :2]
    half = 0.5 * size * jnp.exp(jitter[..., 2:])
    boxes = scale * jnp.concatenate([centre - half, centre + half], axis=-1).reshape(-1, 4)
    inclusive = jnp.where(snapped > 0, jnp.round(boxes), boxes)
    further = jnp.where(snapped > 0, jnp.asarray([0.0, 0.0, 1.0, 1.0]), jnp.zeros(4))
    scores = jax.random.uniform(score_key, (objects * each,))

    exclusive = nms(inclusive + further[None], scores, iou_threshold=threshold).keep
    legacy = nms(inclusive, scores, iou_threshold=threshold, pixel_offset=1).keep
    overlap = box_iou(inclusive + further[None], inclusive + further[None])
    counted = box_iou(inclusive, inclusive, pixel_offset=1)
    near = (overlap > 0.1) & (overlap < 0.999)
    return {
        "distance": 1 - (exclusive & legacy).sum() / (exclusive | legacy).sum(),  # Jaccard
        "kept_ratio": legacy.sum() / exclusive.sum(),
        "pairs_decided_otherwise": (near & ((overlap > threshold) != (counted > threshold))).sum() / near.sum(),
    }


experiment = Experiment(
    trial=trial,
    labels={"snapped": {0.0: "no", 1.0: "yes"}},
    figures=(
        Figure("Share of the kept boxes that only one convention keeps", y="distance", x="scale", lines="threshold",
               panels="snapped", log_x=True),
        Figure("Boxes kept with +1 for each kept without", y="kept_ratio", x="scale", lines="threshold",
               panels="snapped", log_x=True),
    ),
)  # fmt: skip
