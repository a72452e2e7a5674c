"""Options and exit statuses that several commands share, with their help."""

from pathlib import Path
from typing import Annotated

import typer

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
"""Exit status where something failed, was asked for wrongly, or was stopped from the keyboard."""

SuiteName = Annotated[str, typer.Argument(help="A suite's name, or the path of a suite file.")]
Streams = Annotated[
    list[str], typer.Option("--stream", help="A stream instead of the suite's; may be repeated.")
]
Entrants = Annotated[
    list[str],
    typer.Option(
        "--entrant",
        help="An entrant instead of the suite's, as grow(compactness=0.2)+reset; may be repeated.",
    ),
]
Seeds = Annotated[
    str | None, typer.Option(help="Seeds instead of the suite's: 0:10 is 0 to 9; or 0,1,5.")
]
Sets = Annotated[
    list[str],
    typer.Option(
        "--set", help="A setting, as stream.tasks=50 or optimizer.lr=0.001; may be repeated."
    ),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust", help="Let streams of the suite's file run code, and read files, that it names."
    ),
]
Results = Annotated[
    Path | None,
    typer.Option(help="Folder of results; else $PLASTICITY_BENCH_RESULTS, else results."),
]
Data = Annotated[
    Path | None,
    typer.Option(help="Folder of data sets; else $PLASTICITY_BENCH_DATA, else the user's cache."),
]
Workers = Annotated[
    int | None,
    typer.Option(help="Processes at a time; else one per core."),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        help="Seconds that a run may take, those in lockstep taken together; one that takes longer "
        "has failed. Else no limit."
    ),
]
Device = Annotated[str, typer.Option(help="Where to compute, as cpu or cuda.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
