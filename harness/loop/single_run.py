"""The loop for one replica of a learner outside the stack; its rows are those of `StackedRun`.

What the learner does within a task is its own: a `Trainer` is given the task, and tells of every
batch. Online accuracy is read back once a task; measuring changes nothing of what is learnt.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from ..engine.batches import Augmentation, SampleBank, TaskBatches, Transition, evaluation_batches
from ..engine.learner import right_share
from ..engine.probe import replica_loss
from ..engine.strategy import Plan
from ..errors import BenchError
from ..modules.health import evaluating, hidden_layers, module_health
from ..modules.single_learner import Circumstances, Lesson, SingleLearner
from ..modules.torch_learner import TorchTrainer
from ..plugins.registry import load_learner, load_stream
from ..process_state import kept_process_state
from ..randomness import OwnRandom, ReplicaRandom, unmoved_random
from ..row import Row
from ..specs.spec import RunSpec, build_settings
from ..stream import Samples, Stream, Task, chained_digest
from .real_time import RelativeCosts, Trial
from .rows import (
    HEALTH_SAMPLES,
    arrival_row,
    checkpoint_row,
    checkpoints,
    divergence,
    end_row,
    health_is_due,
    initial_row,
    recovery,
    task_row,
    tests_transfer,
)

REPORT_EVERY = 100
"""Batches between two reports of progress."""


class SingleRun:
    """One replica of a learner on one stream.

    Args:
        spec: a run whose entrant is a learner.
        data_dir: where data sets are cached.
        device: for example "cpu" or "cuda".
        measured: whether test accuracy and the network's health are measured beside the run; what
            it learns is the same.
        trial: made before a run on a stream that goes by the clock; see `RelativeCosts`.

    Raises:
        BenchError: a setting, a data set or a plug-in is not usable; before any training.
    """

    def __init__(
        self,
        spec: RunSpec,
        data_dir: Path,
        device: str = "cpu",
        *,
        measured: bool = True,
        trial: Trial | None = None,
    ) -> None:
        self.spec = spec
        self.measured = measured
        named = spec.stream.name
        self.stream: Stream = build_settings(
            load_stream(named).cls, spec.stream.settings, f"stream {named}"
        )
        self.samples = self.stream.load(data_dir)
        self.plan = Plan(
            task_updates=tuple(self.stream.task_updates(self.samples)),
            passes=self.stream.passes,
            batch_size=self.stream.batch_size,
        )
        check_first_task(spec, self.stream, self.samples)
        learner = build_learner(spec)
        place = torch.device(device)
        self.bank = SampleBank(self.samples, place)
        self.order, self.probes, self.mixing, self.augmenting = (
            ReplicaRandom([spec.seed], purpose, place)
            for purpose in ("data order", "probes", "gradual switch", "augmentation")
        )
        self.relative_costs = RelativeCosts.of(self.stream.real_time, 1, trial)
        self.random = OwnRandom(spec.seed, "learner", place)
        with self.random.active():
            self.trainer = learner.trainer(self._circumstances(learner, data_dir, place))
        module = self.trainer.view(0).module
        self.initial = {} if module is None else _copied(module)
        self.learner = learner
        self.task = self.batches_done = self.updates = self.samples_seen = 0
        self.seen: list[tuple[int, Task]] = []
        self.batches: TaskBatches | None = None
        self.last_online: Tensor | None = None
        self.digest = self.samples.digest
        self.diverged: str | None = None
        self.seconds = 0.0
        self.kept_rows: list[Row] = []

    def _circumstances(
        self, learner: SingleLearner, data_dir: Path, device: torch.device
    ) -> Circumstances:
        channels, height, width = self.bank.image
        return Circumstances(
            name=self.spec.entrant.strategies[0].name,
            seed=self.spec.seed,
            stream=self.stream,
            image=(channels, height, width),
            classes=self.stream.output_classes(self.samples),
            plan=self.plan,
            network=self.spec.entrant.network,
            optimizer=self.spec.entrant.optimizer,
            data_dir=data_dir,
            device=device,
        )

    def rows(
        self, on_progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Iterator[tuple[int, Row]]:
        """Train through the stream, yielding (0, row) task by task.

        Args:
            on_progress: called with the updates done and in all, every so often.
        """
        for task in self.stream.task_sequence(self.samples, self.spec.seed):
            started = time.perf_counter()
            rows = [*self._test_transfer(task), *self._learn(task, on_progress)]
            self.seconds += time.perf_counter() - started
            self.kept_rows += rows
            yield from ((0, row) for row in rows)
            self.task += 1
            if self.diverged is not None:
                break
        yield 0, end_row(self.kept_rows, self.diverged, self.digest, self._costs())

    def _costs(self) -> dict[str, float | None]:
        return {
            "updates": float(self.updates),
            "samples": float(self.samples_seen),
            "flops": None,
            "alive_unit_steps": None,
            "edits": 0.0,
            "reinitialised_weights": None,
            "relative_cost": self.relative_costs.mean(self.updates),
            "seconds": self.seconds,
        }

    def _learn(self, task: Task, report: Callable[[int, int], None]) -> list[Row]:
        """Learn one task and return its rows."""
        self.seen = [*(self.seen if self.stream.evaluate == "seen" else []), (self.task, task)]
        self.digest = chained_digest(self.digest, task)
        self.batches = self._task_batches(task)
        watch = _Watch(self, report)
        planned = self.plan.task_updates[self.task]
        with self.random.active():
            self.trainer.train(Lesson(self.task, planned, self.batches, watch))
        report(sum(self.plan.task_updates[: self.task + 1]), self.plan.total_updates)
        return [*watch.rows, *self._end_task(task, watch)]

    def _task_batches(self, task: Task) -> TaskBatches:
        transition = augmentation = None
        if self.stream.gradual_updates and self.batches is not None:
            transition = Transition(self.batches, self.stream.gradual_updates, self.mixing)
        if self.stream.augments:
            augmentation = Augmentation(self.stream.augment, self.augmenting)
        return TaskBatches(
            self.bank,
            [task],
            self.plan.batch_size,
            self.order,
            reshuffle=self.stream.reshuffle,
            transition=transition,
            augmentation=augmentation,
        )

    # -- measurements --------------------------------------------------------------------------

    def evaluate(self) -> Row:
        """Measure the test accuracy on the tasks that count."""
        with torch.no_grad(), unmoved_random(self.random.device):
            per_task = [self._test_accuracy(*numbered) for numbered in self.seen]
        return checkpoint_row(self.task, self.batches_done, per_task)

    def _test_transfer(self, task: Task) -> Iterator[Row]:
        """Measure a new task before it is learnt; before the first, all at the initial weights."""
        is_told = "task id at test" in self.learner.needs  # of tasks to come it knows nothing
        if is_told or not (self.measured and tests_transfer(self.stream, task)):
            return
        with torch.no_grad(), unmoved_random(self.random.device):
            if self.task > 0:
                accuracy = self._test_accuracy(self.task, task)
                yield arrival_row(self.task, self.batches_done, accuracy)
                return
            tasks = self.stream.task_sequence(self.samples, self.spec.seed)
            yield initial_row([self._test_accuracy(*numbered) for numbered in enumerate(tasks)])

    def _test_accuracy(self, number: int, task: Task) -> float:
        view = self.trainer.view(number)
        right = torch.zeros(1, device=self.random.device)
        with evaluating(view.module):
            for x, y in evaluation_batches(self.bank, [task]):
                right += (view.predict(x[0]).argmax(1) == y[0]).sum()
        return float(right.cpu() / torch.tensor(len(task.test_y)))

    def _end_task(self, task: Task, watch: "_Watch") -> Iterator[Row]:
        accuracy, loss, answered = watch.online()
        recovered = recovery(self.last_online, accuracy[:, None])
        self.last_online = accuracy[:, None]
        self.diverged = divergence(loss, self.batches_done - len(loss))
        checkpoint = None
        if self.measured and self.stream.evaluate != "none":
            checkpoint = self.evaluate()
            yield checkpoint
        place = {"task": self.task, "step": self.batches_done}
        yield task_row(
            place,
            accuracy,
            loss[answered],
            scored=task.scored,
            recovery_updates=recovered[0],
            test_accuracy=None if checkpoint is None else checkpoint["per_task"][-1],
            alive=self._widths(),
        )
        if self.measured and health_is_due(self.task, self.plan.tasks):
            yield from self._health(place)

    def _widths(self) -> list[int]:
        widths = self.trainer.widths()
        view = self.trainer.view(self.task)
        if widths is not None or view.module is None:
            return widths or []
        blank = torch.zeros(1, *self.bank.image, device=self.random.device)
        with torch.no_grad(), evaluating(view.module), unmoved_random(self.random.device):
            return [layer.units for layer in hidden_layers(view.module, view.predict, blank)]

    def _health(self, place: dict[str, int]) -> list[Row]:
        view = self.trainer.view(self.task)
        if view.module is None:
            return []
        assert self.batches is not None
        x, y = self.batches.draw(self.probes, HEALTH_SAMPLES)
        with evaluating(view.module), unmoved_random(self.random.device):
            return list(module_health(view.module, view.predict, x[0], y[0], self.initial, place))

    # -- a trial for the clock -----------------------------------------------------------------

    def trial_batches(self, updates: int) -> list[tuple[Tensor, Tensor]]:
        """Start the first task and return some batches of it: for a trial that is thrown away."""
        assert isinstance(self.trainer, TorchTrainer), "others are refused where time counts"
        if self.batches is None:
            first = next(self.stream.task_sequence(self.samples, self.spec.seed))
            self.batches = self._task_batches(first)
            with self.random.active():
                self.trainer.begin_task(0)
        return list(self.batches.training(updates, updates))

    def trial_update(self, x: Tensor, y: Tensor) -> Tensor:
        """Make one update of a trial and return something that depends on it."""
        assert isinstance(self.trainer, TorchTrainer)
        return self.trainer.observe(x[0], y[0])


class _Watch:
    """Notes what a learner answers during one task, and evaluates it where that is due."""

    def __init__(self, run: SingleRun, report: Callable[[int, int], None]) -> None:
        self.run = run
        self.report = report
        self.rows: list[Row] = []
        self.noted: list[Tensor] = []
        """Of every batch: share that was right, loss; on the device, (2,)."""
        self.answered: list[bool] = []
        """Whether the batch had samples of the current task."""
        self.updates = 0
        self.evaluated_after: set[int] = set()

    def begin(self, updates: int) -> None:
        self.updates = updates
        if self.run.measured:  # at the end it is evaluated when it has done all that it wants to do
            self.evaluated_after = checkpoints(self.run.stream, updates) - {updates}

    def is_free(self) -> bool:
        return self.run.relative_costs.is_free(self.run.learner)

    @torch.no_grad()
    def saw(self, logits: Tensor, y: Tensor, samples: int) -> None:
        self.answered.append(len(y) > 0)
        self.run.samples_seen += samples
        self.run.updates += samples > 0
        if len(y):
            share, loss = right_share(logits[None], y[None]), replica_loss(logits[None], y[None])
            self.noted.append(torch.cat([share, loss.mean(1)]))
        else:
            self.noted.append(torch.tensor([torch.nan, 0.0], device=y.device))

    def passed(self) -> None:
        run, done = self.run, len(self.noted)
        run.batches_done += 1
        if done in self.evaluated_after:
            self.rows.append(run.evaluate())
        if done % REPORT_EVERY == 0:
            planned = run.plan.task_updates
            part = planned[run.task] * done // max(done, self.updates)
            self.report(sum(planned[: run.task]) + part, run.plan.total_updates)

    def online(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return accuracy and loss before each update, and where there were any: (updates,)."""
        if not self.noted:
            raise BenchError(
                f"the learner made no update in task {self.run.task}, so there is nothing to "
                "measure. A task needs samples that it learns from."
            )
        accuracy, loss = torch.stack(self.noted).cpu().unbind(1)
        return accuracy, loss, torch.tensor(self.answered)


def _copied(module: nn.Module) -> dict[str, Tensor]:
    """Return a copy of every parameter by name."""
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


def check_first_task(spec: RunSpec, stream: Stream, samples: Samples) -> None:
    """Refuse a run whose learner cannot follow the stream, before any training.

    Raises:
        BenchError: says which learner on which stream, and why.
    """
    try:
        with kept_process_state():
            build_learner(spec).check_task(next(stream.task_sequence(samples, spec.seed)))
    except BenchError as error:
        named = f"'{spec.entrant.name}' on stream '{spec.stream.name}'"
        raise BenchError(f"learner {named}: {error}") from error


def build_learner(spec: RunSpec) -> SingleLearner:
    """Build an entrant's learner with its settings.

    Raises:
        BenchError: unknown name or setting, or a value out of range.
    """
    (one,) = spec.entrant.strategies
    return build_settings(load_learner(one.name), one.settings, f"learner {one.name}")
