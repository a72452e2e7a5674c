import subprocess
import sys
import time
from pathlib import Path

from plasticity_bench.streams.data.sources import load_source
from tests.streams.data.made_up_files import write_idx

LOADER = """
import os, shutil, sys, time
from pathlib import Path
from torchvision import datasets
from plasticity_bench.streams.data import idx
from plasticity_bench.streams.data.sources import load_source

data, served, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
read = idx.MnistReader.read

def slowly(what):
    with open(served.parent / what, "a") as file:
        file.write("one\\n")
    time.sleep(seconds)

def download(self):
    slowly("downloads")
    shutil.copytree(served, self.raw_folder)

def read_slowly(self, place, workspace):
    slowly("readings")
    return read(self, place, workspace)

datasets.MNIST.download = download
idx.MnistReader.read = read_slowly
other = os.fork() if sys.argv[4:] else None
print(load_source("mnist", data).digest, flush=True)
if other:
    sys.exit(os.waitpid(other, 0)[1])
"""


def start(folder: Path, seconds: float, *twice: str) -> "subprocess.Popen[str]":
    """Load the source in a process; in two where anything more is said, once libraries are there.

    Loading the libraries would set two processes of their own apart by more than they take.
    """
    places = [str(folder / "data"), str(folder / "www")]
    words = [sys.executable, "-c", LOADER, *places, str(seconds), *twice]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_of_two_processes_that_start_at_once_one_downloads_and_one_prepares(
    tmp_path: Path,
) -> None:
    write_idx(tmp_path / "www", packed=False)
    both = start(tmp_path, 1, "twice")
    digests = both.communicate(timeout=120)[0].split()
    assert both.returncode == 0
    assert len(digests) == 2
    assert digests[0] == digests[1] == load_source("mnist", tmp_path / "data").digest
    assert (tmp_path / "downloads").read_text() == "one\n"
    assert (tmp_path / "readings").read_text() == "one\n"


def test_the_lock_of_a_killed_process_blocks_nobody(tmp_path: Path) -> None:
    write_idx(tmp_path / "data" / "MNIST" / "raw")
    killed = start(tmp_path, 1000)
    while not (tmp_path / "readings").exists():
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    prepared = tmp_path / "data" / "prepared"
    assert {path.suffix for path in prepared.iterdir()} == {".lock", ".part"}
    before = time.monotonic()
    assert load_source("mnist", tmp_path / "data").classes == 10
    assert time.monotonic() - before < 5
    assert {path.suffix for path in prepared.iterdir()} == {".lock", ""}
