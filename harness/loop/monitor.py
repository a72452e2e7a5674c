"""What is measured beside the run: cohorts of newborn units, network health, cost.

Nothing here changes a run: no generator of the run is advanced, no gradient is left behind. Shapes:
R replicas, B samples, U units, O outputs of the consumer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..engine.edits import Event, Network
from ..engine.network import Layer
from ..engine.probe import LayerProbe, Probe, outgoing_weights, probe, replica_loss
from ..metrics import cohorts, cost, weights
from ..metrics.health import layer_health
from ..metrics.integration import next_measured_age
from ..row import Row, spread


@dataclass
class _Cohorts:
    """The youngest cohort of one layer in every replica: an older one is censored by its birth."""

    newborn: Tensor
    """(R, U) bool."""
    births: list[int | None]
    """Update after which each replica's cohort was born."""


class CohortMonitor:
    """Follows the newborn units of each layer from birth to the layer's next edit.

    A unit is newborn if it was switched on, or rewritten while others of its layer were not.
    Cohorts born before the first update are left out: no incumbent has trained longer than they.
    """

    def __init__(self) -> None:
        self.layers: dict[str, _Cohorts] = {}
        self.next_due: int | None = None
        self.restarted: Tensor | None = None
        """Weights restarted as a whole so far, as of the last edit: (R,)."""

    def begin(self, net: Network, events: Sequence[Event], update: int) -> None:
        """Start a cohort for every birth among the events; an edit ends the layer's former one.

        A restart of all weights of a replica ends its cohorts in every layer. Rewired connections
        are neither births nor ends: their layer's units stay what they are.
        """
        self._end_restarted(net)
        events = [event for event in events if event.edit != "rewire"]
        if update == 0 or not events:
            return
        for event in events:
            self._end(event)
        for event in events:
            if event.edit != "prune":
                one = self.layers.setdefault(event.layer, _no_cohorts(net, event.layer))
                one.newborn[event.replica, list(event.units)] = True
                one.births[event.replica] = update
                self.next_due = update

    def _end(self, event: Event) -> None:
        if event.layer in self.layers:
            self.layers[event.layer].newborn[event.replica] = False
            self.layers[event.layer].births[event.replica] = None

    def _end_restarted(self, net: Network) -> None:
        before, self.restarted = self.restarted, net.restarted_weights.clone()
        if before is None:
            return
        for replica in (self.restarted != before).nonzero().flatten().tolist():
            for one in self.layers.values():
                one.newborn[replica] = False
                one.births[replica] = None

    def is_due(self, update: int) -> bool:
        """Tell whether a measurement is due; nothing is due without cohorts."""
        return update == self.next_due

    def measure(
        self, net: Network, x: Tensor, y: Tensor, update: int, batches: int
    ) -> Iterator[tuple[int, Row]]:
        """Yield the parity of every cohort, and set the next measurement.

        Args:
            net: the network, up to date.
            x: probe samples (R, B, ...).
            y: labels (R, B).
            update: updates done so far.
            batches: into how many batches the samples fall for the gradient of the weights.
        """
        births = [b for one in self.layers.values() for b in one.births if b is not None]
        youngest = max(births, default=None)
        self.next_due = None
        if youngest is not None:
            self.next_due = youngest + next_measured_age(update - youngest)
        followed = [layer for layer in net.layers if layer.name in self.layers]
        consumers = [layer.consumer for layer in followed if layer.consumer is not None]
        probed = probe(net, x, y, {layer.name for layer in followed + consumers})
        for layer in followed:
            values = unit_measurements(layer, probed, batches)
            yield from self._rows(layer, self.layers[layer.name], values, update)

    def _rows(
        self, layer: Layer, one: _Cohorts, values: dict[str, Tensor], update: int
    ) -> Iterator[tuple[int, Row]]:
        newborn, incumbent = one.newborn & layer.alive, layer.alive & ~one.newborn
        ratios = {
            name: cohorts.parity(value, newborn, incumbent).tolist()
            for name, value in values.items()
        }
        silent = {
            name: cohorts.incumbents_are_silent(value, incumbent).tolist()
            for name, value in values.items()
        }
        young, old = newborn.sum(1).tolist(), incumbent.sum(1).tolist()
        for replica, birth in enumerate(one.births):
            if birth is not None and young[replica] and old[replica]:
                yield (
                    replica,
                    {
                        "kind": "cohort",
                        "step": update,
                        "layer": layer.name,
                        "birth": birth,
                        "age": update - birth,
                        "newborns": young[replica],
                        "incumbents": old[replica],
                        **{name: ratio[replica] for name, ratio in ratios.items()},
                        "silent": [name for name, states in silent.items() if states[replica]],
                    },
                )

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on exactly from here."""
        layers = {n: {"newborn": c.newborn, "births": c.births} for n, c in self.layers.items()}
        return {"layers": layers, "next_due": self.next_due, "restarted": self.restarted}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.layers = {name: _Cohorts(**one) for name, one in saved["layers"].items()}
        self.next_due, self.restarted = saved["next_due"], saved["restarted"]


def _no_cohorts(net: Network, name: str) -> _Cohorts:
    alive = next(layer.alive for layer in net.layers if layer.name == name)
    return _Cohorts(torch.zeros_like(alive), [None] * len(alive))


def unit_measurements(layer: Layer, probed: Probe, batches: int) -> dict[str, Tensor]:
    """Measure every unit of a layer: quantity -> (R, U); parities are ratios of their means.

    Of a convolution, the gradient of the weights and the alignment are not measured (NaN): its
    backward signal belongs to places and not to units.
    """
    one = probed.layers[layer.name]
    outgoing = outgoing_weights(layer)
    return {
        "activation": cohorts.activation_frequency(one.output),
        "gradient": cohorts.gradient_magnitude(one.delta),
        "incoming_gradient": _incoming_gradient(one, batches),
        "utility": cohorts.utility(one.output, outgoing),
        "gate_rate": cohorts.gate_rate(one.gate),
        "outgoing_norm": cohorts.outgoing_norm(outgoing),
        "alignment": _alignment(layer, probed, outgoing),
    }


def _incoming_gradient(one: LayerProbe, batches: int) -> Tensor:
    if one.inputs is None:
        return torch.full_like(one.raw[:, 0], torch.nan)
    return cohorts.incoming_gradient_norm(one.inputs, one.linear_gradient, batches)


def _alignment(layer: Layer, probed: Probe, outgoing: Tensor) -> Tensor:
    consumer, one = layer.consumer, probed.layers[layer.name]
    assert consumer is not None
    if layer.is_convolution:
        return torch.full_like(one.raw[:, 0], torch.nan)
    is_head = consumer.consumer is None
    delta = probed.head_delta if is_head else probed.layers[consumer.name].linear_gradient
    return cohorts.alignment(outgoing, delta)


def health_rows(net: Network, x: Tensor, y: Tensor, place: Row) -> Iterator[tuple[int, Row]]:
    """Yield the state of every hidden layer, and of the whole network, on samples x, y.

    Args:
        net: the network.
        x: samples (R, B, ...).
        y: labels (R, B).
        place: keys that say when, put into every row.
    """
    probed, gradients = probe(net, x, y), _weight_gradients(net, x, y)
    for layer in net.hidden:
        yield from spread(
            {"kind": "health", "layer": layer.name, **place},
            layer_health(
                probed.layers[layer.name].output, layer.alive, gradients[f"{layer.name}.weight"]
            ),
        )
    yield from spread({"kind": "weights", **place}, _weight_health(net, gradients))


def _weight_gradients(net: Network, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    named = dict(net.named_parameters())
    with torch.enable_grad():
        loss = replica_loss(net.forward(x), y).mean(1).sum()
    gradients = torch.autograd.grad(loss, list(named.values()))
    return dict(zip(named, gradients, strict=True))


def _weight_health(net: Network, gradients: dict[str, Tensor]) -> dict[str, Tensor]:
    now = [parameter.detach() for parameter in net.parameters()]
    live = net.live_masks()
    return {
        "weight_norm": weights.weight_norm(now, live),
        "gradient_norm": weights.gradient_norm(list(gradients.values()), live),
        "distance_from_init": weights.distance_from_init(now, list(net.initial.values()), live),
    }


class CostMeter:
    """Counts what each replica has cost so far: updates, alive units, FLOPs, edits."""

    def __init__(self, net: Network, batch_size: int, factor: float = 1.0) -> None:
        """Start at nothing; `factor` is what strategies cost over a plain update, at least 1."""
        self.net = net
        self.batch_size = batch_size
        self.factor = factor
        self.charged = 0
        self.totals_by_replica = [
            {"alive_unit_steps": 0.0, "flops": 0.0, "edits": 0.0, "reinitialised_weights": 0.0}
            for _ in range(net.replicas)
        ]

    def charge(self, update: int) -> None:
        """Charge the updates since the last call at the structure that the network has now.

        To be called before every edit and at the end.
        """
        updates, self.charged = update - self.charged, update
        if updates == 0:
            return
        for replica, total in enumerate(self.totals_by_replica):
            layers = layer_costs(self.net, replica)
            total["flops"] += updates * self.factor * cost.update_flops(layers, self.batch_size)
            alive = sum(int(layer.alive[replica].sum()) for layer in self.net.hidden)
            total["alive_unit_steps"] += updates * alive

    def count(self, events: Sequence[Event]) -> None:
        """Count edits and the weights that they wrote."""
        for event in events:
            self.totals_by_replica[event.replica]["edits"] += 1
            self.totals_by_replica[event.replica]["reinitialised_weights"] += (
                event.reinitialised_weights
            )

    def totals(self, replica: int, update: int) -> dict[str, float]:
        """Return one replica's costs by name, after `charge`."""
        own = self.totals_by_replica[replica]
        whole = float(self.net.restarted_weights[replica])
        return {
            **own,
            "reinitialised_weights": own["reinitialised_weights"] + whole,
            "updates": float(update),
            "samples": float(update * self.batch_size),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on exactly from here."""
        return {"charged": self.charged, "totals": self.totals_by_replica}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.charged, self.totals_by_replica = saved["charged"], saved["totals"]


def layer_costs(net: Network, replica: int, *, whole: bool = False) -> list[cost.LayerCost]:
    """Describe what one replica's layers compute: what is alive and connected, or all of it."""
    return [
        cost.LayerCost(
            inputs=layer.weight.shape[2] if whole else int(layer.alive_inputs()[replica].sum()),
            outputs=layer.units if whole else int(layer.alive[replica].sum()),
            kernel_area=layer.weight.shape[3:].numel(),
            positions=layer.positions,
            connections=None if whole else _connections(layer, replica),
        )
        for layer in net.layers
    ]


def _connections(layer: Layer, replica: int) -> int | None:
    return None if layer.connected is None else int(layer.live_weights()[replica].sum())
