"""Deliberate faults in ops and learners, and whether their tests notice.

``python tests/ops/faults.py [FOLDER]`` tries all of them, or those of one folder of jaxml, as ``ops/roi`` or ``learn``.
Each fault is put into a copy of the repository, where the tests that belong to its file must then fail. All of them
take some twenty minutes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
POINTS, DEFORM, REGIONS, PRODUCT = (f"ops/sampling/{name}.py" for name in ("points", "deform", "regions", "product"))
POOL, PRECISE, LEVELS, ALIGN = (f"ops/roi/{name}.py" for name in ("pool", "precise", "levels", "align"))
CODING, CONVERT, OVERLAP, ROTATED = (f"ops/boxes/{name}.py" for name in ("coding", "convert", "overlap", "rotated"))
AXIS, WINDOWS, EXACT, ONCE = "ops/roi/axis.py", "ops/sampling/windows.py", "ops/exact.py", "ops/once.py"
BLOCKS, HARD, SOFT = (f"ops/nms/{name}.py" for name in ("blocks", "hard", "soft"))
MOMENTS, BATCH = (f"ops/norm/{name}.py" for name in ("moments", "batch"))
LOSSES = ("regression", "classification", "robust", "focal", "rows")
REGRESSION, CLASSIFICATION, ROBUST, FOCAL, ROWS = (f"ops/losses/{name}.py" for name in LOSSES)
FINITE, PRIMITIVES = "ops/finite.py", "ops/primitives.py"
CLASSES, PROBABILITY = (f"ops/metrics/{name}.py" for name in ("classes", "probability"))
AREA, CURVES, PAIRS, RANKS = (f"ops/metrics/ranking/{name}.py" for name in ("area", "curves", "pairs", "sums"))
BINNING, GROWTH, SUMS = (f"learn/trees/{name}.py" for name in ("binning", "growth", "sums"))
LAPACK, TRAIN, CHECKS = "ops/lapack.py", "learn/train.py", "learn/checks.py"
LDA, SVM, INTERIOR, GLM = (f"learn/{name}.py" for name in ("lda", "svm", "interior", "glm"))
KERNELS, HINGE, STEPS = (f"learn/{name}.py" for name in ("kernels", "hinge", "pairs"))
BOOSTING, BAGGING, ADABOOST, FOREST = (
    f"learn/ensembles/{name}.py" for name in ("boosting", "bagging", "adaboost", "forest")
)
LINEAR, LEARNT = "learn/linear.py", "learn/losses.py"
FAULTS = (
    (PRODUCT, "weight_y[:, :, None, i] * weight_x", "weight_x"),
    (PRODUCT, "jnp.arange(2, dtype=low.dtype)", "jnp.zeros(2, low.dtype)"),
    (PRODUCT, "if tangents[i] is not None]", "if tangents[i] is not None][-1:]"),
    (PRODUCT, "low_y + offset.reshape(lanes, 1, 1, 1)", "low_y"),
    (ROWS, "_BLOCK // max(1, classes)", "_BLOCK // max(1, classes // 9)"),
    (ROWS, "of_rows(cut(flat), cut(own)), first, 0)", "of_rows(cut(flat), cut(own)), 0, 0)"),
    (PRODUCT, "return apart(", "return ("),
    (POINTS, "return apart(out)", "return out"),
    (PRIMITIVES, "transposes[1](cotangent, where, left", "transposes[1](2 * cotangent, where, left"),
    (PRIMITIVES, "jnp.moveaxis(arg, dim, 0)", "arg"),
    (POINTS, "((grid + 1) * size - 1) / 2", "((grid + 1) * size) / 2"),
    (POINTS, "(size - 1) if align_corners", "size if align_corners"),
    (POINTS, "_axis_taps(flat[:, 1], h, mode", "_axis_taps(flat[:, 0], h, mode"),
    (
        POINTS,
        "(-0.5, size) if reflect_edges else (0.0, size - 1)",
        "(0.0, size - 1) if reflect_edges else (-0.5, size)",
    ),
    (POINTS, "rest, span - rest) + low", "rest, rest) + low"),
    (POINTS, "jnp.minimum(base, max(size - 2, 0))", "base"),
    (POINTS, "((_CUBIC + 2) * d - (_CUBIC + 3))", "((_CUBIC + 2) * d - (_CUBIC + 2.9))"),
    (POINTS, "jnp.where(known & (pixel < size), here, 0)", "jnp.where(pixel < size, here, 0)"),
    (POINTS, "jnp.round(x) if mode", "jnp.floor(x) if mode"),
    (DEFORM, "* s - p)[:, None]", "* s)[:, None]"),
    (DEFORM, "columns = columns * jnp.moveaxis(mask, 2, 0)", "columns = columns + 0 * jnp.moveaxis(mask, 2, 0)"),
    (REGIONS, "quotient(way * (size - 1), parts)", "quotient(way * size, parts)"),
    (REGIONS, "inside = (way >= 0) & (way <= parts)", "inside = (way >= 0) & (way < parts)"),
    (REGIONS, "y - floor >= 0.5", "y - floor > 0.5"),
    (POOL, "round_half_away(jnp.where", "jnp.round(jnp.where"),
    (POOL, "corners[:, 3 - i] + 1, bins[i]", "corners[:, 3 - i], bins[i]"),
    (POOL, "larger = value > best[0]", "larger = value >= best[0]"),
    (EXACT, "(p + 1) * whole - -(p + 1) * rest // parts", "(p + 1) * whole + (p + 1) * rest // parts"),
    (
        EXACT,
        "p * whole + p * rest // parts,",
        "jnp.floor(p * (side[..., None].astype(float) * (1 / parts))).astype(side.dtype),",
    ),
    (EXACT, "jnp.where((near - 1) * denominator >= numerator, near - 1, near)", "near"),
    (EXACT, "jnp.where(size - below >= 0.5, below + 1, below)", "jnp.floor(size + 0.5)"),
    (EXACT, "return first + jnp.where(jnp.isfinite(rest), rest, 0) / denominator", "return first"),
    (EXACT, "inverse << info.nmant", "(inverse << info.nmant) + 1"),
    (AXIS, "(start - size) * steps + way <= 0", "start + quotient(way, steps) < size"),
    (ONCE, "return _apart(y)", "return y"),
    (ONCE, "lambda cotangent, _: _apart(cotangent)", "lambda cotangent, _: 2 * cotangent"),
    (OVERLAP, "power_of_two(length), 0)", "1 / length, 0)"),
    (
        ROTATED,
        "divided(jnp.where(empty, 0, inner), jnp.where(empty, 1, union))",
        "jnp.where(empty, 0, inner / jnp.where(empty, 1, union))",
    ),
    (WINDOWS, "if weight.size * rows.size == 0:", "if False:"),
    (PRECISE, "(0.5 if aligned else 0.0)", "(0.0 if aligned else 0.5)"),
    (PRECISE, "(1 + slope * (a + b) / 2)", "(1 + slope * a)"),
    (LEVELS, "2.0 ** -(min_level + i)", "2.0 ** -(min_level + i + 1)"),
    (LEVELS, "index = level - min_level", "index = jnp.maximum(level - min_level - 1, 0)"),
    (CODING, "s_h * _log_ratio(h, h_a)", "s_h * _log_ratio(h, h_a) + 0 * (h / 0)"),
    (CODING, "divided(_product(s_x, x - x_a), w_a)", "divided(_product(s_x, x - x_a), h_a)"),
    (CONVERT, "x, y = x - w / 2, y - h / 2", "x, y = x - w / 2, y - w / 2"),
    (ALIGN, "jnp.max(jnp.where(taken, values, -jnp.inf), axis=3)", "jnp.max(values, axis=3)"),
    (BLOCKS, "(a[4] + b[4] - inner)", "(a[4] + b[4])"),
    (BLOCKS, "inner) > threshold", "inner) >= threshold"),
    (BLOCKS, "overlap &= better.classes", "overlap |= better.classes"),
    (BLOCKS, "jnp.where(a[0] > b[0], a[0], b[0]) + offset", "jnp.where(a[0] > b[0], a[0], b[0])"),
    (HARD, "candidate &= scores > ", "candidate &= scores >= "),
    (SOFT, "jnp.exp(-iou * iou / width)", "jnp.exp(-iou / width)"),
    (SOFT, "current >= least", "current > least"),
    (SOFT, "1 - iou, 1)", "iou, 1)"),
    (MOMENTS, "second - offset * offset, 0)", "second, 0)"),
    (MOMENTS, "(half_var_dot + eps_dot * m.unit * m.unit / 2)", "half_var_dot"),
    (MOMENTS, "overflow = ~(", "overflow = False & ("),
    (MOMENTS, "plain(x[turns * rows * _UNROLL :], pivot)", "plain(x[:0], pivot)"),
    (MOMENTS, "first + d, second + d * d", "first + d, second + d"),
    (MOMENTS, "2 * _total(axes, names, x_dot * d * share)", "_total(axes, names, x_dot * d * share)"),
    (MOMENTS, "_kept(x * unit + mean, mask)", "_kept(x * unit, mask)"),
    (MOMENTS, "2 * (first / 2 + jnp.sum((part / 2 - first / 2) / size", "(jnp.sum(part / size"),
    (FINITE, "jnp.where(finite, jnp.clip(y, -largest, largest), y)", "jnp.clip(y, -largest, largest)"),
    (FINITE, "saturated(2 * x, x) * x_dot", "2 * x * x_dot"),
    (FINITE, "by_x - saturated(power * slope, slope) * y_dot", "by_x - x * by_x * y_dot"),
    (FINITE, "dtype: narrowed(cotangent, x)", "dtype: cotangent.astype(x.dtype)"),
    (FINITE, "ratio = saturated(ratio * unit / divisor, x, y)", "ratio = ratio / y"),
    (BLOCKS, "boxes * unit * 2.0**56, pixel_offset * unit * 2.0**56", "boxes, pixel_offset"),
    (OVERLAP, "jnp.unstack(working(boxes) / 4", "jnp.unstack(working(boxes) / 1"),
    (CODING, "grown * tangents[1]", "primals[0] * jnp.exp(primals[1]) * tangents[1]"),
    (CODING, "jnp.log(w) - jnp.log(v)", "jnp.log(ratio)"),
    (CONVERT, "number / 8 for i", "number / 1 for i"),
    (AXIS, "* scale, _FARTHEST, boxes)", "* scale, 1e38, boxes)"),
    (LEVELS, "area = width * unit * height * unit", "area = width * height * unit * unit"),
    (PRECISE, "wide &= end != start", "wide &= True"),
    (POINTS, "saturated(points, grid)", "points"),
    (FINITE, "jnp.sqrt((x * unit) ** 2 + (y * unit) ** 2) / unit", "jnp.sqrt(x**2 + y**2)"),
    (FINITE, "norm = jnp.sqrt(jnp.sum(jnp.square(x * unit)", "unit, norm = 1, jnp.sqrt(jnp.sum(jnp.square(x)"),
    (ROBUST, "ratio * weight * weight * share", "ratio * (weight * weight) * share"),
    (ROBUST, "t * (1 - u) ** 2", "t * (1 - u)"),
    (FOCAL, "-jnp.where(odds < 100, odds, 100)", "-odds"),
    (FOCAL, "jnp.where(z < -end, -end, jnp.where(z > end, end, z))", "jnp.clip(z, -end, end)"),
    (FOCAL, "by_logit * tangents[0] + by_label * tangents[1]", "by_logit * tangents[0]"),
    (BATCH, "var * (count / jnp.maximum(count - 1, 1))", "var * (count / jnp.maximum(count, 1))"),
    (BATCH, "weight if rule.momentum_weighs_new else 1 - weight", "weight"),
    (REGRESSION, "clipped * (r - clipped / 2)", "clipped * (r - clipped / 3)"),
    (REGRESSION, "_absolute(r) - beta / 2)", "_absolute(r))"),
    (REGRESSION, "jnp.maximum(q * u, (q - 1) * u)", "jnp.maximum((1 - q) * u, -q * u)"),
    (REGRESSION, "jnp.log1p(jnp.exp(-2 * far))", "jnp.log1p(jnp.exp(-far))"),
    (ROBUST, "t * t * (3 - 3 * u + u * u)", "t * t * (3 - 2 * u + u * u)"),
    (CLASSIFICATION, "jnp.where(barred, 0, log_probabilities)", "log_probabilities"),
    (CLASSIFICATION, "jnp.where(smoothing == 0, 0, jnp.inf)", "jnp.inf"),
    (CLASSIFICATION, "axis=-1), lowest)", "axis=-1), jnp.inf)"),
    (ROWS, "labels.astype(jnp.int32)", "labels"),
    (ROWS, "jnp.where(others == 0, none, jnp.log(others))", "jnp.log(others)"),
    (ROWS, "slope = shares - _is_own(scores, labels).astype(shares.dtype)", "slope = shares"),
    (CLASSIFICATION, "- labels.astype(scores.dtype) * scores", "+ labels.astype(scores.dtype) * scores"),
    (
        CLASSIFICATION,
        "_binary_slope(logits, labels) * logits_dot - logits * labels_dot",
        "_binary_slope(logits, labels) * logits_dot",
    ),
    (CLASSES, "jnp.sum(f1 * actual) / jnp.sum(actual)", "jnp.mean(f1 * actual) / jnp.mean(f1)"),
    (CLASSES, "(encode(labels) * weights[:, None])", "encode(labels)"),
    (PROBABILITY, "else squares / 2", "else squares"),
    (
        PROBABILITY,
        "jnp.sum(p[:, None] > edges[None], axis=1, dtype=jnp.int32)",
        "jnp.int32(jnp.ceil(p * num_bins) - 1)",
    ),
    (PROBABILITY, "jnp.where(weights > 0, divided(weights, weight) * values, 0)", "divided(weights, weight) * values"),
    (AREA, "jnp.square(limit) / 2", "jnp.square(limit)"),
    (AREA, "(before + seen) / 2))", "seen))"),
    (AREA, "(by_a + by_b) / 2", "by_a"),
    (AREA, "+ (weight - own) * running", "+ (weight - own) * above"),
    (CURVES, "divided(tp, predicted), 1)", "divided(tp, predicted), 0)"),
    (PAIRS, "jnp.where(paired, losses, 0)", "losses"),
    (RANKS, "jnp.where(ends, rising, jnp.inf)", "rising"),
    (BINNING, "middle = midpoint(low, high)", "middle = (low + high) / 2"),
    (BINNING, "bits ^ jnp.iinfo(whole).max", "bits"),
    (BINNING, "(number - gap)[rank] + 1", "number[rank] + 1"),
    (BINNING, "jnp.arange(1, bins, dtype=jnp.int32)", "jnp.arange(1, bins)"),
    (BINNING, "np.isnan(values).any()", "np.isnan(values).all()"),
    (BINNING, "most = max(most, np.unique(column).size)", "most = max(2, np.unique(column).size)"),
    (GROWTH, "| (rank <= first_able)", ""),
    (GROWTH, "(start + end) // 2)", "start)"),
    (GROWTH, "self.missing & (end == cuts - 1)", "end < 0"),
    (
        GROWTH,
        "(code == self.binned.edges.shape[1]) & split.missing_left[slot]",
        "split.missing_left[slot] & (code < 0)",
    ),
    (SUMS, "jnp.where(slot < 0, width, slot)", "jnp.maximum(slot, 0)"),
    (SUMS, "cells, cell).reshape(n * d)", "0, cell).reshape(n * d)"),
    (BOOSTING, "tuple(range(1, trees.value.ndim))) < kept", "tuple(range(1, trees.value.ndim))) <= kept"),
    (BOOSTING, "grow(descent * drawn, curvature", "grow(descent * train, curvature"),
    (BAGGING, "base * weights(weight_key)", "weights(weight_key)"),
    (BAGGING, "jax.random.split(key)[0]) == 0", "jax.random.split(key)[1]) == 0"),
    (LINEAR, "jnp.where(length > 0, length, 1.0)", "jnp.ones(p, A.dtype)"),
    (LINEAR, "pivot > 100 * p", "pivot > -100 * p"),
    (LINEAR, "@ unit)[:, None])[:, 0] / scale", "@ unit)[:, None])[:, 0]"),
    (LINEAR, "100 + jnp.sqrt", "0.001 + 0 * jnp.sqrt"),
    (LDA, "(jnp.asarray(X) - params.mean[None, :]) @ params.coef", "jnp.asarray(X) @ params.coef"),
    (
        KERNELS,
        "(A[:, None, :] - B[None, :, :]) ** 2",
        "A[:, None, :] ** 2 - 2 * A[:, None, :] * B[None] + B[None] ** 2",
    ),
    (KERNELS, "lengths - A @ dB.T", "lengths + A @ dB.T"),
    (KERNELS, 'if kernel == "linear" else jnp.zeros((), rows.dtype)', 'if kernel == "" else jnp.zeros((), rows.dtype)'),
    (INTERIOR, " | (s.best.excess > _NEAR)", ""),
    (INTERIOR, "jnp.clip(share, eps, 1.0)", "jnp.ones((), dtype)"),
    (INTERIOR, "_RIDGE * eps", "0 * eps"),
    (INTERIOR, "s.weights + dual * turn", "priced * (alpha @ rows) + (1 - priced) * (s.weights + dual * turn)"),
    (HINGE, "+ jnp.sum(rows) + apart", "+ jnp.sum(rows)"),
    (GLM, "if not (intercept and loss.equivariant):", "if True:"),
    (GLM, "found.converged & ~(lost > limit)", "found.converged"),
    (LINEAR, "= jnp.all(jnp.abs(slope) <= rounding * length * size) & ~(", "= ~("),
    (LINEAR, "& ~(\n", "& (size >= 0) | (\n"),
    (LDA, "& lax.stop_gradient(close)", ""),
    (BOOSTING, "if goal.equivariant else (y, start)", "if False else (y, start)"),
    (LEARNT, "ops.squared_error(eta, y) / 2", "ops.squared_error(eta, y)"),
    (LEARNT, "u * (u / 2 + y)", "u * (u / 3 + y)"),
    (LEARNT, "u * ((2 * y - 1) + u / 4)", "u * ((2 * y - 1) + u / 8)"),
    (LEARNT, "weights * -_slope(value", "weights * _slope(value"),
    (LEARNT, "p * (1 - p)", "p"),
    (LEARNT, "jnp.clip(t, 0.0, 1.0) * toward", "0 * toward"),
    (LEARNT, "u - jnp.sum(omega * u)", "u"),
    (ADABOOST, "weights * jnp.exp(jnp.where(wrong, vote, 0.0))", "weights * jnp.exp(jnp.where(wrong, -vote, 0.0))"),
    (ADABOOST, "jnp.where(fine, votes, jnp.nan)", "votes"),
    (FOREST, "jnp.where(fine, weights, jnp.nan)", "weights"),
    (TRAIN, '"value_fn": lambda p: scored(p, carry.state', '"value_fn": lambda p: scored(carry.params, carry.state'),
    (CHECKS, "jnp.isfinite(weight) & _proper", "_proper"),
    (BAGGING, "jnp.where(jnp.all(base >= 0), base, jnp.nan)", "base"),
    (BOOSTING, "fine &= jnp.asarray(value) >= 0", "fine &= True"),
    (BOOSTING, "jnp.where(weights > 0, y, jnp.zeros_like(y))", "y"),
    (CHECKS, "abs(y) < jnp.inf", "y == y"),
    (LDA, "abs(values.sum() - 1) <= rounding", "True"),
    (CHECKS, " & _proper(y, target, classes)))", "))"),
    (CHECKS, "(weight == 0) | ((weight > 0)", "(weight < jnp.inf) | ((weight > 0)"),
    (CHECKS, "jnp.where(v > 0 if positive else v >= 0, v, jnp.nan)", "v"),
    (SVM, "jnp.where(usable, found.certificate.stretch, jnp.nan)", "found.certificate.stretch"),
    (STEPS, "rest = y - K @ end.coef", "rest = end.rest * 1.0001"),
    (STEPS, "rounding(coef), cost", "0 * coef, cost"),
    (STEPS, "jnp.minimum(room_i, room_j)), 0.0)", "room_i), 0.0)"),
    (STEPS, "s.rest - (by_i * K[i] + by_j * K[j])", "s.rest - by_i * K[i]"),
    (HINGE, "more * (2 + more) / 2 * norm", "0 * norm"),
    (HINGE, "other.gap < plain.gap", "other.gap < 0 * plain.gap"),
    (GLM, "axis=0) <= rounding)[None, :], 0.0, shifted)", "axis=0) > rounding)[None, :], shifted, 0.0)"),
    (LAPACK, "cpu=in_turn", "cpu=together"),
    (LAPACK, "in_axes=[0 if moves else None for moves in batched]", "in_axes=0"),
    (LAPACK, "return found, -found @ tangents[0] @ found", "return found, -found @ tangents[0]"),
    (LAPACK, "(jnp.tril(inner) - jnp.diag(jnp.diagonal(inner)) / 2)", "jnp.tril(inner)"),
)
"""The file in jaxml, what it says, and what it says instead."""


WHOSE = {"linear": ["linear"], "glm": ["linear", "logistic"], "lda": ["lda"], "checks": [], "train": ["train"]}
WHOSE |= {name: ["certificates", "svm"] for name in ("kernels", "hinge", "pairs", "svm", "interior")}
WHOSE |= {
    "losses": ["losses", "linear", "logistic", "svm", "ensembles"],
    "trees": ["trees"],
    "ensembles": ["ensembles"],
}
"""The tests of a learner, besides those of the contract."""


def tests_of(file: str) -> list[str]:
    """The tests that must notice a fault in a file."""
    part, folder, *_ = file.removesuffix(".py").split("/")
    if part == "ops":
        own = {
            ALIGN: "roi_align",
            WINDOWS: "empty",
            OVERLAP: "exact",
            ROTATED: "boxes_overlap",
            EXACT: "exact",
            FINITE: "range",
            PRIMITIVES: "sampling",
        }
        also = {AXIS: ["exact", "as_users_run"], ONCE: ["as_users_run"], REGIONS: ["exact"]}.get(file, [])
        also = ["range"] if file in (MOMENTS, ROBUST, FOCAL, ROWS, CLASSIFICATION) else also
        also = [*also, *(["range_boxes"] if folder in ("boxes", "nms", "roi") or file in (POINTS, FINITE) else [])]
        also = [*also, *(["in_use"] if file in (PRODUCT, POINTS, ROWS) else [])]
        names = [own.get(file) or {"roi": "roi_pools"}.get(folder, folder), *also]
        return [f"tests/ops/test_{name}.py" for name in names if name != "once"]
    also = ["tests/ops/test_exact.py"] if file == BINNING else []
    contract = [] if file == TRAIN else ["contract"]
    return [f"tests/learn/test_{name}.py" for name in (*WHOSE[folder], *contract)] + also


def main() -> int:
    """Print one line per fault; the exit status is the number of faults that nobody noticed."""
    unnoticed, chosen = 0, [fault for fault in FAULTS if fault[0].startswith(tuple(sys.argv[1:]) or "")]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".venv", ".git", "runs"))
        for file, right, wrong in chosen:
            path = copy / "jaxml" / file
            text = path.read_text()
            path.write_text(text.replace(right, wrong, 1))
            command = [sys.executable, "-m", "pytest", "-qx", "-n0", *tests_of(file)]
            environment = {**os.environ, "PYTHONPATH": str(copy)}
            failed = (
                subprocess.run(command, cwd=copy, env=environment, capture_output=True, check=False).returncode == 1
            )
            path.write_text(text)
            unnoticed += not failed
            print(f"{'noticed' if failed else 'UNNOTICED':<10} {file:<28} {right}  ->  {wrong}", flush=True)
    print(f"{len(chosen) - unnoticed} of {len(chosen)} faults noticed")
    return unnoticed


if __name__ == "__main__":
    sys.exit(main())
