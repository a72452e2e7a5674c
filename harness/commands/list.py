"""The command `list`."""

from typing import Annotated

import typer

from .options import Trust


def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="strategies, learners, streams, metrics, suites, settings, activations; or a name."
        ),
    ] = None,
    name: Annotated[str | None, typer.Argument(help="A name of that kind.")] = None,
    trust: Trust = False,
) -> None:
    """List what there is, or every setting of one name with its type, default and meaning."""
    from rich.console import Console

    from .listing import show

    show(kind, name, Console(), trust=trust)
