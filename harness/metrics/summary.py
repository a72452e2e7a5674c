"""The numbers of one run, computed from its rows alone: a log is enough to have them again."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from . import accuracy, integration
from .cohorts import EARLY_AGES, parity_between

Row = Mapping[str, Any]
Metrics = dict[str, float | None]

PARITIES = ("activation", "gradient", "incoming_gradient", "utility")
"""Quantities whose parity between newborns and incumbents is summarised."""

FACTORS = ("gate_rate", "outgoing_norm", "alignment")
"""The three factors of gradient parity."""

INTEGRATION_QUANTITIES = ("gradient", "activation", "utility")

HEALTH = (
    "dormant",
    "dormant_0.025",
    "dormant_0",
    "gradient_dormant",
    "effective_rank",
    "srank",
    "stable_rank",
)
WEIGHTS = ("weight_norm", "gradient_norm", "distance_from_init")


def summarise(rows: Sequence[Row]) -> Metrics:
    """Return every metric of a run by name; None where the run cannot answer (no newborns, say)."""
    kinds = defaultdict(list)
    for row in rows:
        kinds[row["kind"]].append(row)
    return {
        **_performance(kinds["task"], kinds["checkpoint"]),
        "collapsed": collapsed(kinds["health"]),
        **_retention(kinds["checkpoint"], kinds["initial"], kinds["arrival"]),
        **_ticket(kinds),
        **_newborns(kinds["cohort"], kinds["edit"]),
        **_health(kinds["health"], kinds["weights"]),
    }


def _performance(all_tasks: Sequence[Row], checkpoints: Sequence[Row]) -> Metrics:
    """Average over the tasks that count; over their updates where that is the definition."""
    tasks = [row for row in all_tasks if row["scored"]]
    online = [row["online_accuracy"] for row in tasks if row["online_accuracy"] is not None]
    at_end = [row["test_accuracy"] for row in tasks if row["test_accuracy"] is not None]
    seen = [row["per_task"] for row in checkpoints]
    slope = accuracy.plasticity_slope(online)
    return {
        "taoa": _mean_over_updates(tasks, "online_accuracy"),
        "online_loss": _mean_over_updates(tasks, "loss"),
        "early_task_accuracy": _mean(row["early_accuracy"] for row in tasks),
        "task_end_accuracy": _mean(at_end),
        "acc": accuracy.acc(seen) if seen else None,
        "taa": accuracy.taa(seen) if seen else None,
        "recovery_time": accuracy.recovery_time([row["recovery_updates"] for row in tasks[1:]]),
        "plasticity_loss": accuracy.plasticity_loss(online),
        "plasticity_slope": None if slope is None else slope.per_100_tasks,
    }


def _retention(
    checkpoints: Sequence[Row], initial: Sequence[Row], arrivals: Sequence[Row]
) -> Metrics:
    """Return what is kept of earlier tasks, and what they give later ones, where that is tested."""
    at_ends = {row["task"]: row["per_task"] for row in checkpoints}  # the last of each task
    learnt = [at_ends[task] for task in sorted(at_ends)]
    all_seen = all(len(row) == number for number, row in enumerate(learnt, 1))
    arrived = [row["accuracy"] for row in arrivals]
    before = initial[0]["per_task"][1 : 1 + len(arrived)] if initial else []
    return {
        "forgetting": accuracy.forgetting(learnt) if all_seen and learnt else None,
        "backward_transfer": accuracy.backward_transfer(learnt) if all_seen and learnt else None,
        "forward_transfer": accuracy.forward_transfer(arrived, before),
    }


def _ticket(kinds: Mapping[str, Sequence[Row]]) -> Metrics:
    """Return what the final structure reached from new weights; None where it was not trained."""
    ticket = _performance(kinds["ticket-task"], kinds["ticket-checkpoint"])
    acc = _performance(kinds["task"], kinds["checkpoint"])["acc"]
    delta = None if acc is None or ticket["acc"] is None else ticket["acc"] - acc
    named = {f"wt_{name}": ticket[name] for name in ("acc", "taa", "taoa")}
    return {**named, "delta_wt_cycle": delta}


def _mean_over_updates(tasks: Sequence[Row], name: str) -> float | None:
    """Average over all batches: a task of more updates weighs more."""
    known = [(row[name], row["updates"]) for row in tasks if row[name] is not None]
    if not known:
        return None
    values, updates = zip(*known, strict=True)
    return fmean(values, weights=updates)


def _newborns(measured: Sequence[Row], edits: Sequence[Row]) -> Metrics:
    curves = cohort_curves(measured)
    metrics: Metrics = {}
    for name in (*PARITIES, *FACTORS):
        values = [parity_between(*curve_of(curve, name), *EARLY_AGES) for curve in curves]
        known = [value for value in values if value is not None]
        metrics[f"parity_{name}_early"] = median(known) if known else None
    for name in INTEGRATION_QUANTITIES:
        silent = [cut_short(curve, name) is not curve for curve in curves]
        metrics[f"incumbents_silent_share_{name}"] = fmean(silent) if silent else None
        for rho in (0.5, 0.8):
            times = integration_times(curves, name, rho)
            metrics[f"integration_time_{name}_{rho}"] = integration.median_time(times)
            metrics[f"integration_censored_share_{name}_{rho}"] = integration.censored_share(times)
    shocks = [row["insertion_shock"] for row in edits if row["edit"] == "grow"]
    return {**metrics, "insertion_shock": _mean(shocks)}


def cohort_curves(measured: Iterable[Row]) -> list[list[Row]]:
    """Group cohort rows by layer and birth, each in the order of age."""
    curves: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in measured:
        curves[row["layer"], row["birth"]].append(row)
    return list(curves.values())


def curve_of(curve: Sequence[Row], name: str) -> tuple[list[float], list[float]]:
    """Return the ages and the parity ratios of one quantity; what is missing is NaN."""
    ratios = [float("nan") if row[name] is None else row[name] for row in curve]
    return [row["age"] for row in curve], ratios


def cut_short(curve: Sequence[Row], name: str) -> Sequence[Row]:
    """Return a curve up to where its incumbents fall silent in a quantity, else itself."""
    for number, row in enumerate(curve):
        if name in row.get("silent", ()):
            return curve[:number]
    return curve


def integration_time_of(
    curve: Sequence[Row], name: str, ended: integration.Ending, rho: float
) -> integration.IntegrationTime:
    """Return the integration time of one cohort, censored where its incumbents fall silent."""
    seen = cut_short(curve, name)
    ended = ended if seen is curve else "incumbents silent"
    return integration.integration_time(*curve_of(seen, name), ended, rho=rho)


def integration_times(
    curves: Sequence[Sequence[Row]], name: str, rho: float
) -> list[integration.IntegrationTime]:
    """Return the integration time of every cohort, censored where its layer was edited again."""
    last_births: dict[str, int] = {}
    for curve in curves:
        layer, birth = curve[0]["layer"], curve[0]["birth"]
        last_births[layer] = max(birth, last_births.get(layer, birth))
    return [
        integration_time_of(
            curve,
            name,
            "end of run" if curve[0]["birth"] == last_births[curve[0]["layer"]] else "edit",
            rho,
        )
        for curve in curves
    ]


def _health(layers: Sequence[Row], whole: Sequence[Row]) -> Metrics:
    """Take the last measurement: means over layers, and the whole network's norms."""
    last = [row for row in layers if row["step"] == layers[-1]["step"]]
    metrics: Metrics = {name: _mean(row[name] for row in last) for name in HEALTH}
    return metrics | {name: whole[-1][name] if whole else None for name in WEIGHTS}


def collapsed(layers: Sequence[Row]) -> float | None:
    """Return at which share of the measured task ends a network was dead.

    It is dead where in some hidden layer no alive unit fires on any of the samples (`dormant_0` is
    1): what is behind that layer is the same for every sample, and so is the answer. Such a network
    has lost nothing by `plasticity_loss` and `plasticity_slope` if it died early enough, for its
    accuracy stays what a constant guess has. Units that never are exactly 0, as those of leaky
    ReLU, do not die in this sense; and layers are taken to form a chain.

    Args:
        layers: rows of health, one for each layer at each of the ends of at most 20 tasks.

    Returns:
        Between 0 and 1; None where nothing was measured.
    """
    dead: dict[int, bool] = defaultdict(bool)
    for row in layers:
        dead[row["step"]] |= row["dormant_0"] == 1
    return fmean(dead.values()) if dead else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None and value == value]
    return fmean(known) if known else None
