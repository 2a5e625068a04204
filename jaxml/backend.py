"""JAX set up for a run."""


def prepare_backend(precision: str) -> None:
    """Set JAX up for a run: precision, and a private cache of compiled programs."""
    import jax

    from jaxml.cache import cache_folder

    jax.config.update("jax_enable_x64", precision == "float64")
    if getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder("programs")))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
