"""What identifies a sweep, so that results of two different computations never share a store."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxml.sweep.jaxprs import equations
from jaxml.sweep.plan import Plan
from jaxml.sweep.trace import Traced


def fingerprint(plan: Plan, traced: Sequence[Traced], master: str | int) -> dict[str, Any]:
    """Everything that results depend on apart from the points of the grid, as plain data."""
    return {
        "jax version": jax.__version__,
        "device kind": jax.local_devices()[0].device_kind,
        "float dtype": str(np.dtype(jax.numpy.result_type(float))),
        "master key": master,
        "axes": {axis.name: list(axis.parameters) for axis in plan.axes},
        "fixed": dict(plan.fixed),
        "outputs": {
            name: [list(output.axes), list(output.shape), str(output.dtype)]
            for each in traced
            for name, output in each.outputs.items()
        },
        "code of the trial": {each.program.label: code_hash(each) for each in traced},
    }


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What changed from one fingerprint to another, in words; new static points are no change."""
    changes = [
        f"{name} was {old.get(name)}, now {new[name]}"
        for name in ("jax version", "device kind", "float dtype", "master key")
        if old.get(name) != new[name]
    ]
    for name in ("axes", "fixed", "outputs"):
        before, after = old.get(name, {}), new[name]
        changes += [
            f"{name}: '{key}' was {before.get(key, 'absent')}, now {after.get(key, 'absent')}"
            for key in {**before, **after}
            if before.get(key) != after.get(key)
        ]
    if not changes:  # another version of jax writes the same computation in another way
        before, after = old["code of the trial"], new["code of the trial"]
        edited = [label for label in after if label in before and before[label] != after[label]]
        if edited:
            changes.append(f"the code of the trial or data inside it changed, at {' and at '.join(edited[:3])}")
    return changes


def code_hash(traced: Traced) -> str:
    """A hash of the computation itself: comments, names and refactoring leave it alone, an arithmetic change does not.

    Addresses of Python functions, which the text of a jaxpr may hold, are cut out; constants count by their bytes.
    """
    digest = hashlib.sha256(re.sub(r"0x[0-9a-f]+", "", str(traced.jaxpr.jaxpr)).encode())
    constants = list(traced.jaxpr.consts)
    for eqn in equations(traced.jaxpr.jaxpr):
        constants += [v.val for v in eqn.invars if np.ndim(getattr(v, "val", 0)) > 0]
        constants += [c for value in eqn.params.values() for c in getattr(value, "consts", ())]
    for constant in constants:
        if not jax.numpy.issubdtype(constant.dtype, jax.dtypes.extended):
            digest.update(np.asarray(constant).tobytes())
    return digest.hexdigest()[:16]
