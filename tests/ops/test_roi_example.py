"""The Faster R-CNN head of docs/porting.md: one compiled function for a batch, on photographs and on plain squares."""

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "examples" / "faster_rcnn_head.py"))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    side = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    return side.prod() / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - side.prod())


def test_head_finds_squares_in_a_batch():
    squares = np.array([[100, 120, 260, 280], [380, 60, 560, 240]])
    images = np.full((2, EXAMPLE["HEIGHT"], EXAMPLE["WIDTH"], 3), 0.2, np.float32)
    for image, (x1, y1, x2, y2) in zip(images, squares, strict=True):
        image[y1:y2, x1:x2] = [0.9, 0.5, 0.1]
    found = jax.tree.map(np.asarray, EXAMPLE["detect"](jnp.asarray(images), EXAMPLE["make_anchors"]()))
    for i, square in enumerate(squares):
        assert found.count[i] >= 1
        assert overlap(found.boxes[i, 0], square) > 0.85
        np.testing.assert_allclose(found.pooled[i, 0, 3, 3, :3], [0.9, 0.5, 0.1], atol=0.02)


def test_head_on_the_photographs():
    pytest.importorskip("PIL", reason="reading the photographs needs Pillow")
    images = EXAMPLE["photographs"]()
    found = jax.tree.map(np.asarray, EXAMPLE["detect"](jnp.asarray(images), EXAMPLE["make_anchors"]()))
    flower = np.array([200, 30, 440, 400])  # by eye
    assert overlap(found.boxes[0, 0], flower) > 0.5
    assert EXAMPLE["draw"](images, found).count("<image") == 2
