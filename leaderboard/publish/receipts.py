"""What has been seen to be on W&B, one small file each; without one a thing is published again."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...harness.specs.fingerprint import canonical
from ..store.files import replace_file

Receipt = dict[str, Any]
_NAME = re.compile(r"[A-Za-z0-9_.-]+\Z")


@dataclass(frozen=True)
class Receipts:
    """A folder of receipts for one project on one server."""

    folder: Path

    def read(self, name: str) -> Receipt | None:
        """Return a receipt; None where there is none, or where it is damaged."""
        try:
            content = json.loads(self._path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def write(self, name: str, receipt: Receipt) -> None:
        """Write a receipt, whole or not at all."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, canonical(receipt) + b"\n")

    def remove(self, name: str) -> None:
        """Take a receipt back: what it is for is published again."""
        self._path(name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Return the names of all receipts."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def _path(self, name: str) -> Path:
        assert _NAME.match(name), name
        return self.folder / f"{name}.json"
