"""Numbers of things in sentences: "1 run", "2 runs"."""


def plural(number: int | str, one: str, many: str | None = None) -> str:
    """Return a number with what it is of, in the singular for 1.

    Args:
        number: as a number, or as it is written.
        one: what stands behind a 1: a noun, or a clause whose verb follows it.
        many: the same for other numbers; by default `one` with an s.
    """
    return f"{number} {one if str(number) == '1' else many or f'{one}s'}"
