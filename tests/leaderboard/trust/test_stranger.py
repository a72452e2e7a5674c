"""A stranger's archive makes `verify` run, read, download, allocate or wait for nothing."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from plasticity_bench.harness.cli import app
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.plugins.sources import code_of
from plasticity_bench.leaderboard.store.result_store import ResultStore
from plasticity_bench.leaderboard.trust.work import Bounds, bounded

from ..conftest import MakeDraft, draft
from . import archives

Change = Callable[[dict[str, Any]], object]
PATIENCE = 60
"""Seconds, on a busy machine: the work that is asked for would take days."""


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file that is there as soon as any of a stranger's names is imported or called."""
    path = tmp_path / "mark"
    text = f"from pathlib import Path\nPath({str(path)!r}).touch()\n\n\ndef make(**_): ...\n"
    (tmp_path / "evil.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MARK", str(path))
    return path


def verify(make_draft: MakeDraft, folder: Path, change: Change, *options: str) -> str:
    """Return why `verify` refuses an archive whose one result has other settings."""
    made = archives.result(make_draft, change, entrant="dense")
    path = folder / "strange.zip"
    path.write_bytes(archives.archive([made], "dense"))
    words = ["verify", str(path), "--workers", "1", "--data", str(folder / "none"), *options]
    start = time.monotonic()
    done = CliRunner().invoke(app, words, env={"COLUMNS": "500"})
    assert time.monotonic() - start < PATIENCE
    assert done.exit_code == 2, done.output
    assert not list(folder.glob("*.verified.json"))
    return " ".join(done.stderr.split())


def stream(name: str, **settings: Any) -> Change:
    return lambda content: content["spec"].update(stream={"name": name, "settings": settings})


def network(**settings: Any) -> Change:
    return lambda content: content["spec"]["entrant"]["network"].update(settings)


def strategy(name: str, **settings: Any) -> Change:
    """Name another strategy, whose source is in the archive as is due."""

    def change(content: dict[str, Any]) -> None:
        content["spec"]["entrant"]["strategies"] = [{"name": name, "settings": settings}]
        content["sources"]["strategies"] = {name: archives.SOURCE.digest}

    return change


CODE: dict[str, tuple[Change, str]] = {
    "the shell": (
        stream("avalanche:subprocess:getoutput?cmd='touch mark'"),
        "subprocess:getoutput",
    ),
    "the system": (stream("avalanche:os:system?command='touch mark'"), "os:system"),
    "a module": (stream("avalanche:evil:make"), "code that it names, evil:make"),
    "a module's import alone": (stream("avalanche:evil:"), "evil:"),
    "an attribute of an attribute": (stream("avalanche:evil:Path.cwd"), "evil:Path.cwd"),
    "a module without a name": (stream("avalanche::make"), "code that it names"),
    "in a setting": (stream("avalanche:SplitMNIST", maker="evil:make"), "evil:make"),
    "in a setting of its arguments": (
        stream("avalanche:SplitMNIST", maker="os:system", arguments="command='touch mark'"),
        "os:system",
    ),
    "in a setting of another stream": (stream("permuted-digits", maker="evil:make"), "evil:make"),
    "as a stream": (stream("evil:make"), "no stream 'evil:make'"),
    "as a stream of the system": (stream("os:system"), "no stream 'os:system'"),
    "as a strategy": (strategy("evil:make"), "no strategy 'evil:make'"),
    "as a learner": (strategy("avalanche:evil:make"), "no strategy 'avalanche:evil:make'"),
    "as the base of a composed stream": (
        stream("composed-digits", shifts=["permuted"], over="evil:make"),
        "no base 'evil:make'",
    ),
    "as a shift": (stream("composed-digits", shifts=["evil:make"]), "no shift 'evil:make'"),
    "as a source": (stream("permuted-digits", source="evil:make"), "no source 'evil:make'"),
    "as an activation": (network(activation="evil:make"), "cannot be made again"),
    "as an architecture": (network(kind="evil:make"), "kind='evil:make' is not allowed"),
}


@pytest.mark.parametrize(("change", "said"), CODE.values(), ids=CODE.keys())
def test_no_code_that_an_archive_names_is_run(
    make_draft: MakeDraft, tmp_path: Path, mark: Path, change: Change, said: str
) -> None:
    assert said in verify(make_draft, tmp_path, change)
    assert not mark.exists()


