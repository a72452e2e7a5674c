"""How much computing and memory a stranger's runs may cost here; refused before it is spent."""

import _thread
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...harness.errors import BenchError
from ...harness.execution.jobs import SEEDS_TOGETHER, Job
from ...harness.execution.times import TICKET, at_a_time, estimates
from ...harness.metrics.cost import LayerCost, update_flops
from ...harness.plugins.registry import load_stream
from ...harness.specs.spec import NetworkSpec, RunSpec, StreamSpec, build_settings
from ...harness.stream import Samples, Stream

FLOPS = 5e9
"""Operations that a core makes in a second, about: for an estimate before anything is made."""
LEAST_SECONDS = 2e-5
"""Of one update of one replica, however small its network."""
COPIES = 8
"""Numbers held for each weight: it, its gradient, its moments, its start, masks and temporaries."""
GRACE = 2
"""Times its bound after which work is stopped: estimates are without tests and measurements."""
GB = 1e9
MOST = {"minutes": 1_000_000, "gigabytes": 1_000_000}
"""That a bound may be: two years, and more memory than there is; NaN and infinity are beyond."""


@dataclass(frozen=True)
class Bounds:
    """What making runs again may cost."""

    minutes: float = 60.0
    """On the workers that there are."""
    gigabytes: float = 8.0
    """Of memory, for all of them together."""
    workers: int | None = None
    """Processes at a time; None is one per core."""

    def __post_init__(self) -> None:
        """Refuse bounds that bound nothing, by which no clock can be set."""
        for name, most in MOST.items():
            if not 0 <= (value := getattr(self, name)) <= most:
                raise BenchError(f"--{name} {value:g} is not from 0 to {most:,}. Give a bound.")


USUAL = Bounds()


@dataclass(frozen=True)
class _Size:
    """How large the runs of one entrant on one stream are, from their settings alone."""

    runs: int
    updates: int
    """Of one run."""
    flops: int
    """Of one update of one run."""
    weights: int
    numbers: int
    """Held in one stack."""

    @property
    def seconds(self) -> float:
        """Return about how long the runs take, one after the other."""
        return self.runs * self.updates * max(LEAST_SECONDS, self.flops / FLOPS)


def check_size(runs: Iterable[RunSpec], data_dir: Path, bounds: Bounds) -> None:
    """Refuse runs that are too large by their settings; no network is made for that.

    Args:
        runs: whose names and numbers were checked.
        data_dir: where data sets are cached.
        bounds: of the work.

    Raises:
        BenchError: the samples are not here, or the runs are beyond the bounds, with an estimate.
    """
    groups: dict[str, list[RunSpec]] = {}
    for run in runs:
        key = str({**run.as_json(), "seed": None})
        groups.setdefault(key, []).append(run)
    sizes = [_size(group, data_dir) for group in groups.values()]
    at_once = min(at_a_time(bounds.workers), len(sizes))
    largest = sorted(sizes, key=lambda size: -size.numbers)[:at_once]
    gigabytes = 4 * sum(size.numbers for size in largest) / GB
    if gigabytes > bounds.gigabytes:
        raise BenchError(
            f"making these runs again would take about {gigabytes:,.1f} GB of memory for networks "
            f"of up to {max(size.weights for size in sizes):,} weights, and {bounds.gigabytes:g} "
            "GB are allowed. Allow more with --gigabytes if this machine has it."
        )
    _check_seconds(sum(size.seconds for size in sizes), sum(size.runs for size in sizes), bounds)


def check_time(jobs: Sequence[Job], data_dir: Path, bounds: Bounds) -> None:
    """Refuse runs that would take too long, by a short trial of each shape.

    Raises:
        BenchError: they are beyond the bound, with an estimate.
    """
    found = estimates(jobs, {}, data_dir)
    _check_seconds(sum(one.seconds for one in found), len(jobs), bounds)


def _check_seconds(seconds: float, runs: int, bounds: Bounds) -> None:
    minutes = seconds / 60 / at_a_time(bounds.workers)
    if minutes > bounds.minutes:
        raise BenchError(
            f"making {runs} runs again would take about {minutes:,.0f} minutes, and "
            f"{bounds.minutes:g} are allowed. Allow more with --minutes, or make fewer runs again "
            "with --runs; the other seeds of their stacks run beside them."
        )


