"""Files from strangers: what may be in them, before anything is made of it."""

import io
import json
import platform
import re
import stat
import unicodedata
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

from ...harness.fingerprint import canonical
from ...harness.names import LONGEST_NAME, RULE, name_problem
from ...harness.specs.source_code import Source

MOST_BYTES = 64 * 2**20
"""Of an archive as it comes."""
MOST_UNPACKED = 256 * 2**20
"""Bytes of all files of an archive together."""
LARGEST_FILE = 64 * 2**20
"""Bytes of one file; as JSON it may take twenty times that in memory."""
MOST_SOURCE = 2**18
"""Characters of a strategy's source; parsed they take a thousand times that in memory."""
MOST_FILES = 10_000
MOST_TIMES = 200
"""How often smaller than its content a packed file may be; text of ours packs 5 to 30 times."""
FREE_TIMES = 2**20
"""Bytes up to which a file may be packed as well as can be."""
MOST_NESTED = 30
"""Lists and objects within each other."""
LONGEST_TEXT = 10_000

_END = b"PK\x05\x06"
_END_LENGTH = 22
_ZIP64_LOCATOR = b"PK\x06\x07"
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of what is not seen, or turns around what is seen."""


class Refused(Exception):
    """A file is not taken, and its text is the reason."""


def unpacked(content: bytes, allowed: re.Pattern[str]) -> dict[str, bytes]:
    """Return the files in a zip archive by name; nothing is written to the disk.

    Args:
        content: of the archive.
        allowed: a compiled pattern that every whole name has to match.

    Raises:
        Refused: it is not an archive as we write them, or does harm when it is unpacked.
    """
    _check_end(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            _check_members(members, allowed)
            return {member.filename: _content(archive, member) for member in members}
    except Refused:
        raise
    except Exception as error:  # zipfile, zlib and struct raise whatever a broken file makes them
        raise Refused(f"it cannot be unpacked: {type(error).__name__}: {error}") from error


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return a file of an archive, unpacked no further than to the size that it says it has."""
    with archive.open(member) as file:  # `read` of all unpacks everything, and then cuts it off
        content = file.read(member.file_size + 1)
    if len(content) != member.file_size:
        raise Refused(f"{ascii(member.filename)[:LONGEST_NAME]} has not the size that it says")
    return content


def _check_end(content: bytes) -> None:
    """Refuse what is large before the list of files is read."""
    if len(content) > MOST_BYTES:
        raise Refused(f"it has {len(content):,} bytes, and {MOST_BYTES:,} are allowed")
    end = content[-_END_LENGTH:]
    if not (content.startswith(b"PK\x03\x04") and end.startswith(_END)):
        raise Refused("it is not a zip archive as submit writes them")
    listed = int.from_bytes(end[12:16], "little")
    before = content[-_END_LENGTH - 20 :][:4]
    if before == _ZIP64_LOCATOR or listed > MOST_FILES * 300:
        raise Refused(f"it has more than {MOST_FILES:,} files")


def _check_members(members: list[zipfile.ZipInfo], allowed: re.Pattern[str]) -> None:
    if len(members) > MOST_FILES:
        raise Refused(f"it has {len(members):,} files, and {MOST_FILES:,} are allowed")
    seen: set[str] = set()
    for member in members:
        _check_member(member, allowed)
        if member.filename in seen:
            raise Refused(f"it has two files named {member.filename}")
        seen.add(member.filename)
    size = sum(member.file_size for member in members)
    if size > MOST_UNPACKED:
        raise Refused(f"its files have {size:,} bytes, and {MOST_UNPACKED:,} are allowed")


