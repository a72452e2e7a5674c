import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from plasticity_bench.harness.engine.batches import SampleBank
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.streams.data import features, sources
from plasticity_bench.streams.data.features import FILE
from plasticity_bench.streams.data.sources import load_source, missing
from tests.streams.data.made_up_files import class_folders, write_pictures

NAME = "mini-imagenet-features"
RANDOM = np.random.RandomState(4)
X, Y = RANDOM.randn(30, 7).astype(np.float32), np.repeat(np.arange(3), 10)


def test_a_file_with_both_parts_is_read_as_it_is(tmp_path: Path) -> None:
    np.savez(tmp_path / FILE, train_x=X, train_y=Y, test_x=X[::3], test_y=Y[::3])
    read = load_source(NAME, tmp_path)
    assert read.train_x.shape == (30, 1, 1, 7)
    np.testing.assert_array_equal(read.train_x.flatten(1), X)
    np.testing.assert_array_equal(read.train_y, Y)
    np.testing.assert_array_equal(read.test_x.flatten(1), X[::3])
    np.testing.assert_array_equal(read.test_y, Y[::3])
    np.testing.assert_array_equal(read.network_input(read.train_x), read.train_x)


def test_a_file_without_parts_is_split_every_fifth_of_a_class(tmp_path: Path) -> None:
    order = RANDOM.permutation(30)
    np.savez(tmp_path / FILE, x=X[order], y=Y[order])
    read = load_source(NAME, tmp_path)
    assert read.test_y.bincount().tolist() == [2, 2, 2]
    assert read.train_y.bincount().tolist() == [8, 8, 8]
    for label in range(3):
        of_class = X[order][Y[order] == label]
        shown = read.test_x.flatten(1)[read.test_y == label]
        np.testing.assert_array_equal(shown, of_class[[0, 5]])


def test_features_enter_the_engine_unchanged(tmp_path: Path) -> None:
    np.savez(tmp_path / FILE, train_x=X, train_y=Y, test_x=X[::3], test_y=Y[::3])
    bank = SampleBank(load_source(NAME, tmp_path), torch.device("cpu"))
    rows = torch.tensor([[3, 4], [0, 29]])
    x = bank.take(bank.train_x, rows, bank.moves(torch.arange(6, -1, -1).expand(2, 1, 7)))
    assert x.shape == (2, 2, 1, 1, 7)
    np.testing.assert_array_equal(x.flatten(2), X[rows.numpy()][..., ::-1])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"y": Y}, "it has no array x; it has y"),
        ({"x": X[:, :, None], "y": Y}, "features are float32 (30, 7, 1)"),
        ({"x": X.astype(int), "y": Y}, "features are int64 (30, 7)"),
        ({"x": X * np.nan, "y": Y}, "not a finite number"),
        ({"x": X, "y": Y[:-1]}, "labels are int64 (29,) instead of 30 classes"),
        ({"x": X, "y": Y - 1}, "from 0"),
        ({"x": X, "y": Y * 1.0}, "labels are float64"),
        (
            {"train_x": X, "train_y": Y, "test_x": X[:, :3], "test_y": Y},
            "train_x has 7 features, test_x 3",
        ),
    ],
)
def test_a_file_with_other_contents_is_named(
    tmp_path: Path, content: Mapping[str, Any], why: str
) -> None:
    np.savez(tmp_path / FILE, allow_pickle=False, **content)
    with pytest.raises(BenchError) as caught:
        load_source(NAME, tmp_path)
    assert f"the file {tmp_path / FILE} is damaged: " in str(caught.value)
    assert why in str(caught.value)
    assert "fetch it again" not in str(caught.value)


def test_a_cut_off_file_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / FILE, x=X, y=Y)
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:-40])
    with pytest.raises(BenchError, match=f"{tmp_path / FILE} is damaged"):
        load_source(NAME, tmp_path)


def test_without_anything_one_message_names_file_pictures_and_weights(tmp_path: Path) -> None:
    with pytest.raises(BenchError) as caught:
        load_source(NAME, tmp_path)
    for word in (FILE, "mini-imagenet/<class>", "resnet50-0676ba61.pth (from https://", "--data"):
        assert word in str(caught.value)


