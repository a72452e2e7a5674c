"""Avalanche's strategies in training: their own code, on the streams and with the metrics of all.

A strategy trains with `strategy.train(experience)` on the stream's own Avalanche benchmark, task by
task, `Stream.batch_size` samples a batch and `Stream.passes` epochs a task. What differs from the
stack is what Avalanche does: an epoch's last batch may be smaller, the order of the samples is its
loader's, and a strategy may make more or fewer updates than the protocol plans (Cumulative, GDumb).

Online accuracy and loss are those of the current task's samples alone, where a batch holds others.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from copy import deepcopy
from io import StringIO
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ...harness.engine.optimizers import learning_rate_factor
from ...harness.engine.strategy import PluginError
from ...harness.errors import BenchError
from ...harness.modules.build import torch_optimizer
from ...harness.modules.single_learner import Circumstances, Lesson, Trainer, View
from ...harness.randomness import ReplicaRandom
from ...harness.specs.spec import NetworkSpec

with warnings.catch_warnings():
    # Avalanche imports packages that announce their own end; nothing a user could do about it.
    warnings.simplefilter("ignore")
    from avalanche.benchmarks.scenarios.dataset_scenario import DatasetExperience
    from avalanche.benchmarks.utils.classification_dataset import (
        TaskAwareSupervisedClassificationDataset,
    )
    from avalanche.benchmarks.utils.transform_groups import TransformGroups
    from avalanche.core import SupervisedPlugin
    from avalanche.models import PNN, avalanche_forward
    from avalanche.models.packnet import PackNetModel, PackNetModule
    from avalanche.training import supervised

__all__ = ["PNN", "AvalancheTrainer", "PackNetModel", "silenced", "supervised"]


@contextmanager
def silenced() -> Iterator[None]:
    """Keep Avalanche's prints and warnings to itself; none is about what a user did."""
    # Recorded as well as ignored: Avalanche sets filters of its own that show what it warns of.
    with warnings.catch_warnings(record=True), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        yield


class Maker(Protocol):
    """What a trainer asks of the learner that it trains for."""

    @property
    def can_be_looked_into(self) -> bool:
        """Whether the network has the entrant's layers."""
        ...

    def model(self, given: Circumstances) -> nn.Module:
        """Build what the strategy trains."""
        ...

    def strategy(self, model: nn.Module, optimizer: torch.optim.Optimizer, **given: Any) -> Any:
        """Make the strategy of Avalanche."""
        ...

    def widths(self, network: NetworkSpec, tasks: int) -> list[int]:
        """Return the units of every hidden layer once a number of tasks has begun."""
        ...


class AvalancheTrainer(Trainer):
    """One replica of a strategy of Avalanche."""

    def __init__(self, learner: Maker, given: Circumstances) -> None:
        self.learner = learner
        self.given = given
        self.recorder = _Recorder(given)
        (self.augmenting,) = ReplicaRandom([given.seed], "augmentation", given.device).generators
        self.task_labels: dict[int, int] = {}
        """What the model is told of each task's samples: its number where that is allowed."""
        with silenced():
            self.benchmark = given.stream.benchmark(given.seed, given.data_dir)
            model = learner.model(given).to(given.device)
            self.strategy = learner.strategy(
                model,
                torch_optimizer(given.optimizer, model.parameters()),
                device=given.device,
                train_mb_size=given.plan.batch_size,
                train_epochs=given.plan.passes,
            )
            # Not through the constructor: PackNet's, of Avalanche 0.6, loses what it is given.
            self.strategy.plugins.insert(0, self.recorder)

    def train(self, lesson: Lesson) -> None:
        """Train on one experience."""
        self.recorder.lesson = lesson
        try:
            with silenced():
                experience = self.benchmark.train_stream[lesson.number]
                self.task_labels[lesson.number] = experience.task_label
                _transform(experience, self._transforms(lesson.number))
                self.strategy.train(experience)
        except BenchError:
            raise
        except Exception as error:
            raise PluginError(
                f"learner '{self.given.name}' raised in task {lesson.number} after "
                f"{self.recorder.updates} updates: {type(error).__name__}: {error}"
            ) from error

    def _transforms(self, task: int) -> Any:
        """Return what is done to samples that are read for training, and for looking at them."""
        tell, stream = self.recorder.teller(task), self.given.stream

        def change(x: Tensor) -> Tensor:
            return stream.augment(tell(x)[None], self.augmenting)[0]

        return TransformGroups(
            {"train": (change if stream.augments else tell, None), "eval": (tell, None)}
        )

    def view(self, task: int) -> View:
        """Return the model as it is, asked about samples of a task."""
        model = self.strategy.model
        if isinstance(model, PackNetModule):  # a forward pass of another task changes its masks
            model = deepcopy(model)
            if model.state is PackNetModule.State.POST_PRUNE:
                model.freeze_pruned()  # else it would refuse to show another task
        label = self.task_labels.get(task, 0)

        def predict(x: Tensor) -> Tensor:
            labels = torch.full((len(x),), label, device=x.device)
            logits: Tensor = avalanche_forward(model, x, labels)
            return logits

        return View(predict, model if self.learner.can_be_looked_into else None)

    def widths(self) -> list[int]:
        """Return the units of every hidden layer."""
        return self.learner.widths(self.given.network, len(self.task_labels))


