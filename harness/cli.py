"""The command `plasticity-bench`: every command by its name, imported when it is called.

Commands live with what they command. They are named here as "folder.module:function" and nothing
of theirs is imported before it is asked for, so that no arrow goes up from here to those who use
the harness, and what is heavy is loaded by the command that needs it.
"""

import codecs
import errno
import logging
import sys
from collections import UserDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .commands.options import FAILED, MISUSED
from .errors import BenchError, shortened
from .visible import tell, visible

COMMANDS = {
    "list": "harness.commands.list:list_",
    "run": "leaderboard.commands.run:run",
    "leaderboard": "leaderboard.commands.board:app",
    "compare": "leaderboard.commands.board:compare",
    "report": "leaderboard.commands.report:report",
    "publish": "leaderboard.commands.publish:publish",
    "reproduce": "leaderboard.commands.reproduce:reproduce",
    "submit": "leaderboard.commands.trust:submit",
    "verify": "leaderboard.commands.trust:verify",
    "import": "leaderboard.commands.trust:import_",
    "check": "harness.commands.check:check",
    "data": "streams.data.commands:app",
    "store": "leaderboard.commands.store:app",
    "speed": "harness.commands.speed:speed",
}
"""Where each command is, in the order in which they are used: a function, or a `typer.Typer`."""

_NO_PLACE = {
    getattr(errno, name)
    for name in ("EACCES", "EPERM", "EISDIR", "ENOTDIR", "EEXIST", "EROFS", "ENOSPC", "EDQUOT")
    if hasattr(errno, name)
}
"""What a place is wrong with, and not the program, where it cannot be written to."""


_SPELLED = {"\N{PLUS-MINUS SIGN}": "+-", "\N{LESS-THAN OR EQUAL TO}": "<=", "\u2026": "..."}
"""Signs that we print, as they are written in ASCII."""


_USAGE_ERROR: Any = typer.BadParameter.__mro__[1]
"""What the parser raises; newer versions of typer bring a parser of their own."""
_LONGEST_USAGE = 1000
"""Characters of a message of the parser; a longer one repeats words of the user's."""


class _ByName(UserDict[str, Any]):
    """Commands by name, each imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        return _command(name, self.data[name])


@cache
def _command(name: str, target: str) -> Any:
    """Import a command and return it as the command line calls it."""
    module, _, attribute = target.partition(":")
    found = getattr(import_module(f"{__name__.split('.')[0]}.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        found = alone
    command = typer.main.get_command(found)
    command.name = name
    return command


class _Commands(TyperGroup):
    """Finds commands by name; shows a mistake as one message instead of a traceback."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _ByName(COMMANDS)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _visible_usage_errors():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            with _visible_usage_errors():
                return super().invoke(ctx)
        except BenchError as error:
            tell(f"error: {error}", err=True)
            raise typer.Exit(MISUSED) from error
        except OSError as error:
            place = error.filename2 or error.filename
            if place is None and error.errno not in _NO_PLACE:
                raise  # a closed pipe, which ends a command quietly, or a mistake of ours
            doing = "write to" if error.errno in _NO_PLACE else "use"
            tell(
                f"error: cannot {doing} {place or 'the disk'}: {error.strerror}. Name another "
                "place, or make room or rights there.",
                err=True,
            )
            raise typer.Exit(FAILED) from error


@contextmanager
def _visible_usage_errors() -> Iterator[None]:
    """Let the words that a message of the parser repeats do nothing to the terminal.

    It is the parser's own message with its own status, only its text is changed.
    """
    try:
        yield
    except _USAGE_ERROR as error:
        message = visible(error.message)
        error.message = message if len(message) <= _LONGEST_USAGE else shortened(message)
        raise


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Does an idea keep a neural network able to learn? Run it against streams and baselines.",
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"plasticity-bench {version('plasticity-bench')}")
        raise typer.Exit


@app.callback()
def options(
    shown: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Take the options that belong to no command."""


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """Spell what an output's encoding lacks, as codecs ask for it."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(_SPELLED.get(sign, ascii(sign)[1:-1]) for sign in lacking), error.end


class _VisibleLog(logging.Formatter):
    """Lets the names that a warning repeats do nothing to the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def _log_to_the_terminal() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_VisibleLog())
    ours = logging.getLogger(__name__.split(".")[0])
    ours.addHandler(handler)
    ours.propagate = False  # whatever else logs here would print it again, as it is


def _print_anywhere() -> None:
    """Let no output's encoding end a command: what it lacks is spelled in ASCII.

    Among that are the bytes of a file's name that are no text.
    """
    codecs.register_error("spelled", _spelled)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="spelled")


def main() -> None:
    """Run the command line; its exit status is 0 done, 1 something failed, 2 wrong usage."""
    _print_anywhere()
    _log_to_the_terminal()
    app(prog_name="plasticity-bench")
