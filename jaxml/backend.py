"""JAX and XLA set up for a run."""

import os
import re
from typing import Any

FUSION = "xla_cpu_experimental_ynn_fusion_type"
"""From jaxlib 0.10.2 on, XLA on a CPU hands sums of products to a library (`__ynn_fusion`) that may return wrong
numbers without a word, or crash: jax issues 39103, 39257, 40412. An empty value turns it off."""


def prepare_backend(precision: str) -> None:
    """Set JAX up for a run: precision, a private cache of compiled programs, and a fusion of XLA's off that errs."""
    import jax
    import jaxlib

    from jaxml.cache import cache_folder

    flags = os.environ.get("XLA_FLAGS", "")
    if FUSION not in flags and (0, 10, 2) <= jaxlib.version.__version_info__ < (0, 12):  # XLA stops at unknown flags
        os.environ["XLA_FLAGS"] = f"{flags} --{FUSION}=".strip()
    jax.config.update("jax_enable_x64", precision == "float64")
    if getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder("programs")))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


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
