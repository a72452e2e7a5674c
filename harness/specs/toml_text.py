"""Reading TOML that others may have written: within bounds, and with one kind of error."""

import tomllib
from typing import Any

from ..errors import BenchError

MOST_CHARACTERS = 2_000_000
"""Of a file; the longest that comes with the project has 40,000."""


def parsed_toml(text: str, where: str, remedy: str) -> dict[str, Any]:
    """Return the content of a TOML text.

    Args:
        text: to be read.
        where: how the error names it.
        remedy: what to do about an error, one sentence.

    Raises:
        BenchError: it is not TOML, or longer or nested deeper than any such file needs to be.
    """
    if len(text) > MOST_CHARACTERS:
        raise BenchError(f"{where} has {len(text):,} characters; {MOST_CHARACTERS:,} are read.")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise BenchError(f"{where} is nested too deep. {remedy}") from None
    except ValueError as error:  # TOML's own error is one, and so is a number too long for Python
        raise BenchError(f"{where} is not TOML: {error}. {remedy}") from error
