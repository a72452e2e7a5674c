"""The weights of newborn units."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch

from ...harness.engine.edits import Insertion, Network, Slices
from ...harness.engine.network import Layer
from ...harness.engine.strategy import Context, Strategy
from ...harness.errors import BenchError
from .base import Units, from_input_to_output
from .donors import Donor
from .rules import duplicate, matched, paired, scaled

Rule = Literal[
    "stored",
    "fresh",
    "zero-outgoing",
    "zero-incoming",
    "net2wider",
    "pair",
    "matched",
    "scaled",
    "pair-matched",
]


@dataclass(frozen=True, kw_only=True)
class NewbornWeights(Strategy):
    """Write the weights of every newborn unit by a rule, whoever gave birth to it.

    zero-outgoing, zero-incoming, net2wider (without noise), pair and pair-matched leave the
    function as it was before the birth; behind a norm layer none does, because a newborn takes part
    in its statistics, and with a random activation it holds for its mean.

    Sources: Chen, Goodfellow and Shlens 2016, "Net2Net" (net2wider); Yuan et al. 2023,
    "Accelerated Training via Incrementally Growing Neural Networks" (pair).
    """

    name = "newborn-weights"
    rule: Rule = "net2wider"
    """stored: as at construction. fresh: drawn anew at the alive fan-in. zero-outgoing,
    zero-incoming: fresh on the other side. net2wider: copy an incumbent, and divide the outgoing
    weights of all its copies and its own by their number. pair: two by two with equal incoming and
    opposite outgoing weights, an odd one out with zero outgoing weights. matched: fresh, with the
    incumbents' mean variance of the pre-activation on a scoring batch and their mean outgoing norm.
    scaled: fresh times a gain. pair-matched: pair, scaled as matched."""
    gain: float = 1.0
    """Factor of rule="scaled" on incoming weights, bias and outgoing weights alike, above 0."""
    donor: Donor = "random"
    """Which incumbent rule="net2wider" copies: any, with replacement; that with the most similar
    incoming weights; or that with the highest utility."""
    noise: float = 0.0
    """Standard deviation of what rule="net2wider" adds to copied incoming weights, in units of
    theirs, at least 0; at 0 the copies stay equal for ever unless the activation is random."""
    split_moments: bool = True
    """Whether rule="net2wider" gives copies and original the state that fits: the original's, for
    the row divided by their number (squares by its square); if not, the state is left."""

    def __post_init__(self) -> None:
        if not self.gain > 0:
            raise BenchError(f"gain={self.gain}: give a factor above 0.")
        if not self.noise >= 0:
            raise BenchError(f"noise={self.noise}: give 0 or more.")
        for setting, rule in (("gain", "scaled"), ("noise", "net2wider")):
            default = getattr(type(self), setting)
            if getattr(self, setting) != default and self.rule != rule:
                raise BenchError(f"{setting} is of no use to rule={self.rule}. Set rule={rule}.")

    @torch.no_grad()
    def after_births(self, born: Units, net: Network, ctx: Context) -> None:
        """Write the newborns' slices, input side first."""
        for layer, newborn in from_input_to_output(born, net):
            if self.rule == "net2wider":
                duplicate(
                    layer,
                    newborn,
                    net,
                    ctx,
                    donors=self.donor,
                    noise=self.noise,
                    split_moments=self.split_moments,
                )
            else:
                net.rewrite(layer, newborn, insertion=self._insertion(layer, born, net, ctx))

    def _insertion(
        self, layer: Layer, born: Units, net: Network, ctx: Context
    ) -> Insertion | Slices:
        for rule in get_args(Insertion):
            if rule == self.rule:
                return rule  # type: ignore[no-any-return]
        slices = net.slices(layer, "fresh")
        if self.rule == "scaled":
            return scaled(slices, self.gain)
        if self.rule != "pair":
            slices = matched(slices, layer, born, net, ctx)
        return slices if self.rule == "matched" else paired(slices, layer, born[layer.name])
