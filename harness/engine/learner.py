"""What learns: the protocol, and the stacked learner, a network with optimiser and strategies."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from ..blame import raised
from ..errors import BenchError
from ..randomness import ReplicaRandom
from ..specs.spec import NetworkSpec, OptimizerSpec
from .answers import (
    checked_batch,
    checked_end,
    checked_factor,
    checked_network,
    checked_penalty,
    checked_replaced,
    checked_schedule,
)
from .batches import TaskBatches
from .compact import CompactTraining
from .edits import Event, Network
from .network import LayerStack
from .optimizers import StackedOptimizer, learning_rate_factor
from .probe import Probe, Probing, probe, replica_loss
from .strategy import Context, Plan, PluginError, Progress, Strategy, overrides

WEIGHT_HOOKS = ("penalty", "after_backward", "after_step")
"""Hooks of an update that reach weights: the whole network has to be up to date for them."""

STEP_HOOKS = ("extend_batch", "learning_rate", *WEIGHT_HOOKS)
"""Hooks that are called in every update."""


def _called(strategy: Strategy, hook: str, *given: Any, after: int = 0) -> Any:
    """Call a hook of a strategy; what it raises is the strategy's, and says where."""
    try:
        return getattr(strategy, hook)(*given)
    except BenchError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"strategy '{strategy.name}' raised in {hook} after {after} updates: "
            f"{raised(error, type(strategy))}"
        ) from error


def _scheduled(strategy: Strategy, plan: Plan) -> set[int]:
    return checked_schedule(strategy, _called(strategy, "schedule", plan), plan)


class Learner(Protocol):
    """Whatever makes an update from labelled samples and says what it would answer.

    The stacked network, `StackedLearner`, takes samples with a replica axis in front; a user's own
    PyTorch code, `TorchLearner`, takes those of one replica.
    """

    def observe(self, x: Tensor, y: Tensor) -> object:
        """Make one update, and return something about the answers before it.

        Args:
            x: samples ([R,] B, channels, height, width).
            y: labels ([R,] B).
        """
        ...

    def predict(self, x: Tensor) -> Tensor:
        """Return the logits ([R,] B, classes), changing nothing that matters to `observe`."""
        ...


