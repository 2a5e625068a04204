"""Write boxes_torchvision.npz: what torchvision's box ops and NMS answer.

Run in an environment with torch 2.14.0 and torchvision 0.29.2:  python tests/ops/golden/boxes_torchvision.py
"""

from pathlib import Path

import numpy as np
import torch
from torchvision import ops
from torchvision.models.detection._utils import BoxCoder

N, M, CROWD = 12, 9, 300
PAIRWISE = {
    "box_iou": ops.box_iou,
    "generalized_box_iou": ops.generalized_box_iou,
    "distance_box_iou": ops.distance_box_iou,
    "complete_box_iou": ops.complete_box_iou,
}
LOSSES = {
    "giou_loss": ops.generalized_box_iou_loss,
    "diou_loss": ops.distance_box_iou_loss,
    "ciou_loss": ops.complete_box_iou_loss,
}
ROTATED = ("xywhr", "cxcywhr", "xyxyxyxy")


def random_boxes(rng: np.random.Generator, n: int, extent: float) -> np.ndarray:
    corner = rng.uniform(-extent, extent, size=(n, 2))
    return np.concatenate([corner, corner + rng.uniform(1, extent, size=(n, 2))], 1)


def main() -> None:
    rng = np.random.default_rng(5)
    a, b = random_boxes(rng, N, 10), random_boxes(rng, M, 10)
    b[:3] = a[:3]  # identical
    b[3] = [a[3, 2], a[3, 1], a[3, 2] + 4, a[3, 3]]  # touching
    out = {"a": a, "b": b}
    for name, function in PAIRWISE.items():
        for dtype in (torch.float32, torch.float64):
            y = function(torch.tensor(a, dtype=dtype), torch.tensor(b, dtype=dtype))
            out[f"{name}_{str(dtype)[6:]}"] = y.numpy()
    for name, function in LOSSES.items():
        predictions = torch.tensor(a[4:M], requires_grad=True)
        y = function(predictions, torch.tensor(b[4:M]), reduction="none", eps=0)
        out[name] = y.detach().numpy()
        out[f"{name}_gradient"] = torch.autograd.grad(y.sum(), predictions)[0].numpy()

    rotated = np.concatenate([rng.uniform(-5, 5, (N, 2)), rng.uniform(1, 9, (N, 2)), rng.uniform(-180, 180, (N, 1))], 1)
    out["rotated"] = rotated
    for to in ROTATED:
        out[f"rotated_{to}"] = ops.box_convert(torch.tensor(rotated), "cxcywhr", to).numpy()
    out["rotated_iou"] = ops.box_iou(*[torch.tensor(rotated)] * 2, fmt="cxcywhr").numpy()

    weights = (10.0, 10.0, 5.0, 5.0)
    deltas = rng.normal(0, 3, (N, 4)) * [1, 1, 1, 20]
    coder, anchors = BoxCoder(weights), torch.tensor(a[::-1].copy())
    out["deltas"] = deltas
    out["encoded"] = coder.encode_single(torch.tensor(a), anchors).numpy()
    out["decoded"] = coder.decode_single(torch.tensor(deltas), anchors).numpy()
    out["clipped"] = ops.clip_boxes_to_image(torch.tensor(a), (6, 4)).numpy()
    out["large"] = ops.remove_small_boxes(torch.tensor(a), 4).numpy()
    masks = rng.random((6, 5, 7)) < 0.08
    out["masks"], out["mask_boxes"] = masks, ops.masks_to_boxes(torch.tensor(masks)).numpy()

    centres = rng.uniform(-200, 200, (30, 2))[rng.integers(0, 30, CROWD)] + rng.normal(0, 6, (CROWD, 2))
    size = rng.uniform(20, 60, (CROWD, 2))
    boxes = np.concatenate([centres - size / 2, centres + size / 2], 1).astype(np.float32)
    scores = rng.integers(0, 100, CROWD).astype(np.float32) / 100  # with ties
    classes = rng.integers(0, 4, CROWD)
    out |= {"nms_boxes": boxes, "nms_scores": scores, "nms_classes": classes}
    tensors = torch.tensor(boxes), torch.tensor(scores)
    for threshold in (0.1, 0.3, 0.5, 0.7, 0.9):
        out[f"nms_{threshold}"] = ops.nms(*tensors, threshold).numpy()
        # One call per class: the coordinate trick of batched_nms rounds.
        kept = [np.flatnonzero(classes == c) for c in range(4)]
        kept = [k[ops.nms(tensors[0][k], tensors[1][k], threshold).numpy()] for k in kept]
        kept = np.sort(np.concatenate(kept))
        out[f"nms_classes_{threshold}"] = kept[np.argsort(-scores[kept], kind="stable")]
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **out)


if __name__ == "__main__":
    main()
