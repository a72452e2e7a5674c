"""Made-up archives, sound ones and spoilt ones."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from plasticity_bench.harness.fingerprint import canonical, fingerprint
from plasticity_bench.harness.metrics.summary import summarise
from plasticity_bench.harness.specs.source_code import Source
from plasticity_bench.leaderboard.store.result import Record, Result, sealed
from plasticity_bench.leaderboard.trust.archive import pack

CODE = "class Mine: ...\n"
SOURCE = Source("Mine", {"my_package.mine": CODE}, [[]])
OLD_HASH = hashlib.sha256(CODE.encode()).hexdigest()
"""The hash that the code had before it was over what it does."""


@dataclass(frozen=True)
class Made:
    """A result, and the file of it."""

    record: Record
    content: bytes

    @property
    def fingerprint(self) -> str:
        return self.record.fingerprint


def task_rows(accuracy: float, tasks: int = 3) -> list[dict[str, Any]]:
    """Return the rows of a run that measured nothing but its online accuracy."""
    measured = dict.fromkeys(("early_accuracy", "late_accuracy", "loss", "test_accuracy"))
    return [
        {
            "kind": "task",
            "task": task,
            "step": 10 * (task + 1),
            "updates": 10,
            "scored": True,
            "online_accuracy": accuracy,
            "recovery_updates": None,
            "alive": [100, 100],
            **measured,
        }
        for task in range(tasks)
    ]


def result(
    make_draft: Callable[..., dict[str, Any]],
    change: Callable[[dict[str, Any]], object] = lambda draft: None,
    **parts: Any,
) -> Made:
    """Return a result whose strategy's source is `CODE`, with rows that give its metrics.

    Args:
        make_draft: the fixture.
        change: of the draft, before it is sealed.
        parts: of the draft.
    """
    draft = make_draft(**{"entrant": "mine", **parts})
    draft["rows"] = task_rows(draft["metrics"].get("taoa", 0.9))
    draft["metrics"] = {**summarise(draft["rows"]), **draft["metrics"]}
    name = draft["spec"]["entrant"]["strategies"][0]["name"]
    draft["sources"]["strategies"] = {name: SOURCE.digest}
    change(draft)
    draft["fingerprint"] = fingerprint(draft["spec"], draft["sources"], draft["results_version"])
    content = sealed(draft)
    return Made(Result.model_validate(content).record, canonical(content) + b"\n")


def archive(results: Sequence[Made], entrant: str = "mine", **parts: Any) -> bytes:
    """Return the bytes of an archive of some results."""
    strategies = {name for one in results for name in one.record.sources.strategies}
    return pack(
        **{
            "entrant": entrant,
            "suite": "quick",
            "asked": 5,
            "versions": {"torch": "2.9.0"},
            "records": [one.record for one in results],
            "contents": {one.fingerprint: one.content for one in results},
            "sources": dict.fromkeys(strategies, SOURCE),
            **parts,
        }
    )


def unzipped(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return stream.getvalue()


def with_file(content: bytes, name: str, text: bytes) -> bytes:
    """Return the archive with a file put in place of another, and the manifest made to fit."""
    files = {**unzipped(content), name: text}
    manifest = json.loads(files["manifest.json"])
    manifest["files"][name] = hashlib.sha256(text).hexdigest()
    files["manifest.json"] = canonical(manifest) + b"\n"
    return zipped(files)


def with_manifest(content: bytes, **parts: Any) -> bytes:
    """Return the archive with other parts of its manifest."""
    files = unzipped(content)
    manifest = {**json.loads(files["manifest.json"]), **parts}
    files["manifest.json"] = canonical(manifest) + b"\n"
    return zipped(files)


def of_before(content: bytes) -> bytes:
    """Return the archive as it was written when the hash of a source was over its texts."""
    files = unzipped(content)
    manifest = json.loads(files["manifest.json"])
    del manifest["classes"], manifest["links"]
    return zipped({**files, "manifest.json": canonical(manifest) + b"\n"})
