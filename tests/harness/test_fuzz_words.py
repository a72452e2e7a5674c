"""Any words and any suite file: runs with every setting, or one clean line."""

import tomllib
from dataclasses import fields
from typing import Any

from hypothesis import strategies as st

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.fingerprint import canonical
from plasticity_bench.harness.plugins.registry import load_entrant, load_stream
from plasticity_bench.harness.plugins.resolve import parse_overrides, resolve
from plasticity_bench.harness.specs.grammar import format_value
from plasticity_bench.harness.specs.spec import NetworkSpec, OptimizerSpec, RunSpec
from plasticity_bench.harness.specs.suite import (
    Suite,
    parse_entrant,
    parse_stream,
    read_suite,
)
from tests.fuzzing import as_toml, clean, fuzz, mutated, torn, tries, values

SUITE = """
name = "mine"
description = "made up"
metric = "taoa"
seeds = "0:2"
tuning_trials = 3
tolerance = 0.02
network = { hidden = [20, 20], activation = "leaky-relu(slope=0.1)" }
optimizer = { name = "adam", lr = 0.01 }
streams = ["permuted-digits(tasks=2)", "avalanche:SplitMNIST?n_experiences=5"]
entrants = [
    "dense",
    "grow(compactness=0.2)+reset",
    { strategies = "prune", name = "mine", tuning_trials = 2, network = { kind = "mlp" } },
    { strategies = "avalanche:EWC(ewc_lambda=1)", optimizer = { lr = 0.1, momentum = 0.5 } },
]

[anchors]
"permuted-digits(tasks=2)" = [0.1, 1.0]

[tolerances]
"permuted-digits(tasks=2)" = 0.1
"""
STREAMS = ("permuted-digits", "composed-digits", "iid-digits", "class-incremental-digits")
STRATEGIES = ("dense", "grow", "prune", "rigl", "newborn-weights", "winning-ticket", "den")
LEARNERS = ("avalanche:EWC", "avalanche:Replay", "avalanche:LwF")


def written(value: Any) -> str:
    """Return a value as the command line takes it, or else its text as it is."""
    try:
        return format_value(value)
    except BenchError:
        return str(value)


VALUE = values("json").map(written) | st.text(max_size=30)


def settings_of(cls: type) -> list[str]:
    return [one.name for one in fields(cls) if one.init]


@st.composite
def calls(draw: st.DrawFn, known: tuple[str, ...], load: Any) -> str:
    """Return a name with some of its settings, each with any value."""
    name = draw(st.sampled_from(known))
    known_settings = [*settings_of(load(name)), "other"]
    given = draw(st.lists(st.sampled_from(known_settings), max_size=3))
    return f"{name}({','.join(f'{one}={draw(VALUE)}' for one in given)})"


STREAM = calls(STREAMS, lambda name: load_stream(name).cls)
ENTRANT = st.lists(calls((*STRATEGIES, *LEARNERS), load_entrant), min_size=1, max_size=3)
TARGETS = {
    "network": settings_of(NetworkSpec),
    "optimizer": settings_of(OptimizerSpec),
    "stream": settings_of(load_stream("permuted-digits").cls),
    "grow": settings_of(load_entrant("grow")),
    "avalanche:EWC": settings_of(load_entrant("avalanche:EWC")),
}


@st.composite
def sets(draw: st.DrawFn) -> str:
    """Return what may stand behind `--set`."""
    target = draw(st.sampled_from(list(TARGETS)))
    setting = draw(st.sampled_from(TARGETS[target]))
    key = draw(st.sampled_from((f"{target}.{setting}",) * 9 + (setting, f"{target}.", "")))
    return f"{key}={draw(VALUE)}"


def check_runs(runs: list[RunSpec] | None) -> None:
    """Runs can be written down, and come back the same."""
    for run in (runs or [])[:5]:
        assert canonical(run.as_json()) == canonical(run.as_json())
        assert len(canonical(run.as_json())) < 10**6


def suite(streams: list[str], entrants: list[str]) -> Suite:
    return Suite(
        "mine",
        "",
        tuple(map(parse_stream, streams)),
        tuple(map(parse_entrant, entrants)),
        (0, 1),
    )


@tries(80, 20_000)
def test_any_settings_give_runs_or_are_refused(examples: int) -> None:
    def body(given: list[str]) -> None:
        entrants = ["dense", "grow", "avalanche:EWC(ewc_lambda=1)"]
        asked = suite(["permuted-digits"], entrants)
        check_runs(clean(lambda: resolve(asked, parse_overrides(given))))

    fuzz(body, st.lists(sets() | st.text(max_size=40), min_size=1, max_size=3), examples)


@tries(80, 20_000)
def test_any_settings_of_entrants_give_runs_or_are_refused(examples: int) -> None:
    def body(given: list[str]) -> None:
        check_runs(clean(lambda: resolve(suite(["permuted-digits"], ["+".join(given)]))))

    fuzz(body, ENTRANT, examples)


@tries(80, 20_000)
def test_any_settings_of_streams_give_runs_or_are_refused(examples: int) -> None:
    def body(given: str) -> None:
        check_runs(clean(lambda: resolve(suite([given], ["dense"]))))

    fuzz(body, STREAM, examples)


@tries(80, 20_000)
def test_any_suite_file_gives_runs_or_is_refused(examples: int) -> None:
    def body(text: str) -> None:
        read = clean(lambda: read_suite(text, "x.toml"))
        if read is not None:
            assert read.name.isascii()
            check_runs(clean(lambda: resolve(read)))

    whole = tomllib.loads(SUITE)
    bytes_of = torn(SUITE.encode()).map(lambda content: content.decode(errors="replace"))
    fuzz(body, st.one_of(mutated(whole, "toml").map(as_toml), bytes_of), examples)
