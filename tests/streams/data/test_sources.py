from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.places import default_data_dir
from plasticity_bench.streams.data.idx import FILES
from plasticity_bench.streams.data.sources import (
    READERS,
    load_source,
    missing,
    where,
)
from tests.streams.data.made_up_files import write_idx

# digits


def test_digits_are_split_into_1437_and_360_images_of_8_by_8(tmp_path: Path) -> None:
    digits = load_source("digits", tmp_path)
    assert digits.train_x.shape == (1437, 1, 8, 8)
    assert digits.test_x.shape == (360, 1, 8, 8)
    assert (digits.classes, digits.mean, digits.std) == (10, (0.0,), (1.0,))
    entering = digits.network_input(digits.train_x)
    assert (entering.min().item(), entering.max().item()) == (0.0, 1.0)


def test_digits_of_both_parts_together_are_those_of_scikit_learn(tmp_path: Path) -> None:
    digits = load_source("digits", tmp_path)
    ours = torch.cat([digits.train_x, digits.test_x]).flatten(1).numpy()
    labelled = np.column_stack([ours, torch.cat([digits.train_y, digits.test_y]).numpy()])
    pixels, target = load_digits(return_X_y=True)
    theirs = np.column_stack([pixels, target]).astype(np.int64)
    assert sorted(map(tuple, labelled.tolist())) == sorted(map(tuple, theirs.tolist()))


def test_every_class_of_digits_is_split_alike(tmp_path: Path) -> None:
    digits = load_source("digits", tmp_path)
    tested = digits.test_y.bincount()
    whole = tested + digits.train_y.bincount()
    assert ((tested - whole / 5).abs() < 1).all()


def test_the_digest_of_digits_never_changes(tmp_path: Path) -> None:
    expected = "5bb425ed595a20a625b427864eec2bc46336c27872e2c2c5ecb78fbca39f91d8"
    assert load_source("digits", tmp_path).digest == expected


def test_a_source_is_loaded_once_per_process(tmp_path: Path) -> None:
    first = load_source("digits", tmp_path)
    assert load_source("digits", tmp_path / "nowhere" / "..") is first


# what is missing


@pytest.mark.parametrize(
    "name", ["mnist", "fashion-mnist", "emnist", "cifar10", "cifar100", "imagenet32"]
)
def test_data_that_cannot_be_had_gives_one_clear_message(tmp_path: Path, name: str) -> None:
    with pytest.raises(BenchError) as caught:
        load_source(name, tmp_path)
    text = str(caught.value)
    why = "it has no public address" if name == "imagenet32" else "<urlopen error no network"
    assert f"'{name}' is not here and cannot be downloaded: {why}" in text
    assert "\n" not in text
    for word in ("Looked in", str(tmp_path), "Put ", "--data", "PLASTICITY_BENCH_DATA", "digits"):
        assert word in text
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_a_data_folder_that_cannot_be_made_gives_the_same_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BenchError, match="'mnist' is not here and cannot be downloaded"):
        load_source("mnist", tmp_path / "file")


def test_an_unknown_source_gets_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"no source 'mnits'; did you mean 'mnist'\?"):
        load_source("mnits", tmp_path)


def test_where_tells_what_is_here_and_missing_tells_what_to_do(tmp_path: Path) -> None:
    write_idx(tmp_path / "MNIST" / "raw")
    (tmp_path / "MNIST" / "raw" / f"{FILES[3]}.gz").unlink()
    here = {name for name in READERS if where(name, tmp_path) is not None}
    assert here == {"digits"}
    assert f"{tmp_path / 'MNIST' / 'raw'} (no t10k-labels-idx1-ubyte)" in missing("mnist", tmp_path)


def test_the_data_folder_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLASTICITY_BENCH_DATA", "~/sets")
    assert default_data_dir() == Path.home() / "sets"
    monkeypatch.delenv("PLASTICITY_BENCH_DATA")
    assert default_data_dir() == Path.home() / ".cache/plasticity-bench/data"
