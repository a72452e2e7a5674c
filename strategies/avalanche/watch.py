"""What our metric plug-ins of Avalanche share: the view of the model, the samples, the names."""

import warnings
from collections.abc import Iterable
from typing import Any

from torch import Tensor

from ...harness.modules.view import TorchNetwork
from ...harness.randomness import ReplicaRandom
from .guest import ExperienceSamples
from .plugin import GROWING_HEADS, PlasticityPlugin, first_samples

with warnings.catch_warnings():
    # Avalanche imports packages that announce their own end; nothing a user could do about it.
    warnings.simplefilter("ignore")
    from avalanche.evaluation.metric_definitions import PluginMetric
    from avalanche.evaluation.metric_results import MetricValue


class Watch:
    """What the metrics of one call share: a view of the model, and the samples to measure on."""

    def __init__(self, samples: int, seed: int) -> None:
        self.samples = samples
        self.seed = seed
        self.random: ReplicaRandom | None = None
        self.net: TorchNetwork | None = None
        self.batch: tuple[Tensor, Tensor] | None = None
        self.experience: int | None = None

    def begin(self, strategy: Any) -> None:
        """Look at the model, and draw the samples of a new experience; once for each."""
        number = strategy.clock.train_exp_counter
        if self.experience == number and self.net is not None and self.net.model is strategy.model:
            return
        samples = ExperienceSamples(strategy.experience.dataset.eval(), strategy.device)
        if self.net is None or self.net.model is not strategy.model:
            plugin = plugin_of(strategy)
            self.net = TorchNetwork(
                strategy.model,
                first_samples(samples),
                edit_trunk=True,
                growing_heads=GROWING_HEADS,
                editor=None if plugin is None else plugin.network,
            )
            self.random = ReplicaRandom([self.seed], "probes", strategy.device)
        else:
            self.network(strategy).refresh(first_samples(samples))
        assert self.random is not None
        self.batch = samples.draw(self.random, self.samples)
        self.experience = number

    def network(self, strategy: Any) -> TorchNetwork:
        """Return the view, with the units alive that the strategy's plug-in has alive."""
        assert self.net is not None, "no training experience has begun"
        plugin = plugin_of(strategy)
        self.net.follow(None if plugin is None else plugin.network)
        return self.net

    def probe_batch(self) -> tuple[Tensor, Tensor]:
        """Return the samples of this experience: x (1, B, ...), y (1, B)."""
        assert self.batch is not None, "no training experience has begun"
        return self.batch


def plugin_of(strategy: Any) -> PlasticityPlugin | None:
    """Return the plug-in through which our strategies act in an Avalanche strategy, if any."""
    found = (plugin for plugin in strategy.plugins if isinstance(plugin, PlasticityPlugin))
    return next(found, None)


class PlasticityMetric(PluginMetric):  # type: ignore[misc]
    """Keeps the last value of everything that it emits, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.last: dict[str, float] = {}

    def result(self) -> dict[str, float]:
        """Return the last value of everything that was emitted, by name."""
        return dict(self.last)

    def reset(self) -> None:
        """Forget the values."""
        self.last = {}

    def emit(self, values: Iterable[tuple[str, float]], x: int) -> list[Any]:
        """Make Avalanche's values of (name, value), to be plotted at x."""
        named = {f"Plasticity/{name}": value for name, value in values}
        self.last.update(named)
        return [MetricValue(self, name, value, x) for name, value in named.items()]
