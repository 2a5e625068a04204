"""What identifies a sweep, so that results of two different computations never share a store."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxml.errors import TrialError
from jaxml.sweep.block import identify
from jaxml.sweep.identity import Unidentified
from jaxml.sweep.plan import Plan
from jaxml.sweep.trace import TracedProgram


def fingerprint(plan: Plan, traced: Sequence[TracedProgram], master: str | int) -> dict[str, Any]:
    """Everything that results depend on apart from the points of the grid, as plain data.

    Raises:
        TrialError: when part of a trial cannot be identified: another trial could then pass for it.
    """
    try:
        code = {each.program.label: identify(each, plan) for each in traced}
    except Unidentified as error:
        raise TrialError(
            f"{plan.schema.trial_name}: a store cannot recognise this trial again: {error}, whose contents it cannot "
            "read. Hand it over as an array, a number or a plain function, or leave out the store."
        ) from None
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
        "outputs at": {each.program.label: sorted(each.outputs) for each in traced},
        "code of the trial": code,
    }


def joined(held: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The fingerprint of a store that holds the static points of both."""
    both = ("outputs", "outputs at", "code of the trial")
    return {**new, **{name: {**held[name], **new[name]} for name in both}}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What changed from one fingerprint to another, in words.

    New static points are no change, nor are outputs that only they have, or only those that are not asked for now.
    """
    changes = [
        f"{name} was {old.get(name)}, now {new[name]}"
        for name in ("jax version", "device kind", "float dtype", "master key")
        if old.get(name) != new[name]
    ]
    for name in ("axes", "fixed", "outputs"):
        before, after = old.get(name, {}), new[name]
        elsewhere = before.keys() ^ after.keys() if name == "outputs" else set()
        changes += [
            f"{name}: '{key}' was {before.get(key, 'absent')}, now {after.get(key, 'absent')}"
            for key in {**before, **after}
            if key not in elsewhere and before.get(key) != after.get(key)
        ]
    before, after = old.get("outputs at", {}), new["outputs at"]
    for label in [label for label in after if label in before]:
        changes += [
            f"outputs at {label}: '{key}' was there, now it is not" for key in before[label] if key not in after[label]
        ]
        changes += [
            f"outputs at {label}: '{key}' was not there, now it is" for key in after[label] if key not in before[label]
        ]
    if not changes:  # another version of jax writes the same computation in another way
        before, after = old["code of the trial"], new["code of the trial"]
        edited = [label for label in after if label in before and before[label] != after[label]]
        if edited:
            changes.append(f"the code of the trial or data inside it changed, at {' and at '.join(edited[:3])}")
    return changes
