"""Pure, differentiable functions of arrays: one example per call, batching by `jax.vmap`.

Losses and penalties never reduce, boxes are (x1, y1, x2, y2), images are channels last, hyperparameters are
keyword-only and may be traced, random functions take their key first.
"""
