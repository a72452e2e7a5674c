"""Rows of a short run, for tests of what is made of them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from plasticity_bench.harness.loop.stack import run_stack
from plasticity_bench.harness.plugins.resolve import resolve
from plasticity_bench.harness.row import Row
from plasticity_bench.harness.specs.suite import Suite, parse_entrant, parse_stream


def rows_of(
    stream: str, entrant: str, seed: int = 0, optimizer: Mapping[str, Any] | None = None
) -> list[Row]:
    """Return the rows of one run, with the stream's usual optimiser or this one."""
    asked = replace(parse_entrant(entrant), optimizer=dict(optimizer or {}))
    suite = Suite("a test", "", (parse_stream(stream),), (asked,), (seed,))
    return [row for _, row in run_stack(resolve(suite), Path("no data are needed"), "cpu")]
