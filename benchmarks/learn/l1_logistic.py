"""L1 logistic regression, 1,024 fits: 64 penalties x 16 bootstrap weightings of breast_cancer, in float64.

    python benchmarks/learn/l1_logistic.py fits [--peer-python PATH]
    python benchmarks/learn/l1_logistic.py scaling [--svg FILE]

`fits` times one compiled program (a warm-started path, vmapped over bootstraps; and 1,024 independent lanes) against
loops over scikit-learn's liblinear and saga and over skglm, all at a relative objective excess of at most 1e-6,
measured against the lower bound that our own duality gap proves. Peers may choose, fit by fit, the loosest tolerance
that gets there, and only that attempt is timed; they run on a sample of the fits, and the mean is scaled up. PATH is a
Python with requirements-skglm.txt; without it that row says so. `scaling` measures one batch of independent fits
against rows, features and lanes, and states the memory of a lane. Pin the process to two cores (taskset -c 0,1).
"""

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

PENALTIES, BOOTSTRAPS = 64, 16
EXCESS = 1e-6
BARS = {"liblinear": 5, "saga": 50}
LADDER = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)

PEER = """
import sys, time, warnings
import numpy as np
warnings.filterwarnings("ignore")
from skglm import SparseLogisticRegression

data = np.load(sys.argv[1])
X, y, counts, lams, lower = (data[k] for k in ("X", "y", "counts", "lams", "lower"))
sign = 2.0 * y - 1

def objective(w, b, s, lam):
    return (s * np.logaddexp(0, -sign * (X @ w + b))).sum() / s.sum() + lam * np.abs(w).sum()

def path(k, tol):
    rows = np.repeat(np.arange(len(y)), counts[k])
    A, t = np.asfortranarray(X[rows]), y[rows]
    model = SparseLogisticRegression(alpha=1.0, tol=tol, max_iter=200, max_epochs=50_000, warm_start=True)
    seconds, excess = [], []
    for lam, low in zip(lams, lower[k]):
        model.alpha = lam
        start = time.perf_counter()
        model.fit(A, t)
        seconds.append(time.perf_counter() - start)
        value = objective(model.coef_[0], float(np.ravel(model.intercept_)[0]), counts[k], lam)
        excess.append((value - low) / value)
    return np.array(seconds), np.array(excess)

path(0, 1e-3)  # compile
seconds, missed = 0.0, 0
for k in range(int(sys.argv[2])):
    done = None
    for tol in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8):
        times, excess = path(k, tol)
        if done is None:
            done, best = np.zeros(len(lams), bool), times
        best = np.where(done, best, times)
        done |= excess <= 1e-6
        if done.all():
            break
    seconds += best.sum()
    missed += (~done).sum()
print(seconds / int(sys.argv[2]) / len(lams), missed)
"""


def main() -> None:
    """Parse the command line and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("fits", "scaling"))
    parser.add_argument("--peer-python", type=Path, help="a Python with requirements-skglm.txt")
    parser.add_argument("--svg", type=Path, help="where to draw the scaling")
    options = parser.parse_args()
    import jax

    jax.config.update("jax_enable_x64", True)
    warnings.filterwarnings("ignore")
    fits(options.peer_python) if options.part == "fits" else scaling(options.svg)


def timed(call, repeats: int = 5):
    """Median seconds, and the last result."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)), result


def compiled(fn, *args):
    """The compiled function and the seconds that took."""
    import jax

    start = time.perf_counter()
    program = jax.jit(fn).lower(*args).compile()
    return program, time.perf_counter() - start


def problem():
    """Breast cancer, bootstrap counts and a shared grid of penalties over three decades below the largest useful."""
    from jaxml.data import load_problem

    data = load_problem("breast_cancer", standardize=True)
    X, y = data.X, data.y.astype(float)
    rng = np.random.default_rng(0)
    counts = rng.multinomial(len(y), np.full(len(y), 1 / len(y)), size=BOOTSTRAPS)
    mean = counts @ y / len(y)
    largest = max(np.abs(X.T @ (c * (y - m))).max() / len(y) for c, m in zip(counts, mean, strict=True))
    return X, y, counts, largest * np.logspace(0, -3, PENALTIES)


