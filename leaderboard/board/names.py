"""How names are shown: anybody may have chosen them, with signs that are not seen or do harm."""

import re


def visible(text: object) -> str:
    """Return the text with characters that hide or turn around others shown as U+FFFD.

    Among them are line breaks and the escape that starts a terminal's commands.
    """
    return _UNSEEN.sub("\ufffd", str(text))


_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
