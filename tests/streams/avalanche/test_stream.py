import json
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torch import Tensor

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.loop.stack import run_stack
from plasticity_bench.harness.plugins.registry import load_stream
from plasticity_bench.harness.plugins.resolve import resolve
from plasticity_bench.harness.specs.spec import build_settings
from plasticity_bench.harness.specs.suite import Suite, parse_entrant, parse_stream
from plasticity_bench.streams.avalanche import pool as avalanche_pool
from plasticity_bench.streams.avalanche.build import Recipe
from plasticity_bench.streams.avalanche.pool import AvalancheSamples, load_samples
from plasticity_bench.streams.avalanche.stream import AvalancheStream
from plasticity_bench.streams.avalanche.tasks import load_tasks
from tests.streams.data.made_mnist import write_mnist

MADE = "avalanche:tests.streams.made_benchmarks:"


@pytest.fixture(autouse=True)
def _no_benchmark_is_kept() -> None:
    load_samples.cache_clear()
    load_tasks.cache_clear()


def make(text: str) -> AvalancheStream:
    spec = parse_stream(text)
    loaded = load_stream(spec.name)
    settings = {**loaded.settings, **spec.settings}
    stream = build_settings(loaded.cls, settings, f"stream {spec.name}")
    assert isinstance(stream, AvalancheStream)
    return stream


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("avalanche:SplitMNIST?n_experiences=5", "class-incremental-mnist"),
        ("avalanche:SplitCIFAR100?n_experiences=10", "class-incremental-cifar10"),
        (f"{MADE}split", "class-incremental-mnist"),
    ],
)
def test_the_usual_learner_is_that_of_the_class_incremental_stream(name: str, like: str) -> None:
    loaded, usual = load_stream(name), load_stream(like)
    assert (loaded.network, loaded.optimizer) == (usual.network, usual.optimizer)


def samples_of(stream: AvalancheStream, folder: Path) -> AvalancheSamples:
    samples = stream.load(folder)
    assert isinstance(samples, AvalancheSamples)
    return samples


def check_views(stream: AvalancheStream, folder: Path, seed: int, parts: str = "train test") -> int:
    """Compare every sample with what Avalanche's own experience returns; count them."""
    samples, benchmark, compared = stream.load(folder), stream.benchmark(seed, folder), 0
    tasks = list(stream.task_sequence(samples, seed))
    assert len(tasks) == len(benchmark.train_stream)
    for number, task in enumerate(tasks):
        for part in parts.split():
            views, train = benchmark.streams[part], part == "train"
            dataset = views[number if len(views) > 1 else 0].dataset
            dataset = dataset.train() if train else dataset.eval()
            pool = samples.train_x if train else samples.test_x
            index, labels = (
                (task.train_index, task.train_y) if train else (task.test_index, task.test_y)
            )
            shown = [dataset[row] for row in range(len(dataset))]
            theirs = torch.stack([torch.as_tensor(x) for x, *_ in shown])
            ours = samples.network_input(pool[index], task.pixel_map)
            assert torch.allclose(ours.view_as(theirs), theirs, atol=1e-6)
            assert [y for _, y, *_ in shown] == labels.tolist()
            assert {t for _, _, t in shown} == {stream.task_label(samples, seed, number)}
            compared += len(shown)
    return compared


# classic benchmarks on files of the true format


@pytest.mark.parametrize(
    ("name", "compared"), [("SplitMNIST", 50), ("PermutedMNIST", 250), ("RotatedMNIST", 250)]
)
@pytest.mark.parametrize("packed", [True, False])
def test_classic_benchmarks_are_read_as_avalanche_reads_them(
    tmp_path: Path, name: str, compared: int, packed: bool
) -> None:
    write_mnist(tmp_path / "MNIST" / "raw", packed)
    stream = make(f"avalanche:{name}?n_experiences=5")
    samples = samples_of(stream, tmp_path)
    assert samples.train_x.shape == (30, 1, 28, 28)  # one copy of the images for all tasks
    assert samples.train_x.dtype == torch.uint8
    for seed in (0, 3):
        assert check_views(stream, tmp_path, seed) == compared


def test_fashion_mnist_is_found_in_its_own_folder(tmp_path: Path) -> None:
    write_mnist(tmp_path / "fashion-mnist")
    assert check_views(make("avalanche:SplitFMNIST?n_experiences=2"), tmp_path, 1) == 50