def fits(peer: Path | None) -> None:
    """Time 1,024 fits against the peers."""
    import jax
    import jax.numpy as jnp

    from jaxml.learn import LinearParams, fit_logistic, regularization_path

    X, y, counts, lams = problem()
    d = X.shape[1]
    A, t = jnp.asarray(X), jnp.asarray(y)
    start = LinearParams(jnp.zeros(d), jnp.zeros(()))

    def path(s, lams, tolerance):
        fit = lambda l1, init: fit_logistic(A, t, l1=l1, init=init, sample_weight=s, tolerance=tolerance)  # noqa: E731
        return regularization_path(fit, start, lams)

    def lanes(s, lams, tolerance):
        return jax.vmap(lambda l1: fit_logistic(A, t, l1=l1, sample_weight=s, tolerance=tolerance))(lams)

    S, L = jnp.asarray(counts, float), jnp.asarray(lams)
    rows = {}
    programs = {"path, vmapped": path, "independent lanes": lanes}
    for name, fn in programs.items():
        program, seconds = compiled(jax.vmap(fn, (0, None, None)), S, L, EXCESS)
        if name == "path, vmapped":
            exact = program(S, L, 1e-13).diagnostics
            lower = np.asarray(exact.objective - exact.gap)
            assert bool(exact.converged.all())
        median, result = timed(lambda program=program: jax.block_until_ready(program(S, L, EXCESS)))
        found = result.diagnostics
        excess = np.asarray((found.objective - lower) / found.objective).max()
        rows[name] = median
        gap = np.asarray(found.gap / found.objective).max()
        print(
            f"{name}: {median * 1e3:.0f} ms for {PENALTIES * BOOTSTRAPS} fits (compile {seconds:.1f} s), certified gap "
            f"<= {gap:.1e}, excess <= {excess:.1e}, {int(found.iterations.sum())} Newton steps"
        )
        flops = 2 * len(y) * (d + 1) ** 2 * int(found.iterations.sum())
        limit = flops / gemm_peak()
        print(f"  physical limit, its Hessians at GEMM speed: {limit * 1e3:.0f} ms")

    print(f"\n{'work':<34}{'ours ms':>9}{'peer ms':>10}{'ratio':>8}{'bar':>6}")
    for solver, sample in (("liblinear", 64), ("saga", 8)):
        mean, missed, tried = scikit(solver, X, y, counts, lams, lower, sample)
        report(f"{solver}, 1,024 fits", rows["path, vmapped"], mean * 1024, BARS[solver])
        if missed:
            print(f"  {missed} of {tried} sampled fits never reached the excess in 10,000 iterations")
    if peer is None or not peer.exists():
        print("skglm: skipped, no --peer-python")
        return
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "data.npz"
        np.savez(archive, X=X, y=y, counts=counts, lams=lams, lower=lower)
        output = subprocess.run(
            [str(peer), "-c", PEER, str(archive), "2"], check=True, capture_output=True, text=True
        ).stdout.split()
    report("skglm, warm-started paths", rows["path, vmapped"], float(output[0]) * 1024, None)
    if int(output[1]):
        print(f"  {output[1]} of 128 sampled fits never reached the excess")


def report(work: str, ours: float, peer: float, bar: int | None) -> None:
    """One row."""
    wanted = "" if bar is None else f">={bar}"
    print(f"{work:<34}{ours * 1e3:>9.0f}{peer * 1e3:>10.0f}{peer / ours:>8.1f}{wanted:>6}", flush=True)


def gemm_peak() -> float:
    """Float64 operations a second of a large matrix product, measured here."""
    import jax
    import jax.numpy as jnp

    square = jnp.ones((1024, 1024))
    product = jax.jit(jnp.matmul)
    product(square, square).block_until_ready()
    return 2 * 1024**3 / timed(lambda: product(square, square).block_until_ready())[0]


