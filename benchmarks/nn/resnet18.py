"""ResNet-18 on 32 x 32 images, forward pass and training step, against PyTorch on the same CPU threads and inputs.

Run as ``python benchmarks/nn/resnet18.py --peer-python PATH``, where PATH is the Python of an environment with
requirements-torchvision.txt; without it only our times are printed. The network is the one for small images (3 x 3
stem, no pooling), on both sides with the same number of parameters, which is checked. A training step is cross-entropy,
gradient, statistics and plain gradient descent. Torch runs eagerly, in its faster memory format (channels last, "CL")
and its default one. The limit is the time that the convolutions' multiply-adds take at the speed of a 2048 x 2048
matrix product, measured in the same run. Both sides keep freed memory, as in benchmarks/ops/batch_norm.py. ``--gpu``
uses the GPU on both sides where there is one.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

BATCHES = (1, 32)
REPEATS = 7
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "2000000000", "MALLOC_TOP_PAD_": "268435456"}


def milliseconds(run):
    run()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def inputs(batch):
    rng = np.random.default_rng(0)
    return rng.normal(size=(batch, 32, 32, 3)).astype(np.float32), rng.integers(0, 10, batch)


def ours():
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from jaxml.nn import count_parameters, describe, functional, resnet18
    from jaxml.ops import softmax_cross_entropy

    model = resnet18(classes=10, small=True, rngs=nnx.Rngs(0))
    apply, params, state = functional(model)
    flops = sum(layer.flops_inside for layer in describe(model, (32, 32, 3)))

    def forward(params, state, x):
        return apply(params, state, x)[0]

    def step(params, state, x, y):
        def loss(params):
            logits, after = apply(params, state, x, training=True)
            return softmax_cross_entropy(logits, y).mean(), after

        (value, after), gradient = jax.value_and_grad(loss, has_aux=True)(params)
        return jax.tree.map(lambda p, g: p - 0.01 * g, params, gradient), after, value

    square = jnp.ones((2048, 2048))
    product = jax.jit(jnp.matmul).lower(square, square).compile()
    per_second = 2 * 2048**3 / milliseconds(lambda: jax.block_until_ready(product(square, square)))
    table = {"parameters": count_parameters(model), "device": jax.devices()[0].device_kind}
    for batch in BATCHES:
        x, y = (jnp.asarray(a) for a in inputs(batch))
        for name, function, arguments, passes in (
            ("forward", forward, (params, state, x), 1),
            ("training step", step, (params, state, x, y), 3),
        ):
            start = time.perf_counter()
            compiled = jax.jit(function).lower(*arguments).compile()
            compile_ms = 1e3 * (time.perf_counter() - start)
            time_ms = milliseconds(lambda f=compiled, a=arguments: jax.block_until_ready(f(*a)))
            table[f"{batch} {name}"] = {
                "ours": time_ms,
                "compile": compile_ms,
                "limit": passes * batch * flops / per_second,
            }
    return table


PEER = """
import json, statistics, sys, time, numpy as np, torch, torchvision
threads, repeats, device = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
torch.set_num_threads(threads)
def milliseconds(run):
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter(); run()
        if device == "cuda": torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times[1:])
table, arrays = {}, np.load(sys.argv[1], allow_pickle=False)
for layout, memory in (("channels last", torch.channels_last), ("default", torch.contiguous_format)):
    model = torchvision.models.resnet18(num_classes=10)
    model.conv1, model.maxpool = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False), torch.nn.Identity()
    model = model.to(device, memory_format=memory)
    table["parameters"] = sum(p.numel() for p in model.parameters())
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    for batch in json.loads(sys.argv[5]):
        x = torch.from_numpy(arrays[f"x{batch}"]).permute(0, 3, 1, 2).to(device).contiguous(memory_format=memory)
        y = torch.from_numpy(arrays[f"y{batch}"]).to(device)
        def forward():
            model.eval()
            with torch.inference_mode(): model(x)
        def step():
            model.train(); optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(model(x), y).backward(); optimizer.step()
        for name, run in (("forward", forward), ("training step", step)):
            table.setdefault(f"{batch} {name}", {})[layout] = milliseconds(run)
print(json.dumps(table))
"""


def theirs(python, threads, device):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "inputs.npz")
        np.savez(path, **{f"{n}{b}": a for b in BATCHES for n, a in zip("xy", inputs(b), strict=True)})
        command = [python, "-c", PEER, path, str(threads), str(REPEATS), device, json.dumps(BATCHES)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", help="Python with the packages of requirements-torchvision.txt")
    parser.add_argument("--gpu", action="store_true", help="use the GPU on both sides")
    arguments = parser.parse_args()
    os.environ.setdefault("JAX_PLATFORMS", "cuda" if arguments.gpu else "cpu")
    threads = len(os.sched_getaffinity(0))
    mine = ours()
    peer = theirs(arguments.peer_python, threads, "cuda" if arguments.gpu else "cpu") if arguments.peer_python else {}
    if not peer:
        print("no --peer-python: torch is skipped", file=sys.stderr)
    elif peer["parameters"] != mine["parameters"]:
        sys.exit(f"not the same network: {mine['parameters']} parameters here, {peer['parameters']} there")
    print(f"{mine['device']}, {threads} threads, milliseconds, median of {REPEATS}; {mine['parameters']:,} parameters")
    heads = f"{'torch CL':>9} {'ratio':>6} {'torch NCHW':>11} {'ratio':>6} {'limit':>7} {'compile':>8}"
    print(f"{'images':>6} {'pass':<14} {'ours':>8} {heads}")
    for name, row in mine.items():
        if isinstance(row, dict):
            batch, kind = name.split(" ", 1)
            line = f"{batch:>6} {kind:<14} {row['ours']:8.2f}"
            for layout, width in (("channels last", 9), ("default", 11)):
                time_ms = peer.get(name, {}).get(layout)
                line += (
                    f" {time_ms:{width}.2f} {time_ms / row['ours']:6.2f}" if time_ms else f" {'-':>{width}} {'-':>6}"
                )
            print(line + f" {row['limit']:7.2f} {row['compile']:8.0f}")


if __name__ == "__main__":
    if not KEEP_MEMORY.keys() <= os.environ.keys():  # glibc reads them when a process starts
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **KEEP_MEMORY})
    main()
