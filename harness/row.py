"""A row: one flat record of a run, as logs, results and views hold it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

Row = dict[str, Any]
"""One measurement: a flat dict of JSON values whose "kind" says which fields it has."""


def spread(row: Row, values: "dict[str, Tensor]") -> Iterator[tuple[int, Row]]:
    """Yield a row with each replica's values, of values (R,) by name."""
    lists = {name: value.tolist() for name, value in values.items()}
    for replica in range(len(next(iter(lists.values())))):
        yield replica, {**row, **{name: value[replica] for name, value in lists.items()}}