def _check_member(member: zipfile.ZipInfo, allowed: re.Pattern[str]) -> None:
    name = ascii(member.orig_filename)[:LONGEST_NAME]
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise Refused(f"{name} is a link or another special file")
    if not allowed.fullmatch(member.orig_filename) or member.filename != member.orig_filename:
        raise Refused(f"a file named {name} has no place in it")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Refused(f"{name} is packed in a way that submit does not use")
    if member.flag_bits & 1:
        raise Refused(f"{name} is encrypted")
    if member.file_size > LARGEST_FILE:
        raise Refused(f"{name} has {member.file_size:,} bytes, and {LARGEST_FILE:,} are allowed")
    if member.file_size > max(FREE_TIMES, MOST_TIMES * member.compress_size):
        raise Refused(
            f"{name} would become {member.file_size:,} bytes from {member.compress_size:,}"
        )


def parsed(content: bytes, name: str) -> Any:
    """Return the JSON value in a file, in the one form that the store writes.

    Raises:
        Refused: it is not JSON, is in another form (as with a name twice), nests too deeply, or has
            control characters or long texts.
    """
    try:
        value = json.loads(content)
        for text in _texts(value, name):
            check_text(text, f"a text in {name}")
        if content != canonical(value) + b"\n":
            raise Refused(f"{name} is not in the form that the store writes")
    except (ValueError, RecursionError) as error:
        raise Refused(f"{name} is not JSON: {str(error)[:LONGEST_NAME]}") from error
    return value


def _texts(value: Any, name: str) -> Iterator[str]:
    """Yield every text in a JSON value, keys as well."""
    open_parts: list[Iterator[Any]] = [iter([value])]
    while open_parts:
        for part in open_parts[-1]:
            if isinstance(part, str):
                yield part
            elif isinstance(part, dict | list):
                if len(open_parts) > MOST_NESTED:
                    raise Refused(f"{name} nests more than {MOST_NESTED} deep")
                if isinstance(part, dict):
                    yield from part
                    part = part.values()
                open_parts.append(iter(part))
                break
        else:
            open_parts.pop()


def code_digest(source: Source) -> str:
    """Return the digest of what a strategy does; it is parsed, and nothing of it is run.

    Raises:
        Refused: it is longer than any strategy, nests too deeply, is not Python as it is known
            here, or does not say which of its modules each of them uses.
    """
    size = sum(map(len, source.modules.values()))
    if size > MOST_SOURCE:
        raise Refused(f"its source has {size:,} characters, and {MOST_SOURCE:,} are allowed")
    places = {link.partition(":")[0] for used in source.links for link in used}
    count, size = len(source.modules), sum(len(one) for used in source.links for one in used)
    if len(source.links) != count or not places <= {*map(str, range(count))} or size > MOST_SOURCE:
        raise Refused(
            "its manifest does not say in its links which files of a source use which; it was "
            "made by another version of plasticity-bench, or changed"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes: they would show the text
            return source.digest
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = ascii(f"{type(error).__name__}: {error}")[1:-1][:LONGEST_NAME]
        version = platform.python_version()
        raise Refused(f"a source cannot be read by Python {version} ({reason})") from error


def check_text(text: str, what: str) -> None:
    """Refuse a text that shows something else than it is, or is endless.

    Raises:
        Refused: it is too long, or has control characters other than line ends and tabs.
    """
    if len(text) > LONGEST_TEXT:
        raise Refused(f"{what} has more than {LONGEST_TEXT:,} characters")
    if not text.isascii() or not text.isprintable():
        _check_characters(text, what, allowed="\n\t")


def check_name(name: str, what: str) -> None:
    """Refuse what is no name by the one rule for names, that of `harness.names`.

    Raises:
        Refused: it is empty or too long, or has signs that a name does not have.
    """
    problem = name_problem(name)
    if problem is not None:
        raise Refused(f"{what} {problem}. {RULE}".removesuffix("."))


def _check_characters(text: str, what: str, allowed: str) -> None:
    for character in text:
        if character not in allowed and unicodedata.category(character) in _HIDDEN:
            raise Refused(f"{what} has the control character U+{ord(character):04X}")
