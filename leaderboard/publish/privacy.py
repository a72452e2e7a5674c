"""What names a machine or a person is taken out before anything leaves this machine."""

import getpass
import os
import re
import socket
from pathlib import Path
from typing import Any

PATH = "<path>"
_ABSOLUTE = re.compile(r"(?<![\w:/.<~])/[\w.+~-]*[A-Za-z][\w.+~-]*(?:/[\w.+~-]*)*")
_WINDOWS = re.compile(r"\b[A-Za-z]:\\[^\s'\",;]*")
_TOO_COMMON = {"", "root", "user", "localhost"}


def scrubbed(value: Any) -> Any:
    """Return JSON values with every absolute path, home folder and API key in strings replaced."""
    match value:
        case str():
            return _without_paths(value)
        case dict():
            return {scrubbed(key): scrubbed(part) for key, part in value.items()}
        case list() | tuple():
            return [scrubbed(part) for part in value]
        case _:
            return value


def scrubbed_text(text: str) -> str:
    """Return free text, as a reason, also without the names of the host and the user.

    They are left in names and settings: a user may be called adam, as an optimiser is.
    """
    clean = _without_paths(text)
    for name, mark in _who_and_where():
        clean = re.sub(rf"\b{re.escape(name)}\b", mark, clean)
    return clean


def is_clean(value: Any) -> bool:
    """Say whether JSON values have nothing in them that `scrubbed` would replace."""
    return bool(scrubbed(value) == value)


def _without_paths(text: str) -> str:
    key = os.environ.get("WANDB_API_KEY")
    if key:
        text = text.replace(key, "<key>")
    home = str(Path.home())
    if len(home) > 1:
        text = re.sub(re.escape(home) + r"[^\s'\",;:]*", PATH, text)
    return _WINDOWS.sub(PATH, _ABSOLUTE.sub(PATH, text))


def _who_and_where() -> tuple[tuple[str, str], ...]:
    host = socket.gethostname()
    names = [(host, "<host>"), (host.partition(".")[0], "<host>"), (_user(), "<user>")]
    return tuple((name, mark) for name, mark in names if name.lower() not in _TOO_COMMON)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may give its user no name
        return ""
