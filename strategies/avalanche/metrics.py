"""Our plasticity metrics as metric plug-ins of Avalanche (ContinualAI/avalanche#1510).

>>> from avalanche.evaluation.metrics import accuracy_metrics
>>> from avalanche.models import SimpleMLP
>>> from avalanche.training.plugins import EvaluationPlugin
>>> from avalanche.training.supervised import Naive
>>> import torch
>>> from plasticity_bench import plasticity_metrics
>>> evaluator = EvaluationPlugin(
...     accuracy_metrics(experience=True),
...     *plasticity_metrics(),  # the one line
...     loggers=loggers,
... )
>>> model = SimpleMLP(input_size=8 * 8, hidden_size=20, num_classes=10)
>>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
>>> strategy = Naive(model=model, optimizer=sgd, train_mb_size=16, evaluator=evaluator)
>>> for experience in benchmark.train_stream:
...     metrics = strategy.train(experience)
>>> 0 <= metrics["Plasticity/Dormant_0.1/features.0"] <= 1
True

They work for any strategy, beside a `PlasticityPlugin` (whose dead units are then left out) or
without one. Everything but the online accuracy is measured at the end of each training experience,
after what strategies do there, on samples of that experience that are drawn at its start, with the
transforms for evaluation. Measuring changes nothing: no generator moves, no gradient is left, no
module of the model is switched to another mode. Layers bear the names of their modules; the
definitions are those of `harness/metrics`. A model that is not a chain of layers is refused, as by
`PlasticityPlugin`: ask for `online_accuracy` only.
"""

from typing import Any

import torch
from torch import Tensor

from ...harness.engine.learner import right_share
from ...harness.errors import BenchError
from ...harness.loop.monitor import CohortMonitor, health_rows
from ...harness.metrics import integration
from ...harness.metrics.summary import cohort_curves, integration_times
from .watch import PlasticityMetric, Watch, plugin_of

PROBE_BATCHES = 8
"""Into how many batches the samples fall for the gradient of newborns' incoming weights."""

RHO = 0.5
"""Share of parity at which a newborn counts as integrated."""

DORMANT = {
    "dormant": "Dormant_0.1",
    "dormant_0.025": "Dormant_0.025",
    "dormant_0": "Dormant_0",
    "gradient_dormant": "Gradient_Dormant_0.01",
}
RANKS = {"effective_rank": "Effective_Rank", "srank": "Srank_0.01", "stable_rank": "Stable_Rank"}
NORMS = {
    "weight_norm": "Weight_Norm",
    "gradient_norm": "Gradient_Norm",
    "distance_from_init": "Distance_From_Init",
}
PARITIES = {"gradient": "Gradient", "activation": "Activation"}


def plasticity_metrics(
    *,
    dormant: bool = True,
    ranks: bool = True,
    norms: bool = True,
    online_accuracy: bool = True,
    alive_units: bool = True,
    newborns: bool = True,
    samples: int = 256,
    seed: int = 0,
) -> list[Any]:
    """Make metric plug-ins for Avalanche's `EvaluationPlugin`; names start with "Plasticity/".

    Args:
        dormant: share of alive units of each layer that are dormant, at three thresholds (Sokar et
            al. 2023), and that receive almost no gradient (Liu et al. 2025).
        ranks: effective rank, srank and stable rank of each layer's features.
        norms: norm of the weights, of their gradient, and distance from where they started.
        online_accuracy: accuracy on each training batch before the update on it: mean over the
            experience ("Online_Accuracy_Exp") and over all so far ("TAOA_Stream").
        alive_units: how many units of each layer are alive.
        newborns: gradient and activation of the units that `PlasticityPlugin` switched on, over
            those of the older units of their layer, one curve for each birth; and how many updates
            until half of the parity is reached and kept (Kaplan-Meier median over all births).
        samples: how many samples of an experience are measured on; a multiple of 8.
        seed: of the choice of these samples.

    Raises:
        BenchError: nothing is asked for, or `samples` is no multiple of 8.
    """
    if samples < PROBE_BATCHES or samples % PROBE_BATCHES:
        raise BenchError(f"samples={samples}: give a multiple of {PROBE_BATCHES}, above 0.")
    watch = Watch(samples, seed)
    columns = (DORMANT if dormant else {}) | (RANKS if ranks else {}) | (NORMS if norms else {})
    metrics: list[Any] = [HealthMetrics(watch, columns)] if columns else []
    metrics += [OnlineAccuracy()] if online_accuracy else []
    metrics += [AliveUnits(watch)] if alive_units else []
    metrics += [NewbornMetrics(watch)] if newborns else []
    if not metrics:
        raise BenchError("no metric is asked for. Set at least one of them to True.")
    return metrics


