"""The optimiser state of newborn units."""

from dataclasses import dataclass

from ...harness.engine.edits import Network, StatePolicy
from ...harness.engine.strategy import Context, Strategy
from .base import Units, from_input_to_output
from .donors import Donor, choose_donors


@dataclass(frozen=True, kw_only=True)
class NewbornState(Strategy):
    """Write the optimiser state of every newborn unit by a policy.

    With policy="donor" this is Moment Transplant: the moments of an incumbent are copied bit for
    bit, of its row and of its columns alike, and the weights are not. Source: Lillo and Cheney
    2026, which does not state how donors are matched.
    """

    name = "newborn-state"
    policy: StatePolicy = "donor"
    """What the state becomes: stock leaves it, zero has no moments, zero_step also a new clock,
    donor copies an incumbent's, second_moment_only has the incumbents' mean second moment alone,
    mean has the mean of all their moments, reset_all starts the whole optimiser anew."""
    donor: Donor = "cosine"
    """Whose state policy="donor" copies: the incumbent with the most similar incoming weights, that
    with the highest utility on a scoring batch, or any; without incumbents it is left."""

    def after_births(self, born: Units, net: Network, ctx: Context) -> None:
        """Write the state of the newborns' slices."""
        for layer, newborn in from_input_to_output(born, net):
            if self.policy == "donor":
                donor, taught = choose_donors(self.donor, layer, newborn, net, ctx)
                net.rewrite(layer, taught, state="donor", donor=donor)
            else:
                net.rewrite(layer, newborn, state=self.policy)
