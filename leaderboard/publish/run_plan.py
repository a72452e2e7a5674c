"""What W&B is told of one run beside its history: id, name, config and summary."""

from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from ...harness.fingerprint import digest
from ..store.result import Record, Result, Sources, Spec
from .history import left_out
from .privacy import is_clean, scrubbed, scrubbed_text

NAME_LENGTH = 120
"""W&B refuses display names of more than 128 characters."""


class RunPlan(BaseModel):
    """One run on W&B but for its history and files."""

    model_config = ConfigDict(frozen=True)

    id: str
    """Made of hashes alone: names may hold anything."""
    name: str
    """As it is shown."""
    job_type: str
    config: dict[str, JsonValue]
    summary: dict[str, JsonValue]
    """Only what is defined."""

    @property
    def digest(self) -> str:
        """Return a hash over all of it."""
        return digest(self.model_dump())


def shown(name: str) -> str:
    """Return a name as W&B may show it: printable and not too long."""
    printable = "".join(
        sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name
    )
    return printable if len(printable) <= NAME_LENGTH else printable[: NAME_LENGTH - 1] + "…"


def run_id(fingerprint: str) -> str:
    """Return the id of a run on W&B, the same for ever."""
    return f"r-{fingerprint[:16]}"


class Begun(BaseModel):
    """What is known of a run from its start on."""

    fingerprint: str
    spec: Spec
    sources: Sources
    results_version: int
    needs: list[str]


def seed_run(record: Begun | Record) -> RunPlan:
    """Plan a run as far as it is known from its start on."""
    spec = record.spec
    return RunPlan(
        id=run_id(record.fingerprint),
        name=shown(scrubbed(f"{spec.entrant.name} on {spec.stream.name}, seed {spec.seed}")),
        job_type="seed-run",
        config=scrubbed(_config(record)),
        summary={},
    )


def finished_run(result: Result) -> RunPlan:
    """Plan the run of a result with its summary: `score/...` is what boards are made of."""
    defined = {name: value for name, value in result.metrics.items() if value is not None}
    summary: dict[str, JsonValue] = {f"score/{name}": value for name, value in defined.items()}
    summary |= {f"rows/{kind}": count for kind, count in left_out(result.rows).items()}
    summary |= {"status": result.status, "undefined_scores": len(result.metrics) - len(defined)}
    if result.reason is not None:
        summary["reason"] = scrubbed_text(result.reason)
    begun = seed_run(result)
    config = {**begun.config, "environment": scrubbed(result.environment)}
    return begun.model_copy(update={"config": config, "summary": summary})


def stream_key(record: Begun | Record) -> str:
    """Return what runs on one stream share: settings, data and results version."""
    whole = [record.spec.stream.model_dump(), record.sources.data, record.results_version]
    return digest(whole)[:12]


def _config(record: Begun | Record) -> dict[str, Any]:
    spec, sources = record.spec, record.sources
    strategies: dict[str, Any] = {}
    for number, strategy in enumerate(spec.entrant.strategies, 1):
        name = strategy.name if strategy.name not in strategies else f"{strategy.name}#{number}"
        strategies[name] = strategy.settings
    return {
        "fingerprint": record.fingerprint,
        "stream": spec.stream.name,
        "stream_key": stream_key(record),
        "stream_settings": spec.stream.settings,
        "entrant": spec.entrant.name,
        "entrant_key": digest([spec.entrant.model_dump(), *sources.code.values()])[:12],
        "strategies": strategies,
        "network": spec.entrant.network,
        "optimizer": spec.entrant.optimizer,
        "seed": spec.seed,
        "needs": record.needs,
        "results_version": record.results_version,
        "sources": sources.model_dump(exclude_none=True),
    }


def may_leave(result: Result) -> bool:
    """Say whether the result file names no machine and no person, so that it may be uploaded.

    It goes as it is, byte for byte, or not at all.
    """
    texts = [text for text in (result.reason, result.traceback) if text is not None]
    return is_clean(result.model_dump()) and [*map(scrubbed_text, texts)] == texts


def with_clean_reason(result: Result) -> Result:
    """Return the result as it may be shown on W&B: its reason names no machine and no person."""
    if result.reason is None:
        return result
    return result.model_copy(update={"reason": scrubbed_text(result.reason), "traceback": None})
