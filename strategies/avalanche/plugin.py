"""Our strategies inside Avalanche: one more plug-in in an existing training script.

>>> import torch
>>> from avalanche.models import SimpleMLP
>>> from avalanche.training.supervised import Naive
>>> from plasticity_bench import PlasticityPlugin
>>> model = SimpleMLP(input_size=8 * 8, hidden_size=20, hidden_layers=2, num_classes=10)
>>> strategy = Naive(
...     model=model,
...     optimizer=torch.optim.Adam(model.parameters(), lr=1e-3),
...     train_mb_size=16,
...     plugins=[PlasticityPlugin("grow(compactness=0.5)", seed=0)],  # the one line
...     evaluator=None,
... )
>>> for experience in benchmark.train_stream:
...     _ = strategy.train(experience)
>>> [int(layer.alive.sum()) for layer in strategy.plugins[0].network.hidden]
[10, 10]

**What is edited** are the units between the model's layers: of its Linear layers, and with
`edit_trunk=True` the channels of its convolutions. The model is read once (see
`harness/modules/chain.py` for what it may consist of) and keeps its class, its parameters and its
forward; hooks multiply what a dead unit says by 0, after the activation, in training, evaluation
and in copies of the model. `state_dict()` knows nothing of dead units: keep the model itself.

**What works by itself**: how many tasks and updates there will be, by which edits are placed, comes
from the benchmark, the mini-batch size and the epochs; a head that grows (`IncrementalClassifier`)
is followed. Edits go on before the update that they are scheduled for; boundary hooks are called
before and after each training experience; penalties are added to `strategy.loss` before the
backward pass; after every update dead units and their optimiser state are put back.

**What strategies look at**: scores are taken on samples of the current experience, drawn by the
plug-in's own generator with the transforms for evaluation, by the cross-entropy of the model at
evaluation. No global generator moves: with "dense" the weights are bit for bit those without the
plug-in.

**What differs from `plasticity-bench run`**: torch.optim counts Adam's steps for a tensor and not
for a unit, so the state policy "zero_step" acts as "zero", with a warning; activations and norms
are the model's, so a strategy that would change the architecture is refused; and layers bear the
names that they have in the model.
"""

import warnings
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ...harness.engine.strategy import Plan, Strategy, overrides
from ...harness.errors import BenchError
from ...harness.modules.view import Law, TorchNetwork
from ...harness.plugins.registry import load_strategy
from ...harness.specs.grammar import parse_calls
from ...harness.specs.spec import build_settings
from .guest import (
    ExperienceSamples,
    GuestStrategies,
    attach,
    check_told,
    ends_task,
    planned,
    starts_task,
)

with warnings.catch_warnings():
    # Avalanche imports packages that announce their own end; nothing a user could do about it.
    warnings.simplefilter("ignore")
    from avalanche.core import SupervisedPlugin
    from avalanche.models.dynamic_modules import IncrementalClassifier

GROWING_HEADS = (IncrementalClassifier,)


