"""A sweep in a process of its own, for the tests that kill, starve or duplicate it.

Options: ``--seeds N``, ``--lams N``, ``--lanes N``, ``--slow SECONDS`` a chunk, ``--limit BYTES`` a file.
Prints the cells done.
"""

import argparse
import resource
import sys
import time

import jax
import jax.numpy as jnp

import jaxml
from jaxml.errors import JaxmlError


def trial(key, *, lam: float, power: int = 1):
    draws = jax.random.normal(key, (16,))
    return {"kept": jnp.mean(jnp.abs(draws) ** power > lam), "path": jaxml.curve(draws * lam, "step")}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("store")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--lams", type=int, default=6)
    parser.add_argument("--lanes", type=int, default=4)
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    if options.limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (options.limit, options.limit))

    def progress(state):
        print(state.done, flush=True)
        time.sleep(options.slow if state.done else 0)

    try:
        lams = jaxml.linspace(0.0, 2.0, options.lams)
        jaxml.sweep(
            trial,
            seeds=options.seeds,
            lanes=options.lanes,
            store=options.store,
            lam=lams,
            power=[1, 2],
            progress=progress,
        )
    except JaxmlError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as error:
        print(error, file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
