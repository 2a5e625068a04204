"""JAX and XLA set up for a run."""

import os
import re
from typing import Any

FUSION = "xla_cpu_experimental_ynn_fusion_type"
"""From jaxlib 0.10.2 on, XLA on a CPU hands sums of products to a library (`__ynn_fusion`) that may return wrong
numbers without a word, or crash: jax issues 39103, 39257, 40412. An empty value turns it off."""

MOST_CACHED_BYTES = 2 * 2**30


def prepare_backend(precision: str) -> None:
    """Set JAX up for a run: precision, a private cache of compiled programs, and a fusion of XLA's off that errs."""
    import jax
    import jaxlib

    from jaxml.cache import cache_folder, prune

    flags = os.environ.get("XLA_FLAGS", "")
    if FUSION not in flags and (0, 10, 2) <= jaxlib.version.__version_info__ < (0, 12):  # XLA stops at unknown flags
        os.environ["XLA_FLAGS"] = f"{flags} --{FUSION}=".strip()
    jax.config.update("jax_enable_x64", precision == "float64")
    if getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        folder = cache_folder("programs")
        prune(folder, MOST_CACHED_BYTES)
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def other_path() -> str:
    """Flags by which everything is compiled another way: LLVM's optimiser off, the older kernels where there are."""
    import jaxlib

    older = " --xla_cpu_use_fusion_emitters=false" if jaxlib.version.__version_info__ < (0, 11) else ""
    return f"--xla_backend_optimization_level=0{older}"


def compile_program(lowered: Any, options: dict[str, Any]) -> Any:
    """Compile with the fusion off; options that this XLA does not know are left out."""
    options = {FUSION: "", **options}
    while True:
        try:
            return lowered.compile(compiler_options=options)
        except Exception as error:
            unknown = re.search("No such compile option: '(.*)'", str(error))
            if unknown is None or unknown[1] not in options:
                raise
            del options[unknown[1]]


def probe_compiler() -> str:
    """Whether XLA gets a known case right under the flags as they stand: sums of products in a row, with a constant.

    Returns:
        One sentence; it begins with "wrong" where it does not.
    """
    import jax
    import jax.numpy as jnp
    import numpy as np

    def weighted(a: Any, b: Any) -> Any:
        return jnp.einsum("nw,nw->n", jnp.einsum("nh,hw->nw", a, jnp.ones((20, 20), jnp.float32)), b)

    for rows in (8, 64, 256, 2000):
        even = np.full((rows, 20), 0.05, np.float32)
        found = np.asarray(jax.jit(weighted)(even, even))
        if not np.allclose(found, 1.0, rtol=1e-3):
            return (
                f"wrong: a sum of products of {rows} rows is {found[0]:.3g}, not 1. Sweeps and runs turn it off; "
                f"for your own programs set XLA_FLAGS=--{FUSION}= (jax issue 39103)"
            )
    return "right in the case that jaxlib 0.10.2 and 0.11.0 are known to get wrong"
