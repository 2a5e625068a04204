"""Every op where an axis has no entries: values, gradients, and a batch of no examples."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import ops
from tests.ops import contract

RNG = np.random.default_rng(0)
IMAGE, POINTS = jnp.array(RNG.normal(size=(5, 6, 4)), jnp.float32), jnp.array(RNG.uniform(0, 4, (3, 2)), jnp.float32)
CORNERS = np.array([[0.5, 1, 3, 4], [1, 0.5, 4.5, 3], [2, 2, 4, 4]], np.float32)
BOXES, TURNED = jnp.array(CORNERS), jnp.array(np.c_[CORNERS, [10, 20, 30]], jnp.float32)
SCORES, MATRIX = jnp.array([0.9, 0.2, 0.6]), jnp.array(RNG.uniform(0.1, 0.9, (3, 2)), jnp.float32)
LABELS, CODES = jnp.array([0, 1, 1]), jnp.array([[0.0, 1], [1, 0], [1, 1]])
OFFSETS = jnp.array(RNG.normal(size=(5, 6, 2, 1, 1, 2)), jnp.float32)
KEY = jax.random.key(0)
PARAMS, STATE = ops.init_batch_norm((1, 1, 4))

FEATURES = {"features": (IMAGE, "h w c"), "boxes": (BOXES, "k 4")}
SAMPLED = {"image": (IMAGE, "h w c"), "points": (POINTS, "k 2")}
ROWS = {"boxes": (BOXES, "k 4")}
PAIRS = {"a": (BOXES, "n 4"), "b": (BOXES + 0.3, "m 4")}
ALIKE = {"a": (BOXES, "k 4"), "b": (BOXES + 0.3, "k 4")}
RANKED = {"boxes": (BOXES, "k 4"), "scores": (SCORES, "k")}
LOSS = {"predictions": (MATRIX, "n d"), "targets": (CODES, "n d")}
CLASSES = {"scores": (MATRIX, "n 2"), "labels": (LABELS, "n")}
CHOSEN = {"scores": (SCORES, "n"), "labels": (LABELS, "n")}
GUESSED = {"predictions": (LABELS, "n"), "labels": (LABELS, "n")}
TREE = {"x": (MATRIX, "n d")}


def case(name: str, arguments: dict, empty: str, finite: bool = True, **options):
    call = partial(getattr(ops, name), **options)
    return pytest.param(call, arguments, empty, finite, id="-".join([name, *map(str, options.values())]))


POOLS = [
    case("roi_align", FEATURES, "h w c k", output_size=2, implementation="gather"),
    case("roi_align", FEATURES, "h w c k", output_size=2, implementation="dense"),
    case("roi_align", FEATURES, "h w c k", output_size=2, sampling_ratio=0),
    case("roi_align", FEATURES, "h w c k", output_size=2, mode="max"),
    case("roi_pool", FEATURES, "h w c k", output_size=2),
    case("ps_roi_pool", FEATURES, "h w c k", output_size=2),
    case("ps_roi_align", FEATURES, "h w c k", output_size=2),
    case("ps_roi_align", FEATURES, "h w c k", output_size=2, implementation="dense"),
    case("prroi_pool", FEATURES, "h w c k", output_size=2),
    case("crop_and_resize", FEATURES, "c k", crop_size=2),
    case("bilinear_sample", SAMPLED, "c k"),
    *(case("grid_sample", SAMPLED, "c k", mode=mode, padding="reflection") for mode in ("bilinear", "bicubic")),
    pytest.param(
        lambda image, boxes: ops.multiscale_roi_align([image, image[::2, ::2]], boxes, output_size=2),
        FEATURES, "c k", True, id="multiscale_roi_align",
    ),
    pytest.param(
        ops.deform_conv2d,
        {"image": (IMAGE, "h w i"), "offset": (OFFSETS, "h w d 1 1 2"), "weight": (jnp.ones((1, 1, 4, 3)), "1 1 i o")},
        "o", True, id="deform_conv2d",
    ),
]  # fmt: skip
BOX_OPS = [
    *(case(name, ROWS, "k", **options) for name, options in {
        "box_area": {}, "clip_boxes": {"height": 3, "width": 3}, "small_box_mask": {"min_size": 1},
        "box_levels": {"min_level": 2, "max_level": 5}, "box_convert": {"from_format": "xyxy", "to_format": "cxcywhr"},
    }.items()),
    *(case(name, PAIRS, "n m") for name in (
        "box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou",
    )),
    *(case(name, ALIKE, "k") for name in ("giou_loss", "diou_loss", "ciou_loss", "encode_boxes", "decode_boxes")),
    case("rotated_box_iou", {"a": (TURNED, "n 5"), "b": (TURNED, "m 5")}, "n m"),
    case("masks_to_boxes", {"masks": (jnp.ones((3, 4, 5)), "k h w")}, "k"),
    case("nms", RANKED, "k", iou_threshold=0.5),
    case("nms", RANKED, "k", iou_threshold=0.5, max_outputs=2),
    case("soft_nms", RANKED, "k"),
    case("soft_nms", RANKED, "k", max_outputs=0),
]  # fmt: skip
LOSSES = [
    *(case(name, LOSS, "n d", **options) for name, options in {
        "absolute_error": {}, "squared_error": {}, "huber": {}, "smooth_l1": {}, "log_cosh": {}, "charbonnier": {},
        "barron": {}, "tukey_biweight": {}, "pinball": {"quantile": 0.3}, "hinge": {}, "squared_hinge": {},
        "sigmoid_cross_entropy": {}, "sigmoid_focal_loss": {},
    }.items()),
    *(case(name, CLASSES, "n") for name in ("multiclass_hinge", "softmax_cross_entropy", "softmax_focal_loss")),
]  # fmt: skip
METRICS = [
    *(case(name, CHOSEN, "n", False) for name in (
        "average_precision", "brier_loss", "calibration_error", "log_loss", "pairwise_auc_loss",
        "precision_recall_curve", "roc_auc", "roc_curve",
    )),
    case("multiclass_roc_auc", CLASSES, "n", False),
    case("accuracy", GUESSED, "n", False),
    case("confusion_counts", GUESSED, "n", num_classes=2),
    case("f1_score", GUESSED, "n", False),
]  # fmt: skip
PENALTIES = [
    *(case(name, TREE, "n d", **options) for name, options in {
        "elastic_net": {}, "group_lasso": {}, "l0_count": {}, "l1": {}, "l2_norm": {}, "l2_squared": {},
        "total_variation": {}, "prox_elastic_net": {"strength": 0.1}, "prox_group_lasso": {"strength": 0.1},
        "prox_l0": {"strength": 0.1}, "prox_l1": {"strength": 0.1}, "prox_l2_norm": {"strength": 0.1},
        "prox_l2_squared": {"strength": 0.1},
    }.items()),
    *(case(name, TREE, "") for name in ("project_l1_ball", "project_simplex")),  # which refuse a tree without entries
]  # fmt: skip
LAYERS = [
    pytest.param(lambda x: ops.batch_norm(x, PARAMS, STATE, training=True)[0], {"x": (IMAGE, "h w 4")}, "h w", True,
        id="batch_norm"),
    pytest.param(lambda x: ops.frozen_batch_norm(x, PARAMS, STATE), {"x": (IMAGE, "h w 4")}, "h w", True,
        id="frozen_batch_norm"),
    pytest.param(lambda x: ops.layer_norm(x, None), {"x": (IMAGE, "h w c")}, "h w c", True, id="layer_norm"),
    pytest.param(lambda x: ops.group_norm(x, None, num_groups=2), {"x": (IMAGE, "h w 4")}, "h w", True,
        id="group_norm"),
    pytest.param(lambda x: ops.stochastic_depth(KEY, x, rate=0.5), {"x": (IMAGE, "h w c")}, "h w c", True,
        id="stochastic_depth"),
    pytest.param(lambda x: ops.drop_block(KEY, x, rate=0.5, block_size=2), {"x": (IMAGE, "h w c")}, "c", True,
        id="drop_block"),
]  # fmt: skip
CASES = [*POOLS, *BOX_OPS, *LOSSES, *METRICS, *PENALTIES, *LAYERS]
WITHOUT_ARRAYS = {"conv_cost", "conv_output_size", "receptive_field"}
SETTINGS = {"convert_batch_norm_state", "convert_momentum", "init_batch_norm"}


@pytest.mark.parametrize(("call", "arguments", "empty", "finite"), CASES)
def test_no_axis_needs_entries(call, arguments, empty, finite):
    contract.empty_axes(call, arguments, empty=empty, finite=finite)


def test_every_op_is_tried():
    tried = {str(param.id).split("-")[0] for param in CASES}
    functions = {name for name in ops.__all__ if inspect.isroutine(getattr(ops, name))}
    assert tried == functions - WITHOUT_ARRAYS - SETTINGS
