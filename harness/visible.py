"""Texts of others on a screen: their names and docstrings may hold signs that hide or do harm."""

import re

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def visible(text: object) -> str:
    """Return a text on one line, with U+FFFD for what is not seen or turns around what is.

    Among that are line breaks, and the escape that starts a terminal's commands.
    """
    return _UNSEEN.sub("\ufffd", str(text))
