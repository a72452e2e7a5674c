"""The network as it is."""

from dataclasses import dataclass

from ...harness.engine.strategy import Strategy


@dataclass(frozen=True, kw_only=True)
class Dense(Strategy):
    """Train all units from the start and never edit: what others are compared with."""

    name = "dense"