def test_each_seed_has_its_class_order_unless_the_arguments_fix_it(tmp_path: Path) -> None:
    write_mnist(tmp_path)

    def classes(text: str, seed: int) -> list[list[int]]:
        stream = make(text)
        tasks = stream.task_sequence(stream.load(tmp_path), seed)
        return [task.train_y.unique().tolist() for task in tasks]

    split = "avalanche:SplitMNIST?n_experiences=5"
    order = torch.randperm(10, generator=torch.Generator().manual_seed(4)).view(5, 2)
    assert classes(split, 4) == order.sort().values.tolist()
    assert classes(split, 4) != classes(split, 5)
    assert classes(f"{split}&seed=4", 0) == classes(f"{split}&seed=4", 1) == classes(split, 4)
    fixed = f"{split}&fixed_class_order=[1,0,3,2,5,4,7,6,9,8]"
    assert classes(fixed, 0) == classes(fixed, 9) == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert make(split).varies_with_seed
    assert not make(f"{split}&seed=4").varies_with_seed
    assert not make(fixed).varies_with_seed


# user's own, and those that have to be downloaded, along the same path


@pytest.mark.parametrize(
    ("name", "compared"),
    [
        ("split", 84),
        ("with_task_ids", 84),
        ("half_first", 84),
        ("mirrored_training", 84),
        ("smoothed", 84),
        ("scaled_last", 84),
        ("draws_globally", 84),
        ("FINISHED", 84),
        ("like_clear", 72),
        ("like_clear_features", 48),
    ],
)
def test_a_users_benchmark_is_read_as_avalanche_reads_it(
    tmp_path: Path, name: str, compared: int
) -> None:
    stream, before = make(MADE + name), torch.get_rng_state()
    stream.task_sequence(stream.load(tmp_path), 2)
    assert torch.equal(torch.get_rng_state(), before)
    assert check_views(stream, tmp_path, 2) == compared


@pytest.mark.parametrize(
    ("name", "tests"),
    [
        ("random_crops", 24),
        ("second_version", 24),
        ("inside", 24),
        ("turned", 24),
        ("like_core50", 36),
    ],
)
def test_random_training_transforms_stay_out_of_the_kept_samples(
    tmp_path: Path, name: str, tests: int
) -> None:
    stream = make(MADE + name)
    assert check_views(stream, tmp_path, 2, "test") == tests
    plain = make(f"{MADE}split")
    if name != "like_core50":
        assert torch.equal(stream.load(tmp_path).train_x, plain.load(tmp_path).train_x)
        assert not plain.augments
    assert stream.augments


def all_shown(stream: AvalancheStream, image: Tensor) -> set[bytes]:
    """Return what a crop by 2 and a flip can make of a picture, in bytes of their colours."""
    padded = torch.nn.functional.pad(image, (2, 2, 2, 2))
    crops = [padded[:, i : i + 8, j : j + 8] for i in range(5) for j in range(5)]
    return {one.numpy().tobytes() for crop in crops for one in (crop, crop.flip(2))}


def test_what_is_drawn_on_the_device_is_what_avalanche_may_draw(tmp_path: Path) -> None:
    stream = make(f"{MADE}random_crops")
    samples = stream.load(tmp_path)
    task = next(stream.task_sequence(samples, 0))
    dataset = stream.benchmark(0, tmp_path).train_stream[0].dataset
    mean, std = (torch.tensor(one).view(-1, 1, 1) for one in (samples.mean, samples.std))

    def as_bytes(x: Tensor) -> bytes:
        return ((x * std + mean) * 255).round().to(torch.uint8).numpy().tobytes()

    ours = samples.network_input(samples.train_x[task.train_index])
    draws = [stream.augment(ours, torch.Generator().manual_seed(seed)) for seed in range(40)]
    for row in range(3):
        possible = all_shown(stream, samples.train_x[task.train_index[row]])
        assert len(possible) == 50
        drawn_here = {as_bytes(draw[row]) for draw in draws}
        drawn_there = {as_bytes(dataset[row][0]) for _ in range(40)}
        assert drawn_here <= possible
        assert drawn_there <= possible
        assert len(drawn_here) > 15
        assert len(drawn_there) > 15


def test_one_test_set_serves_all_tasks(tmp_path: Path) -> None:
    stream = make(f"{MADE}like_core50")
    tasks = list(stream.task_sequence(stream.load(tmp_path), 0))
    assert [len(task.train_y) for task in tasks] == [12, 12, 12]
    assert all(task.test_index is tasks[0].test_index for task in tasks)


def test_tasks_of_different_sizes_have_different_numbers_of_updates(tmp_path: Path) -> None:
    stream = make(f"{MADE}half_first(batch_size=4,passes=3)")
    assert list(stream.task_updates(stream.load(tmp_path))) == [24, 9, 9, 9]


def test_only_some_tasks_and_samples_can_be_taken(tmp_path: Path) -> None:
    stream = make(f"{MADE}split(tasks=2,samples_per_task=7,batch_size=7)")
    samples = stream.load(tmp_path)
    tasks = list(stream.task_sequence(samples, 0))
    whole = list(make(f"{MADE}split").task_sequence(samples, 0))
    assert [len(task.train_y) for task in tasks] == [7, 7]
    assert list(stream.task_updates(samples)) == [1, 1]
    for task, all_of_it in zip(tasks, whole, strict=False):
        assert set(task.train_index.tolist()) <= set(all_of_it.train_index.tolist())
        assert torch.equal(task.test_index, all_of_it.test_index)
    assert check_views(stream, tmp_path, 0) == 7 + 8 + 7 + 8


