"""Strategies as guests in an Avalanche training loop: their samples, their plan, their hooks."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...harness.engine.edits import Network
from ...harness.engine.learner import STEP_HOOKS, StackedLearner
from ...harness.engine.probe import Probe, Probing, probe
from ...harness.engine.strategy import Plan, Progress, Strategy, overrides
from ...harness.errors import BenchError
from ...harness.modules.optimizer import TorchOptimizer
from ...harness.modules.view import TorchNetwork
from ...harness.randomness import ReplicaRandom, unmoved_random


class ExperienceSamples:
    """Samples of one experience, drawn beside the training and without any effect on it.

    Args:
        dataset: gives (x, y, ...) by number, transforms applied.
        device: where the samples are wanted.
    """

    def __init__(self, dataset: Any, device: torch.device) -> None:
        self.dataset = dataset
        self.device = device

    def draw(self, random: ReplicaRandom, count: int) -> tuple[Tensor, Tensor]:
        """Draw samples with replacement by the first generator: x (1, count, ...), y (1, count)."""
        rows = torch.randint(len(self.dataset), (count,), generator=random.generators[0])
        return self.take(rows.tolist())

    def take(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return samples by number: x (1, B, ...), y (1, B)."""
        with unmoved_random(self.device):  # transforms draw from the global generators
            items = [self.dataset[row] for row in rows]
        x = torch.stack([item[0] for item in items])
        y = torch.as_tensor([item[1] for item in items])
        return x.unsqueeze(0).to(self.device), y.unsqueeze(0).to(self.device)


class GuestStrategies(StackedLearner):
    """Strategies with their contexts, called at moments that another training loop decides.

    Args:
        net: the view of that loop's model, with its optimiser attached.
        strategies: called in this order in every hook.
        seed: of the strategies' own generators.
        plan: how long the run will be.
        samples: of the first experience.
    """

    def __init__(
        self,
        net: TorchNetwork,
        strategies: Sequence[Strategy],
        seed: int,
        plan: Plan,
        samples: ExperienceSamples,
    ) -> None:
        self._net = self.view = net
        self.plan = plan
        self.samples = samples
        self.progress = Progress(
            edit_updates=tuple(sorted({u for s in strategies for u in s.schedule(plan)}))
        )
        self.random: dict[str, ReplicaRandom] = {}
        self.entries = [self._entry(number, s, [seed]) for number, s in enumerate(strategies)]
        self.by_step_hook = {
            hook: [entry for entry in self.entries if overrides(entry[0], hook)]
            for hook in STEP_HOOKS
        }
        self.edits = self._edits()
        self._compact, self._is_ready = None, False
        self._awake_until = 0

    def _probing(self, random: ReplicaRandom) -> Probing:
        def draw_and_probe(net: Network, count: int) -> Probe:
            return probe(net, *self.samples.draw(random, count))

        return draw_and_probe

    def penalty(self) -> Tensor | None:
        """Return what to add to the model's loss: its gradient reaches the model's parameters."""
        penalties = [self._call("penalty", entry) for entry in self.by_step_hook["penalty"]]
        given = [penalty for penalty in penalties if penalty is not None]
        if not given:
            return None
        total = torch.stack(given).sum()
        carrier = total.detach()
        if not total.requires_grad:
            return carrier
        # The strategies see the view's tensors; to first order this is the same function of the
        # model's own, and only its value and gradient are ever used.
        shown = self.view.parameters()
        gradients = torch.autograd.grad(total, shown, allow_unused=True)
        for owned, gradient in zip(self._owned(), gradients, strict=True):
            if gradient is not None:
                carrier = carrier + (gradient[0] * (owned - owned.detach())).sum()
        return carrier

    def after_backward(self) -> None:
        """Let strategies read and change the gradients."""
        if not self.by_step_hook["after_backward"]:
            return
        pairs = list(zip(self._owned(), self.view.parameters(), strict=True))
        for owned, shown in pairs:
            shown.grad = None if owned.grad is None else owned.grad.unsqueeze(0)
        for entry in self.by_step_hook["after_backward"]:
            if self._call("after_backward", entry):
                raise BenchError(
                    f"strategy '{entry[0].name}' makes updates of its own in place of the "
                    "optimiser's, which Avalanche's loop cannot leave out. Run it with "
                    "plasticity-bench run."
                )
        for owned, shown in pairs:
            owned.grad = None if shown.grad is None else shown.grad[0]
            shown.grad = None

    def after_step(self) -> None:
        """Let strategies act on the weights, then put dead units back to what they were."""
        if self.view.has_dead or self.by_step_hook["after_step"]:
            self.view.torch_optimizer.refresh()
        for entry in self.by_step_hook["after_step"]:
            self._call("after_step", entry)
        self.view.hold_dead()
        self.progress.update += 1

    def call(self, hook: str) -> None:
        """Call a boundary hook of every strategy, in order."""
        self.view.torch_optimizer.refresh()
        super().call(hook)

    def call_scheduled_edits(self) -> None:
        """Call `edit` of every strategy that scheduled one for now, in order."""
        if self.progress.update in self.edits:
            self.view.torch_optimizer.refresh()
            super().call_scheduled_edits()

    def _owned(self) -> list[torch.nn.Parameter]:
        return [owned for layer in self.view.torch_layers for owned in layer.owned().values()]


