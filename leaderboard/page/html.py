"""From the page's data to one HTML file in which no name can become markup or code."""

import base64
import hashlib
import json
import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ...harness.errors import BenchError
from ...harness.visible import visible
from .lines import Json
from .notes import coverage, notes

SCRIPTS = (
    "dom.js",
    "format.js",
    "data.js",
    "state.js",
    "cells.js",
    "table.js",
    "chart.js",
    "figures.js",
    "overview.js",
    "stream.js",
    "entrant.js",
    "compare.js",
    "main.js",
)
"""The page's own modules, joined to one script in this order."""


@dataclass(frozen=True)
class Page:
    """What is served or written: the page, its data, and what the page may do."""

    html: bytes
    """Self-contained, UTF-8."""
    data: bytes
    """The JSON that is embedded in the page."""
    policy: str
    """Content security policy: the scripts in the page and nothing else, from nowhere else."""
    tag: str
    """Hash of the data."""


def render(data: Json, follow: float | None = None) -> Page:
    """Return the page that shows the data of `page_data`.

    Args:
        data: what it shows.
        follow: seconds between two looks at whether its server has other data, for a page that is
            served; None for one that never asks anybody for anything.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    scripts = [*_libraries(), _own_script()]
    policy = _policy(scripts, "'none'" if follow is None else "'self'")
    tag = hashlib.sha256(text.encode()).hexdigest()[:32]
    # Escapes whatever the name of the template is; choosing by file name has let names through.
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["visible"] = visible
    html = environment.from_string(_text("page.html")).render(
        data=data,
        notes=notes(data),
        coverage=coverage(data),
        policy=policy,
        follow=follow,
        tag=tag,
        style=Markup(_text("page.css")),
        embedded=Markup(script_safe(text)),
        scripts=[Markup(script) for script in scripts],
    )
    return Page(html.encode(), text.encode(), policy, tag)


def write(page: Page, folder: Path) -> Path:
    """Write `index.html` and `board.json` into a folder, which is made; return the page's path.

    Raises:
        BenchError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "board.json").write_bytes(page.data)
        (folder / "index.html").write_bytes(page.html)
    except OSError as error:
        raise BenchError(
            f"the page cannot be written to {folder}: {error.strerror}. "
            "Name a folder that you may write to, with --out."
        ) from error
    return folder / "index.html"


def script_safe(text: str) -> str:
    """Return JSON text that no HTML parser takes for markup, and that is the same JSON."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


_UNSAFE = re.compile("[<>&\u2028\u2029]")


def _libraries() -> list[str]:
    """Return the text of the libraries that the page carries."""
    libraries = tomllib.loads(_text("vendor/vendor.toml"))["library"]
    return [_text(f"vendor/{library['file']}") for library in libraries]


def _own_script() -> str:
    """Return the page's modules as one script; none of their names is seen outside."""
    modules = "\n".join(_text(f"js/{name}") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{modules}\n}})();\n'


def _policy(scripts: list[str], asks: str) -> str:
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    # Plot writes a style element of its own; a style can load nothing under this policy.
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        f"connect-src {asks}; base-uri 'none'; form-action 'none'"
    )


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _text(name: str) -> str:
    place: Traversable = files(__package__ or "")
    for part in name.split("/"):
        place = place / part
    return place.read_text(encoding="utf-8")
