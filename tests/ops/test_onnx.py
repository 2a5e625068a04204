"""RoIAlign and NMS against ONNX's own reference evaluator, as its node tests call them."""

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from jaxml import ops

roi_align = jax.jit(ops.roi_align, static_argnames=("output_size", "sampling_ratio", "aligned", "mode"))
nms = jax.jit(ops.nms)


def onnx_run(operator: str, inputs: dict[str, np.ndarray], **attributes) -> np.ndarray:
    """Evaluate one ONNX operator with ONNX's own NumPy implementation."""
    kinds = {name: onnx.helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in inputs.items()}
    given = [onnx.helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items()]
    out = onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, None)
    node = onnx.helper.make_node(operator, list(inputs), ["out"], **attributes)
    graph = onnx.helper.make_graph([node], "one", given, [out])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 22)])
    return np.asarray(ReferenceEvaluator(model).run(None, inputs)[0])


@pytest.mark.parametrize("aligned", [False, True])
def test_roi_align_equals_onnx(aligned):
    rng = np.random.default_rng(0)
    image = rng.normal(size=(9, 8, 3)).astype(np.float32)
    corners = rng.uniform(-2, 20, size=(5, 2, 2)).astype(np.float32)
    boxes = np.concatenate([corners.min(1), corners.max(1)], -1)
    theirs = onnx_run(
        "RoiAlign",
        {"X": np.moveaxis(image, -1, 0)[None], "rois": boxes, "batch_indices": np.zeros(5, np.int64)},
        output_height=3,
        output_width=2,
        sampling_ratio=2,
        spatial_scale=0.5,
        coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
    )
    ours = roi_align(image, boxes, output_size=(3, 2), spatial_scale=0.5, sampling_ratio=2, aligned=aligned)
    np.testing.assert_allclose(ours, np.moveaxis(theirs, 1, -1), atol=1e-5)


def test_nms_equals_onnx():
    rng = np.random.default_rng(1)
    centres, sides = rng.uniform(0, 20, (40, 2)), rng.uniform(2, 8, (40, 2))
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], -1).astype(np.float32)
    scores = rng.permutation(40).astype(np.float32) / 40
    for threshold in (0.0, 0.3, 0.7):
        theirs = onnx_run(
            "NonMaxSuppression",
            {
                "boxes": boxes[None],
                "scores": scores[None, None],
                "most": np.array([40], np.int64),
                "iou": np.array([threshold], np.float32),
                "score": np.array([0.2], np.float32),
            },
        )
        ours = nms(jnp.asarray(boxes), jnp.asarray(scores), iou_threshold=threshold, score_threshold=0.2)
        np.testing.assert_array_equal(ours.indices[: int(ours.count)], theirs[:, 2])
