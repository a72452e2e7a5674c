"""Whether the code that computes results is the released one; if not, its digest joins their names.

Results are named by a version, `RESULTS_VERSION`, and not by the code of the engine, so that a
release that changes no number keeps all names. That is only right for code whose numbers were held
against those of the version: `engine.toml` has the digest of that code, written by the tests' tool
for golden numbers. A working copy, a fork or a patched installation has another digest, and its
results names of their own.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from ..fingerprint import digest
from ..specs.code_shape import PACKAGE, parse

COMPUTING = (
    *("harness/engine", "harness/loop", "harness/metrics", "harness/modules"),
    *("harness/execution/jobs.py", "harness/randomness.py", "harness/row.py", "harness/stream.py"),
    *("streams/avalanche", "streams/families", "streams/augmentation.py", "streams/base.py"),
    *("streams/random_transforms.py", "streams/scenario.py"),
)
"""What the numbers of a result come from, beside strategies, settings and samples."""


@cache
def changed_engine() -> str | None:
    """Return the SHA-256 of the computing code; None where it is that of the results version."""
    known = released()
    texts = computing_code()
    if text_digest(texts) == known["text"]:  # the usual case, and quick
        return None
    found = code_digest(texts)
    return None if found == known["code"] else found


def released() -> dict[str, str]:
    """Return the digests of the computing code that was held against the golden numbers."""
    return tomllib.loads((files(PACKAGE) / "harness/plugins/engine.toml").read_text("utf-8"))


def computing_code() -> dict[str, str]:
    """Return the texts of the computing code by their places, as "harness/loop/run.py"."""
    root = files(PACKAGE)
    found = (part for place in COMPUTING for part in _texts(root / place, place))
    return dict(sorted(found))


def text_digest(texts: Mapping[str, str]) -> str:
    """Return the SHA-256 of texts as they stand."""
    return digest(texts)


def code_digest(texts: Mapping[str, str]) -> str:
    """Return the SHA-256 of what texts do; see `code_shape`. Takes half a second."""
    return digest(
        {
            place: parse(text, f"{PACKAGE}.{place.removesuffix('.py').replace('/', '.')}").shape
            for place, text in texts.items()
        }
    )


def _texts(node: Traversable, place: str) -> Iterator[tuple[str, str]]:
    if node.is_dir():
        for inner in node.iterdir():
            if inner.name.endswith(".py") or inner.is_dir():
                yield from _texts(inner, f"{place}/{inner.name}")
    else:
        yield place, "\n".join(node.read_text("utf-8").splitlines())