def scikit(solver, X, y, counts, lams, lower, sample):
    """Mean seconds over a sample of fits, how many never got there, and the size of the sample."""
    from sklearn.linear_model import LogisticRegression

    sign = 2 * y - 1
    picked = np.linspace(0, PENALTIES * BOOTSTRAPS - 1, sample).astype(int)
    seconds, missed = [], 0
    for index in picked:
        k, j = index % BOOTSTRAPS, index // BOOTSTRAPS
        s = counts[k].astype(float)
        for tol in LADDER:
            extra = {"intercept_scaling": 1e3, "max_iter": 100_000} if solver == "liblinear" else {"max_iter": 10_000}
            model = LogisticRegression(C=1 / (lams[j] * s.sum()), l1_ratio=1.0, solver=solver, tol=tol, **extra)
            began = time.perf_counter()
            model.fit(X, y, sample_weight=s)
            took = time.perf_counter() - began
            margin = sign * (X @ model.coef_[0] + model.intercept_[0])
            value = (s * np.logaddexp(0, -margin)).sum() / s.sum() + lams[j] * np.abs(model.coef_).sum()
            if (value - lower[k, j]) / value <= EXCESS or model.n_iter_[0] >= extra["max_iter"]:
                break
        missed += (value - lower[k, j]) / value > EXCESS
        seconds.append(took)
    return float(np.mean(seconds)), missed, len(picked)


def scaling(svg: Path | None) -> None:
    """Time batches of independent fits against rows, features and lanes."""
    import jax

    from jaxml.data import ar_design, planted_logistic
    from jaxml.learn import fit_logistic

    base = {"rows": 500, "features": 30, "lanes": 64}
    grid = {"rows": (125, 500, 2000, 8000), "features": (8, 30, 100, 200), "lanes": (1, 16, 64, 256, 1024)}
    print(f"{'varied':<10}{'rows':>7}{'features':>10}{'lanes':>7}{'ms':>9}{'ms/fit':>9}{'steps':>7}{'kB/lane':>9}")
    records = []
    for varied, values in grid.items():
        for value in values:
            at = base | {varied: value}
            keys = jax.random.split(jax.random.key(0), 3)
            X = ar_design(keys[0], n=at["rows"], d=at["features"], rho=0.5)
            y = planted_logistic(keys[1], X, nonzero=5, scale=1.0).y
            S = jax.random.exponential(keys[2], (at["lanes"], at["rows"]))
            program, _ = compiled(
                jax.vmap(lambda s, X=X, y=y: fit_logistic(X, y, l1=0.01, sample_weight=s, tolerance=EXCESS)), S
            )
            median, fit = timed(lambda program=program, S=S: jax.block_until_ready(program(S)), 3)
            assert bool(fit.diagnostics.converged.all())
            memory = program.memory_analysis().temp_size_in_bytes / at["lanes"] / 1e3
            steps = int(fit.diagnostics.iterations.max())
            records.append({"varied": varied, "value": value, "ms per fit": median * 1e3 / at["lanes"]})
            print(
                f"{varied:<10}{at['rows']:>7}{at['features']:>10}{at['lanes']:>7}{median * 1e3:>9.1f}"
                f"{median * 1e3 / at['lanes']:>9.3f}{steps:>7}{memory:>9.0f}",
                flush=True,
            )
    if svg is not None:
        draw(records, svg)


def draw(records: list[dict], svg: Path) -> None:
    """One panel for each varied quantity, both axes logarithmic."""
    import altair as alt

    panels = [
        alt.Chart(alt.Data(values=[r for r in records if r["varied"] == varied]), width=200, height=200)
        .mark_line(point=True)
        .encode(
            x=alt.X("value:Q", title=varied).scale(type="log"),
            y=alt.Y("ms per fit:Q").scale(type="log"),
        )
        for varied in ("rows", "features", "lanes")
    ]
    alt.hconcat(*panels).save(str(svg))
    print(f"drawn: {svg}")


if __name__ == "__main__":
    sys.exit(main())
