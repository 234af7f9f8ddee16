"""The `mmke model` commands: what is done to models' files before an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

model_app = typer.Typer(no_args_is_help=True, help="Make models' files ready for an evaluation.")


@model_app.command(name="convert-minigpt4")
def convert_minigpt4(
    vit: Annotated[Path, typer.Option(help="eva_vit_g.pth, the vision tower.")],
    qformer: Annotated[Path, typer.Option(help="blip2_pretrained_flant5xxl.pth, the Q-Former.")],
    projection: Annotated[Path, typer.Option(help="pretrained_minigpt4_7b.pth, the linear layer.")],
    vicuna: Annotated[Path, typer.Option(help="The folder of Vicuna-7B v0.")],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
) -> None:
    """Make one folder of MiniGPT-4's three checkpoints and Vicuna, for `mmke evaluate --model FOLDER`.

    The checkpoints are read as tensors only. Needs about 30 GB of disk for the 7B model.
    """
    from eval.models.minigpt4_checkpoint import convert

    made = convert(vit, qformer, projection, vicuna, out)
    for name in made.unexpected:
        typer.echo(f"left out, not part of the model: {name}")
    typer.echo(f"{made.folder} is ready: mmke evaluate VERSION --model {made.folder}")
