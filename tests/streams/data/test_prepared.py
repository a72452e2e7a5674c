import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from plasticity_bench.harness.engine.batches import SampleBank
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.stream import Samples
from plasticity_bench.streams.data import locks, reader, sources
from plasticity_bench.streams.data.idx import FILES, MnistReader
from plasticity_bench.streams.data.sources import load_source
from tests.streams.data.made_up_files import write_idx

PARTS = ("train_x", "train_y", "test_x", "test_y")


def load(folder: Path) -> Samples:
    sources._load.cache_clear()
    return load_source("mnist", folder)


def cache_in(folder: Path) -> Path:
    (cache,) = (path for path in (folder / "prepared").iterdir() if path.is_dir())
    return cache


def never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MnistReader, "read", lambda *_: pytest.fail("read again"))


def test_the_cache_is_plain_arrays_and_a_manifest(tmp_path: Path) -> None:
    written = write_idx(tmp_path)
    digest = load(tmp_path).digest
    cache = cache_in(tmp_path)
    assert re.fullmatch("mnist-[0-9a-f]{16}", cache.name)
    assert {path.name for path in cache.iterdir()} == {
        "manifest.json",
        *(f"{part}.npy" for part in PARTS),
    }
    for part in PARTS:
        np.testing.assert_array_equal(np.load(cache / f"{part}.npy"), getattr(written, part))
    manifest = json.loads((cache / "manifest.json").read_text())
    assert manifest["digest"] == digest
    assert manifest["arrays"]["test_x"]["shape"] == [20, 1, 28, 28]
    assert [source["path"] for source in manifest["sources"]] == [
        str(tmp_path / f"{name}.gz") for name in FILES
    ]


def test_the_digest_is_over_types_shapes_and_values(tmp_path: Path) -> None:
    written = write_idx(tmp_path)
    expected = hashlib.sha256()
    for part in PARTS:
        array = getattr(written, part)
        expected.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
    assert load(tmp_path).digest == expected.hexdigest()


def test_the_second_load_reads_no_source_and_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(tmp_path)
    first = load(tmp_path)
    never_read(monkeypatch)
    monkeypatch.setattr(locks, "FileLock", lambda *_: pytest.fail("waits for a lock"))
    second = load(tmp_path)
    assert first is not second
    assert first.digest == second.digest
    for part in PARTS:
        assert torch.equal(getattr(first, part), getattr(second, part))
    assert (first.mean, first.std, first.scale, first.classes) == (
        second.mean,
        second.std,
        second.scale,
        second.classes,
    )


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux shows its maps")
def test_samples_are_mapped_from_the_files_and_the_engine_does_not_copy_them(
    tmp_path: Path,
) -> None:
    write_idx(tmp_path)
    samples = load(tmp_path)
    address = samples.train_x.data_ptr()
    lines = Path("/proc/self/maps").read_text().splitlines()
    (mapped,) = (line for line in lines if contains(line, address))
    assert mapped.endswith(str(cache_in(tmp_path) / "train_x.npy"))
    bank = SampleBank(samples, torch.device("cpu"))
    assert bank.train_x.data_ptr() == address
    assert bank.test_x.data_ptr() == samples.test_x.data_ptr()


def contains(line: str, address: int) -> bool:
    first, last = (int(end, 16) for end in line.split()[0].split("-"))
    return first <= address < last


def test_who_writes_into_the_samples_does_not_change_the_cache(tmp_path: Path) -> None:
    write_idx(tmp_path)
    samples = load(tmp_path)
    before = samples.train_x.clone()
    samples.train_x.fill_(7)
    assert torch.equal(load(tmp_path).train_x, before)


def damage_array(cache: Path) -> None:
    path = cache / "train_x.npy"
    path.write_bytes(path.read_bytes()[:-50])


def lose_array(cache: Path) -> None:
    (cache / "test_y.npy").unlink()


def lose_manifest(cache: Path) -> None:
    (cache / "manifest.json").unlink()


def cut_manifest(cache: Path) -> None:
    path = cache / "manifest.json"
    path.write_text(path.read_text()[:200])


def other_format(cache: Path) -> None:
    path = cache / "manifest.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 99'))


@pytest.mark.parametrize(
    "damage", [damage_array, lose_array, lose_manifest, cut_manifest, other_format]
)
def test_a_cache_that_is_not_whole_is_made_anew(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    written = write_idx(tmp_path)
    first = load(tmp_path)
    damage(cache_in(tmp_path))
    second = load(tmp_path)
    assert second.digest == first.digest
    np.testing.assert_array_equal(second.train_x, written.train_x)
    np.testing.assert_array_equal(second.test_y, written.test_y)


def test_a_half_written_cache_of_a_killed_process_is_not_used(tmp_path: Path) -> None:
    write_idx(tmp_path)
    digest = load(tmp_path).digest
    cache = cache_in(tmp_path)
    cache.rename(cache.with_name(f"{cache.name}.part"))
    damage_array(cache.with_name(f"{cache.name}.part"))
    assert load(tmp_path).digest == digest
    assert cache_in(tmp_path) == cache


def test_a_changed_file_is_read_anew_and_the_older_cache_goes(tmp_path: Path) -> None:
    write_idx(tmp_path)
    first, old = load(tmp_path).digest, cache_in(tmp_path)
    for name in FILES:
        path = tmp_path / f"{name}.gz"
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert load(tmp_path).digest == first
    assert cache_in(tmp_path) != old


def test_a_folder_that_may_only_be_read_is_prepared_in_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    write_idx(data)
    monkeypatch.setattr(os, "access", lambda path, _: not str(path).startswith(str(data)))
    load(data)
    assert not (data / "prepared").exists()
    assert cache_in(Path.home() / ".cache" / "plasticity-bench" / "data").is_dir()
    never_read(monkeypatch)
    load(data)


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    write_idx(tmp_path)
    (tmp_path / "prepared").write_text("in the way")
    with pytest.raises(BenchError, match=rf"cannot keep .* in {tmp_path / 'prepared'}: .*--data"):
        load(tmp_path)


def test_a_disk_without_room_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = type("Usage", (), {"free": 999})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(BenchError, match=r"1,000 bytes are needed and 999 are free"):
        reader.Workspace(tmp_path).array("train_x", (10, 100), np.uint8)
    assert list(tmp_path.iterdir()) == []
