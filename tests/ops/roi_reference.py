"""Slow scalar references for the pooling ops, written from their definitions, one number at a time."""

import math

import numpy as np


def interpolate(plane: np.ndarray, y: float, x: float) -> float:
    """RoIAlign's sample: 0 beyond one pixel of the map, clamped to it within."""
    h, w = plane.shape
    if not (-1 <= y <= h and -1 <= x <= w):
        return 0.0
    y, x = min(max(y, 0), h - 1), min(max(x, 0), w - 1)
    y0, x0 = min(math.floor(y), max(h - 2, 0)), min(math.floor(x), max(w - 2, 0))
    y1, x1, fy, fx = min(y0 + 1, h - 1), min(x0 + 1, w - 1), y - y0, x - x0
    top = (1 - fx) * plane[y0, x0] + fx * plane[y0, x1]
    return (1 - fy) * top + fy * ((1 - fx) * plane[y1, x0] + fx * plane[y1, x1])


def align_samples(plane, box, p, q, bins, *, ratio, aligned, cap=None):
    """All samples of bin (p, q)."""
    shift = 0.5 if aligned else 0.0
    x1, y1, x2, y2 = box
    sides = [y2 - y1, x2 - x1] if aligned else [max(y2 - y1, 1), max(x2 - x1, 1)]
    counts = [ratio or max(math.ceil(side / n), 0) for side, n in zip(sides, bins, strict=True)]
    if cap and not ratio:
        counts = [min(count, cap) for count in counts]
    step_y, step_x = (side / n for side, n in zip(sides, bins, strict=True))
    return [
        interpolate(
            plane,
            y1 - shift + (p + (i + 0.5) / counts[0]) * step_y,
            x1 - shift + (q + (j + 0.5) / counts[1]) * step_x,
        )
        for i in range(counts[0])
        for j in range(counts[1])
    ]


def roi_align(features, boxes, bins, *, ratio=2, aligned=True, reduce=np.mean, cap=None):
    out = np.zeros((len(boxes), *bins, features.shape[2]))
    for k, p, q, c in np.ndindex(*out.shape):
        if np.isfinite(boxes[k]).all():
            samples = align_samples(features[:, :, c], boxes[k], p, q, bins, ratio=ratio, aligned=aligned, cap=cap)
            out[k, p, q, c] = reduce(samples) if samples else 0.0
    return out


def half_away(x: float) -> int:
    return int(math.copysign(math.floor(abs(x) + 0.5), x))


def roi_pool(features, boxes, bins):
    h, w, channels = features.shape
    out = np.zeros((len(boxes), *bins, channels))
    for k, p, q, c in np.ndindex(*out.shape):
        x1, y1, x2, y2 = (half_away(v) for v in boxes[k])
        bin_h, bin_w = max(y2 - y1 + 1, 1) / bins[0], max(x2 - x1 + 1, 1) / bins[1]
        ys = range(max(math.floor(p * bin_h) + y1, 0), min(math.ceil((p + 1) * bin_h) + y1, h))
        xs = range(max(math.floor(q * bin_w) + x1, 0), min(math.ceil((q + 1) * bin_w) + x1, w))
        out[k, p, q, c] = max((features[y, x, c] for y in ys for x in xs), default=0.0)
    return out


def ps_roi_pool(features, boxes, bins):
    h, w, channels = features.shape
    out = np.zeros((len(boxes), *bins, channels // math.prod(bins)))
    for k, p, q, c in np.ndindex(*out.shape):
        x1, y1, x2, y2 = (half_away(v) for v in boxes[k])
        bin_h, bin_w = max(y2 - y1, 1) / bins[0], max(x2 - x1, 1) / bins[1]
        ys = range(max(math.floor(p * bin_h + y1), 0), min(math.ceil((p + 1) * bin_h + y1), h))
        xs = range(max(math.floor(q * bin_w + x1), 0), min(math.ceil((q + 1) * bin_w + x1), w))
        plane = features[:, :, (c * bins[0] + p) * bins[1] + q]
        pixels = [plane[y, x] for y in ys for x in xs]
        out[k, p, q, c] = sum(pixels) / len(pixels) if pixels else 0.0
    return out


def ps_roi_align(features, boxes, bins, *, ratio=2):
    out = np.zeros((len(boxes), *bins, features.shape[2] // math.prod(bins)))
    for k, p, q, c in np.ndindex(*out.shape):
        plane = features[:, :, (c * bins[0] + p) * bins[1] + q]
        samples = align_samples(plane, boxes[k], p, q, bins, ratio=ratio, aligned=True)
        out[k, p, q, c] = np.mean(samples) if samples else 0.0
    return out


def tent_mean(a: float, b: float, pixel: int, steps: int = 2000) -> float:
    """Mean of a pixel's tent over [a, b] by the midpoint rule; its kinks cost at most 1 / steps^2."""
    t = a + (np.arange(steps) + 0.5) / steps * (b - a)
    return float(np.mean(np.maximum(0, 1 - np.abs(t - pixel))))


def prroi_pool(features, boxes, bins):
    """In map coordinates that count from the centre of pixel 0."""
    h, w, _ = features.shape
    pooled = []
    for x1, y1, x2, y2 in boxes:
        wy = [
            [tent_mean(y1 + p * (y2 - y1) / bins[0], y1 + (p + 1) * (y2 - y1) / bins[0], i) for i in range(h)]
            for p in range(bins[0])
        ]
        wx = [
            [tent_mean(x1 + q * (x2 - x1) / bins[1], x1 + (q + 1) * (x2 - x1) / bins[1], i) for i in range(w)]
            for q in range(bins[1])
        ]
        pooled.append(np.einsum("ph,hwc,qw->pqc", np.array(wy), features, np.array(wx)))
    return np.array(pooled)
