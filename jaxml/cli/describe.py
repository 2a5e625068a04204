"""The command that describes a published network: shapes, parameters, operations and receptive field of each layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaxml.cli.output import Json, echo, print_json, screen
from jaxml.errors import ConfigError, nearest

if TYPE_CHECKING:
    from jaxml.nn import Layer


def describe(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="resnet50, densenet121, vgg16, ...")],
    size: Annotated[int, typer.Option("--input", help="height and width of the images", min=1, max=16_384)] = 224,
    classes: Annotated[int, typer.Option("--classes", help="logits", min=1, max=10_000_000)] = 1000,
    small: Annotated[bool, typer.Option("--small", help="the variant for images of 32 pixels or fewer")] = False,
    as_json: Json = False,
) -> None:
    """Show a network's layers, parameters and operations."""
    from flax import nnx

    from jaxml.nn import MODELS
    from jaxml.nn import describe as describe_layers

    if model not in MODELS:
        raise ConfigError(f"describe: there is no model '{model}'. {nearest(model, MODELS)}")
    network = nnx.eval_shape(lambda: MODELS[model](classes=classes, small=small, rngs=nnx.Rngs(0)))
    layers = describe_layers(network, (size, size, 3))
    totals = {name: sum(getattr(layer, name) for layer in layers) for name in ("parameters", "flops", "flops_inside")}
    convolutions = [layer for layer in layers if layer.kind == "Conv"]
    totals["convolutions"] = len(convolutions)
    totals["shortcut_convolutions"] = sum("downsample" in layer.path for layer in convolutions)
    if as_json:
        print_json({"model": model, "input": [size, size, 3], **totals, "layers": [_row(layer) for layer in layers]})
    else:
        _print(layers, totals)


def _row(layer: "Layer") -> dict[str, Any]:
    field = layer.field if isinstance(layer.field, str) else layer.field._asdict()
    return layer._asdict() | {"field": field}


def _print(layers: Sequence["Layer"], totals: dict[str, int]) -> None:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("layer", overflow="fold")
    for column in ("output", "parameters", "MFLOPs", "field", "stride"):
        table.add_column(column, justify="right", no_wrap=True)
    for layer in layers:
        if isinstance(layer.field, str):
            field = (layer.field, "")
        else:
            field = (f"{layer.field.size[0]:,}", str(layer.field.stride[0]))
        table.add_row(
            layer.path or layer.kind,
            " x ".join(map(str, layer.shape)),
            f"{layer.parameters:,}" if layer.parameters else "",
            f"{layer.flops / 1e6:,.2f}" if layer.flops else "",
            *field,
        )
    screen().print(table)
    echo(
        f"\n{totals['parameters']:,} parameters, {totals['convolutions']} convolutions "
        f"({totals['shortcut_convolutions']} on shortcuts).\n"
        f"{totals['flops'] / 1e9:,.3f} GFLOPs an image in convolutions and matrix products, 2 a multiply-add;\n"
        f"{totals['flops_inside'] / 1e9:,.3f} without taps on padding, as XLA counts.\n"
        "Field: the side, in input pixels, of what one output can see."
    )