class HealthMetrics(PlasticityMetric):
    """Dormant units and rank of every hidden layer; norms of the whole network."""

    def __init__(self, watch: Watch, columns: dict[str, str]) -> None:
        super().__init__()
        self.watch = watch
        self.columns = columns

    def before_training_exp(self, strategy: Any) -> None:
        """Draw the samples to measure on."""
        self.watch.begin(strategy)

    def after_training_exp(self, strategy: Any) -> list[Any]:
        """Measure."""
        x, y = self.watch.probe_batch()
        rows = [row for _, row in health_rows(self.watch.network(strategy), x, y, {})]
        values = (
            (f"{title}/{row['layer']}" if "layer" in row else title, float(row[column]))
            for column, title in self.columns.items()
            for row in rows
            if column in row
        )
        return self.emit(values, strategy.clock.train_iterations)


class OnlineAccuracy(PlasticityMetric):
    """Accuracy on each batch before the update on it; what a replay buffer adds counts too.

    It is of the training forward, with Dropout as it is there. Source: Kumar et al. 2023; as TAOA
    in Lillo and Cheney 2026.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        super().reset()
        self.of_experience: list[Tensor] = []
        self.total, self.batches = 0.0, 0

    def before_training_exp(self, strategy: Any) -> None:
        """Start the mean over an experience."""
        self.of_experience = []

    def after_training_iteration(self, strategy: Any) -> None:
        """Note the accuracy; it stays on the device until the end of the experience."""
        logits, y = strategy.mb_output.detach(), strategy.mb_y
        self.of_experience.append(right_share(logits.unsqueeze(0), y.unsqueeze(0)))

    def after_training_exp(self, strategy: Any) -> list[Any]:
        """Emit the mean over the experience and over all batches so far."""
        if not self.of_experience:
            return []
        accuracies = torch.cat(self.of_experience).double()
        self.total += float(accuracies.sum())
        self.batches += len(accuracies)
        means = (
            ("Online_Accuracy_Exp", float(accuracies.mean())),
            ("TAOA_Stream", self.total / self.batches),
        )
        return self.emit(means, strategy.clock.train_iterations)


class AliveUnits(PlasticityMetric):
    """Alive units of every hidden layer."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch

    def before_training_exp(self, strategy: Any) -> None:
        """Look at the model."""
        self.watch.begin(strategy)

    def after_training_exp(self, strategy: Any) -> list[Any]:
        """Count."""
        hidden = self.watch.network(strategy).hidden
        values = ((f"Alive_Units/{layer.name}", float(layer.alive.sum())) for layer in hidden)
        return self.emit(values, strategy.clock.train_iterations)


class NewbornMetrics(PlasticityMetric):
    """Parity of newborn units with the older ones of their layer, by age, and integration time.

    Nothing is emitted where no unit is switched on during training. Measured at every age up to 16
    updates and then every eighth of the age; for the definitions see `harness/metrics/cohorts.py`
    and `integration.py`. Source: Lillo and Cheney 2026.
    """

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch
        self.monitor = CohortMonitor()
        self.seen_events = 0
        self.rows: list[dict[str, Any]] = []

    def before_training_exp(self, strategy: Any) -> None:
        """Draw the samples to measure on."""
        if plugin_of(strategy) is not None:
            self.watch.begin(strategy)

    def before_training_iteration(self, strategy: Any) -> list[Any]:
        """Follow new cohorts, and measure those that it is time for."""
        plugin = plugin_of(strategy)
        if plugin is None:
            return []
        ledger, update = plugin.network.ledger, plugin.updates
        self.monitor.begin(plugin.network, ledger[self.seen_events :], update)
        self.seen_events = len(ledger)
        if not self.monitor.is_due(update):
            return []
        net, (x, y) = self.watch.network(strategy), self.watch.probe_batch()
        measured = [row for _, row in self.monitor.measure(net, x, y, update, PROBE_BATCHES)]
        self.rows += measured
        values = (
            (f"Newborn_{title}_Parity/{row['layer']}/born_{row['birth']:06d}", row[name])
            for row in measured
            for name, title in PARITIES.items()
            if row[name] == row[name]  # NaN: incumbents are silent
        )
        return self.emit(values, strategy.clock.train_iterations)

    def after_training_exp(self, strategy: Any) -> list[Any]:
        """Emit the integration time over all cohorts so far; none where it is not reached."""
        curves, values = cohort_curves(self.rows), {}
        for name, title in PARITIES.items():
            times = integration_times(curves, name, RHO)
            values[f"Integration_Time_{title}_{RHO}"] = integration.median_time(times)
            values[f"Integration_Censored_Share_{title}_{RHO}"] = integration.censored_share(times)
        known = ((name, value) for name, value in values.items() if value is not None)
        return self.emit(known, strategy.clock.train_iterations)
