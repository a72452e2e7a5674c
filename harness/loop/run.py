"""The loop: one entrant on one stream, R replicas in lockstep, yielding rows.

It reads as the protocol does: for every task edit where scheduled, measure where due, take a batch,
note the accuracy *before* the update, update, evaluate at the checkpoints. Nothing in an update
waits for the device; accuracies are read back once a task.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..engine.batches import Augmentation, SampleBank, TaskBatches, Transition, evaluation_batches
from ..engine.learner import StackedLearner
from ..engine.probe import replica_loss
from ..engine.strategy import Plan, Progress, Strategy
from ..plugins.registry import load_strategy, load_stream
from ..randomness import ReplicaRandom
from ..row import Row
from ..specs.spec import RunSpec, build_settings
from ..stream import Samples, Stream, Task, chained_digest
from .monitor import CohortMonitor, CostMeter, health_rows
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
from .step_edits import StepEdits
from .ticket import ticket_rows, ticket_strategies, wants_ticket

PROBE_BATCHES = 8
"""Newborns are measured on that many batches, drawn apart from the training order."""


class StackedRun:
    """One stack of replicas on one stream: everything between two saved states is in here.

    Args:
        specs: runs that differ in seed, or in seed and learning rate, only.
        data_dir: where data sets are cached.
        device: for example "cpu" or "cuda".
        measured: whether test accuracy, newborn units and the network's health are measured beside
            the run; what it learns is the same.
        ticket: given where this is the training of a winning ticket: the strategies that train it,
            from other initial weights than those of the specs' entrant.
        trial: made before a run on a stream that goes by the clock; see `RelativeCosts`.

    Raises:
        BenchError: a setting, a data set or a plug-in is not usable; before any training.
    """

    def __init__(
        self,
        specs: Sequence[RunSpec],
        data_dir: Path,
        device: str = "cpu",
        *,
        measured: bool = True,
        ticket: Sequence[Strategy] | None = None,
        trial: Trial | None = None,
    ) -> None:
        first = specs[0]
        self.data_dir, self.device, self.trial = data_dir, device, trial
        self.measured = measured
        self.strategies = build_strategies(first) if ticket is None else list(ticket)
        self.specs = specs
        self.seeds = [spec.seed for spec in specs]
        self.stream: Stream = build_settings(
            load_stream(first.stream.name).cls, first.stream.settings, f"stream {first.stream.name}"
        )
        self.samples: Samples = self.stream.load(data_dir)
        self.plan = Plan(
            task_updates=tuple(self.stream.task_updates(self.samples)),
            passes=self.stream.passes,
            batch_size=self.stream.batch_size,
        )
        place = torch.device(device)
        self.bank = SampleBank(self.samples, place)
        self.learner = StackedLearner(
            network=first.entrant.network,
            optimizer=first.entrant.optimizer,
            learning_rates=[spec.entrant.optimizer.lr for spec in specs],
            strategies=self.strategies,
            seeds=self.seeds,
            initialisation="initialisation" if ticket is None else "initialisation of the ticket",
            image=self.bank.image,
            classes=self.stream.output_classes(self.samples),
            plan=self.plan,
            device=place,
        )
        self.order = ReplicaRandom(self.seeds, "data order", place)
        self.probes = ReplicaRandom(self.seeds, "probes", place)
        self.mixing = ReplicaRandom(self.seeds, "gradual switch", place)
        self.augmenting = ReplicaRandom(self.seeds, "augmentation", place)
        self.relative_costs = RelativeCosts.of(self.stream.real_time, len(specs), trial)
        self.cohorts = CohortMonitor()
        self.cost = CostMeter(
            self.learner.net,
            self.plan.batch_size,
            prod(strategy.cost_factor for strategy in self.strategies),
        )
        self.step_edits = StepEdits()
        self.told = 0
        """Entries of the ledger that have been told of."""
        self.kept_rows: list[list[Row]] = [[] for _ in specs]
        self.diverged: list[str | None] = [None] * len(specs)
        self.seen: list[list[Task]] = []
        self.last_batches: TaskBatches | None = None
        self.digests = [self.samples.digest] * len(specs)
        """Content hash of the stream so far, by replica."""
        self.last_online: Tensor | None = None
        self.seconds = 0.0

    @property
    def progress(self) -> Progress:
        """Where the run is."""
        return self.learner.progress

    def rows(
        self,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
        at_boundary: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[int, Row]]:
        """Train through the stream, yielding (replica, row) as they come about.

        Args:
            on_progress: called with the updates done and in all, every so often.
            at_boundary: called after every task: there `state_dict` holds the whole run.
        """
        trainings = 2 if wants_ticket(self.strategies) else 1

        def report(done: int, total: int) -> None:
            on_progress(done, trainings * total)

        if self.progress.task == 0:
            self.learner.call("begin_run")
            yield from self._keep(self._test_initial_weights())
        for tasks in self._tasks():
            started = time.perf_counter()
            yield from self._keep(self._train_task(tasks, report))
            self.seconds += time.perf_counter() - started
            at_boundary()
            if all(self.diverged):
                break
        self.learner.call("end_run")
        if wants_ticket(self.strategies) and not all(self.diverged):
            yield from self._keep(self._train_ticket(on_progress))
        yield from self._ends()

    def _train_ticket(self, on_progress: Callable[[int, int], None]) -> Iterator[tuple[int, Row]]:
        """Train the final structure again from new weights; its rows are marked as the ticket's."""
        strategies = ticket_strategies(self.strategies, self.learner.net)
        ticket = StackedRun(
            self.specs, self.data_dir, self.device, ticket=strategies, trial=self.trial
        )

        def report(done: int, total: int) -> None:
            on_progress(total + done, 2 * total)

        yield from ticket_rows(ticket.rows(report), len(self.specs))
        self.seconds += ticket.seconds

    def trial_batches(self, updates: int) -> list[tuple[Tensor, Tensor]]:
        """Start the first task and return some batches of it: for a trial that is thrown away."""
        if self.learner.batches is None:
            self.learner.call("begin_run")
            self._begin_task(next(self._task_sequences(0)))
            self.learner.call("begin_task")
            self.learner.call_scheduled_edits()
        assert self.learner.batches is not None
        return list(self.learner.batches.training(updates, updates))

    def trial_update(self, x: Tensor, y: Tensor) -> Tensor:
        """Make one update of a trial and return something that depends on it."""
        return self.learner.observe(x, y)[0]

    def _tasks(self) -> Iterator[list[Task]]:
        """Yield the tasks of all replicas from where the run stands."""
        start = self.progress.task
        if self.stream.evaluate == "seen" and start > 0:
            self.seen = [list(tasks) for tasks in islice(self._task_sequences(0), start)]
        if self.stream.gradual_updates and start > 0:
            self.last_batches = self._batches(next(self._task_sequences(start - 1)))
        return islice(self._task_sequences(start), self.plan.tasks - start)

    def _task_sequences(self, start: int) -> Iterator[list[Task]]:
        sequences = [self.stream.task_sequence(self.samples, seed, start) for seed in self.seeds]
        return (list(tasks) for tasks in zip(*sequences, strict=True))

    def _train_task(
        self, tasks: list[Task], report: Callable[[int, int], None]
    ) -> Iterator[tuple[int, Row]]:
        plan, learner, progress = self.plan, self.learner, self.progress
        updates = plan.task_updates[progress.task]
        self._begin_task(tasks)
        assert learner.batches is not None
        online = torch.zeros(2, updates, len(self.specs), device=learner.net.device)
        evaluated_after = checkpoints(self.stream, updates) if self.measured else set()
        accuracies: list[float] | None = None
        yield from self._test_arrival(tasks)
        yield from self._edit("begin_task")
        for done, (x, y) in enumerate(learner.batches.training(updates, updates // plan.passes)):
            if progress.update in learner.edits:
                yield from self._edit("edit")
            if self.measured and self.cohorts.is_due(progress.update):
                yield from self._measure_cohorts()
            take = learner.observe if self.relative_costs.is_free(learner) else learner.skip
            online[0, done], online[1, done] = take(x, y)
            if done % 100 == 0:
                self._collect_step_edits()
                report(progress.update, plan.total_updates)
            if done + 1 in evaluated_after:
                accuracies, rows = self._evaluate()
                yield from rows
        yield from self._end_task(tasks, online.cpu(), accuracies)
        yield from self._edit("end_task")
        self.last_batches = learner.batches
        progress.task += 1
        report(progress.update, plan.total_updates)

    def _begin_task(self, tasks: list[Task]) -> None:
        """Bring in the task of every replica, as the protocol says."""
        self.seen = [*self.seen, tasks] if self.stream.evaluate == "seen" else [tasks]
        pairs = zip(self.digests, tasks, strict=True)
        self.digests = [chained_digest(digest, task) for digest, task in pairs]
        self.learner.batches = self._batches(tasks)
        outputs = [task.outputs for task in tasks if task.outputs is not None]
        if outputs:
            self.learner.open_outputs(torch.stack(outputs).to(self.learner.net.device))
        if self.stream.zero_head:
            self.learner.zero_head()

    def _batches(self, tasks: list[Task]) -> TaskBatches:
        transition = augmentation = None
        if self.stream.gradual_updates and self.last_batches is not None:
            updates = self.stream.gradual_updates
            transition = Transition(self.last_batches, updates, self.mixing)
        if self.stream.augments:
            augmentation = Augmentation(self.stream.augment, self.augmenting)
        return TaskBatches(
            self.bank,
            tasks,
            self.plan.batch_size,
            self.order,
            reshuffle=self.stream.reshuffle,
            transition=transition,
            augmentation=augmentation,
        )

    # -- edits and measurements ----------------------------------------------------------------

    def _edit(self, hook: str) -> Iterator[tuple[int, Row]]:
        """Call a hook in which strategies may edit; yield its events with their insertion shock."""
        learner = self.learner
        if not learner.acts_in(hook):
            return
        self.cost.charge(self.learner.updates)
        assert learner.batches is not None
        x, y = learner.batches.draw(self.probes, PROBE_BATCHES * self.plan.batch_size)
        before = self._loss(x, y)
        self._collect_step_edits()
        restarted = learner.net.restarted_weights.clone()
        learner.call_scheduled_edits() if hook == "edit" else learner.call(hook)
        events = learner.net.ledger[self.told :]
        self.told = len(learner.net.ledger)
        shock = (self._loss(x, y) - before).tolist() if events else []
        self.cohorts.begin(learner.net, events, self.progress.update)
        self.cost.count(events)
        place = {"step": self.progress.update, "task": self.progress.task}
        for replica, count in enumerate((learner.net.restarted_weights - restarted).tolist()):
            if count:
                yield replica, {"kind": "restart", **place, "weights": count}
        for event in events:
            yield (
                event.replica,
                {
                    "kind": "edit",
                    **place,
                    "layer": event.layer,
                    "edit": event.edit,
                    "rule": event.rule,
                    "units": list(event.units),
                    "reinitialised_weights": event.reinitialised_weights,
                    "insertion_shock": shock[event.replica],
                },
            )

    def _collect_step_edits(self) -> None:
        """Add up edits that were made within updates, and take them off the ledger."""
        ledger = self.learner.net.ledger
        self.cost.count(ledger[self.told :])
        self.step_edits.add(ledger[self.told :])
        del ledger[self.told :]

    def _loss(self, x: Tensor, y: Tensor) -> Tensor:
        return replica_loss(self.learner.predict(x), y).mean(1)

    def _measure_cohorts(self) -> Iterator[tuple[int, Row]]:
        assert self.learner.batches is not None
        x, y = self.learner.batches.draw(self.probes, PROBE_BATCHES * self.plan.batch_size)
        return self.cohorts.measure(self.learner.net, x, y, self.progress.update, PROBE_BATCHES)

    def _tests_transfer(self, tasks: Sequence[Task]) -> bool:
        return self.measured and tests_transfer(self.stream, tasks[0])

    def _test_initial_weights(self) -> Iterator[tuple[int, Row]]:
        """Measure the test accuracy on every task before any training."""
        if not self._tests_transfer(next(self._task_sequences(0))):
            return
        per_task = torch.stack([self._test_accuracy(tasks) for tasks in self._task_sequences(0)])
        yield from enumerate(map(initial_row, per_task.T.tolist()))

    def _test_arrival(self, tasks: Sequence[Task]) -> Iterator[tuple[int, Row]]:
        """Measure the test accuracy on a new task that is not the first."""
        if self.progress.task > 0 and self._tests_transfer(tasks):
            place = self.progress.task, self.progress.update
            for replica, accuracy in enumerate(self._test_accuracy(tasks).tolist()):
                yield replica, arrival_row(*place, accuracy)

    def _evaluate(self) -> tuple[list[float], Iterator[tuple[int, Row]]]:
        """Measure the test accuracy on the tasks that count; return the current one's, and rows."""
        per_task = torch.stack([self._test_accuracy(tasks) for tasks in self.seen]).T.tolist()
        place = self.progress.task, self.progress.update
        rows = (
            (replica, checkpoint_row(*place, values)) for replica, values in enumerate(per_task)
        )
        return [values[-1] for values in per_task], rows

    def _test_accuracy(self, tasks: Sequence[Task]) -> Tensor:
        """Return the test accuracy on one task of every replica: (R,) on the CPU."""
        right = torch.zeros(len(tasks), device=self.learner.net.device)
        for x, y in evaluation_batches(self.bank, tasks):
            right += (self.learner.predict(x).argmax(2) == y).sum(1)
        return right.cpu() / torch.tensor([len(task.test_y) for task in tasks])

    def _end_task(
        self, tasks: list[Task], online: Tensor, accuracies: list[float] | None
    ) -> Iterator[tuple[int, Row]]:
        """Yield the task's row of every replica, and its network's health every so often."""
        accuracy, loss = online
        recovered = recovery(self.last_online, accuracy)
        self.last_online = accuracy
        self.cost.charge(self.learner.updates)
        alive = [layer.alive.sum(1).tolist() for layer in self.learner.net.hidden]
        place = {"task": self.progress.task, "step": self.progress.update}
        self._collect_step_edits()
        yield from self.step_edits.rows(place)
        for replica in range(len(self.specs)):
            if self.diverged[replica] is None:
                first_update = self.progress.update - len(loss)
                self.diverged[replica] = divergence(loss[:, replica], first_update)
            yield (
                replica,
                task_row(
                    place,
                    accuracy[:, replica],
                    loss[:, replica],
                    scored=tasks[replica].scored,
                    recovery_updates=recovered[replica],
                    test_accuracy=None if accuracies is None else accuracies[replica],
                    alive=[counts[replica] for counts in alive],
                ),
            )
        if self.measured and health_is_due(self.progress.task, self.plan.tasks):
            assert self.learner.batches is not None
            x, y = self.learner.batches.draw(self.probes, HEALTH_SAMPLES)
            yield from health_rows(self.learner.net, x, y, place)

    # -- rows and state ------------------------------------------------------------------------

    def _keep(self, rows: Iterator[tuple[int, Row]]) -> Iterator[tuple[int, Row]]:
        """Keep every row for the summary; a replica that has diverged yields no more."""
        was_diverged = list(self.diverged)
        for replica, row in rows:
            if was_diverged[replica] is None:
                self.kept_rows[replica].append(row)
                yield replica, row

    def _ends(self) -> Iterator[tuple[int, Row]]:
        for replica in range(len(self.specs)):
            costs = {
                **self.cost.totals(replica, self.learner.updates),
                "relative_cost": self.relative_costs.mean(self.learner.updates),
                "seconds": self.seconds / len(self.specs),
            }
            reason, digest = self.diverged[replica], self.digests[replica]
            yield replica, end_row(self.kept_rows[replica], reason, digest, costs)

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the whole state between two tasks: tensors, numbers and text only."""
        state = {
            "learner": self.learner.state_dict(),
            "order": self.order.state(),
            "probes": self.probes.state(),
            "mixing": self.mixing.state(),
            "augmenting": self.augmenting.state(),
            "relative_costs": self.relative_costs.state_dict(),
            "digests": self.digests,
            "cohorts": self.cohorts.state_dict(),
            "cost": self.cost.state_dict(),
            "last_online": self.last_online,
            "rows": json.dumps(self.kept_rows),
            "diverged": self.diverged,
            "seconds": self.seconds,
        }
        return deepcopy(state)  # training on writes into the run's own tensors

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on exactly from a saved state, which stays as it is."""
        saved = deepcopy(saved)
        self.learner.load_state_dict(saved["learner"])
        self.order.load_state(saved["order"])
        self.probes.load_state(saved["probes"])
        self.mixing.load_state(saved["mixing"])
        self.augmenting.load_state(saved["augmenting"])
        self.relative_costs.load_state_dict(saved["relative_costs"])
        self.digests = saved["digests"]
        self.cohorts.load_state_dict(saved["cohorts"])
        self.cost.load_state_dict(saved["cost"])
        self.last_online = saved["last_online"]
        self.kept_rows = json.loads(saved["rows"])
        self.diverged = saved["diverged"]
        self.seconds = saved["seconds"]


def build_strategies(spec: RunSpec) -> list[Strategy]:
    """Build an entrant's strategies with their settings.

    Raises:
        BenchError: unknown name or setting, or a value out of range.
    """
    return [
        build_settings(load_strategy(s.name), s.settings, f"strategy {s.name}")
        for s in spec.entrant.strategies
    ]