def _size(runs: Sequence[RunSpec], data_dir: Path) -> _Size:
    first = runs[0]
    stream, samples = _loaded(first.stream, data_dir)
    network, replicas = first.entrant.network, min(len(runs), SEEDS_TOGETHER)
    layers = layer_costs(network, [*samples.train_x.shape[1:]], stream.output_classes(samples))
    weights = sum(one.inputs * one.outputs * one.kernel_area for one in layers)
    held = sum(one.inputs + one.outputs * one.positions for one in layers)
    twice = 2 if any(one.name == TICKET for one in first.entrant.strategies) else 1
    return _Size(
        len(runs),
        twice * sum(stream.task_updates(samples)),
        update_flops(layers, stream.batch_size),
        weights,
        replicas * (COPIES * weights + 4 * stream.batch_size * held),
    )


def _loaded(spec: StreamSpec, data_dir: Path) -> tuple[Stream, Samples]:
    stream = build_settings(load_stream(spec.name).cls, spec.settings, f"stream {spec.name}")
    if not stream.is_here(data_dir):
        fetch = f"check '{spec.name}'" if ":" in spec.name else f"data fetch {stream.source}"
        raise BenchError(
            f"the samples of the stream {spec.name} are not in {data_dir}, and nothing is "
            f"downloaded because a file names it. Have them first: plasticity-bench {fetch}"
        )
    return stream, stream.load(data_dir)


def layer_costs(network: NetworkSpec, image: Sequence[int], classes: int) -> list[LayerCost]:
    """Return what the layers of a network cost, all of it alive, without making it.

    Args:
        network: architecture.
        image: (channels, height, width) of one sample.
        classes: outputs of the head.
    """
    channels, height, width = image
    found = []
    if network.kind == "convnet":
        for units, side in zip(network.channels, network.kernels, strict=True):
            lost = side - 1 if network.padding == "none" else 0
            height, width = max(1, height - lost), max(1, width - lost)
            found.append(
                LayerCost(
                    inputs=channels,
                    outputs=units,
                    kernel_area=side * side,
                    positions=height * width,
                )
            )
            channels, height, width = units, max(1, height // 2), max(1, width // 2)
    inputs = channels * height * width
    for units in (*network.hidden, classes):
        found.append(LayerCost(inputs=inputs, outputs=units))
        inputs = units
    return found


@contextmanager
def bounded(bounds: Bounds, device: str) -> Iterator[None]:
    """Stop what runs inside when it takes much longer, or more memory, than it may.

    Settings of strategies and streams can cost what no estimate before it sees.

    Raises:
        BenchError: it was stopped for the time that it took.
    """
    over = threading.Event()

    def stop() -> None:
        over.set()
        _thread.interrupt_main()  # as Ctrl-C: workers are stopped as well

    timer = threading.Timer(GRACE * bounds.minutes * 60, stop)
    timer.daemon = True
    timer.start()
    try:
        with _limited_memory(bounds.gigabytes, device):
            yield
    except (KeyboardInterrupt, BenchError):
        if not over.is_set():
            raise
        raise BenchError(
            f"stopped after {GRACE * bounds.minutes:g} minutes, twice what is allowed, so nothing "
            "is attested. Allow more with --minutes, or make fewer runs again with --runs."
        ) from None
    finally:
        timer.cancel()


@contextmanager
def _limited_memory(gigabytes: float, device: str) -> Iterator[None]:
    """Let allocations beyond a bound fail, here and in workers, where the system can do that."""
    if sys.platform != "linux" or device != "cpu":  # a GPU's driver maps more than it uses
        yield
        return
    import resource

    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _held() + int(gigabytes * GB)
    limits = [limit for limit in (before, most) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([wanted, *limits]), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))


def _held() -> int:
    """Return the bytes that this process may write to now, as the system counts them."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(1024 * int(one.split()[1]) for one in lines if one.startswith("VmData:"))
