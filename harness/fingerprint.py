"""Names of runs: a hash over all that a run's numbers depend on, from one JSON text of it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def canonical(value: Any) -> bytes:
    """Return the one JSON text of a value: sorted keys, no spaces, UTF-8.

    Raises:
        ValueError: a number is not finite, and JSON has no such number.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
    )
    return text.encode()


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def fingerprint(spec: Mapping[str, Any], sources: Mapping[str, Any], results_version: int) -> str:
    """Name a run by all that its numbers depend on.

    Args:
        spec: stream, entrant and seed with all settings resolved, finite JSON values.
        sources: SHA-256 of the data and of the code, as far as the results version does not say it.
        results_version: of the engine.

    Returns:
        64 hexadecimal digits.
    """
    return digest({"spec": spec, "sources": sources, "results_version": results_version})