# task labels


def test_task_ids_are_told_where_the_benchmark_gives_them(tmp_path: Path) -> None:
    stream = make(f"{MADE}with_task_ids?return_task_id=true")
    samples = stream.load(tmp_path)
    assert "task id at test" in stream.told
    assert [stream.task_label(samples, 0, number) for number in range(3)] == [0, 1, 2]
    assert "task id at test" not in make(f"{MADE}split").told
    assert "task id at test" in make(f"{MADE}like_clear(tell_task=true)").told


def test_task_ids_cannot_be_told_where_there_are_none(tmp_path: Path) -> None:
    stream = make(f"{MADE}split(tell_task=true)")
    with pytest.raises(BenchError, match=r"all tasks of tests.*:split have one task label"):
        stream.task_sequence(stream.load(tmp_path), 0)


# what is kept


def test_samples_are_made_once_and_then_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make(f"{MADE}split").load(tmp_path)
    (kept,) = (tmp_path / "prepared").iterdir()
    assert {path.name for path in kept.iterdir()} == {
        "layout.json",
        *(f"{side}_{what}.npy" for side in ("train", "test") for what in "xy"),
    }
    load_samples.cache_clear()
    monkeypatch.setattr(avalanche_pool, "materialise", lambda *_: pytest.fail("made again"))
    again = make(f"{MADE}split").load(tmp_path)
    assert again.digest == first.digest
    assert torch.equal(again.train_x, first.train_x)
    again.train_x[0] = 0  # writes into this process's own copy
    on_disk = torch.from_numpy(np.load(kept / "train_x.npy"))
    assert torch.equal(on_disk, first.train_x)
    assert not torch.equal(on_disk, again.train_x)


def test_other_arguments_and_other_code_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{MADE}split".partition(":")[2]
    key = Recipe(name, "").key
    assert Recipe(name, "tasks=2").key != key
    monkeypatch.setattr(
        "plasticity_bench.streams.avalanche.build.getsource", lambda module: "other code"
    )
    assert Recipe(name, "").key != key


def test_an_attempt_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="differ in size"):
        make(f"{MADE}unequal_sizes").load(tmp_path)
    assert list((tmp_path / "prepared").iterdir()) == []


def test_the_faster_of_two_processes_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = make(f"{MADE}split")
    materialise = avalanche_pool.materialise

    def beaten(recipe: Any, data_dir: Path, new: Any) -> Any:
        monkeypatch.undo()
        stream.load(data_dir)  # the other process
        return materialise(recipe, data_dir, new)

    monkeypatch.setattr(avalanche_pool, "materialise", beaten)
    recipe = stream.recipe
    load_samples.__wrapped__(recipe, tmp_path.resolve())
    assert len(list((tmp_path / "prepared").iterdir())) == 1