class PlasticityPlugin(SupervisedPlugin, supports_distributed=False):  # type: ignore[call-arg,misc]
    """Lets strategies act in an Avalanche training loop.

    Args:
        strategies: by name as in a suite, for example "grow(compactness=0.2)+shrink-perturb", or
            made, one or several; they act in this order.
        tasks: number of training experiences in all; None to ask the benchmark.
        updates_per_task: one number, or one for each task; None to work it out.
        seed: of everything that strategies and edits draw by chance.
        edit_trunk: whether the channels of convolutions are edited as well.
        init: law of re-initialised weights: that of torch's own layers, or Kaiming-uniform.

    Raises:
        BenchError: here for an unknown strategy or setting; at the start of the first experience
            for a model or an optimiser that cannot be edited.
    """

    def __init__(
        self,
        strategies: str | Strategy | Sequence[Strategy],
        *,
        tasks: int | None = None,
        updates_per_task: int | Sequence[int] | None = None,
        seed: int = 0,
        edit_trunk: bool = False,
        init: Law = "torch",
    ) -> None:
        super().__init__()
        self.strategies = _made(strategies)
        for one in self.strategies:
            _check_possible(one)
        self.tasks = tasks
        self.updates_per_task = updates_per_task
        self.seed = seed
        self.edit_trunk = edit_trunk
        self.init: Law = init
        self._guests: GuestStrategies | None = None
        self._task_start = self._parts = 0

    @property
    def network(self) -> TorchNetwork:
        """The view of the model that strategies edit: its layers, who is alive, the ledger.

        Raises:
            BenchError: before the first training experience.
        """
        return self._present().view

    @property
    def plan(self) -> Plan:
        """How long the run is taken to be, by which edits are placed; errors as `network`."""
        return self._present().plan

    @property
    def updates(self) -> int:
        """Updates made so far."""
        return 0 if self._guests is None else self._guests.progress.update

    def _present(self) -> GuestStrategies:
        if self._guests is None:
            raise BenchError(
                "the plug-in has not seen the model yet. Train on the first experience before."
            )
        return self._guests

    # -- what Avalanche calls --------------------------------------------------------------------

    def before_training_exp(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        """Look at the model and the new experience; start the run or the next task."""
        check_told(self.strategies, strategy.experience)
        samples = ExperienceSamples(strategy.experience.dataset.eval(), strategy.device)
        is_first = self._guests is None
        if self._guests is None:
            self._guests = self._arrival(strategy, samples)
        else:
            self._look_again(strategy, samples)
        guests = self._guests
        guests.samples = samples
        if is_first:
            guests.call("begin_run")
        if starts_task(strategy.experience, is_first):
            self._task_start, self._parts = guests.progress.update, 0
            guests.call("begin_task")

    def before_training_iteration(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        """Make the edits that are scheduled for now."""
        self._present().call_scheduled_edits()

    def before_backward(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        """Add the strategies' penalties to the loss."""
        penalty = self._present().penalty()
        if penalty is not None:
            strategy.loss = strategy.loss + penalty

    def after_backward(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        """Let strategies act on the gradients."""
        self._present().after_backward()

    def after_update(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        """Let strategies act on the weights; put dead units back to what they were."""
        self._present().after_step()

    def after_training_exp(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        """End the task, and after the last one the run."""
        self._parts += 1
        if not ends_task(strategy.experience, self._parts):
            return
        guests = self._present()
        guests.call("end_task")
        self._compare_with_plan()
        guests.progress.task += 1
        if guests.progress.task == guests.plan.tasks:
            guests.call("end_run")

    # -- how it goes about it --------------------------------------------------------------------

    def _arrival(self, strategy: Any, samples: ExperienceSamples) -> GuestStrategies:
        if sum(isinstance(plugin, PlasticityPlugin) for plugin in strategy.plugins) > 1:
            raise BenchError(
                "two plug-ins would edit one model without knowing of each other. Give all "
                'strategies to one, for example PlasticityPlugin("grow+shrink-perturb").'
            )
        plan = planned(strategy, self.tasks, self.updates_per_task)
        net = TorchNetwork(
            strategy.model,
            first_samples(samples),
            edit_trunk=self.edit_trunk,
            init=self.init,
            growing_heads=GROWING_HEADS,
        )
        if not net.hidden and any(overrides(one, "edit") for one in self.strategies):
            raise BenchError(
                "there is nothing to edit: the model has no hidden Linear layer. Set "
                "edit_trunk=True to edit the channels of its convolutions."
            )
        attach(net, strategy.optimizer, self.seed)
        return GuestStrategies(net, self.strategies, self.seed, plan, samples)

    def _look_again(self, strategy: Any, samples: ExperienceSamples) -> None:
        net = self.network
        if strategy.model is not net.model:
            raise BenchError(
                "the strategy has another model than at the first experience, and units of one "
                "network do not exist in another. Make a plug-in for each model."
            )
        net.refresh(first_samples(samples))
        net.torch_optimizer.bind(strategy.optimizer)

    def _compare_with_plan(self) -> None:
        guests = self._present()
        task, done = guests.progress.task, guests.progress.update - self._task_start
        expected = guests.plan.task_updates[task] if task < guests.plan.tasks else 0
        if done != expected:
            warnings.warn(
                f"task {task} took {done} updates, but {expected} were expected, so edits are not "
                "placed as they should be. Give tasks=... and updates_per_task=... to the plug-in.",
                stacklevel=2,
            )


def _made(strategies: str | Strategy | Sequence[Strategy]) -> list[Strategy]:
    if isinstance(strategies, str):
        return [
            build_settings(load_strategy(call.name), call.settings, f"strategy {call.name}")
            for call in parse_calls(strategies, "strategies")
        ]
    return [strategies] if isinstance(strategies, Strategy) else list(strategies)


def _check_possible(strategy: Strategy) -> None:
    if not isinstance(strategy, Strategy):
        raise BenchError(
            f"{strategy!r} is not a strategy. Give its name with settings, as "
            '"grow(compactness=0.2)", or an object of a subclass of plasticity_bench.Strategy.'
        )
    if overrides(strategy, "configure"):
        raise BenchError(
            f"strategy '{strategy.name}' changes the architecture, and in Avalanche the model is "
            "yours. Build what it asks for into the model, and leave it out here."
        )
    for hook in ("extend_batch", "learning_rate"):
        if overrides(strategy, hook):
            raise BenchError(
                f"strategy '{strategy.name}' acts in {hook}, and in Avalanche batches and learning "
                "rate are those of your own loop. Use Avalanche's plug-ins for that, and leave it "
                "out here."
            )


def first_samples(samples: ExperienceSamples) -> Tensor:
    """Return two samples (2, ...) to see that a view and its model agree."""
    x, _ = samples.take(range(min(2, len(samples.dataset))))
    return x[0]
