"""Texts of others where people read them: signs in them may hide, do harm or pass for markup.

One function for each kind of output: `visible` for a terminal, `in_markdown` and `in_code` for
Markdown. HTML is escaped by its templates, and tables for programs by what writes them.
"""

import re

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
"""Controls, what turns text around, and fillers and tags that show nothing."""


_MARKS = re.compile(r"[\\|`*_<>\[\]$~&]")
_TICKS = re.compile("`+")


def visible(text: object) -> str:
    """Return a text on one line, with U+FFFD for what is not seen or turns around what is.

    Among that are line breaks, and the escape that starts a terminal's commands.
    """
    return _UNSEEN.sub("\ufffd", str(text))


def in_markdown(text: object) -> str:
    """Return a text as Markdown shows it, whatever signs are in it, also in a cell of a table."""
    return _MARKS.sub(r"\\\g<0>", visible(text))


def in_code(text: object) -> str:
    """Return a text as Markdown shows it letter by letter, between as many backticks as it needs.

    In a table a bar would end the cell: names belong there by `in_markdown`.
    """
    shown = visible(text)
    longest = max(map(len, _TICKS.findall(shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown[:1] == "`" or shown[-1:] == "`" else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def tell(text: str, *, err: bool = False) -> None:
    """Print lines on the terminal; nothing in the names that they repeat steers it.

    Args:
        text: one line or several.
        err: on stderr.
    """
    import typer  # only commands need it

    typer.echo("\n".join(map(visible, text.split("\n"))), err=err)
