"""Deformable convolution: every tap of the kernel samples the image at its own learned offset."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.ops.checks import check_floating, check_shapes
from jaxml.ops.once import apart
from jaxml.ops.sampling.points import sample_points
from jaxml.ops.sampling.windows import accumulator

__all__ = ["deform_conv2d"]


def deform_conv2d(
    image: Float[Array, "h w i"],
    offset: Float[Array, "oh ow d kh kw 2"],
    weight: Float[Array, "kh kw j o"],
    *,
    bias: Float[Array, "o"] | None = None,
    mask: Float[Array, "oh ow d kh kw"] | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
) -> Float[Array, "oh ow o"]:
    """Convolve an image with a kernel whose taps are moved by offsets and weighted by a mask.

        out[y, x] = bias + sum_{a, b} mask[y, x, a, b] W[a, b]^T image(y s - p + a d + dy, x s - p + b d + dx)

    with `image(.)` the bilinear interpolation, pixels outside being 0, and (dy, dx) = offset[y, x, group, a, b].

    Args:
        image: one image, channels last; i input channels.
        offset: (dy, dx) in pixels for each output, offset group and tap; the i channels split evenly into d groups.
        weight: kernel; j = i / groups input channels feed each group of outputs, o is a multiple of the groups.
        bias: one number per output channel.
        mask: a factor per output, offset group and tap (version 2); None is 1.
        stride: step between outputs (s), per axis or for both.
        padding: rows and columns of zeros around the image (p).
        dilation: step between taps (d).

    Returns:
        The convolved image, oh = (h + 2 p - d (kh - 1) - 1) // s + 1 rows and likewise columns.

    Raises:
        ValueError: for shapes that do not agree, or integer arrays.

    torchvision packs the offset axes (d, kh, kw, 2) into channels, in this order. Not a padded convolution: with zero
    offsets it is `jax.lax.conv_general_dilated`.

    References:
        Dai et al. (2017), Deformable convolutional networks, eq. 2. https://doi.org/10.1109/ICCV.2017.89
        Zhu, Hu, Lin, Dai (2019), Deformable ConvNets v2, eq. 1. https://doi.org/10.1109/CVPR.2019.00953

    >>> image = jnp.arange(16.0).reshape(4, 4, 1)
    >>> half_right = jnp.zeros((4, 4, 1, 1, 1, 2)).at[..., 1].set(0.5)
    >>> deform_conv2d(image, half_right, jnp.ones((1, 1, 1, 1)))[0, :, 0]  # the last one mixes with the zero outside
    Array([0.5, 1.5, 2.5, 1.5], dtype=float32)
    """
    sizes = check_shapes(
        "deform_conv2d", image=(image, "h w i"), weight=(weight, "kh kw j o"), offset=(offset, "oh ow d kh kw 2")
    )
    check_floating("deform_conv2d", image=image, offset=offset, weight=weight)
    strides, pads, steps = (x if isinstance(x, tuple) else (x, x) for x in (stride, padding, dilation))
    groups = _check_deform(sizes, offset, weight, bias, mask, strides, pads, steps)

    oh, ow, d, kh, kw, _ = offset.shape
    dtype = accumulator(offset.dtype)
    centre = [
        (jnp.arange(out, dtype=dtype) * s - p)[:, None] + jnp.arange(taps, dtype=dtype)[None] * step
        for out, s, p, taps, step in zip((oh, ow), strides, pads, (kh, kw), steps, strict=True)
    ]
    y = centre[0].reshape(oh, 1, 1, kh, 1) + offset[..., 0].astype(dtype)
    x = centre[1].reshape(1, ow, 1, 1, kw) + offset[..., 1].astype(dtype)
    points = jnp.moveaxis(jnp.stack([x, y], -1), 2, 0)  # d oh ow kh kw 2
    slices = jnp.moveaxis(image.reshape(*image.shape[:2], d, sizes["i"] // d), 2, 0)  # d h w i/d

    def sample(image: Any, points: Any) -> Any:
        return sample_points(image, points, mode="bilinear", padding="zeros", reflect_edges=False)

    columns = jax.vmap(sample)(slices, points)
    if mask is not None:
        columns = columns * jnp.moveaxis(mask, 2, 0)[..., None].astype(columns.dtype)
    columns = jnp.moveaxis(columns, 0, -2).reshape(oh, ow, kh, kw, groups, sizes["j"])
    kernel = weight.reshape(kh, kw, sizes["j"], groups, sizes["o"] // groups)
    out = jnp.einsum(
        "yxabgi,abigo->yxgo",
        apart(columns),
        apart(kernel),
        preferred_element_type=accumulator(image.dtype),
        precision="highest",
    )
    out = apart(out).reshape(oh, ow, sizes["o"])
    if bias is not None:
        out = out + bias.astype(out.dtype)[None, None]
    return out.astype(image.dtype)


def _check_deform(
    sizes: dict[str, int],
    offset: Any,
    weight: Any,
    bias: Any,
    mask: Any,
    strides: tuple[int, int],
    pads: tuple[int, int],
    steps: tuple[int, int],
) -> int:
    """Check how the sizes hang together; returns the number of groups."""
    i, j, o, d = (sizes[name] for name in "ijod")
    if i % d:
        raise ValueError(
            f"deform_conv2d: 'offset' has {d} offset groups (axis 2), which must divide the {i} channels of 'image'."
        )
    if i % j or o % (i // j):
        raise ValueError(
            f"deform_conv2d: 'weight' with {j} input and {o} output channels does not fit {i} image channels. "
            f"Axis 2 must be {i} / groups and axis 3 a multiple of groups."
        )
    taps = (sizes["kh"], sizes["kw"])
    expected = tuple(
        (n + 2 * p - step * (t - 1) - 1) // s + 1
        for n, p, step, t, s in zip((sizes["h"], sizes["w"]), pads, steps, taps, strides, strict=True)
    )
    if offset.shape[:2] != expected:
        raise ValueError(
            f"deform_conv2d: 'offset' must have shape {(*expected, d, *taps, 2)}, got {offset.shape}. "
            "Its first two axes are the output size that image, stride, padding and dilation give."
        )
    if mask is not None:
        check_shapes("deform_conv2d", offset=(offset, "oh ow d kh kw 2"), mask=(mask, "oh ow d kh kw"))
    if bias is not None:
        check_shapes("deform_conv2d", weight=(weight, "kh kw j o"), bias=(bias, "o"))
    return i // j
