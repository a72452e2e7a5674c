"""Errors that a user can cause: what was asked, what there is, the nearest name, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST_ERROR = 3_000
"""Characters of an error; the longest that lists what there is has 2,000."""


class BenchError(Exception):
    """Something the user can put right; the command line prints its text without a traceback.

    Args:
        text: what is wrong and what to do; where words of others make it endless, its middle goes.
    """

    def __init__(self, text: str) -> None:
        super().__init__(_without_middle(text, LONGEST_ERROR))


LONGEST_ASKED = 200
"""Characters of what was asked that an error repeats."""


def shortened(text: object) -> str:
    """Return a text as an error repeats it: a long one without its middle."""
    return _without_middle(str(text), LONGEST_ASKED)


def _without_middle(text: str, most: int) -> str:
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}...{text[-half:]}"


def unknown_name(what: str, asked: str, known: Iterable[str], remedy: str) -> BenchError:
    """Build the error for a name that is not among the known ones.

    Args:
        what: the kind of thing, for example "strategy".
        asked: the name as the user wrote it.
        known: every name that would have been right.
        remedy: what to do next, one sentence.
    """
    names = sorted(known)
    near = get_close_matches(asked[:LONGEST_ASKED], names, n=1, cutoff=0.5)
    guess = f"; did you mean '{near[0]}'?" if near else "."
    return BenchError(
        f"no {what} '{shortened(asked)}'{guess} There is: {', '.join(names) or 'none'}. {remedy}"
    )