@pytest.mark.parametrize("status", ["diverged", "done"])
def test_nor_that_of_a_run_that_is_not_chosen(
    make_draft: MakeDraft, tmp_path: Path, mark: Path, status: str
) -> None:
    sound = archives.result(make_draft, entrant="dense")
    evil = archives.result(
        make_draft, stream("avalanche:evil:make"), entrant="dense", seed=1, status=status
    )
    path = tmp_path / "strange.zip"
    path.write_bytes(archives.archive([sound, evil], "dense"))
    for seed in "0123":
        words = ["verify", str(path), "--runs", "1", "--seed", seed]
        assert CliRunner().invoke(app, words).exit_code == 2
    assert not mark.exists()


PLACES: dict[str, tuple[Change, str]] = {
    "a folder of pictures": (
        stream("class-incremental-image-folder", folder="/etc"),
        "stream.folder is a place on this machine, /etc",
    ),
    "a folder below this one": (
        stream("class-incremental-image-folder", folder="pictures"),
        "stream.folder is a place",
    ),
    "a home": (stream("permuted-digits", note="~root/x"), "stream.note is a place"),
    "a way up": (stream("permuted-digits", note=["a/../../b"]), "stream.note is a place"),
    "an address": (stream("permuted-digits", note="http://x.example"), "stream.note is a place"),
    "another system's": (stream("permuted-digits", note="\\\\host\\x"), "stream.note is a place"),
    "of a strategy": (strategy("dense", file="/etc/passwd"), "dense.file is a place"),
    "of a benchmark": (
        stream("avalanche:SplitMNIST?n_experiences=5&dataset_root='/etc'"),
        "reads a place on this machine, dataset_root=",
    ),
    "of a benchmark, by its setting": (
        stream("avalanche:SplitMNIST", maker="SplitMNIST", arguments="dataset_root=data"),
        "reads a place on this machine, dataset_root=data",
    ),
    "of a benchmark, disguised": (
        stream('avalanche:CTrL?stream_name="s_minus"&x="\\u002fetc"'),
        "reads a place on this machine",
    ),
    "of a benchmark that writes": (stream("avalanche:CTrL?path=here"), "reads a place"),
}


@pytest.mark.parametrize(("change", "said"), PLACES.values(), ids=PLACES.keys())
def test_no_place_that_an_archive_names_is_looked_at(
    make_draft: MakeDraft, tmp_path: Path, change: Change, said: str
) -> None:
    assert said in verify(make_draft, tmp_path, change)


WORK: dict[str, tuple[Change, str]] = {
    "units": (network(hidden=[10**9]), "network.hidden has a number beyond 10,000,000"),
    "units within every bound of numbers": (network(hidden=[10**6, 10**6]), "GB of memory"),
    "many layers": (network(hidden=[5_000] * 1_000), "GB of memory"),
    "a list": (network(hidden=[1] * 10_001), "a list beyond 10,000"),
    "channels": (network(kind="convnet", channels=[10**6, 10**6]), "GB of memory"),
    "a batch": (stream("permuted-digits", batch_size=10**7), "batch_size is 10000000"),
    "tasks": (stream("permuted-digits", tasks=10**9), "stream.tasks has a number beyond"),
    "a number without an end": (stream("permuted-digits", tasks=10**400), "stream.tasks has a"),
    "a number in words": (
        stream("composed-digits", shifts=[f"permuted(share={10**20})"]),
        "stream.shifts has a number beyond",
    ),
    "tasks and passes": (
        stream("permuted-digits", tasks=5000, passes=10**6),
        "2,505,600 minutes, and 60 are allowed",
    ),
    "updates": (stream("permuted-digits", tasks=5000, updates_per_task=10**6), "minutes, and 60"),
    "experiences": (
        stream("avalanche:PermutedMNIST?n_experiences=10000"),
        "an argument of its benchmark is beyond 5,000",
    ),
    "a data set to download": (stream("permuted-mnist", source="mnist"), "nothing is downloaded"),
    "a benchmark to download": (
        stream("avalanche:CORe50?scenario=nc", maker="CORe50", arguments="scenario=nc"),
        "nothing is downloaded",
    ),
}


