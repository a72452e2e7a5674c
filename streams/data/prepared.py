"""The prepared cache: a source's arrays in plain files that all processes map into memory.

Each source is read once. Its arrays lie in `prepared/<name>-<key>/` in the data folder: one .npy
file per array, and `manifest.json`, which says what they are and of which files they were made. The
key is a hash of those files' names, sizes and times, so that a changed file is read anew. The
folder is written under another name, by one process at a time, and renamed as a whole: it is there
whole or not at all. Mapped pages are shared by all processes on a machine.
"""

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError

from ...harness.stream import Samples
from .locks import cache_root, cannot_keep, locked
from .manifest import (
    FORMAT,
    LISTED,
    ArrayFile,
    Manifest,
    SourceFile,
    Stamp,
    digest_of,
    sha256_of,
    stamp,
)
from .reader import Arrays, Reader, Workspace, counted, fetch_hint

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Prepared:
    """The cache of one source, which may not be there yet."""

    reader: Reader
    place: Path
    folder: Path
    stamps: Sequence[Stamp]

    @classmethod
    def of(cls, reader: Reader, place: Path) -> "Prepared":
        """Return where the cache of a source at a place is."""
        with fetch_hint(reader):
            stamps = [stamp(path) for path in reader.files(place)]
        key = hashlib.sha256(f"{FORMAT}/{reader.name}/{place}".encode())
        for path, size, changed in stamps:
            key.update(f"\0{path}\0{size}\0{changed}".encode())
        name = f"{reader.name}-{key.hexdigest()[:16]}"
        return cls(reader, place, cache_root(reader.data_dir, name) / name, stamps)

    @property
    def is_there(self) -> bool:
        """Whether there is a cache, whole or damaged."""
        return self.folder.is_dir()

    def samples(self) -> Samples:
        """Return the samples, prepared by this process or another, mapped into memory.

        Raises:
            BenchError: the source cannot be read, or the cache cannot be written.
        """
        if self.fault(full=False) is not None:
            with locked(self.folder):
                if self.fault(full=False) is not None:  # nobody has done it in the meantime
                    self.make()
        return self._mapped(self.manifest())

    def fault(self, full: bool) -> str | None:
        """Say what is wrong with the cache, beginning with the file; None if it is whole.

        Args:
            full: whether to compare checksums, which takes seconds per gigabyte, or sizes only.
        """
        try:
            manifest = self.manifest()
            for part, file in manifest.arrays.items():
                path = self.folder / f"{part}.npy"
                size = path.stat().st_size
                if size != file.size:
                    return f"{path} has {size:,} bytes instead of {file.size:,}"
                if full and sha256_of(path) != file.sha256:
                    return f"{path} has another checksum than when it was written"
        except OSError as error:
            return f"{error.filename or self.folder}: {error.strerror or error}"
        except ValidationError as error:
            return f"{self.folder / MANIFEST} is damaged: {error.errors()[0]['msg']}"
        return None

    def make(self) -> None:
        """Read the source and write the cache, in place of a damaged one; the lock must be held."""
        part = self.folder.with_name(f"{self.folder.name}.part")
        try:
            shutil.rmtree(part, ignore_errors=True)  # left by a process that was killed
            part.mkdir(parents=True)
            self._write(part, read(self.reader, self.place, Workspace(part)))
            shutil.rmtree(self.folder, ignore_errors=True)
            os.replace(part, self.folder)
        except OSError as error:
            raise cannot_keep(
                f"the prepared data set '{self.reader.name}'", part.parent, error
            ) from None
        finally:
            shutil.rmtree(part, ignore_errors=True)
        self._drop_older()

    def _write(self, folder: Path, arrays: Arrays) -> None:
        files = {}
        for part, array in arrays._asdict().items():
            path = folder / f"{part}.npy"
            if isinstance(array, np.memmap):
                array.flush()
            else:
                np.save(path, array)
            _sync(path)
            shape, size = array.shape, path.stat().st_size
            files[part] = ArrayFile(
                shape=shape, dtype=str(array.dtype), size=size, sha256=sha256_of(path)
            )
        mean, std = self.reader.moments(arrays.train_x)
        few = self.stamps if len(self.stamps) <= LISTED else ()
        manifest = Manifest(
            format=FORMAT,
            name=self.reader.name,
            place=str(self.place),
            source_count=len(self.stamps),
            sources=tuple(SourceFile(**one._asdict()) for one in few),
            classes=counted(self.reader.name, arrays).classes,
            scale=self.reader.scale,
            mean=mean,
            std=std,
            digest=digest_of(arrays),
            arrays=files,
        )
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1))
        _sync(folder / MANIFEST)

    def manifest(self) -> Manifest:
        """Read what the cache says about itself.

        Raises:
            OSError, ValidationError: it is not there, or damaged.
        """
        return Manifest.model_validate_json((self.folder / MANIFEST).read_bytes())

    def _mapped(self, manifest: Manifest) -> Samples:
        # Copy-on-write: pages are shared as long as nobody writes, and nobody can change the file.
        train_x, train_y, test_x, test_y = (
            torch.from_numpy(
                np.load(self.folder / f"{part}.npy", mmap_mode="c", allow_pickle=False)
            )
            for part in Arrays._fields
        )
        return Samples(
            train_x=train_x,
            train_y=train_y,
            test_x=test_x,
            test_y=test_y,
            classes=manifest.classes,
            scale=manifest.scale,
            mean=manifest.mean,
            std=manifest.std,
            digest=manifest.digest,
        )

    def _drop_older(self) -> None:
        """Remove caches of the same place that were made of files which have changed since."""
        for path in self.folder.parent.glob(f"{self.reader.name}-*/{MANIFEST}"):
            try:
                manifest = Manifest.model_validate_json(path.read_bytes())
            except (OSError, ValidationError):
                continue
            same = (manifest.name, manifest.place) == (self.reader.name, str(self.place))
            if same and path.parent != self.folder:
                shutil.rmtree(path.parent, ignore_errors=True)


def read(reader: Reader, place: Path, workspace: Workspace) -> Arrays:
    """Read a source, saying how to fetch it again where its files are damaged.

    Raises:
        BenchError: as `Reader.read`, and where the files cannot be opened.
    """
    with fetch_hint(reader):
        return reader.read(place, workspace)


def _sync(path: Path) -> None:
    """Wait until a file is on the disk: else a power cut could leave it whole in size alone."""
    with open(path, "r+b") as file:
        os.fsync(file.fileno())
