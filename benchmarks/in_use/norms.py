"""Layer, group and batch norm with all their gradients, between what comes before and after them in a network.

    python benchmarks/in_use/norms.py --peer-python PATH/TO/python

PATH is an environment with benchmarks/requirements-torch.txt; the peer in JAX is Flax's module. pairs.py says how the
times are taken.
"""

import numpy as np
from pairs import table

TOKENS, IMAGES, GROUPS = (4096, 1024), (32, 28, 28, 128), 32


def draw() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"tokens": rng.standard_normal(TOKENS, np.float32), "images": rng.standard_normal(IMAGES, np.float32)}


def cases():
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from jaxml import ops
    from jaxml.ops import NormParams

    drawn = {name: jnp.asarray(x) for name, x in draw().items()}

    def module(make):
        graph, weights, rest = nnx.split(make(), nnx.Param, ...)

        def call(x, scale, bias):
            new = jax.tree.unflatten(jax.tree.structure(weights), [bias, scale])
            return nnx.merge(graph, new, jax.tree.map(jnp.asarray, rest))(x)  # whose statistics are this call's own

        return call

    def layer(x, scale, bias):
        return ops.layer_norm(x, NormParams(scale[None], bias[None]))

    def group(x, scale, bias):
        params = NormParams(scale.reshape(1, 1, -1), bias.reshape(1, 1, -1))
        return jax.vmap(lambda x: ops.group_norm(x, params, num_groups=GROUPS))(x)

    def batch(x, scale, bias):
        state = ops.init_batch_norm(x.shape)[1]
        shape = state.mean.shape
        return ops.batch_norm(x, NormParams(scale.reshape(shape), bias.reshape(shape)), state, training=True)[0]

    channels, keys = IMAGES[-1], nnx.Rngs(0)
    kinds = {
        "layer_norm": (layer, "tokens", lambda: nnx.LayerNorm(TOKENS[-1], epsilon=1e-5, rngs=keys)),
        "group_norm": (group, "images", lambda: nnx.GroupNorm(channels, GROUPS, epsilon=1e-5, rngs=keys)),
        "batch_norm": (batch, "images", lambda: nnx.BatchNorm(channels, epsilon=1e-5, rngs=keys)),
    }
    for name, (norm, which, make) in kinds.items():
        x = drawn[which]
        args = (x, jnp.ones(x.shape[-1]), jnp.zeros(x.shape[-1]))
        theirs = module(make)
        np.testing.assert_allclose(norm(*args), theirs(*args), atol=1e-4)
        yield name, "alone", norm, args, 2 * x.nbytes, theirs
        loss = lambda norm: lambda *given: jnp.mean(jax.nn.relu(norm(*given)) ** 2)  # noqa: E731
        both = [jax.value_and_grad(loss(norm), (0, 1, 2)) for norm in (norm, theirs)]
        yield name, "loss and gradient", both[0], args, 2 * x.nbytes, both[1]


def peers():
    import torch
    from torch.nn import functional

    drawn = {name: torch.from_numpy(x) for name, x in draw().items()}
    tokens = drawn["tokens"].requires_grad_()
    images = drawn["images"].permute(0, 3, 1, 2).requires_grad_()  # channels last in memory, as ours
    found = {}
    for name, x, channels in (
        ("layer_norm", tokens, TOKENS[-1]),
        ("group_norm", images, IMAGES[-1]),
        ("batch_norm", images, IMAGES[-1]),
    ):
        scale, bias = torch.ones(channels, requires_grad=True), torch.zeros(channels, requires_grad=True)
        mean, var = torch.zeros(channels), torch.ones(channels)
        norm = {
            "layer_norm": lambda x, s, b, n=channels: functional.layer_norm(x, (n,), s, b),
            "group_norm": lambda x, s, b: functional.group_norm(x, GROUPS, s, b),
            "batch_norm": lambda x, s, b, m=mean, v=var: functional.batch_norm(x, m, v, s, b, True),
        }[name]

        def alone(norm=norm, leaves=(x, scale, bias)):
            with torch.no_grad():
                return norm(*leaves)

        def both(norm=norm, leaves=(x, scale, bias)):
            return torch.autograd.grad((torch.relu(norm(*leaves)) ** 2).mean(), leaves)

        found |= {f"{name}, alone": alone, f"{name}, loss and gradient": both}
    return found


if __name__ == "__main__":
    table(cases, peers, __file__)
