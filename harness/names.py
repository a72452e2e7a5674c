"""The one rule for names of suites, entrants, streams, papers and their parts, and of metrics.

Names are shown to people and compared by them, on terminals, in pages and in papers. So a name is
made of what everybody can read, type and tell apart: printable ASCII. That leaves out what steers a
terminal, turns text around, is not seen, or looks like another letter (a Cyrillic "a"). It begins
with a letter or a digit, since signs there are formulas for spreadsheets and headings, lists or
hidden legends for others.
"""

from .errors import BenchError, shortened

LONGEST_NAME = 200
"""Characters."""

RULE = (
    f"A name has 1 to {LONGEST_NAME} letters, digits and signs of ASCII without < and >, begins "
    "with a letter or digit, and has single spaces inside only."
)


def name_problem(name: str) -> str | None:
    """Return what keeps a text from being a name, to stand behind what it is; None if nothing."""
    if not 0 < len(name) <= LONGEST_NAME:
        return f"has {len(name):,} characters"
    for character in name:
        if not (character.isascii() and character.isprintable()):
            return f"has the character U+{ord(character):04X}"
        if character in "<>":
            return f"has markup in it, {character}"
    if not name[0].isalnum():
        return f"begins with {name[0]!r}"
    if name != " ".join(name.split()):
        return "has spaces at an end, or several in a row"
    return None


def checked_name(name: str, what: str, remedy: str) -> str:
    """Return a name that is one.

    Args:
        name: as somebody gave it.
        what: how the error names it, for example "the name of suite x.toml".
        remedy: what to do, one sentence.

    Raises:
        BenchError: it is none; the message shows it in ASCII.
    """
    problem = name_problem(name)
    if problem is not None:
        raise BenchError(f"{what}, {shortened(ascii(name))}, {problem}. {RULE} {remedy}")
    return name


def alike(name: str) -> str:
    """Return what two names have in common that are easily taken for each other.

    Names that differ in upper and lower case or in spaces alone are alike.
    """
    return name.casefold().replace(" ", "")
