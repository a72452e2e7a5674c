"""A stand-in for a W&B server, on loopback, of the standard library alone.

It answers what the real client asks (found by trying wandb 0.31.0), keeps all it is given where a
test can read it, and fails on demand. It dispatches by the name of a GraphQL operation.
"""

from .faults import Fault
from .server import KEY, StandIn
from .state import State

__all__ = ["KEY", "Fault", "StandIn", "State"]
