"""What every run writes down, whoever learns: the rows of tasks and ends, and when to measure."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..metrics.accuracy import recovery_times
from ..metrics.summary import summarise
from ..row import Row
from ..stream import Stream, Task

EARLY_SHARE = 0.1
"""The early window of a task, as a share of its updates; the late window is as long."""

HEALTH_MEASUREMENTS = 20
"""At most that many task ends of a run are followed by measurements of rank, dormancy and norms."""

HEALTH_SAMPLES = 256
"""Samples, drawn apart from the training order, that a network's health is measured on."""


def checkpoints(stream: Stream, updates: int) -> set[int]:
    """Return after how many of a task's updates the stream wants it to be evaluated."""
    if stream.evaluate == "none":
        return set()
    count = stream.checkpoints_per_task
    return {round(updates * (number + 1) / count) for number in range(count)}


def health_is_due(task: int, tasks: int) -> bool:
    """Tell whether a network's health is measured after a task: at the first, the last, between."""
    count = min(tasks, HEALTH_MEASUREMENTS)
    return task in {round((tasks - 1) * i / max(1, count - 1)) for i in range(count)}


def recovery(last: Tensor | None, now: Tensor) -> list[int | None]:
    """Return after how many updates each replica was back at the last task's end, if it was.

    Args:
        last: online accuracy in the last task, (updates, R); None in the first.
        now: the same in this task; tasks of different lengths are not compared.
    """
    if last is None or last.shape != now.shape:
        return [None] * now.shape[1]
    pairs = torch.stack([last, now]).unbind(2)
    return [recovery_times(pair.numpy())[0] for pair in pairs]


def checkpoint_row(task: int, step: int, per_task: list[float]) -> Row:
    """Describe an evaluation by its test accuracies, one for each task that counts."""
    accuracy = sum(per_task) / len(per_task)
    place = {"kind": "checkpoint", "task": task, "step": step}
    return {**place, "accuracy": accuracy, "per_task": per_task}


def tests_transfer(stream: Stream, first: Task) -> bool:
    """Tell whether tasks are tested before they are learnt: for forward transfer.

    They are where all tasks seen are tested, unless the head grows: then what a network says of
    classes to come means nothing.
    """
    return stream.evaluate == "seen" and first.outputs is None


def initial_row(per_task: list[float]) -> Row:
    """Describe the test accuracies at the initial weights, one for each task of the stream."""
    return {"kind": "initial", "task": 0, "step": 0, "per_task": per_task}


def arrival_row(task: int, step: int, accuracy: float) -> Row:
    """Describe the test accuracy on a task right before it is learnt."""
    return {"kind": "arrival", "task": task, "step": step, "accuracy": accuracy}


def task_row(
    place: Mapping[str, int],
    accuracy: Tensor,
    loss: Tensor,
    *,
    scored: bool,
    recovery_updates: int | None,
    test_accuracy: float | None,
    alive: list[int],
) -> Row:
    """Describe one task of one replica.

    Args:
        place: "task" and "step".
        accuracy: before each update, (updates,); NaN where there was none.
        loss: before each update, (updates,).
        scored: see `Task.scored`.
        recovery_updates: see `recovery`.
        test_accuracy: on this task, at its end.
        alive: units of every hidden layer.
    """
    updates = len(accuracy)
    window = max(1, round(EARLY_SHARE * updates))
    return {
        "kind": "task",
        **place,
        "updates": updates,
        "scored": scored,
        "online_accuracy": mean(accuracy),
        "early_accuracy": mean(accuracy[:window]),
        "late_accuracy": mean(accuracy[-window:]),
        "recovery_updates": recovery_updates,
        "loss": float(loss.mean()),
        "test_accuracy": test_accuracy,
        "alive": alive,
    }


def divergence(loss: Tensor, first_update: int) -> str | None:
    """Say where a loss (updates,) of a task that starts at an update stopped being finite."""
    if bool(loss.isfinite().all()):
        return None
    return (
        f"the loss was not finite at update {first_update + int((~loss.isfinite()).nonzero()[0])}"
    )


def end_row(
    rows: Sequence[Row], reason: str | None, digest: str, costs: Mapping[str, float | None]
) -> Row:
    """Sum a run up.

    Args:
        rows: all that it wrote down.
        reason: why it diverged; None if it did not.
        digest: content hash of all tasks that it was given.
        costs: by metric name.
    """
    return {
        "kind": "end",
        "status": "done" if reason is None else "diverged",
        "reason": reason,
        "stream_digest": digest,
        "metrics": {**summarise(rows), **costs},
    }


def mean(values: Tensor) -> float | None:
    """Return the mean of the numbers that there are, None without any."""
    average = float(values.mean())
    if average == average:
        return average
    known = values[~values.isnan()]
    return float(known.mean()) if len(known) else None
