"""Non-maximum suppression for one image; `jax.vmap` maps it over images.

Results have static shapes, so both forms run under `jit`: indices padded with -1, and how many of them count.
"""

from jaxml.ops.nms.hard import NMSResult, nms
from jaxml.ops.nms.soft import SoftNMSResult, soft_nms

__all__ = ["NMSResult", "SoftNMSResult", "nms", "soft_nms"]