def test_pictures_without_weights_are_told(tmp_path: Path) -> None:
    write_pictures(tmp_path / "mini-imagenet", class_folders(("a", "b"), {"": 5}))
    assert "pictures are there, but not the weights resnet50" in missing(NAME, tmp_path)
    with pytest.raises(BenchError, match="cannot be downloaded: <urlopen error no network"):
        load_source(NAME, tmp_path)


# computed features


class Tiny(torch.nn.Module):
    """Has a ResNet's last layer, and before it the mean of each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.randn(3))
        self.fc: torch.nn.Module = torch.nn.Linear(3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.fc(x.mean((2, 3)) * self.gain)
        return out


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """Replace the ResNet by a small network whose weights are in torch's own cache."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Tiny()
    monkeypatch.setattr(models, "resnet50", Tiny)
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(network.state_dict(), folder / "weights")
    digest = hashlib.sha256((folder / "weights").read_bytes()).hexdigest()
    (folder / "weights").rename(folder / f"tiny-{digest[:8]}.pth")
    weights = type("Weights", (), {"url": f"http://nowhere/tiny-{digest[:8]}.pth"})
    monkeypatch.setattr(features, "WEIGHTS", weights)
    return network


CLASSES = ("n1", "n2", "n3")


@pytest.mark.parametrize(
    "layout",
    [
        {"": CLASSES},
        {"train": CLASSES[1:], "val": CLASSES[:1]},
        {"train": CLASSES[:1], "val": CLASSES[1:2], "test": CLASSES[2:]},
    ],
)
def test_features_of_pictures_are_computed_whatever_the_parts(
    tmp_path: Path, tiny: Tiny, layout: Mapping[str, Sequence[str]]
) -> None:
    content = class_folders(CLASSES, {"": 5})
    for part, classes in layout.items():
        chosen = {path: x for path, x in content.items() if path.split("/")[0] in classes}
        write_pictures(tmp_path / "mini-imagenet" / part, chosen)
    before = torch.random.get_rng_state()
    read = load_source(NAME, tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)
    x = (torch.from_numpy(np.stack(list(content.values()))).float() / 255 - 0.5) * 2
    expected = (x.mean((1, 2)) * tiny.gain).detach()
    tested = torch.arange(15) % 5 == 0
    torch.testing.assert_close(read.train_x.flatten(1), expected[~tested])
    torch.testing.assert_close(read.test_x.flatten(1), expected[tested])
    assert read.train_y.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert read.test_y.tolist() == [0, 1, 2]
    assert read.train_x.shape == (12, 1, 1, 3)


def test_features_are_computed_once(
    tmp_path: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "mini-imagenet", class_folders(CLASSES, {"": 5}))
    first = load_source(NAME, tmp_path)
    monkeypatch.setattr(features, "network_features", lambda *_: pytest.fail("again"))
    sources._load.cache_clear()
    assert load_source(NAME, tmp_path).digest == first.digest


@pytest.mark.usefixtures("tiny")
def test_half_downloaded_weights_are_named(tmp_path: Path) -> None:
    write_pictures(tmp_path / "mini-imagenet", class_folders(CLASSES, {"": 5}))
    (weights,) = (tmp_path / "torch" / "hub" / "checkpoints").iterdir()
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(BenchError, match=rf"{weights} is damaged: .*data fetch {NAME}"):
        load_source(NAME, tmp_path)


@pytest.mark.usefixtures("tiny")
def test_a_class_in_two_parts_is_refused(tmp_path: Path) -> None:
    parts = {"train": 3, "test": 2}
    write_pictures(tmp_path / "mini-imagenet", class_folders(CLASSES, parts))
    with pytest.raises(BenchError, match="the class n1 is in two of the folders"):
        load_source(NAME, tmp_path)


def test_features_are_what_enters_the_last_layer_of_torchvisions_network() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = models.resnet50().eval()
    images = np.random.RandomState(0).randint(0, 256, (2, 3, 64, 64), dtype=np.uint8)
    extractor = create_feature_extractor(network, ["flatten"])
    with torch.inference_mode():
        expected = extractor(torch.from_numpy(images) / 127.5 - 1)["flatten"]
    network.add_module("fc", torch.nn.Identity())
    computed = torch.from_numpy(features.network_features(network, images))
    assert computed.shape == (2, 2048)
    torch.testing.assert_close(computed, expected, rtol=1e-4, atol=1e-5)
