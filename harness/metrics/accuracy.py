"""Accuracy over a stream, and how it declines: pure functions of one replica's accuracies.

Shapes: T tasks, K updates per task, C evaluation checkpoints. Accuracies are shares in [0, 1];
numpy arrays, nested lists and tensors on the CPU are all taken. What the data cannot answer (no
second task, say) is None, never 0; a wrong argument is a `BenchError`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from scipy.stats import theilslopes

from ..errors import BenchError

Array = NDArray[np.float64]

ROUNDING = 1e-6
"""What float32 means may be off by: rounding must not decide whether an accuracy is regained."""


def taoa(online_TK: ArrayLike) -> float:
    """Average the online accuracy over all mini-batches of a stream: TAOA.

    Args:
        online_TK: accuracy on each batch *before* the update on it.

    Returns:
        Between 0 and 1.

    Raises:
        BenchError: not T by K, or empty.

    Source: Kumar et al. 2023, "Maintaining Plasticity in Continual Learning via Regenerative
    Regularization"; Lillo and Cheney 2026, eq. 6.
    """
    return float(_tasks_by_updates(online_TK).mean())


def task_end_accuracy(accuracy_TC: ArrayLike) -> float:
    """Average over tasks the accuracy on a task at its end.

    It stands beside TAOA because a trajectory's average also counts the dip after each shift, which
    is deeper for a learner that had fitted the previous task better.

    Args:
        accuracy_TC: test accuracy on the current task at each of its checkpoints, last at its end.

    Returns:
        Between 0 and 1.

    Raises:
        BenchError: not T by C, or empty.
    """
    return float(_tasks_by_updates(accuracy_TC)[:, -1].mean())


def acc_cum(seen: Sequence[ArrayLike]) -> Array:
    """Average the test accuracy over the tasks seen so far, at each checkpoint.

    Args:
        seen: for each checkpoint the accuracies on all tasks seen by then; with one checkpoint per
            task this is the lower triangle of the accuracy matrix. The lengths may differ.

    Returns:
        (C,), each between 0 and 1.

    Raises:
        BenchError: no checkpoint, or a checkpoint without a task.

    Source: Lillo and Cheney 2026, `Acc_cum(t)`.
    """
    rows = [np.asarray(row, dtype=np.float64) for row in seen]
    if not rows or any(row.size == 0 for row in rows):
        sizes = [row.size for row in rows]
        raise BenchError(
            f"mean accuracy over seen tasks of checkpoints with {sizes} tasks: "
            "give at least one checkpoint, and at least one task at each."
        )
    return np.array([row.mean() for row in rows])


def acc(seen: Sequence[ArrayLike]) -> float:
    """Average the test accuracy over all tasks seen, at the last checkpoint: ACC.

    Arguments, bounds and errors as `acc_cum`.

    Source: Lopez-Paz and Ranzato 2017, "Gradient Episodic Memory for Continual Learning".
    """
    return float(acc_cum(seen)[-1])


def taa(seen: Sequence[ArrayLike]) -> float:
    """Average `acc_cum` over all checkpoints: trajectory-averaged accuracy, TAA.

    Every checkpoint counts the same, however many tasks were seen by then. Arguments, bounds and
    errors as `acc_cum`.

    Source: Lillo and Cheney 2026.
    """
    return float(acc_cum(seen).mean())


def window_length(updates: int, share: float) -> int:
    """Count the updates of a window that is a share of a task: rounded, at least 1.

    Raises:
        BenchError: the share is not in (0, 1], or there is no update.
    """
    if not 0 < share <= 1 or updates < 1:
        raise BenchError(
            f"a window of {share:g} of {updates} updates: the share must be in (0, 1], "
            "of at least one update."
        )
    return max(1, round(share * updates))


def early_task_accuracy(online_TK: ArrayLike, window: float = 0.1) -> float:
    """Average the online accuracy over the first updates of each task: how fast a task is taken up.

    Args:
        online_TK: accuracy on each batch before the update on it.
        window: share of a task's updates, in (0, 1]; see `window_length`.

    Returns:
        Between 0 and 1.

    Raises:
        BenchError: not T by K, or empty; a window out of range.

    Source: Early-Task TAA of Lillo and Cheney 2026, who do not state their window.
    """
    online = _tasks_by_updates(online_TK)
    return float(online[:, : window_length(online.shape[1], window)].mean())


def recovery_times(
    online_TK: ArrayLike, share: float = 0.95, window: float = 0.05
) -> list[int | None]:
    """Count for each shift the updates until the running accuracy regains the previous task's end.

    The running accuracy is the mean over the last `window` of a task's updates, of full windows
    within the task only, so that no window reaches back over the shift; the shortest possible time
    is therefore one window. The previous task's end is its own last window.

    A learner that had little to lose recovers at once: read this beside an accuracy.

    Args:
        online_TK: accuracy on each batch before the update on it.
        share: of the previous task's end that must be regained, in (0, 1].
        window: length of the running mean as a share of a task's updates, in (0, 1].

    Returns:
        T - 1 counts of updates, each between the window's length and K, or None for a shift after
        which the accuracy never came back within the task.

    Raises:
        BenchError: not T by K, or empty; share or window out of range.
    """
    online = _tasks_by_updates(online_TK)
    if not 0 < share <= 1:
        raise BenchError(
            f"recovery to {share:g} of the previous task's end: give a share in (0, 1]."
        )
    length = window_length(online.shape[1], window)
    running = sliding_window_view(online, length, axis=1).mean(axis=-1)
    goals = share * running[:-1, -1:] - ROUNDING
    return [_first_true(row, offset=length) for row in running[1:] >= goals]


def recovery_time(times: Sequence[int | None]) -> float | None:
    """Return the median of `recovery_times` in updates, a shift without recovery being the longest.

    Returns:
        None where there was no shift, or where the median itself is a shift without recovery.
    """
    if not times:
        return None
    middle = median(np.inf if time is None else float(time) for time in times)
    return middle if np.isfinite(middle) else None


def backward_transfer(accuracy_TT: Sequence[Sequence[float]]) -> float | None:
    """Average what became of each earlier task: its accuracy at the end minus that when learnt.

    Args:
        accuracy_TT: row k has the test accuracies on tasks 0 to k at the end of task k.

    Returns:
        Between -1 and 1, below 0 where tasks were forgotten; None for fewer than 2 tasks.

    Source: BWT of Lopez-Paz and Ranzato 2017, "Gradient Episodic Memory".
    """
    learnt = accuracy_TT[:-1]
    return _mean([accuracy_TT[-1][k] - row[k] for k, row in enumerate(learnt)])


def forgetting(accuracy_TT: Sequence[Sequence[float]]) -> float | None:
    """Average what each earlier task lost: its best accuracy before the last task minus the last.

    Args:
        accuracy_TT: row k has the test accuracies on tasks 0 to k at the end of task k.

    Returns:
        Between -1 and 1; None for fewer than 2 tasks.

    Source: Chaudhry et al. 2018, "Riemannian Walk for Incremental Learning".
    """
    learnt = accuracy_TT[:-1]
    return _mean(
        [max(row[k] for row in learnt[k:]) - accuracy_TT[-1][k] for k in range(len(learnt))]
    )


def forward_transfer(arrival_T: Sequence[float], initial_T: Sequence[float]) -> float | None:
    """Average what earlier tasks gave to each later one before it was trained on.

    Args:
        arrival_T: test accuracy on tasks 1, 2, ..., each right before its training.
        initial_T: that of the network at its initial weights on the same tasks.

    Returns:
        Between -1 and 1; None without a later task.

    Source: FWT of Lopez-Paz and Ranzato 2017, "Gradient Episodic Memory".
    """
    return _mean([one - other for one, other in zip(arrival_T, initial_T, strict=True)])


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def fresh_gap(fresh_T: ArrayLike, learner_T: ArrayLike) -> Array:
    """Subtract the learner's accuracy on each task from that of a freshly initialised copy.

    Both have the same data and budget on the task, so the gap is what the learner's past costs it
    (above 0) or gives it (below 0).

    Args:
        fresh_T: accuracy of a copy initialised anew at the start of each task.
        learner_T: accuracy of the learner on the same tasks.

    Returns:
        (T,), each between -1 and 1.

    Raises:
        BenchError: the two differ in length.

    Source: Dohare et al. 2024, "Loss of plasticity in deep continual learning".
    """
    fresh = np.asarray(fresh_T, dtype=np.float64)
    learner = np.asarray(learner_T, dtype=np.float64)
    if fresh.shape != learner.shape:
        raise BenchError(
            f"fresh gap between {fresh.size} tasks of the fresh copy and {learner.size} of the "
            "learner: give both accuracies of the same tasks."
        )
    return fresh - learner


def plasticity_loss(per_task_T: ArrayLike) -> float | None:
    """Subtract the mean accuracy of the last tenth of the tasks from that of the best early window.

    The early window is the best running mean of ceil(T / 10) tasks that lies within the first
    T // 2 tasks: the best and not the first, because a learner needs some tasks to get going.
    Choosing the best of several noisy windows lifts the number a little above 0 even where nothing
    is lost; `plasticity_slope` has no such bias.

    Args:
        per_task_T: one accuracy for each task, in order; online or at its end, the caller says.

    Returns:
        Between -1 and 1, above 0 is a loss; None for fewer than 2 tasks.
    """
    per_task = np.asarray(per_task_T, dtype=np.float64)
    tasks = len(per_task)
    if tasks < 2:
        return None
    length = -(-tasks // 10)
    early = sliding_window_view(per_task[: tasks // 2], length).mean(axis=-1)
    return float(early.max() - per_task[-length:].mean())


@dataclass(frozen=True)
class Slope:
    """A trend of the per-task accuracy, in accuracy per 100 tasks; below 0 is a decline."""

    per_100_tasks: float
    """Median of the slopes between all pairs of tasks."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""


