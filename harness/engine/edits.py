"""Structural edits on a live network: grow, prune, reset, rewire and rewind, in each replica.

An edit never changes a shape. It writes the units' *slices* (row of the producing layer, columns of
the consuming layer), their optimiser state by a named policy, the masks, and an event into the
ledger. What is dead is inert: after `hold_dead` dead slots are exactly what they were when they
died, and their optimiser state is zero.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ..errors import unknown_name
from ..randomness import ReplicaRandom
from .network import Layer, StackedNetwork, live_mask
from .optimizers import StackedOptimizer

Insertion = Literal["stored", "fresh", "zero-outgoing", "zero-incoming"]
"""Weights of a unit that is switched on:

stored: what the slot held when the network was built (Lillo and Cheney 2026); changes the function.
fresh: drawn anew by the initialisation law at the *alive* fan-in; changes the function.
zero-outgoing: fresh incoming, zero outgoing weights; the function is unchanged, and the first
    gradient reaches the outgoing weights only.
zero-incoming: zero incoming, fresh outgoing weights; the function is unchanged, and the first
    gradient reaches the incoming weights only (none at all where phi'(0) = 0, as with ReLU).
"""

StatePolicy = Literal[
    "stock", "zero", "zero_step", "donor", "second_moment_only", "mean", "reset_all"
]
"""Optimiser state of the slices of a unit that is switched on or rewritten:

stock: left alone; a slot that was dead has zero moments and the clock of its elders.
zero: zero moments, clock of its elders (under Adam a hot start: 3.2 learning rates at first).
zero_step: zero moments and a clock at zero (Adam's true start: one learning rate at first).
donor: moments copied from a named alive unit, clock of its elders.
second_moment_only: zero first moment (and momentum), second moment the mean of the elders'.
mean: every moment the mean of the elders'.
reset_all: the whole optimiser of every replica that is edited starts anew.
"""


@dataclass(frozen=True)
class Event:
    """One edit of one layer of one replica: a line of the ledger."""

    edit: Literal["grow", "prune", "reset", "rewire"]
    layer: str
    replica: int
    units: tuple[int, ...]
    """Units switched on, switched off or rewritten; none where single connections are rewired."""
    rule: str
    """Insertion rule and state policy, or what was done to the survivors."""
    reinitialised_weights: int
    """Weights that the edit wrote with fresh, stored or zero values."""


@dataclass(frozen=True)
class Slices:
    """Weights for the units of a layer that a strategy has worked out itself.

    They have the shapes of whole parameters; only the slices of chosen units are ever used.
    """

    rule: str
    """What the ledger calls it."""
    rows: dict[str, Tensor]
    """Every parameter of the layer by name: `weight` (R, U, I[, K, K]), `bias` (R, U), ..."""
    columns: Tensor
    """The consumer's weights: (R, O, I[, K, K])."""


class Network(StackedNetwork):
    """A stacked network that can be edited while it trains: what strategies are given.

    Strategies reach weights, masks and optimiser state through this interface and hold no raw
    tensors across steps, so that the engine stays free to store them otherwise.
    """

    optimizer: StackedOptimizer
    fresh: ReplicaRandom
    """Draws re-initialised weights."""
    ledger: list[Event]
    """Every edit so far, in order; append-only."""
    restarted_weights: Tensor
    """Weights blended or rewound as a whole so far, beside the ledger's: (R,) int64."""

    def attach(self, optimizer: StackedOptimizer, fresh: ReplicaRandom) -> None:
        """Bind the optimiser whose state edits write, and the source of fresh weights."""
        self.optimizer = optimizer
        self.fresh = fresh
        self.ledger = []
        self.held = self.copy_parameters()
        self.has_dead = False
        self.snapshot: dict[str, Tensor] | None = None
        self.restarted_weights = torch.zeros(self.replicas, dtype=torch.int64)

    @torch.no_grad()
    def start_with(self, layer: Layer, alive: Tensor) -> None:
        """Set which units live before training begins; no birth, no death, no event."""
        layer.set_alive(alive)
        self._after_edit()

    @torch.no_grad()
    def grow(
        self,
        layer: Layer,
        chosen: Tensor,
        *,
        insertion: Insertion | Slices = "stored",
        state: StatePolicy = "stock",
        donor: Tensor | None = None,
    ) -> None:
        """Switch chosen dead units on.

        Args:
            layer: a layer of `hidden`.
            chosen: (R, U) bool; units already alive are ignored.
            insertion: the newborns' weights: by a rule, or as given.
            state: the newborns' optimiser state.
            donor: (R, U) int64, the alive unit whose moments to copy, for the policy "donor".
        """
        _check_rules(insertion, state)
        newborn = chosen & ~layer.alive
        elders = layer.alive
        layer.set_alive(layer.alive | newborn)
        written = self._write(layer, newborn, insertion)
        self._write_state(layer, newborn, elders, state, donor)
        self._record("grow", layer, newborn, f"{_name(insertion)}, {state}", written)

    @torch.no_grad()
    def rewrite(
        self,
        layer: Layer,
        newborn: Tensor,
        *,
        insertion: Insertion | Slices | None = None,
        state: StatePolicy | None = None,
        donor: Tensor | None = None,
    ) -> None:
        """Give units that were switched on just now other weights or another optimiser state.

        It belongs to the edit that made them: the ledger's line of their birth is added to.

        Args:
            layer: a layer of `hidden`.
            newborn: (R, U) bool, alive.
            insertion: weights as for `grow`; None leaves them.
            state: optimiser state as for `grow`; None leaves it.
            donor: as for `grow`.
        """
        _check_rules(insertion or "stored", state or "stock")
        written = torch.zeros(self.replicas, dtype=torch.int64)
        if insertion is not None:
            written = self._write(layer, newborn, insertion)
        if state is not None:
            self._write_state(layer, newborn, layer.alive & ~newborn, state, donor)
        names = [one for one in (insertion and _name(insertion), state) if one]
        self._amend(layer, newborn, ", ".join(names), written)
        self._after_edit()

    @torch.no_grad()
    def prune(self, layer: Layer, chosen: Tensor) -> None:
        """Switch chosen alive units off: (R, U) bool. Their weights stay, their state is zero."""
        dying = chosen & layer.alive
        layer.set_alive(layer.alive & ~dying)
        for tensor, mask in self._state_slices(layer, dying):
            tensor.masked_fill_(mask, 0)
        self._record("prune", layer, dying, "", torch.zeros(self.replicas, dtype=torch.int64))

    @torch.no_grad()
    def reset(
        self,
        layer: Layer,
        chosen: Tensor,
        *,
        insertion: Insertion | Slices = "fresh",
        state: StatePolicy = "zero_step",
    ) -> None:
        """Rewrite the weights and optimiser state of chosen alive units: (R, U) bool."""
        _check_rules(insertion, state)
        again = chosen & layer.alive
        written = self._write(layer, again, insertion)
        self._write_state(layer, again, layer.alive & ~again, state, None)
        self._record("reset", layer, again, f"{_name(insertion)}, {state}", written)

    @torch.no_grad()
    def start_connected(self, layer: Layer, connected: Tensor) -> None:
        """Set which connections exist before training begins: (R, U, I[, K, K]) bool; no event.

        Connections that do not exist have weight 0. `rewind` gives those that do their initial one.
        """
        layer.connected = connected
        layer.weight.mul_(connected)
        self._after_edit()

    @torch.no_grad()
    def rewire(
        self,
        layer: Layer,
        cut: Tensor,
        made: Tensor,
        *,
        values: Tensor | None = None,
        rule: str = "",
    ) -> None:
        """Cut single connections of a layer and make others; what is in both stays as it is.

        A cut connection has weight 0, a new one `values` or 0; the optimiser state of both is zero.
        Adam's clock is kept for a unit and not for a weight: a new weight starts on that of its
        elders, hot (see `optimizers`).

        Args:
            layer: any layer, the head included.
            cut: (R, U, I[, K, K]) bool; connections that do not exist are ignored.
            made: the same shape; connections that exist and are not cut are ignored.
            values: weights of new connections, the same shape; None for 0.
            rule: how they were chosen, for the ledger.
        """
        before = torch.ones_like(layer.weight, dtype=torch.bool)
        before = before if layer.connected is None else layer.connected
        after = (before & ~cut) | made
        layer.connected = after
        layer.weight.mul_(before & after)
        new = after & ~before
        if values is not None:
            layer.weight.copy_(torch.where(new, values, layer.weight))
        for slot in self.optimizer.slots:
            if slot.layer is layer and slot.name == "weight":
                for tensor in slot.state.values():
                    tensor.masked_fill_(before ^ after, 0)
        self._after_edit()
        changed = (before ^ after).flatten(1).any(1).tolist()
        for replica, count in enumerate(new.flatten(1).sum(1).tolist()):
            if changed[replica]:
                self.ledger.append(Event("rewire", layer.name, replica, (), rule, count))

    @torch.no_grad()
    def set_fading(self, layer: Layer, fading: Tensor | None) -> None:
        """Set by what alive units are damped: (R, U) in [0, 1]; None for not at all."""
        layer.set_fading(fading)

    @torch.no_grad()
    def blend_fresh(self, keep: float, fresh: float) -> None:
        """Move every live weight to keep * weight + fresh * (a fresh draw at the alive fan-in).

        The gains of norm layers blend towards 1 and all offsets towards their initial value, as
        `fresh_parameters` draws them. keep=0, fresh=1 is a new network.
        """
        for layer in self.layers:
            drawn = self.fresh_parameters(layer, self.fresh, layer.alive_fan_in())
            for name, parameter in layer.parameters().items():
                share = 1 - keep if name == "gain" else fresh
                moved = keep * parameter + share * drawn[name]
                parameter.copy_(torch.where(live_mask(layer, name), moved, parameter))
        self.restarted_weights += self.live_weight_counts()

    @torch.no_grad()
    def rewind(self, to: Literal["init", "snapshot"], *, edited_layers_only: bool = False) -> None:
        """Return every live weight to its value at initialisation or at the snapshot.

        The optimiser starts anew: stale moments would point away from there (Frankle 2020).

        Args:
            to: where to; with "snapshot" nothing happens before `take_snapshot`.
            edited_layers_only: leave the head and an unedited trunk as they are.
        """
        values = self.initial if to == "init" else self.snapshot
        if values is None:
            return
        for layer in self.layers:
            if edited_layers_only and not layer.editable:
                continue
            for name, parameter in layer.parameters().items():
                live = live_mask(layer, name)
                parameter.copy_(torch.where(live, values[f"{layer.name}.{name}"], parameter))
        self.optimizer.reset()
        self.restarted_weights += self.live_weight_counts()

    def take_snapshot(self) -> None:
        """Remember all weights as they are now, for `rewind`."""
        self.snapshot = self.copy_parameters()

    def live_weight_counts(self) -> Tensor:
        """Count the weights between alive units: (R,) int64 on the CPU."""
        return sum(
            (layer.live_weights().flatten(1).sum(1) for layer in self.layers),
            torch.zeros(self.replicas, dtype=torch.int64, device=self.device),
        ).cpu()

    @torch.no_grad()
    def hold_dead(self) -> None:
        """Put dead slots back to what they were when they died, and their state to zero.

        Needed only where something moves weights that receive no gradient: weight decay,
        penalties, noise and other post-step rules.
        """
        if not self.has_dead:
            return
        for slot in self.optimizer.slots:
            live = live_mask(slot.layer, slot.name)
            held = self.held[f"{slot.layer.name}.{slot.name}"]
            slot.parameter.copy_(torch.where(live, slot.parameter, held))
            for tensor in slot.state.values():
                tensor.mul_(live)

    # -- slices ------------------------------------------------------------------------------

    def _write(self, layer: Layer, chosen: Tensor, insertion: Insertion | Slices) -> Tensor:
        """Write the slices of chosen units by the rule; return how many weights that are: (R,)."""
        slices = insertion if isinstance(insertion, Slices) else self.slices(layer, insertion)
        for name, parameter in layer.parameters().items():
            mask = _row_mask(chosen, parameter)
            parameter.copy_(torch.where(mask, slices.rows[name], parameter))
        consumer = layer.consumer
        assert consumer is not None
        mask = _column_mask(layer, chosen, consumer.weight)
        consumer.weight.copy_(torch.where(mask, slices.columns, consumer.weight))
        for one in (layer, consumer):
            if one.connected is not None:
                one.weight.mul_(one.connected)
        per_row = layer.weight.shape[2:].numel()
        per_column = consumer.weight.shape[1] * consumer.weight.shape[3:].numel()
        per_unit = per_row + per_column * layer.columns_per_unit
        return (chosen.sum(1) * per_unit).cpu()

    @torch.no_grad()
    def slices(self, layer: Layer, insertion: Insertion) -> Slices:
        """Return the whole layer's rows and its consumer's weights as the rule would have them.

        Fresh ones are drawn at the alive fan-in as it is now: switch units on before.
        """
        consumer = layer.consumer
        assert consumer is not None
        if insertion == "stored":
            rows = {name: self.initial[f"{layer.name}.{name}"] for name in layer.parameters()}
            return Slices(insertion, rows, self.initial[f"{consumer.name}.weight"])
        rows = self.fresh_parameters(layer, self.fresh, layer.alive_fan_in())
        drawn = self.fresh_parameters(consumer, self.fresh, consumer.alive_fan_in())["weight"]
        if insertion == "zero-outgoing":
            drawn = torch.zeros_like(drawn)
        if insertion == "zero-incoming":
            rows["weight"] = torch.zeros_like(rows["weight"])
            rows["bias"] = torch.zeros_like(rows["bias"])
        return Slices(insertion, rows, drawn)

    def _write_state(
        self,
        layer: Layer,
        chosen: Tensor,
        elders: Tensor,
        policy: StatePolicy,
        donor: Tensor | None,
    ) -> None:
        if policy == "reset_all":
            self.optimizer.reset(chosen.any(1))
        elif policy == "donor":
            assert donor is not None, "the state policy 'donor' needs the donors"
            self._copy_donor_state(layer, chosen, donor)
        elif policy in ("mean", "second_moment_only"):
            self._write_mean_state(layer, chosen, elders, policy)
        elif policy in ("zero", "zero_step"):
            for tensor, mask in self._state_slices(layer, chosen):
                tensor.masked_fill_(mask, 0)
        if policy == "zero_step" and bool(chosen.any()):
            self.optimizer.clocks[layer.name].masked_fill_(chosen, 0)
            self.optimizer.split_clocks()
        for slot in self.optimizer.slots:
            if slot.name == "weight" and slot.layer.connected is not None:
                for tensor in slot.state.values():
                    tensor.mul_(slot.layer.connected)

    def _state_slices(self, layer: Layer, chosen: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Pair each state tensor that the chosen units touch with the mask of their entries."""
        pairs: list[tuple[Tensor, Tensor]] = []
        for slot in self.optimizer.slots:
            if slot.layer is layer:
                mask = _row_mask(chosen, slot.parameter)
            elif slot.layer is layer.consumer and slot.name == "weight":
                mask = _column_mask(layer, chosen, slot.parameter)
            else:
                continue
            pairs.extend((tensor, mask) for tensor in slot.state.values())
        return pairs

    def _copy_donor_state(self, layer: Layer, chosen: Tensor, donor: Tensor) -> None:
        columns_of = _columns(layer, donor)
        for slot in self.optimizer.slots:
            for tensor in slot.state.values():
                if slot.layer is layer:
                    index = _expand(donor, tensor, 1)
                    mask = _row_mask(chosen, tensor)
                    tensor.copy_(torch.where(mask, tensor.gather(1, index), tensor))
                elif slot.layer is layer.consumer and slot.name == "weight":
                    index = _expand(columns_of, tensor, 2)
                    mask = _column_mask(layer, chosen, tensor)
                    tensor.copy_(torch.where(mask, tensor.gather(2, index), tensor))

    def _write_mean_state(
        self, layer: Layer, chosen: Tensor, elders: Tensor, policy: StatePolicy
    ) -> None:
        for slot in self.optimizer.slots:
            for key, tensor in slot.state.items():
                if slot.layer is layer:
                    mean, mask = _mean_over_rows(tensor, elders), _row_mask(chosen, tensor)
                elif slot.layer is layer.consumer and slot.name == "weight":
                    mean = _mean_over_columns(layer, tensor, elders)
                    mask = _column_mask(layer, chosen, tensor)
                else:
                    continue
                if policy == "second_moment_only" and "second" not in key:
                    mean = torch.zeros_like(mean)
                tensor.copy_(torch.where(mask, mean, tensor))

    # -- bookkeeping ------------------------------------------------------------------------

    def _record(self, edit: Any, layer: Layer, chosen: Tensor, rule: str, written: Tensor) -> None:
        self._after_edit()
        for replica, row in enumerate(chosen.cpu()):
            units = tuple(row.nonzero().flatten().tolist())
            if units:
                self.ledger.append(
                    Event(edit, layer.name, replica, units, rule, int(written[replica]))
                )

    def _amend(self, layer: Layer, chosen: Tensor, rule: str, written: Tensor) -> None:
        """Add a rule and the weights written to the last line of the ledger about those units."""
        for replica, row in enumerate(chosen.cpu()):
            units = set(row.nonzero().flatten().tolist())
            for place in reversed(range(len(self.ledger) if units else 0)):
                event = self.ledger[place]
                if (event.layer, event.replica) == (layer.name, replica) and units & {*event.units}:
                    count = event.reinitialised_weights + int(written[replica])
                    rule_now = f"{event.rule}; {rule}"
                    self.ledger[place] = replace(event, rule=rule_now, reinitialised_weights=count)
                    break

    def _after_edit(self) -> None:
        self.has_dead = any(
            layer.connected is not None or not bool(layer.alive.all()) for layer in self.layers
        )
        self.held = self.copy_parameters()


def _name(insertion: Insertion | Slices) -> str:
    return insertion.rule if isinstance(insertion, Slices) else insertion


def _check_rules(insertion: Insertion | Slices, state: str) -> None:
    if not isinstance(insertion, Slices) and insertion not in get_args(Insertion):
        raise unknown_name("insertion rule", insertion, get_args(Insertion), "Use one of these.")
    if state not in get_args(StatePolicy):
        raise unknown_name("state policy", state, get_args(StatePolicy), "Use one of these.")


def _row_mask(chosen: Tensor, tensor: Tensor) -> Tensor:
    """Shape (R, U) to (R, U, 1, ...) against a tensor (R, U, ...)."""
    return chosen.view(*chosen.shape, *(1,) * (tensor.dim() - 2))


def _column_mask(layer: Layer, chosen: Tensor, weight: Tensor) -> Tensor:
    """Shape the units of `layer` to (R, 1, I, ...) against its consumer's weight."""
    columns = chosen.repeat_interleave(layer.columns_per_unit, 1)
    return columns.view(columns.shape[0], 1, -1, *(1,) * (weight.dim() - 3))


def _columns(layer: Layer, units: Tensor) -> Tensor:
    """Turn unit numbers (R, U) into the numbers of all their consumer columns (R, I)."""
    block = torch.arange(layer.columns_per_unit, device=units.device)
    return (units.unsqueeze(2) * layer.columns_per_unit + block).flatten(1)


def _expand(index: Tensor, tensor: Tensor, axis: int) -> Tensor:
    shape = [index.shape[0]] + [1] * (tensor.dim() - 1)
    shape[axis] = index.shape[1]
    target = list(tensor.shape)
    target[axis] = index.shape[1]
    return index.view(shape).expand(target)


def _mean_over_rows(tensor: Tensor, elders: Tensor) -> Tensor:
    weight = _row_mask(elders, tensor).to(tensor.dtype)
    return (tensor * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1)


def _mean_over_columns(layer: Layer, tensor: Tensor, elders: Tensor) -> Tensor:
    """Mean over elder units of their columns, position by position within a block."""
    blocks = tensor.unflatten(2, (layer.units, layer.columns_per_unit))
    weight = elders.view(elders.shape[0], 1, -1, *(1,) * (blocks.dim() - 3)).to(tensor.dtype)
    total = (blocks * weight).sum(2, keepdim=True)
    mean: Tensor = total / weight.sum(2, keepdim=True).clamp(min=1)
    return mean.expand_as(blocks).flatten(2, 3)