def test_damaged_samples_are_named(tmp_path: Path) -> None:
    make(f"{MADE}split").load(tmp_path)
    load_samples.cache_clear()
    (kept,) = (tmp_path / "prepared").iterdir()
    (kept / "test_x.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(BenchError, match=f"in {kept} are damaged: .* Delete that folder"):
        make(f"{MADE}split").load(tmp_path)


def test_a_folder_that_cannot_be_written_to_and_an_object_are_read_into_memory(
    tmp_path: Path,
) -> None:
    expected = make(f"{MADE}split").load(tmp_path / "good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "prepared").write_text("in the way")
    load_samples.cache_clear()
    samples = make(f"{MADE}split").load(tmp_path / "bad")
    assert samples.digest == expected.digest
    make(f"{MADE}FINISHED").load(tmp_path / "object")
    assert not (tmp_path / "object").exists()


# what is refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SplitMNST?n_experiences=5", "no Avalanche benchmark 'SplitMNST'; did you mean 'SplitMNI"),
        ("SplitMNIST?n_experience=5", "no argument of SplitMNIST named 'n_experience'; did you me"),
        ("SplitMNIST", "SplitMNIST needs the argument n_experiences. Write avalanche:SplitMNIST?n"),
        ("SplitMNIST?n_experiences", "cannot read 'n_experiences' in the arguments"),
        ("SplitMNIST?n_experiences=5&n_experiences=2", "Write each once"),
        ("SplitMNIST?n_experiences=5(batch_size=0)", "batch_size is 0"),
        ("SplitMNIST?n_experiences=5(source=mnist)", "an Avalanche benchmark has its own"),
        ("no_such_module:make", "'no_such_module:make' cannot be imported: ModuleNotFoundError"),
        ("tests.streams.made_benchmarks:splt", "has no attribute 'splt'"),
    ],
)
def test_a_wrong_name_argument_or_setting_is_found_before_anything_is_read(
    text: str, message: str
) -> None:
    with pytest.raises(BenchError) as caught:
        make(f"avalanche:{text}")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("not_a_benchmark", "is a list, not an Avalanche CLScenario"),
        ("unequal_sizes", r"differ in size: \(3, 9, 9\) and \(3, 8, 8\)"),
        ("too_few_tests", "has 3 tasks to train on and 2 to test on"),
        ("needs_class_count?classes=3", "cannot be downloaded: no server for 3 classes in /"),
        ("split?tasks=4", "cannot be made with tasks=4, seed=0: ValueError: Invalid number of"),
        ("noisy_test", r"changed at random: RandomCrop\(size=\(8, 8\), padding=2\), RandomH"),
        ("cropped_larger", r"turn images of \(3, 8, 8\) into \(3, 4, 4\)"),
        ("own_chance", "draws at random on pictures, and there is no counterpart"),
        ("split(tasks=4)", "tasks is 4, but the benchmark .* has 3"),
        ("split(samples_per_task=21)", "samples_per_task is 21, but a task of .* has 20"),
        ("split(checkpoints_per_task=9)", "checkpoints_per_task is 9, but a task has only 2"),
    ],
)
def test_a_benchmark_that_cannot_be_a_stream_says_why(
    tmp_path: Path, name: str, message: str
) -> None:
    stream = make(MADE + name)
    with pytest.raises(BenchError, match=message):
        stream.task_sequence(stream.load(tmp_path), 0)


def test_seeds_that_bring_other_pictures_are_refused_until_one_is_chosen(tmp_path: Path) -> None:
    stream = make(f"{MADE}other_pictures")
    samples = stream.load(tmp_path)
    assert len(list(stream.task_sequence(samples, 0))) == 3
    with pytest.raises(BenchError, match=r"seed 1 pictures that seed 0 does not have.*Give seed"):
        stream.task_sequence(samples, 1)
    fixed = make(f"{MADE}other_pictures?seed=1")
    assert check_views(fixed, tmp_path, 0) == check_views(fixed, tmp_path, 1) == 84


@pytest.mark.parametrize("name", ["CLEAR", "CORe50", "SplitTinyImageNet?n_experiences=10"])
def test_a_failed_download_gives_one_clear_message(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise URLError("no network in tests")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)
    with pytest.raises(BenchError, match="cannot be downloaded") as caught:
        make(f"avalanche:{name}").load(tmp_path)
    text = str(caught.value)
    assert "\n" not in text
    assert f"is not in {tmp_path}/" in text
    assert "dataset_root=FOLDER" in text
    assert capsys.readouterr().out == ""


# whole runs


def run(text: str, folder: Path, seeds: tuple[int, ...]) -> list[dict[str, Any]]:
    """Train the plain learner on a stream; return the last row of every seed."""
    suite = Suite(
        "test",
        "",
        (parse_stream(text),),
        (parse_entrant("dense"),),
        seeds,
        network={"kind": "mlp", "hidden": [16]},
    )
    rows = list(run_stack(resolve(suite), folder, "cpu"))
    return [row for _, row in rows if row["kind"] == "end"]


@pytest.mark.parametrize("name", ["split", "random_crops"])
def test_replicas_of_a_stack_learn_as_each_does_alone(tmp_path: Path, name: str) -> None:
    text = f"{MADE}{name}(batch_size=5,passes=20)"
    together = run(text, tmp_path, (0, 1))
    alone = [run(text, tmp_path, (seed,))[0] for seed in (0, 1)]
    for one, other in zip(together, alone, strict=True):
        assert one["status"] == "done"
        assert one["stream_digest"] == other["stream_digest"]
        assert one["metrics"]["taoa"] == pytest.approx(other["metrics"]["taoa"], abs=1e-6)
    assert together[0]["stream_digest"] != together[1]["stream_digest"]


def test_a_network_memorises_fixed_pictures_and_not_those_changed_at_random(
    tmp_path: Path,
) -> None:
    fixed, changed = (
        run(f"{MADE}{name}(batch_size=5,passes=60)", tmp_path, (0,))[0]["metrics"]["taoa"]
        for name in ("split", "random_crops")
    )
    assert fixed > 0.9
    assert changed < fixed - 0.1


def test_the_layout_is_plain_json(tmp_path: Path) -> None:
    make(f"{MADE}split").load(tmp_path)
    (kept,) = (tmp_path / "prepared").iterdir()
    layout = json.loads((kept / "layout.json").read_text())
    assert layout["sizes"] == [20, 20, 20]
    assert layout["classes"] == 6
