"""RoIAlign, pyramids and samplers inside a loss, a head, a training loop, a batch.

    python benchmarks/in_use/regions.py --peer-python PATH/TO/python

PATH is an environment with benchmarks/requirements-torchvision.txt. torchvision has no gradient in the boxes: beside
"gradient: both" it computes that in the features. pairs.py says how the times are taken.
"""

import numpy as np
from pairs import table

BOXES, SIDE, CHANNELS, BINS = 512, 50, 256, 7
LEVELS, IMAGE = (100, 50, 25, 13), 400
MANY, STEPS = 5000, 10


def draw() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)

    def boxes(k: int, side: float, least: float = 0.0, most: float = 1.0) -> np.ndarray:
        low = rng.uniform(0, side * (1 - most / 2), (k, 2))
        return np.concatenate([low, low + rng.uniform(least, most / 2, (k, 2)) * side], 1).astype(np.float32)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    inner = BINS * BINS * CHANNELS
    return {
        "features": normal(SIDE, SIDE, CHANNELS),
        "boxes": boxes(BOXES, SIDE),
        "small": boxes(MANY, SIDE, 0.02, 0.2),
        "wide": boxes(BOXES, IMAGE),
        "hidden": normal(inner, 128) / np.float32(inner**0.5),
        "out": normal(128, 4),
        "image": normal(256, 256, 32),
        "grid": rng.uniform(-1, 1, (256, 256, 2)).astype(np.float32),
    } | {f"level {n}": normal(n, n, CHANNELS) for n in LEVELS}


def cases():
    import jax
    import jax.numpy as jnp
    import optax

    from jaxml import ops

    drawn = {name: jnp.asarray(x) for name, x in draw().items()}
    f, b, hidden, out = (drawn[name] for name in ("features", "boxes", "hidden", "out"))

    def roi(f, b, **options):
        return ops.roi_align(f, b, output_size=BINS, **options)

    def squares(op):
        return lambda x, where: jnp.sum(op(x, where).astype(jnp.float32) ** 2)

    def size(op, *args):
        return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves((args, jax.eval_shape(op, *args))))

    def rows(name, op, x, where, uses=("alone", "loss", "gradient: features", "gradient: both")):
        loss = squares(op)
        programs = {
            "alone": op,
            "loss": loss,
            "gradient: features": jax.grad(loss),
            "gradient: boxes": jax.grad(loss, 1),
            "gradient: both": jax.grad(loss, (0, 1)),
            "loss and gradient": jax.value_and_grad(loss, (0, 1)),
        }
        for use in uses:
            yield name, use, programs[use], (x, where), size(op, x, where), None

    yield from rows("roi_align", roi, f, b, ("alone", "loss", "gradient: features", "gradient: boxes"))
    yield from rows("roi_align", roi, f, b, ("gradient: both", "loss and gradient"))

    def head(weights, f, b):
        return jnp.mean((jax.nn.relu(roi(f, b).reshape(BOXES, -1) @ weights[0]) @ weights[1] - 1) ** 2)

    def steps(weights, f, b):
        optimiser = optax.sgd(1e-3)
        start = ((weights, f), optimiser.init((weights, f)))

        def step(carry, _):
            (weights, f), state = carry
            loss, slope = jax.value_and_grad(lambda p: head(*p, b))((weights, f))
            change, state = optimiser.update(slope, state)
            return (optax.apply_updates((weights, f), change), state), loss

        return jax.lax.scan(step, start, None, length=STEPS)

    arrays = size(roi, f, b) + hidden.nbytes + out.nbytes
    training = jax.value_and_grad(head, (0, 1))
    yield "roi_align", "head, training step", training, ((hidden, out), f, b), arrays, None
    yield "roi_align", f"{STEPS} steps in a scan", steps, ((hidden, out), f, b), arrays, None
    twice = (jnp.stack([f, f + 1]), jnp.stack([b, b / 2]))
    yield from rows("roi_align, batch of 2", jax.vmap(roi), *twice, ("alone", "loss and gradient"))
    yield from rows("roi_align, bfloat16", roi, f.astype(jnp.bfloat16), b, ("alone", "loss and gradient"))
    capped = lambda f, b: roi(f, b, sampling_ratio=0, max_sampling_ratio=4)  # noqa: E731
    yield from rows("roi_align, adaptive", capped, f, b, ("alone", "loss and gradient"))
    yield from rows("roi_align, 5000 boxes", roi, f, drawn["small"], ("alone", "loss", "gradient: both"))
    pyramid = [drawn[f"level {n}"] for n in LEVELS]
    fpn = lambda p, b: ops.multiscale_roi_align(p, b, output_size=BINS)  # noqa: E731
    yield from rows("multiscale_roi_align", fpn, pyramid, drawn["wide"])
    crop = lambda f, b: ops.crop_and_resize(f, b / (SIDE - 1), crop_size=BINS)  # noqa: E731
    yield from rows("crop_and_resize", crop, f, b)
    for mode in ("bilinear", "bicubic"):
        sample = lambda x, g, mode=mode: ops.grid_sample(x, g, mode=mode)  # noqa: E731
        yield from rows(f"grid_sample, {mode}", sample, drawn["image"], drawn["grid"])