class StackedLearner:
    """R replicas of one entrant in lockstep.

    Args:
        network: architecture, before the strategies' `configure`.
        optimizer: update rule and schedule.
        learning_rates: one per replica.
        strategies: called in this order in every hook.
        seeds: one per replica.
        image: (channels, height, width) of one sample.
        classes: outputs of the head.
        plan: how long the run is.
        device: where everything lives.
        initialisation: purpose of the generators that draw the initial weights.
    """

    def __init__(
        self,
        network: NetworkSpec,
        optimizer: OptimizerSpec,
        learning_rates: Sequence[float],
        strategies: Sequence[Strategy],
        seeds: Sequence[int],
        image: Sequence[int],
        classes: int,
        plan: Plan,
        device: torch.device,
        initialisation: str = "initialisation",
    ) -> None:
        for strategy in strategies:
            network = checked_network(strategy, _called(strategy, "configure", network))
        self.plan = plan
        self._task_starts = plan.task_starts()
        self.progress = Progress(
            edit_updates=tuple(sorted({u for s in strategies for u in _scheduled(s, plan)}))
        )
        self.random = {
            purpose: ReplicaRandom(seeds, purpose, device)
            for purpose in (initialisation, "re-initialisation", "activation noise")
        }
        self._net = Network(network, image, classes, self.random[initialisation])
        self._net.attach(
            StackedOptimizer(optimizer, self._net, learning_rates), self.random["re-initialisation"]
        )
        self.schedule_name = optimizer.schedule
        self.batches: TaskBatches | None = None
        self.entries = [self._entry(number, s, seeds) for number, s in enumerate(strategies)]
        self.by_step_hook = {
            hook: [entry for entry in self.entries if overrides(entry[0], hook)]
            for hook in STEP_HOOKS
        }
        self.weight_entries = [
            entry for entry in self.entries if any(overrides(entry[0], h) for h in WEIGHT_HOOKS)
        ]
        self._awake_until = 0
        """Update before which some strategy acts on weights in every update."""
        self.edits = self._edits()
        self._compact: CompactTraining | None = None
        self.skipped = 0
        """Updates that were batches let go by."""
        self._is_ready = False
        """Whether it is known for the present structure if `_compact` is to be used."""

    @property
    def updates(self) -> int:
        """Updates made so far: batches that were let go by do not count."""
        return self.progress.update - self.skipped

    @property
    def net(self) -> Network:
        """The whole network, up to date."""
        if self._compact is not None:
            self._compact.write_back()
        return self._net

    def _trained(self) -> tuple[LayerStack, StackedOptimizer]:
        """Return what updates act on: the alive part alone where that is worth it."""
        if not self._is_ready:
            ends = [
                checked_end(entry[0], self._call("acts_until", entry))
                for entry in self.weight_entries
            ]
            self._awake_until = max(ends, default=0)
            small = not self._is_awake and CompactTraining.is_worthwhile(self._net)
            self._compact = CompactTraining(self._net) if small else None
            self._is_ready = True
        if self._compact is None:
            return self._net, self._net.optimizer
        return self._compact.stack, self._compact.optimizer

    @property
    def _is_awake(self) -> bool:
        """Whether strategies act on weights in the coming update."""
        return self.progress.update < self._awake_until

    def _structure_may_change(self) -> None:
        """Bring the whole network up to date, and look at its structure anew before training on."""
        if self._compact is not None:
            self._compact.write_back()
        self._compact, self._is_ready = None, False

    def _entry(
        self, number: int, strategy: Strategy, seeds: Sequence[int]
    ) -> tuple[Strategy, Context]:
        device = self._net.device
        own = ReplicaRandom(seeds, f"strategy {number}", device)
        scoring = ReplicaRandom(seeds, f"scoring {number}", device)
        self.random[f"strategy {number}"], self.random[f"scoring {number}"] = own, scoring
        return strategy, Context(self.plan, self.progress, own, self._probing(scoring), self._task)

    def _task(self) -> TaskBatches:
        assert self.batches is not None, "no task has begun"
        return self.batches

    def _probing(self, random: ReplicaRandom) -> Probing:
        def draw_and_probe(net: Network, count: int) -> Probe:
            return probe(net, *self._task().draw(random, count))

        return draw_and_probe

    def _edits(self) -> dict[int, list[tuple[Strategy, Context]]]:
        """Return who edits after how many updates."""
        edits: dict[int, list[tuple[Strategy, Context]]] = {}
        for entry in self.entries:
            for update in sorted(_scheduled(entry[0], self.plan)):
                edits.setdefault(update, []).append(entry)
        return edits

    def observe(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Make one update; nothing here waits for the device.

        Args:
            x: samples (R, B, channels, height, width).
            y: labels (R, B).

        Returns:
            The share of the batch that was right before the update, and its mean loss: (R,) each;
            what strategies have added to it does not count.
        """
        stack, optimizer = self._trained()
        own = y.shape[1]
        for entry in self.by_step_hook["extend_batch"]:
            x, y = checked_batch(entry[0], self._call("extend_batch", entry, x, y), x, y)
        logits = stack.forward(x, self.random["activation noise"].uniform)
        losses = replica_loss(logits, y)
        penalised = losses.mean(1)
        for entry in self._awake("penalty"):
            penalty = checked_penalty(entry[0], self._call("penalty", entry), penalised)
            penalised = penalised if penalty is None else penalised + penalty
        penalised.sum().backward()
        replaced = [
            checked_replaced(entry[0], self._call("after_backward", entry))
            for entry in self._awake("after_backward")
        ]
        if not any(replaced):
            stack.mask_gradients()
            optimizer.step(self._learning_rate_factor())
        for parameter in stack.parameters():
            parameter.grad = None
        for entry in self._awake("after_step"):
            self._call("after_step", entry)
        if self._compact is not None:
            self._compact.updates += 1
        elif self._is_awake or optimizer.moves_idle_weights:
            self._net.hold_dead()
        self._advance()
        return right_share(logits.detach()[:, :own], y[:, :own]), losses.detach()[:, :own].mean(1)

    def _advance(self) -> None:
        self.progress.update += 1
        if self._compact is None and self.progress.update == self._awake_until:
            self._is_ready = False  # nobody acts on weights any more: look how to train on

    def _awake(self, hook: str) -> Sequence[tuple[Strategy, Context]]:
        return self.by_step_hook[hook] if self._is_awake else ()

    def _learning_rate_factor(self) -> float:
        update, task = self.progress.update, self.progress.task
        share = (update - self._task_starts[task]) / self.plan.task_updates[task]
        factor = learning_rate_factor(self.schedule_name, update, self.plan.total_updates, share)
        for entry in self.by_step_hook["learning_rate"]:
            factor = checked_factor(entry[0], self._call("learning_rate", entry, factor))
        return factor

    def skip(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Let a batch go by, as `observe` without the update: the stream has not waited."""
        logits = self.predict(x)
        self._advance()
        self.skipped += 1
        return right_share(logits, y), replica_loss(logits, y).mean(1)

    def open_outputs(self, outputs: Tensor | None) -> None:
        """Say which outputs of the head exist from now on: (R, classes) bool, None for all."""
        self._structure_may_change()
        self._net.closed_outputs = None if outputs is None else ~outputs.unsqueeze(1)

    @torch.no_grad()
    def zero_head(self) -> None:
        """Set the head's weights and biases to 0; the optimiser's state stays."""
        self._structure_may_change()
        for parameter in self._net.head.parameters().values():
            parameter.zero_()

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Return the logits (R, B, classes), deterministically."""
        stack, _ = self._trained()
        return stack.forward(x)

    def acts_in(self, hook: str) -> bool:
        """Tell whether any strategy does something in a hook."""
        return any(overrides(strategy, hook) for strategy, _ in self.entries)

    def call(self, hook: str) -> None:
        """Call a boundary hook of every strategy, in order."""
        self._with_births(hook, self.entries)

    def call_scheduled_edits(self) -> None:
        """Call `edit` of every strategy that scheduled one for now, in order."""
        self._with_births("edit", self.edits.get(self.progress.update, ()))

    def _with_births(self, hook: str, entries: Sequence[tuple[Strategy, Context]]) -> None:
        """Call a hook in which units may be born, and then tell everybody of those that were."""
        self._structure_may_change()
        first = len(self._net.ledger)
        for entry in entries:
            self._call(hook, entry)
        born = births(self._net, self._net.ledger[first:])
        for entry in self.entries if born else ():
            self._call("after_births", entry, born)

    def _call(self, hook: str, entry: tuple[Strategy, Context], *values: Any) -> Any:
        strategy, context = entry
        return _called(strategy, hook, *values, self._net, context, after=context.update)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that changes during a run."""
        net = self.net
        return {
            "progress": [self.progress.update, self.progress.task, self.skipped],
            "closed_outputs": net.closed_outputs,
            "parameters": net.copy_parameters(),
            "initial": net.initial,
            "held": net.held,
            "snapshot": net.snapshot,
            "alive": {layer.name: layer.alive for layer in net.layers},
            "connected": {layer.name: layer.connected for layer in net.layers},
            "fading": {layer.name: layer.fading for layer in net.layers},
            "restarted_weights": net.restarted_weights,
            "optimizer": net.optimizer.state_dict(),
            "random": {purpose: random.state() for purpose, random in self.random.items()},
            "strategies": [context.state for _, context in self.entries],
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on exactly from a saved state."""
        self._structure_may_change()
        net = self._net
        self.progress.update, self.progress.task, self.skipped = saved["progress"]
        net.closed_outputs = saved["closed_outputs"]
        with torch.no_grad():
            for name, parameter in net.named_parameters():
                parameter.copy_(saved["parameters"][name])
        for layer in net.layers:
            layer.fading = saved["fading"][layer.name]
            layer.set_alive(saved["alive"][layer.name])
            layer.connected = saved["connected"][layer.name]
        net.has_dead = any(
            layer.connected is not None or not bool(layer.alive.all()) for layer in net.layers
        )
        net.initial, net.held = saved["initial"], saved["held"]
        net.snapshot, net.restarted_weights = saved["snapshot"], saved["restarted_weights"]
        net.optimizer.load_state_dict(saved["optimizer"])
        for purpose, random in self.random.items():
            random.load_state(saved["random"][purpose])
        for (_, context), state in zip(self.entries, saved["strategies"], strict=True):
            context.state.clear()
            context.state.update(state)


def births(net: Network, events: Sequence[Event]) -> dict[str, Tensor]:
    """Return the units that some edits switched on or rewrote: layer name -> (R, U) bool.

    As for cohorts, whoever is rewritten is newborn if others of its layer are not.
    """
    born: dict[str, Tensor] = {}
    layers = {layer.name: layer for layer in net.layers}
    for event in events:
        if event.edit in ("grow", "reset"):
            layer = layers[event.layer]
            mask = born.setdefault(event.layer, torch.zeros_like(layer.alive))
            mask[event.replica, list(event.units)] = True
    return {name: mask & layers[name].alive for name, mask in born.items()}


def right_share(logits: Tensor, y: Tensor) -> Tensor:
    """Return the share of samples whose class is right (R,), of logits (R, B, classes), y (R, B).

    NaN for the targets of a regression: they are never right.
    """
    if y.is_floating_point():
        return torch.full(y.shape[:1], torch.nan, device=y.device)
    return (logits.argmax(2) == y).float().mean(1)