def attach(net: TorchNetwork, optimizer: torch.optim.Optimizer, seed: int) -> None:
    """Bind a view to the optimiser of its model, and let the model silence dead units."""
    fresh = ReplicaRandom([seed], "re-initialisation", net.device)
    net.attach(TorchOptimizer(optimizer, net.torch_layers), fresh)
    net.mask_model()


def planned(strategy: Any, tasks: int | None, updates_per_task: int | Sequence[int] | None) -> Plan:
    """Say how long a run will be, from what the user said and from the strategy's benchmark.

    Args:
        strategy: an Avalanche strategy at the start of its first training experience.
        tasks: number of tasks; None for the experiences of the benchmark's stream.
        updates_per_task: one number for all tasks or one each; None for what mini-batch size,
            epochs and the experiences' sizes make it.

    Raises:
        BenchError: it can neither be derived nor was it said, or the numbers do not fit.
    """
    updates = _updates(strategy, tasks, updates_per_task)
    if not updates or min(updates) < 1 or (tasks is not None and len(updates) != tasks):
        raise BenchError(
            f"tasks={tasks}, updates_per_task={updates_per_task}: give at least one task, of at "
            "least one update, and as many numbers of updates as tasks."
        )
    return Plan(updates, int(strategy.train_epochs), int(strategy.train_mb_size))


def _updates(
    strategy: Any, tasks: int | None, updates_per_task: int | Sequence[int] | None
) -> tuple[int, ...]:
    if updates_per_task is not None and not isinstance(updates_per_task, int):
        return tuple(updates_per_task)
    is_split = _is_online(strategy.experience)
    stream = None if is_split else getattr(strategy.experience, "_origin_stream", None)
    count = tasks if tasks is not None else _length(stream)
    if updates_per_task is not None and count is not None:
        return (updates_per_task,) * count
    batches = _length(strategy.dataloader)
    if stream is None or count is None or batches is None:
        raise BenchError(
            "it cannot be told from the benchmark how long the run will be, and edits are placed "
            "by that. Give tasks=... and updates_per_task=... to the plug-in."
        )
    epochs, size = strategy.train_epochs, strategy.train_mb_size
    here = len(strategy.experience.dataset)
    sizes = [len(experience.dataset) for experience in stream][:count]
    sizes += [here] * (count - len(sizes))
    return tuple(epochs * (batches if n == here else -(-n // size)) for n in sizes)


def _length(sized: Any) -> int | None:
    return len(sized) if hasattr(sized, "__len__") else None


def _is_online(experience: Any) -> bool:
    return hasattr(experience, "access_task_boundaries")


def starts_task(experience: Any, is_first: bool) -> bool:
    """Tell whether a task starts with an experience; parts of a split one say so themselves.

    Parts that may not tell the task boundary are one task without end.
    """
    if not _is_online(experience):
        return True
    told: bool = experience.is_first_subexp if experience.access_task_boundaries else is_first
    return told


def ends_task(experience: Any, parts: int) -> bool:
    """Tell whether a task ends with an experience, the `parts`-th of it; see `starts_task`."""
    if not _is_online(experience):
        return True
    if not experience.access_task_boundaries:
        return False
    # Avalanche 0.6 marks no part as the last where the parts are all of one size.
    return bool(experience.is_last_subexp or parts == experience.sub_stream_length)


def check_told(strategies: Sequence[Strategy], experience: Any) -> None:
    """Refuse strategies that need the task boundary where the benchmark does not tell it.

    Raises:
        BenchError: naming the strategy.
    """
    if not _is_online(experience) or experience.access_task_boundaries:
        return
    for strategy in strategies:
        if "task boundary" in strategy.needs:
            raise BenchError(
                f"strategy '{strategy.name}' needs to be told: task boundary; this online stream "
                "does not tell it. Split it with access_task_boundaries=True."
            )
