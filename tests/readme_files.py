"""The READMEs as the tests read them: fenced blocks, commands, tables, links, sentences."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
OF_FOLDERS = {
    folder: ROOT / folder / "README.md"
    for folder in ("harness", "strategies", "streams", "leaderboard")
}
CONTRIBUTING = ROOT / ".github" / "CONTRIBUTING.md"
FILES = (README, *OF_FOLDERS.values(), CONTRIBUTING)

MARKS = (
    *("minutes", "hours", "until Ctrl-C"),
    *("needs data", "needs results", "needs an account", "downloads"),
)
"""What a comment may end with, in parentheses, to say why a test does not run its command."""

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_CODE_AND_COMMENT = re.compile(r"""((?:'[^']*'|"[^"]*"|[^'"#])*)(?:#(.*))?""")
_MARK = re.compile(rf"\(({'|'.join(MARKS)})\)$")
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")
_ROW_NAME = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Command:
    """One line that a reader may type."""

    words: tuple[str, ...]
    mark: str | None = None
    """Why it is not run, one of `MARKS`; None where it is."""
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What is assigned before it."""

    def __str__(self) -> str:
        """Return it as it is typed."""
        return shlex.join(self.words)


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of one language."""
    return [content for found, content in _FENCE.findall(text) if found == language]


def block(file: Path, language: str, having: str) -> str:
    """Return the one block of a file that has these words in it."""
    (found,) = [one for one in blocks(file.read_text(encoding="utf-8"), language) if having in one]
    return found


def commands(text: str) -> list[Command]:
    """Return the commands of all blocks of shell, in order."""
    lines = "".join(blocks(text, "sh")).replace("\\\n", " ").splitlines()
    return [command for line in lines for command in _command(line)]


def inline_commands(text: str) -> list[Command]:
    """Return the commands that stand in sentences."""
    spans = re.findall(r"`(plasticity-bench [^`]+)`", prose(text))
    return [Command(tuple(shlex.split(span))) for span in spans]


def _command(line: str) -> Iterator[Command]:
    found = _CODE_AND_COMMENT.fullmatch(line.strip())
    if found is None:
        raise ValueError(f"a quote is open in: {line}")
    code, comment = found[1], found[2] or ""
    mark = _MARK.search(comment.strip())
    words = shlex.split(code)
    environment = {}
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        name, _, environment[name] = words.pop(0).partition("=")
    if words:
        yield Command(tuple(words), mark and mark[1], environment)


def prose(text: str) -> str:
    """Return the text without its fenced blocks."""
    return _FENCE.sub("", text)


def links(text: str) -> list[str]:
    """Return where the links and images outside of blocks point to."""
    return _LINK.findall(prose(text))


def anchors(text: str) -> set[str]:
    """Return what a link may name behind `#`: the headings, as pages spell them."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows(text: str) -> list[list[str]]:
    """Return the cells of all rows of all tables, headings among them."""
    lines = [line.strip() for line in prose(text).splitlines()]
    return [line.strip("|").split("|") for line in lines if line.startswith("|")]


def names(cell: str) -> list[str]:
    """Return what a cell has in backticks."""
    return _ROW_NAME.findall(cell)


def sentences(text: str) -> list[str]:
    """Return the sentences, cells and captions, in small letters and without signs."""
    parts = re.split(r"(?<=[.!?:;])\s|\n\s*\n|\n\s*[*#-]|\|", prose(text))
    return [" ".join(re.findall(r"[\w-]+", part.lower())) for part in parts]