def plasticity_slope(per_task_T: ArrayLike) -> Slope | None:
    """Fit the trend of accuracy over tasks, robust against single odd tasks (Theil-Sen).

    The interval takes the tasks' deviations from the trend as independent. Where a dip lasts over
    several tasks it is too narrow: compare entrants by the slopes of their seeds, not by it.

    Args:
        per_task_T: one accuracy for each task, in order.

    Returns:
        Slope and interval; None for fewer than 3 tasks.

    Source: Sen 1968, "Estimates of the Regression Coefficient Based on Kendall's Tau".
    """
    per_task = np.asarray(per_task_T, dtype=np.float64)
    if len(per_task) < 3:
        return None
    fit = theilslopes(per_task, np.arange(len(per_task)), alpha=0.95)
    return Slope(100 * float(fit.slope), 100 * float(fit.low_slope), 100 * float(fit.high_slope))


def chance_normalised(accuracy: ArrayLike, chance: float) -> Array:
    """Stretch accuracy so that guessing is 0 and perfection stays 1.

    The formula is (accuracy - chance) / (1 - chance).

    Args:
        accuracy: of any shape.
        chance: accuracy of guessing, in [0, 1): 1 / classes where all are equally frequent.

    Returns:
        Same shape; at most 1, below 0 for worse than chance.

    Raises:
        BenchError: chance is not in [0, 1).
    """
    if not 0 <= chance < 1:
        raise BenchError(f"accuracy above a chance of {chance:g}: chance must be in [0, 1).")
    return (np.asarray(accuracy, dtype=np.float64) - chance) / (1 - chance)


def _tasks_by_updates(values: ArrayLike) -> Array:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.size == 0:
        raise BenchError(
            f"accuracies of shape {table.shape}: give one row for each task with one value for "
            "each update or checkpoint, at least one of each."
        )
    return table


def _first_true(flags: NDArray[np.bool_], offset: int) -> int | None:
    return offset + int(flags.argmax()) if flags.any() else None