def _transform(experience: Any, groups: Any) -> None:
    """Put transforms around an experience's samples; memories keep them."""
    dataset = TaskAwareSupervisedClassificationDataset(
        [experience.dataset], transform_groups=groups
    )
    if isinstance(experience, DatasetExperience):  # its dataset can be read only
        experience._dataset = dataset
    else:
        experience.dataset = dataset


class _Recorder(SupervisedPlugin):  # type: ignore[misc]
    """Looks on from inside a strategy's loop, and sets the learning rate that is due.

    It comes before the strategy's own plug-ins, so that a batch is as the loader made it.
    """

    def __init__(self, given: Circumstances) -> None:
        super().__init__()
        self.given = given
        self.lesson: Lesson | None = None
        self.read: list[int] = []
        """Task of every sample that was read since the last update, in order."""
        self.labels = torch.empty(0)
        """Of the batch, memories that its strategy adds later left out."""
        self.current: list[bool] = []
        """Whether each sample of the batch is the current task's."""
        self.updates = self.updates_of_task = 0
        self.updates_of_tasks = 1

    def teller(self, task: int) -> Callable[[Any], Any]:
        """Return a transform that notes a sample's task and leaves the sample alone."""

        def tell(x: Any) -> Any:
            self.read.append(task)
            return x

        return tell

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Begin the task."""
        self.read.clear()
        self.updates_of_task = 0

    def before_training_epoch(self, strategy: Any, **_: Any) -> None:
        """Learn how many updates the task has, once its loader is made."""
        assert self.lesson is not None
        if self.updates_of_task == 0:
            self.updates_of_tasks = len(strategy.dataloader) * strategy.train_epochs
            self.lesson.watch.begin(self.updates_of_tasks)

    def before_training_iteration(self, strategy: Any, **_: Any) -> None:
        """Note which samples of the batch are the current task's."""
        assert self.lesson is not None
        self.labels = strategy.mb_y
        tasks = self.read[-len(self.labels) :]
        self.current = [task == self.lesson.number for task in tasks]

    def after_forward(self, strategy: Any, **_: Any) -> None:
        """Note the answers before the update."""
        assert self.lesson is not None
        logits = strategy.mb_output.detach()[-len(self.labels) :]  # DER puts its memory in front
        labels = self.labels
        if not all(self.current):
            chosen = torch.tensor(self.current, device=labels.device)
            logits, labels = logits[chosen], labels[chosen]
        self.lesson.watch.saw(logits, labels, len(self.read))
        self.read.clear()

    def before_update(self, strategy: Any, **_: Any) -> None:
        """Set the learning rate: the schedule is over the updates that the protocol plans."""
        assert self.lesson is not None
        spec, plan = self.given.optimizer, self.given.plan
        if spec.schedule == "constant":
            return
        share = self.updates_of_task / self.updates_of_tasks
        update = plan.task_starts()[self.lesson.number] + share * self.lesson.updates
        factor = learning_rate_factor(spec.schedule, update, plan.total_updates, share)
        for group in strategy.optimizer.param_groups:
            group["lr"] = spec.lr * factor

    def after_training_iteration(self, strategy: Any, **_: Any) -> None:
        """Count the update."""
        assert self.lesson is not None
        self.updates += 1
        self.updates_of_task += 1
        self.lesson.watch.passed()
