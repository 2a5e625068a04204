"""Networks as Flax NNX modules, their pure form for sweeps (`functional`), and shapes as lanes (`jaxml.nn.padded`)."""

from jaxml.nn.blocks import BasicBlock, Bottleneck, DenseBlock, DenseLayer, PlainBlock, PreActivationBlock, Transition
from jaxml.nn.densenet import DenseNet, densenet121, densenet169, densenet201
from jaxml.nn.initializers import INITIALIZERS, scaled
from jaxml.nn.layers import (
    ACTIVATIONS,
    BatchNorm,
    Dropout,
    LocallyConnected,
    adaptive_average_pool,
    count_parameters,
    patches,
)
from jaxml.nn.mlp import MLP
from jaxml.nn.pure import Functional, functional
from jaxml.nn.recurrent import LSTMCell, LSTMState, RNNCell, unroll
from jaxml.nn.resnet import ResNet, resnet18, resnet34, resnet50, resnet101, resnet152
from jaxml.nn.summary import Layer, describe
from jaxml.nn.vgg import VGG, vgg11, vgg13, vgg16, vgg19
from jaxml.nn.weights import load_torch_weights, read_safetensors, torch_weights, write_safetensors

MODELS = {
    model.__name__: model
    for model in (
        *(resnet18, resnet34, resnet50, resnet101, resnet152),
        *(densenet121, densenet169, densenet201),
        *(vgg11, vgg13, vgg16, vgg19),
    )
}
"""The published networks by name, each a function of ``rngs`` and options."""

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "MLP",
    "MODELS",
    "VGG",
    "BasicBlock",
    "BatchNorm",
    "Bottleneck",
    "DenseBlock",
    "DenseLayer",
    "DenseNet",
    "Dropout",
    "Functional",
    "LSTMCell",
    "LSTMState",
    "Layer",
    "LocallyConnected",
    "PlainBlock",
    "PreActivationBlock",
    "RNNCell",
    "ResNet",
    "Transition",
    "adaptive_average_pool",
    "count_parameters",
    "densenet121",
    "densenet169",
    "densenet201",
    "describe",
    "functional",
    "load_torch_weights",
    "patches",
    "read_safetensors",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "scaled",
    "torch_weights",
    "unroll",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
    "write_safetensors",
]