@pytest.mark.parametrize(("change", "said"), WORK.values(), ids=WORK.keys())
def test_work_beyond_the_bounds_is_refused_before_it_is_done(
    make_draft: MakeDraft, tmp_path: Path, change: Change, said: str
) -> None:
    assert said in verify(make_draft, tmp_path, change)


def test_the_suite_that_verify_is_given_asks_for_trust_and_lends_none_to_the_archive(
    make_draft: MakeDraft, tmp_path: Path, mark: Path
) -> None:
    suite = tmp_path / "mine.toml"
    suite.write_text(
        'name = "mine"\ndescription = "made up"\nseeds = "0:1"\nentrants = ["dense"]\n'
        'streams = ["avalanche:evil:make"]\n',
        encoding="utf-8",
    )
    change = stream("avalanche:evil:make")
    assert "add --trust" in verify(make_draft, tmp_path, change, "--suite", str(suite))
    options = ("--suite", str(suite), "--trust")
    assert "code that it names, evil:make" in verify(make_draft, tmp_path, change, *options)
    assert not mark.exists()


def test_the_bounds_can_be_widened(make_draft: MakeDraft, tmp_path: Path) -> None:
    large = network(hidden=[20_000, 20_000])
    assert "Allow more with --gigabytes" in verify(make_draft, tmp_path, large)
    wide = ("--gigabytes", "1e3", "--minutes", "1e6")
    assert "the code of dense that is installed here" in verify(make_draft, tmp_path, large, *wide)
    long = stream("permuted-digits", tasks=1000, passes=2000)
    assert "Allow more with --minutes" in verify(make_draft, tmp_path, long)
    assert "the code of dense that is installed here" in verify(make_draft, tmp_path, long, *wide)


def test_what_takes_longer_than_was_estimated_is_stopped() -> None:
    start = time.monotonic()

    def work() -> None:
        with bounded(Bounds(minutes=0.002), "cpu"):
            while time.monotonic() - start < PATIENCE:
                time.sleep(0.01)

    with pytest.raises(BenchError, match="stopped after"):
        work()
    assert time.monotonic() - start < PATIENCE


def test_a_stop_from_the_keyboard_stays_one() -> None:
    with pytest.raises(KeyboardInterrupt), bounded(Bounds(), "cpu"):
        raise KeyboardInterrupt


def test_memory_that_no_estimate_sees_is_not_had() -> None:
    with bounded(Bounds(gigabytes=0.5), "cpu"), pytest.raises((RuntimeError, MemoryError)):
        torch.ones(10**9)
    assert len(torch.ones(10**8)) == 10**8, "and can be had again afterwards"


def test_the_board_of_a_store_imports_nothing_that_its_results_name(
    tmp_path: Path, mark: Path
) -> None:
    store, other = ResultStore(tmp_path / "store"), ResultStore(tmp_path / "other")
    for seed in range(3):
        for one in (store, other):
            one.write(draft(stream="avalanche:evil:make", seed=seed))
            one.write(
                draft(
                    stream="avalanche:SplitMNIST", seed=seed, stream_settings={"maker": "evil:make"}
                )
            )
            one.write(draft(seed=seed))
    stranger = ("--stream", "permuted-digits", "--results", str(store.folder))
    for words in (
        ["leaderboard", "quick", *stranger],
        ["leaderboard", "quick", *stranger, "--all-versions"],
        ["leaderboard", "build", "quick", *stranger],
        ["compare", "dense", "reset", *stranger],
        ["report", "quick", *stranger],
        ["submit", "quick", "--entrant", "dense", "--out", "x.zip", *stranger],
        ["store", "verify", "--results", str(store.folder)],
        ["store", "rebuild", "--results", str(store.folder)],
        ["store", "merge", str(other.folder), "--results", str(store.folder)],
    ):
        CliRunner().invoke(app, words)
    assert code_of(["dense"], "avalanche:evil:make")
    assert not mark.exists()


def test_an_archive_that_names_code_is_taken_in_as_what_it_is(
    make_draft: MakeDraft, tmp_path: Path, mark: Path
) -> None:
    made = archives.result(make_draft, stream("avalanche:evil:make"), entrant="dense")
    path = tmp_path / "strange.zip"
    path.write_bytes(archives.archive([made], "dense"))
    done = CliRunner().invoke(app, ["import", str(path), "--results", str(tmp_path / "store")])
    assert "1 result added" in done.output
    assert "self-reported" in done.output
    assert not mark.exists()
