"""Winning tickets: the structure that a run ended with, trained again from new initial weights.

Same stream, same seed, same order of samples; structure frozen; every strategy that does not
change the structure (a memory, an activation, a regulariser) stays. What it reaches is what the
structure is worth without the history that made it. Source: Frankle and Carbin 2019, "The Lottery
Ticket Hypothesis" (its control of random re-initialisation), as evaluated by Lillo and Cheney 2026,
section 4.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ..engine.edits import Network
from ..engine.strategy import Context, Strategy
from ..row import Row

PREFIX = "ticket-"
"""Before the kind of a row that is about the ticket and not about the run itself."""

KEPT_KINDS = ("task", "checkpoint")
"""Rows of a ticket's training that are kept: they answer what it is trained for."""


@dataclass(frozen=True)
class FrozenStructure(Strategy):
    """Start with given units and connections, and never change them."""

    name: ClassVar[str] = "frozen structure"
    alive: Mapping[str, Tensor]
    """(R, U) bool by layer, of every layer."""
    connected: Mapping[str, Tensor | None]
    """(R, U, I[, K, K]) bool by layer; None where all connections exist."""

    @classmethod
    def of(cls, net: Network) -> "FrozenStructure":
        """Return the structure that a network has now."""
        return cls(
            {layer.name: layer.alive.clone() for layer in net.layers},
            {layer.name: layer.connected for layer in net.layers},
        )

    def begin_run(self, net: Network, ctx: Context) -> None:
        """Switch everything else off before the first update."""
        del ctx
        for layer in net.layers:
            net.start_with(layer, self.alive[layer.name])
            connected = self.connected[layer.name]
            if connected is not None:
                net.start_connected(layer, connected)


def ticket_strategies(strategies: Iterable[Strategy], net: Network) -> list[Strategy]:
    """Return what trains the ticket: the frozen structure, and all that leaves structure alone."""
    kept = [one for one in strategies if not (one.edits_structure or one.retrains)]
    return [FrozenStructure.of(net), *kept]


def ticket_rows(rows: Iterable[tuple[int, Row]], replicas: int) -> Iterator[tuple[int, Row]]:
    """Yield (replica, row) of a ticket's training as they are kept, at its end.

    A ticket that diverges has no numbers, only one row that says so.
    """
    kept: list[list[Row]] = [[] for _ in range(replicas)]
    for replica, row in rows:
        if row["kind"] in KEPT_KINDS:
            kept[replica].append({**row, "kind": PREFIX + row["kind"]})
        elif row["kind"] == "end" and row["status"] != "done":
            kept[replica] = [{"kind": f"{PREFIX}diverged", "reason": row["reason"]}]
    for replica, own in enumerate(kept):
        for row in own:
            yield replica, row


def wants_ticket(strategies: Sequence[Strategy]) -> bool:
    """Tell whether an entrant is evaluated as a winning ticket after its run."""
    return any(strategy.retrains for strategy in strategies)