def peers():
    import torch
    from torchvision.ops import MultiScaleRoIAlign, roi_align

    drawn = {name: torch.tensor(x) for name, x in draw().items()}

    def maps(name):
        return drawn[name].permute(2, 0, 1)[None].contiguous().requires_grad_()

    f, b = maps("features"), drawn["boxes"]

    def roi(f, *boxes, ratio=2):
        return roi_align(f, list(boxes), BINS, 1.0, ratio, True)

    def programs(name, op, leaves, both=True):
        def alone():
            with torch.no_grad():
                return op(*leaves)

        def loss():
            with torch.no_grad():
                return (op(*leaves) ** 2).sum()

        def slope():
            return torch.autograd.grad((op(*leaves) ** 2).sum(), [x for x in leaves if x.requires_grad])

        uses = {"alone": alone, "loss": loss, "gradient: features": slope, "loss and gradient": slope}
        uses |= {"gradient: both": slope} if both else {}
        return {f"{name}, {use}": run for use, run in uses.items()}

    hidden, out = drawn["hidden"].requires_grad_(), drawn["out"].requires_grad_()

    def training_step():
        pooled = roi(f, b).reshape(BOXES, -1)
        loss = ((torch.relu(pooled @ hidden) @ out - 1) ** 2).mean()
        return torch.autograd.grad(loss, (hidden, out, f))

    optimiser = torch.optim.SGD([hidden, out, f], lr=1e-3)

    def steps():
        for _ in range(STEPS):
            hidden.grad, out.grad, f.grad = training_step()
            optimiser.step()

    found = programs("roi_align", roi, (f, b))
    found |= {"roi_align, head, training step": training_step, f"roi_align, {STEPS} steps in a scan": steps}
    twice = torch.cat([f.detach(), f.detach() + 1]).requires_grad_()
    found |= programs("roi_align, batch of 2", roi, (twice, b, b / 2))
    found |= programs("roi_align, adaptive", lambda f, b: roi(f, b, ratio=-1), (f, b))
    found |= programs("roi_align, 5000 boxes", roi, (f, drawn["small"]))
    pyramid = {str(n): maps(f"level {n}") for n in LEVELS}
    pool = MultiScaleRoIAlign(list(pyramid), BINS, 2)
    fpn = lambda *maps: pool(dict(zip(pyramid, maps, strict=True)), [drawn["wide"]], [(IMAGE, IMAGE)])  # noqa: E731
    found |= programs("multiscale_roi_align", fpn, tuple(pyramid.values()))
    image, grid = maps("image"), drawn["grid"][None].requires_grad_()
    for mode in ("bilinear", "bicubic"):
        sample = lambda x, g, mode=mode: torch.nn.functional.grid_sample(  # noqa: E731
            x, g, mode=mode, align_corners=False
        )
        found |= programs(f"grid_sample, {mode}", sample, (image, grid))
    return found


if __name__ == "__main__":
    table(cases, peers, __file__)
