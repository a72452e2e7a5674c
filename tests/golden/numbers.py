"""Golden numbers: what short runs of every path of the engine gave under this results version.

They stand between a change of the engine and the names of results: code that gives these numbers
may keep the names, other code has to raise `RESULTS_VERSION`. After a change of computing code:

    python -m tests.golden.numbers

It makes the runs again. Where all numbers are the same, it notes the code in `engine.toml`, so that
results keep their names. Where some are not, it says which, and notes code and numbers only if
`RESULTS_VERSION` in `harness/plugins/sources.py` has been raised.
"""

import json
import platform
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from math import isclose
from pathlib import Path
from typing import Any

import torch

from plasticity_bench.harness.engine.activations import ACTIVATIONS
from plasticity_bench.harness.loop.stack import run_stack
from plasticity_bench.harness.plugins import engine_code
from plasticity_bench.harness.plugins.resolve import resolve
from plasticity_bench.harness.plugins.sources import RESULTS_VERSION
from plasticity_bench.harness.specs.suite import Suite, parse_entrant, parse_stream

FILE = Path(__file__).parent / "numbers.json"
NOTE = Path(__file__).parents[2] / "harness" / "plugins" / "engine.toml"
DATA = Path("no data are needed")

SHORT = "permuted-digits(tasks=2,batch_size=100,passes=2)"
STREAMS = (
    *("class-incremental-digits(batch_size=50,passes=1)", "growing-head-digits(batch_size=50)"),
    *("composed-digits(batch_size=100)", "noisy-labels-digits(tasks=2,batch_size=100)"),
    *("rotated-digits(tasks=2,batch_size=100)", "warm-start-digits(batch_size=100,passes=2)"),
    *("gradual-permuted-digits(tasks=2,batch_size=100,gradual_updates=10)",),
    *("partly-permuted-digits(tasks=2,batch_size=100)",),
    *("recurring-permuted-digits(tasks=3,batch_size=100)", "random-labels-digits(tasks=2)"),
    *("shifting-labels-digits(tasks=2,batch_size=100)", "iid-digits(batch_size=100,passes=2)"),
    *(
        "control-digits(tasks=2,batch_size=100)",
        "slowly-changing-regression(tasks=2,batch_size=100)",
    ),
)
ENTRANTS = (
    *("dense", "grow", "prune", "turnover", "reset", "shrink-perturb", "rigl", "tiny-er"),
    *("grow+two-speed", "grow+restart-rate", "grow+winning-ticket", "avalanche:Naive"),
)
NETWORKS: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "layer norm": ({"norm": "layer"}, {}),
    "torch's initial weights": ({"init": "torch"}, {}),
    "convolutions": ({"kind": "convnet", "channels": [4], "hidden": [16]}, {}),
    "momentum": ({}, {"name": "sgd", "momentum": 0.9, "weight_decay": 0.001}),
    "sgd": ({}, {"name": "sgd", "lr": 0.1, "schedule": "cosine"}),
    "adamw": ({}, {"name": "adamw", "weight_decay": 0.1, "schedule": "steps"}),
    "amsgrad": ({}, {"name": "amsgrad", "weight_decay": 0.01}),
    **{f"activation {name}": ({"activation": name}, {}) for name in sorted(ACTIVATIONS)},
}
"""What is changed of network and optimiser; the entrant is Grow, which edits the most of them."""

SMOOTH = frozenset({"taoa", "acc", "taa", "task_end_accuracy", "online_loss", "weight_norm"})
"""Numbers that another processor's rounding hardly changes; others may jump, as a median age."""

Numbers = Mapping[str, Mapping[str, float | None]]


Case = tuple[str, str, dict[str, Any], dict[str, Any]]
"""Stream, entrant, and what is changed of network and optimiser."""


def cases() -> Iterator[tuple[str, Case]]:
    """Yield the name of every case, and the case."""
    for stream in STREAMS:
        yield stream, (stream, "grow", {}, {})
    for entrant in ENTRANTS:
        yield entrant, (SHORT, entrant, {}, {})
    for name, (network, optimizer) in NETWORKS.items():
        yield name, (SHORT, "grow", network, optimizer)


def numbers() -> Numbers:
    """Run every case for two seeds, and return the metrics of the second, all but times."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {name: _metrics(*case) for name, case in cases()}
    finally:
        torch.set_num_threads(threads)


def _metrics(
    stream: str, entrant: str, network: dict[str, Any], optimizer: dict[str, Any]
) -> dict[str, float | None]:
    asked = parse_entrant(entrant)
    made = type(asked)(
        None,
        asked.strategies,
        {"hidden": [20, 16], **network},
        {"name": "adam", "lr": 0.003, **optimizer},
    )
    specs = resolve(Suite("golden", "", (parse_stream(stream),), (made,), (0, 1)))
    ends = [row for _, row in run_stack(specs, DATA, "cpu") if row["kind"] == "end"]
    return {
        name: ends[1]["metrics"][name] for name in sorted(ends[1]["metrics"]) if name != "seconds"
    }


def kind() -> str:
    """Return what numbers are equal on to the last bit: the library and the processor's model."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text("utf-8").splitlines() if cpu.exists() else []
    models = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    model = ", ".join(sorted(models)) or platform.processor()
    return f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {model}"


def stored() -> dict[str, Any]:
    """Return what the file says: `results_version`, `kind` and `numbers`."""
    return dict(json.loads(FILE.read_text("utf-8")))


def differences(golden: Numbers, found: Numbers, *, exactly: bool) -> list[str]:
    """Return a line for every number that is not the golden one."""
    lines = []
    for case in dict.fromkeys([*golden, *found]):
        old, new = golden.get(case, {}), found.get(case, {})
        for name in dict.fromkeys([*old, *new]):
            was, now = old.get(name), new.get(name)
            if was != now and (exactly or (name in SMOOTH and not _close(was, now))):
                lines.append(f"{case}: {name} was {was} and is {now}")
    return lines


def _close(was: float | None, now: float | None) -> bool:
    """Tell whether numbers are alike enough for another processor or library."""
    return was is not None and now is not None and isclose(was, now, rel_tol=0.02, abs_tol=0.02)


def main() -> int:
    """Hold the engine against the golden numbers, and note it where it may keep the names."""
    found, golden = numbers(), stored() if FILE.exists() else {}
    is_new = golden.get("results_version") != RESULTS_VERSION
    exactly = golden.get("kind") == kind()
    wrong = [] if is_new else differences(golden["numbers"], found, exactly=exactly)
    if wrong:
        print(
            "\n".join([*islice(wrong, 20), f"{len(wrong)} numbers are others: if that is right,"])
        )
        print("raise RESULTS_VERSION in harness/plugins/sources.py and call this again.")
        return 1
    if is_new:
        content = {"results_version": RESULTS_VERSION, "kind": kind(), "numbers": found}
        lines = json.dumps(content, sort_keys=True).replace("}, ", "},\n")  # one a case
        FILE.write_text(f"{lines}\n", "utf-8")
    texts = engine_code.computing_code()
    NOTE.write_text(
        "# The computing code that gives the golden numbers of the results version; see\n"
        "# engine_code.py. Written by: python -m tests.golden.numbers\n"
        f'text = "{engine_code.text_digest(texts)}"\n'
        f'code = "{engine_code.code_digest(texts)}"\n',
        "utf-8",
    )
    words = "noted anew" if is_new else ("are the same" if exactly else "are close enough")
    print(f"The numbers of version {RESULTS_VERSION} {words}; the code is noted in {NOTE.name}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
