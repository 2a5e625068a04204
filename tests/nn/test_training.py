"""Networks train with `jaxml.learn.train` and sweep with every hyperparameter a lane of one program."""

import importlib.util
from pathlib import Path

import jaxml
from jaxml.nn import ResNet

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "digits_network.py"


def example():
    """The documented example with one block of its three: the others are the same to learn, and to compile."""
    spec = importlib.util.spec_from_file_location("digits_network", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ResNet = lambda block, sizes, **settings: ResNet(block, sizes[:1], **settings)
    return module


def test_digits_are_learnt_and_every_hyperparameter_is_a_lane():
    trial = example().trial
    lanes = jaxml.zipped(  # one at a time moved away from the first
        rate=[0.05, 0.0, 0.05, 0.05, 0.05],
        decay=[0.0, 0.0, 1.0, 0.0, 0.0],
        momentum=[0.5, 0.5, 0.5, 1.0, 0.5],
        dropout=[0.0, 0.0, 0.0, 0.0, 0.9],
    )
    results = jaxml.sweep(trial, seeds=1, net=lanes, width=8, steps=60, batch=32)
    assert results.attrs["compiles"] == 1
    base, unmoved, *others = results.accuracy.values.ravel()
    assert base > 0.5  # ten classes
    assert unmoved < 0.3  # rate 0
    assert len({base, *others}) == 4  # decay, momentum and dropout each change something
    assert others[1] < base  # momentum 1 never learns its statistics
